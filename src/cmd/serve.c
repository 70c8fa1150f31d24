// SPDX-License-Identifier: Apache-2.0
// postrider serve: the relay in the foreground.
#include "cmd/cmd.h"
#include "cmd/daemon.h"

#include "base/log.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char help[] =
    "usage: postrider serve [-c FILE] [--verbose]\n\n"
    "Runs the relay in the foreground. Without a file: SMTP on 127.0.0.1:2525, data in\n"
    "./postrider-data, mail goes to the MX of its domain. SIGHUP reloads, SIGTERM stops.\n\n"
    "  -c, --config FILE  the configuration (man postrider.conf)\n"
    "      --verbose      logs more\n"
    "Exit status: 0 stopped as asked, 1 it could not start, 2 wrong use\n";

struct run {
    struct daemon daemon;
    int status;
};

static void on_signal(int signal, void *arg) {
    struct run *run = arg;
    if (signal == SIGHUP)
        run->daemon.reload_wanted = true;
    else
        run->daemon.stop_wanted = true;
    io_event_set(&run->daemon.wanted);
}

IO_WAITS static void wait_for_stop(struct daemon *daemon) {
    while (!daemon->stop_wanted) {
        io_event_wait(&daemon->wanted, IO_NEVER);
        io_event_clear(&daemon->wanted);
        if (!daemon->reload_wanted || daemon->stop_wanted)
            continue;
        daemon->reload_wanted = false;
        struct buffer text;
        buffer_init(&text, 64 << 10);
        daemon_reload(daemon, &text);
        buffer_finish(&text);
    }
}

static void run_daemon(void *arg) {
    struct run *run = arg;
    struct error error = {0};
    if (daemon_start(&run->daemon, &error)) {
        wait_for_stop(&run->daemon);
        log_info("daemon", "stops");
    } else {
        log_error("daemon", "%s", error.text);
        run->status = CMD_FAULT;
    }
    daemon_stop(&run->daemon);
    if (run->status == CMD_WELL)
        log_info("daemon", "stopped: everything accepted is delivered or in the spool");
    io_loop_stop(run->daemon.home);
}

static size_t count_loops(void) {
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return size_min(cores < 1 ? 1 : (size_t)cores, DAEMON_LOOPS_MAX);
}

static int run_config(struct config *config) {
    static struct run run;
    struct error error = {0};
    const struct io_loop_options options = {.name = "home"};
    run.daemon.config = config;
    run.daemon.n_loops = count_loops();
    pthread_mutex_init(&run.daemon.tls_lock, NULL);
    run.daemon.home = run.daemon.loops[0] = io_loop_create(&options, &error);
    if (!run.daemon.home) {
        fprintf(stderr, "postrider: %s\n", error.text);
        return CMD_FAULT;
    }
    log_set_clock(io_wall_ms);
    io_event_init(&run.daemon.wanted);
    io_loop_watch_signals(run.daemon.home, on_signal, &run);
    io_spawn("daemon", run_daemon, &run);
    io_loop_run(run.daemon.home);
    io_loop_destroy(run.daemon.home);
    return run.status;
}

int cmd_serve(int argc, char **argv) {
    const char *path = getenv("POSTRIDER_CONFIG");
    bool wants_help = false, is_verbose = false;
    const struct cmd_option options[] = {{"config", 'c', &path, NULL},
                                         {"verbose", 0, NULL, &is_verbose},
                                         {"help", 'h', NULL, &wants_help},
                                         {NULL, 0, NULL, NULL}};
    int n = cmd_parse("serve", argc, argv, options);
    if (n != 0 || wants_help) {
        fputs(help, wants_help ? stdout : stderr);
        return wants_help ? CMD_WELL : CMD_WRONG_USE;
    }
    if (is_verbose)
        log_set_level(LOG_LEVEL_DEBUG);
    struct buffer problems;
    buffer_init(&problems, 64 << 10);
    struct config *config = config_load(path, &problems);
    fputs(buffer_string(&problems), stderr);
    buffer_finish(&problems);
    if (!config)
        return CMD_FAULT;
    int status = run_config(config);
    config_unref(config);
    return status;
}
