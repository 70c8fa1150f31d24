// SPDX-License-Identifier: Apache-2.0
#ifndef IO_EPOLL_INTERNAL_H
#define IO_EPOLL_INTERNAL_H

#include "io/socket_internal.h"

struct epoll_set {
    int number;
    struct descriptor waker; // eventfd, never read before the end: edges do
    struct descriptor *signals;
    struct list removed; // watches that a batch of events may still name
};

#endif
