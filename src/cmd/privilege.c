// SPDX-License-Identifier: Apache-2.0
#include "cmd/privilege.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

static void take(struct privilege_user *user, const struct passwd *entry) {
    user->uid = entry->pw_uid;
    user->gid = entry->pw_gid;
    snprintf(user->name, sizeof(user->name), "%s", entry->pw_name);
}

static bool choose_named(const char *wanted, struct privilege_user *user, struct error *error) {
    const struct passwd *entry = getpwnam(wanted);
    if (!entry)
        return error_set(error, "user \"%s\" does not exist on this machine", wanted);
    if (entry->pw_uid == 0)
        return error_set(error, "user \"%s\" is root: the relay never runs as root", wanted);
    take(user, entry);
    return true;
}

bool privilege_choose(const char *wanted, const char *data, struct privilege_user *user,
                      struct error *error) {
    const struct passwd *entry;
    struct stat status;
    *user = (struct privilege_user){.uid = geteuid(), .gid = getegid()};
    if (geteuid() != 0) {
        entry = getpwuid(geteuid());
        snprintf(user->name, sizeof(user->name), "%s", entry ? entry->pw_name : "?");
        if (wanted && entry && strcmp(entry->pw_name, wanted) != 0)
            return error_set(error, "started as %s, but the configuration says user = \"%s\"",
                             entry->pw_name, wanted);
        return true;
    }
    if (wanted)
        return choose_named(wanted, user, error);
    if (stat(data, &status) == 0 && status.st_uid != 0 && (entry = getpwuid(status.st_uid))) {
        take(user, entry);
        return true;
    }
    entry = getpwnam("postrider");
    if (!entry)
        entry = getpwnam("nobody");
    if (!entry || entry->pw_uid == 0)
        return error_set(error, "started as root, and there is no user to become: set user = "
                                "\"NAME\" in the configuration");
    take(user, entry);
    return true;
}

bool privilege_prepare_data(const char *data, const struct privilege_user *user,
                            struct error *error) {
    struct stat status;
    if (mkdir(data, 0700) < 0 && errno != EEXIST)
        return error_set_errno(error, errno, "cannot make the data directory %s", data);
    if (stat(data, &status) < 0 || !S_ISDIR(status.st_mode))
        return error_set(error, "%s is no directory", data);
    if (status.st_uid == user->uid)
        return true;
    if (geteuid() != 0)
        return error_set(error, "the data directory %s belongs to another user (uid %u)", data,
                         (unsigned)status.st_uid);
    if (chown(data, user->uid, user->gid) < 0)
        return error_set_errno(error, errno, "cannot give %s to %s", data, user->name);
    return true;
}

bool privilege_drop(const struct privilege_user *user, struct error *error) {
    if (geteuid() != 0)
        return true;
    if (initgroups(user->name, user->gid) < 0 || setresgid(user->gid, user->gid, user->gid) < 0 ||
        setresuid(user->uid, user->uid, user->uid) < 0)
        return error_set_errno(error, errno, "cannot become user %s", user->name);
    if (setuid(0) == 0)
        return error_set(error, "root privileges came back after they were dropped");
    prctl(PR_SET_DUMPABLE, 1); // core dumps and gdb stay possible for the owner
    return true;
}

bool privilege_check_data(const char *data, const struct privilege_user *user,
                          struct error *error) {
    if (access(data, R_OK | W_OK | X_OK) == 0)
        return true;
    return error_set_errno(error, errno,
                           "user %s cannot use the data directory %s (a folder above it may be "
                           "closed to others)",
                           user->name, data);
}
