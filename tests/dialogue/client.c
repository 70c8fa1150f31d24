// SPDX-License-Identifier: Apache-2.0
// Runs the dialogues of a folder against deliver/: over loopback, over the simulator, and over a
// simulated road on which everything comes late and in small pieces. Usage:
// dialogue_client FOLDER [PART OF A NAME]
#include "dialogue/lane.h"
#include "unit/io/io_test.h"

#include <dirent.h>
#include <stdio.h>

enum { SCRIPTS_MAX = 400 };
enum way { WAY_LOOPBACK, WAY_SIM, WAY_PIECES, WAY_COUNT };

static struct authority *authority;

struct run {
    char path[512];
    enum way way;
    struct sim *sim;
    char why[1024]; // the script was left there; empty: it was not
};

static bool runs_here(const struct play *play, enum way way) {
    struct view only;
    return !play_setting(play, "only", 0, &only, NULL) ||
           view_equals(only, way == WAY_LOOPBACK ? VIEW("loopback") : VIEW("sim"));
}

static void run_lane(void *arg) {
    struct run *run = arg;
    struct play *play = play_load(run->path);
    if (runs_here(play, run->way)) {
        struct lane *lane = lane_create(play, run->sim, authority);
        lane_run(lane);
        if (lane_check(lane, run->why, sizeof(run->why)))
            run->why[0] = '\0';
        lane_destroy(lane);
    }
    play_free(play);
}

static void run_file(void **state) {
    struct run *run = *state;
    struct error error;
    struct io_loop_options options = {.name = "test"};
    struct io_loop *loop = NULL;
    const struct sim_net_rule pieces = {.latency_ms_max = 3, .chunk_max = 5};
    if (run->way == WAY_LOOPBACK)
        loop = io_loop_create(&options, &error);
    else
        run->sim = sim_create(1);
    if (run->way == WAY_PIECES)
        sim_net_default(run->sim, &pieces);
    io_spawn("lane", run_lane, run);
    if (run->sim) {
        sim_run(run->sim, IO_NEVER);
        sim_destroy(run->sim);
    } else {
        io_loop_run(loop);
        io_loop_destroy(loop);
    }
    if (run->why[0])
        fail_msg("%s", run->why);
}

static int by_name(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

int main(int argc, char **argv) {
    static struct run runs[SCRIPTS_MAX];
    static struct CMUnitTest tests[SCRIPTS_MAX];
    struct dirent **entries;
    size_t n = 0;
    int n_entries = argc > 1 ? scandir(argv[1], &entries, NULL, by_name) : 0;
    for (int i = 0; i < n_entries; i++) {
        const char *name = entries[i]->d_name;
        bool is_wanted = strstr(name, ".txt") && (argc < 3 || strstr(name, argv[2]));
        for (int way = 0; is_wanted && way < WAY_COUNT; way++) {
            ASSERT(n < SCRIPTS_MAX);
            snprintf(runs[n].path, sizeof(runs[n].path), "%s/%s", argv[1], name);
            runs[n].way = (enum way)way;
            tests[n] = (struct CMUnitTest){runs[n].path, run_file, NULL, NULL, &runs[n]};
            n++;
        }
        free(entries[i]);
    }
    if (n == 0)
        return 1;
    free(entries);
    authority = authority_create();
    int failed = _cmocka_run_group_tests("dialogues", tests, n, NULL, NULL);
    authority_destroy(authority);
    return failed;
}
