// SPDX-License-Identifier: Apache-2.0
// sink: an SMTP server that takes everything and keeps nothing, for benchmarks and tests.
//
// sink --port PORT [--address A] [--log FILE] [--silent | --refuse CODE]
//   --log FILE     one line a message: the value of its X-Number header field (for loss checks)
//   --silent       accepts connections and never says a word
//   --refuse CODE  answers RCPT with CODE
// SIGUSR1 prints "COUNT BYTES FIRST_US LAST_US" to standard output; SIGTERM prints it and ends.
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { INPUT_BYTES = 65536, OUTPUT_BYTES = 8192 };

struct session {
    int descriptor;
    bool in_data;
    unsigned tail; // how much of CR LF . CR LF has been seen
    size_t input_len, output_len;
    uint64_t number;
    bool has_number;
    char input[INPUT_BYTES];
    char output[OUTPUT_BYTES];
};

static struct {
    bool is_silent;
    int refuse_code;
    FILE *log;
    uint64_t messages, bytes;
    int64_t first_us, last_us;
} sink;

static int64_t now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void print_counts(void) {
    printf("%llu %llu %lld %lld\n", (unsigned long long)sink.messages,
           (unsigned long long)sink.bytes, (long long)sink.first_us, (long long)sink.last_us);
    fflush(stdout);
}

static void say(struct session *session, const char *text) {
    size_t len = strlen(text);
    if (session->output_len + len <= OUTPUT_BYTES) {
        memcpy(session->output + session->output_len, text, len);
        session->output_len += len;
    }
}

static void flush_output(struct session *session) {
    size_t done = 0;
    while (done < session->output_len) {
        ssize_t n = send(session->descriptor, session->output + done, session->output_len - done,
                         MSG_NOSIGNAL);
        if (n <= 0)
            break;
        done += (size_t)n;
    }
    session->output_len = 0;
}

static void on_line(struct session *session, const char *line, size_t len) {
    char reply[64];
    if (len >= 4 && strncasecmp(line, "EHLO", 4) == 0) {
        say(session, "250-sink.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE 104857600\r\n");
    } else if (len >= 4 && strncasecmp(line, "RCPT", 4) == 0 && sink.refuse_code) {
        snprintf(reply, sizeof(reply), "%d refused by the sink\r\n", sink.refuse_code);
        say(session, reply);
    } else if (len >= 4 && strncasecmp(line, "DATA", 4) == 0) {
        say(session, "354 go on\r\n");
        session->in_data = true;
        session->tail = 2;
        session->has_number = false;
    } else if (len >= 4 && strncasecmp(line, "QUIT", 4) == 0) {
        say(session, "221 bye\r\n");
    } else {
        say(session, "250 ok\r\n");
    }
}

static void message_done(struct session *session) {
    session->in_data = false;
    sink.messages++;
    sink.last_us = now_us();
    if (!sink.first_us)
        sink.first_us = sink.last_us;
    if (sink.log) {
        if (session->has_number)
            fprintf(sink.log, "%llu\n", (unsigned long long)session->number);
        else
            fputs("-\n", sink.log);
        fflush(sink.log);
    }
    say(session, "250 taken\r\n");
}

static void look_for_number(struct session *session, const char *bytes, size_t len) {
    static const char field[] = "X-Number: ";
    const char *found = sink.log && !session->has_number
                            ? memmem(bytes, len, field, sizeof(field) - 1)
                            : NULL;
    if (!found)
        return;
    session->number = strtoull(found + sizeof(field) - 1, NULL, 10);
    session->has_number = true;
}

// How many bytes belong to the message; sets in_data false behind the final dot.
static size_t take_data(struct session *session, const char *bytes, size_t len) {
    static const char end[] = "\r\n.\r\n";
    look_for_number(session, bytes, len);
    for (size_t i = 0; i < len; i++) {
        if (session->tail == 0) { // nothing of the end seen: jump to the next CR
            const char *cr = memchr(bytes + i, '\r', len - i);
            if (!cr)
                return len;
            i = (size_t)(cr - bytes);
        }
        if (bytes[i] == end[session->tail])
            session->tail++;
        else
            session->tail = bytes[i] == '\r' ? 1 : 0;
        if (session->tail == 5) {
            message_done(session);
            return i + 1;
        }
    }
    return len;
}

