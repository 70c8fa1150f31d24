// SPDX-License-Identifier: Apache-2.0
// icmp_target ADDRESS[/HOPS]...: connects to port 25 of each and prints what io_result says.
#include "io/io.h"

#include <stdio.h>

static void connect_to_each(void *arg) {
    for (char **text = arg; *text; text++) {
        struct address address;
        struct io_stream *stream;
        struct io_connect_options options = {0};
        char router[ADDRESS_TEXT_SIZE] = "-";
        struct view word, rest = view_of(*text);
        view_split(&rest, '/', &word);
        if (!address_parse(word, &address))
            continue;
        if (rest.len)
            options.hop_limit = rest.ptr[0] - '0';
        address.port = 25;
        struct io_result result = io_connect(&address, &options, io_after(5000), &stream);
        if (result.icmp_from.family != ADDRESS_NONE)
            address_format(&result.icmp_from, router, sizeof(router));
        printf("%s status %d errno %d icmp %d/%d %s\n", *text, result.status, result.sys_errno,
               result.icmp_type, result.icmp_code, router);
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
