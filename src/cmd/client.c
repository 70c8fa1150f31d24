// SPDX-License-Identifier: Apache-2.0
// Asking the running relay: where its socket is, one request, one answer.
#include "cmd/cmd.h"

#include "config/config.h"
#include "control/control.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ANSWER_MS = 30 * 1000, PATH_SIZE = 4096 };

static const char local_data[] = "./postrider-data";
static const char system_config[] = "/etc/postrider/postrider.conf";

static bool socket_of_config(const char *config_path, char *out) {
    struct buffer problems;
    buffer_init(&problems, 64 << 10);
    struct config *config = config_load(config_path, &problems);
    if (config)
        snprintf(out, PATH_SIZE, "%s/control", config->data);
    else
        fputs(buffer_string(&problems), stderr);
    buffer_finish(&problems);
    bool is_found = config != NULL;
    config_unref(config);
    return is_found;
}

// -c, then POSTRIDER_CONFIG, then a relay of this folder, then the system's.
static bool find_socket(const struct cmd_client *client, char *out) {
    const char *path = client->config_path ? client->config_path : getenv("POSTRIDER_CONFIG");
    if (path)
        return socket_of_config(path, out);
    snprintf(out, PATH_SIZE, "%s/control", local_data);
    if (access(out, F_OK) == 0 || access(system_config, R_OK) != 0)
        return true;
    return socket_of_config(system_config, out);
}

struct call {
    const char *path;
    struct view request;
    struct buffer answer;
    struct error error;
    bool is_done;
};

static void run_call(void *arg) {
    struct call *call = arg;
    call->is_done =
        control_call(call->path, call->request, io_after(ANSWER_MS), &call->answer, &call->error);
}

static json_t *take_result(struct call *call) {
    json_error_t problem;
    json_t *answer =
        json_loadb(call->answer.ptr ? call->answer.ptr : "", call->answer.len, 0, &problem);
    json_t *result = NULL;
    if (!answer)
        fprintf(stderr, "postrider: the relay's answer cannot be read: %s\n", problem.text);
    else if (!json_is_true(json_object_get(answer, "ok")))
        fprintf(stderr, "postrider: %s\n", cmd_string(answer, "error"));
    else
        result = json_incref(json_object_get(answer, "result"));
    json_decref(answer);
    return result;
}

static json_t *exchange(const char *path, const char *request) {
    struct call call = {.path = path, .request = view_of(request)};
    buffer_init(&call.answer, CONTROL_ANSWER_BYTES_MAX);
    const struct io_loop_options options = {.name = "command"};
    struct io_loop *loop = io_loop_create(&options, &call.error);
    if (loop) {
        io_spawn("call", run_call, &call);
        io_loop_run(loop);
        io_loop_destroy(loop);
    }
    json_t *result = NULL;
    if (call.is_done)
        result = take_result(&call);
    else
        fprintf(stderr, "postrider: %s\n", call.error.text);
    buffer_finish(&call.answer);
    return result;
}

json_t *cmd_ask(const struct cmd_client *client, json_t *request) {
    char path[PATH_SIZE];
    json_object_set_new(request, "v", json_integer(CONTROL_VERSION));
    char *text = json_dumps(request, JSON_COMPACT);
    json_t *result = text && find_socket(client, path) ? exchange(path, text) : NULL;
    free(text);
    json_decref(request);
    return result;
}