static void on_input(struct session *session) {
    size_t at = 0;
    while (at < session->input_len) {
        const char *bytes = session->input + at;
        size_t left = session->input_len - at;
        if (session->in_data) {
            at += take_data(session, bytes, left);
            continue;
        }
        const char *newline = memchr(bytes, '\n', left);
        if (!newline)
            break;
        on_line(session, bytes, (size_t)(newline - bytes));
        at += (size_t)(newline - bytes) + 1;
    }
    sink.bytes += at;
    memmove(session->input, session->input + at, session->input_len - at);
    session->input_len -= at;
    flush_output(session);
}

static bool serve(struct session *session) {
    ssize_t n = recv(session->descriptor, session->input + session->input_len,
                     INPUT_BYTES - session->input_len, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return true;
    if (n <= 0)
        return false;
    if (sink.is_silent)
        return true;
    session->input_len += (size_t)n;
    on_input(session);
    return session->input_len < INPUT_BYTES;
}

static void accept_all(int listener, int epoll) {
    for (;;) {
        int descriptor = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (descriptor < 0)
            return;
        int one = 1;
        setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        struct session *session = malloc(sizeof(*session));
        session->descriptor = descriptor;
        session->in_data = session->has_number = false;
        session->input_len = session->output_len = 0;
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = session};
        epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event);
        if (!sink.is_silent) {
            say(session, "220 sink.test ESMTP\r\n");
            flush_output(session);
        }
    }
}

static int listen_on(const char *address, int port) {
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    inet_pton(AF_INET, address, &in.sin_addr);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int one = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(listener, (struct sockaddr *)&in, sizeof(in)) < 0 || listen(listener, 4096) < 0) {
        perror("sink: bind");
        exit(1);
    }
    return listener;
}

static void parse(int argc, char **argv, const char **address, int *port) {
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--silent") == 0) {
            sink.is_silent = true;
            continue;
        }
        if (strcmp(argv[i], "--port") == 0)
            *port = (int)strtol(value, NULL, 10);
        else if (strcmp(argv[i], "--address") == 0)
            *address = value;
        else if (strcmp(argv[i], "--refuse") == 0)
            sink.refuse_code = (int)strtol(value, NULL, 10);
        else if (strcmp(argv[i], "--log") == 0)
            sink.log = fopen(value, "a");
        else {
            fprintf(stderr, "sink: unknown option %s\n", argv[i]);
            exit(2);
        }
        i++;
    }
}

static void loop(int epoll, int *listener, int *signals) {
    struct epoll_event events[256];
    for (;;) {
        int n = epoll_wait(epoll, events, 256, -1);
        for (int i = 0; i < n; i++) {
            struct session *session = events[i].data.ptr;
            if (events[i].data.ptr == listener) {
                accept_all(*listener, epoll);
            } else if (events[i].data.ptr == signals) {
                struct signalfd_siginfo info;
                if (read(*signals, &info, sizeof(info)) != sizeof(info))
                    continue;
                print_counts();
                if (info.ssi_signo != SIGUSR1)
                    exit(0);
            } else if (!serve(session)) {
                close(session->descriptor);
                free(session);
            }
        }
    }
}

int main(int argc, char **argv) {
    const char *address = "127.0.0.1";
    int port = 2526;
    parse(argc, argv, &address, &port);
    int listener = listen_on(address, port);
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    int signals = signalfd(-1, &set, SFD_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &listener};
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
    event.data.ptr = &signals;
    epoll_ctl(epoll, EPOLL_CTL_ADD, signals, &event);
    loop(epoll, &listener, &signals);
    return 0;
}
