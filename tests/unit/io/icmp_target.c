// SPDX-License-Identifier: Apache-2.0
// icmp_target ADDRESS...: connects to port 25 of each and prints what io_result says.
#include "io/io.h"

#include <stdio.h>

static void connect_to_each(void *arg) {
    for (char **text = arg; *text; text++) {
        struct address address;
        struct io_stream *stream;
        if (!address_parse(view_of(*text), &address))
            continue;
        address.port = 25;
        struct io_result result = io_connect(&address, NULL, io_after(5000), &stream);
        printf("%s status %d errno %d icmp %d/%d\n", *text, result.status, result.sys_errno,
               result.icmp_type, result.icmp_code);
        io_close(stream);
    }
}

int main(int argc, char **argv) {
    struct error error;
    struct io_loop *loop = io_loop_create(NULL, &error);
    io_spawn("connect", connect_to_each, argv + 1);
    io_loop_run(loop);
    io_loop_destroy(loop);
    return 0;
}
