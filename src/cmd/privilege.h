// SPDX-License-Identifier: Apache-2.0
// Started as root: bind and read secrets, then become somebody else for good.
#ifndef CMD_PRIVILEGE_H
#define CMD_PRIVILEGE_H

#include "base/error.h"

#include <sys/types.h>

struct privilege_user {
    uid_t uid;
    gid_t gid;
    char name[64];
};

// Who to become: `wanted` (a configured name), else the owner of the data directory, else the
// account "postrider", else "nobody"; never root. Without root privileges: who we are.
bool privilege_choose(const char *wanted, const char *data, struct privilege_user *user,
                      struct error *error);
// Makes the data directory (mode 0700) where it is missing, and gives it to `user` when we are
// root.
bool privilege_prepare_data(const char *data, const struct privilege_user *user,
                            struct error *error);
// Irrevocable. Does nothing where we are that user already.
bool privilege_drop(const struct privilege_user *user, struct error *error);
// After the drop: the directory is there and open to us.
bool privilege_check_data(const char *data, const struct privilege_user *user, struct error *error);

#endif
