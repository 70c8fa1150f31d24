// SPDX-License-Identifier: Apache-2.0
// Checks of this machine: data directory, limits, listening addresses, own certificate.
#include "catalog/catalog.h"
#include "cmd/check.h"
#include "cmd/cmd.h"

#include "base/units.h"
#include "cmd/privilege.h"
#include "control/control.h"
#include "tls/tls.h"

#include <errno.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

enum { FREE_PERCENT_MIN = 15, DESCRIPTORS_WANTED = 8192, CERTIFICATE_DAYS_WARN = 21 };
static const long tmpfs_magic = 0x01021994;

// The directory itself, or the one that it would be made in.
static const char *existing_part(const char *data, char *parent, size_t size) {
    if (access(data, F_OK) == 0)
        return data;
    view_copy_string(view_of(data), parent, size);
    size_t slash = view_find_last_char(view_of(parent), '/');
    if (slash == strlen(parent))
        return ".";
    parent[slash ? slash : 1] = '\0';
    return parent;
}

static void check_space(struct check *check, const char *path) {
    struct statvfs space;
    char text[40];
    if (statvfs(path, &space) < 0 || space.f_blocks == 0)
        return;
    uint64_t bytes_free = (uint64_t)space.f_bavail * space.f_frsize;
    unsigned percent = (unsigned)(space.f_bavail * 100 / space.f_blocks);
    units_format_size(bytes_free, text, sizeof(text));
    struct check_result *result =
        check_add(check, percent < FREE_PERCENT_MIN ? CHECK_WARNING : CHECK_OK, "disk",
                  "%s free (%u %%) where the data is kept", text, percent);
    if (percent < FREE_PERCENT_MIN)
        check_remedy(result, "make room or move `data`: new mail is refused with 452 when the "
                             "disk is nearly full");
    if (space.f_files && space.f_favail * 100 / space.f_files < 1)
        check_add(check, CHECK_WARNING, "disk", "less than 1 %% of the inodes are free");
}

void check_data(struct check *check) {
    const char *data = check->config->data;
    char parent[4096];
    const char *path = existing_part(data, parent, sizeof(parent));
    struct privilege_user user;
    struct error error = {0};
    if (!privilege_choose(check->config->user, data, &user, &error)) {
        check_add(check, CHECK_FAULT, "user", "%s", error.text);
        return;
    }
    struct stat status;
    struct statfs kind;
    if (stat(path, &status) < 0)
        check_add(check, CHECK_FAULT, "data", "%s: %s", path, strerrordesc_np(errno));
    else if (path == data && status.st_uid != user.uid)
        check_add(check, CHECK_FAULT, "data", "%s belongs to uid %u, the relay runs as %s", data,
                  (unsigned)status.st_uid, user.name);
    else if (geteuid() != 0 && access(path, W_OK | X_OK) < 0)
        check_add(check, CHECK_FAULT, "data", "%s cannot be written by %s", path, user.name);
    else
        check_add(check, CHECK_OK, "data", "%s%s, as user %s", data,
                  path == data ? "" : " (will be made)", user.name);
    if (statfs(path, &kind) == 0 && (long)kind.f_type == tmpfs_magic)
        check_remedy(check_add(check, CHECK_WARNING, "data",
                               "%s is in memory (tmpfs): mail is lost with the power", path),
                     "put `data` on a disk");
    check_space(check, path);
}

void check_limits(struct check *check) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    struct check_result *result =
        check_add(check, limit.rlim_max < DESCRIPTORS_WANTED ? CHECK_WARNING : CHECK_OK, "limits",
                  "%llu file descriptors", (unsigned long long)limit.rlim_max);
    if (limit.rlim_max < DESCRIPTORS_WANTED)
        check_remedy(result, "raise LimitNOFILE in the unit file, or `ulimit -Hn`");
}

static bool relay_answers(const struct config *config) {
    char path[4096];
    snprintf(path, sizeof(path), "%s/control", config->data);
    return access(path, F_OK) == 0;
}

void check_listeners(struct check *check) {
    for (size_t i = 0; i < check->config->n_listeners; i++) {
        const struct config_listener *wanted = &check->config->listeners[i];
        char text[ADDRESS_TEXT_SIZE + 8];
        struct error error = {0};
        address_format_port(&wanted->address, text, sizeof(text));
        struct io_listener *listener = io_listen(&wanted->address, false, &error);
        if (listener) {
            io_listener_close(listener);
            check_add(check, CHECK_OK, "listen", "%s (\"%s\") is free", text, wanted->name);
        } else if (error.sys_errno == EADDRINUSE && relay_answers(check->config)) {
            check_add(check, CHECK_OK, "listen",
                      "%s (\"%s\") is in use, by a relay of this data "
                      "directory as it seems",
                      text, wanted->name);
        } else {
            check_remedy(check_add(check, CHECK_FAULT, "listen", "%s (\"%s\"): %s", text,
                                   wanted->name, error.text),
                         "`ss -ltnp` shows who has the port; ports below 1024 need root at start");
        }
    }
}

static void judge_dates(struct check *check, const char *path, int64_t left_ms) {
    int64_t days = left_ms / ((int64_t)24 * 3600 * 1000);
    if (left_ms < 0)
        check_remedy(check_add(check, CHECK_FAULT, "certificate", "%s has expired", path),
                     "renew it, then `postrider reload`");
    else if (days < CERTIFICATE_DAYS_WARN)
        check_remedy(check_add(check, CHECK_WARNING, "certificate", "%s expires in %d days", path,
                               (int)days),
                     "renew it, then `postrider reload`");
    else
        check_add(check, CHECK_OK, "certificate", "%s is valid for %d days", path, (int)days);
}

void check_certificate(struct check *check) {
    const struct tls_context_options files = {.certificate = check->config->tls_certificate,
                                              .key = check->config->tls_key};
    struct tls_certificate found;
    struct error error = {0};
    if (!files.certificate)
        return;
    if (tls_certificate_look(&files, &found, &error))
        judge_dates(check, files.certificate, found.not_after_ms - io_wall_ms());
    else
        check_add(check, CHECK_FAULT, "certificate", "%s", error.text);
}

// --- Rules ---------------------------------------------------------------------------------------
static void add_failed_tests(struct check *check, struct view failed) {
    struct view line;
    while (view_split(&failed, '\n', &line))
        if (line.len)
            check_add(check, CHECK_FAULT, "rules", "%.*s", VIEW_ARG(line));
}

void check_rules(struct check *check, const char *path) {
    struct error error = {0};
    struct rules *rules = cmd_rules_load(path, &error);
    struct buffer failed;
    size_t n_rules = 0, n_tests = 0;
    if (!rules) {
        check_add(check, CHECK_FAULT, "rules", "%s", error.text);
        return;
    }
    buffer_init(&failed, 256 << 10);
    size_t n_failed = rules_test(rules, &failed);
    rules_count(rules, &n_rules, &n_tests);
    add_failed_tests(check, buffer_view(&failed));
    if (n_failed == 0)
        check_add(check, CHECK_OK, "rules", "%s: %zu rules, %zu tests came out right", path,
                  n_rules, n_tests);
    if (n_tests == 0)
        check_remedy(check_add(check, CHECK_WARNING, "rules", "%s: nothing tests the rules", path),
                     "add a line such as: test user-unknown \"550 the whole reply\"");
    buffer_finish(&failed);
    rules_destroy(rules);
}
