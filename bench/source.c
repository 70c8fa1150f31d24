// SPDX-License-Identifier: Apache-2.0
// source: submits messages as fast as the server takes them, and measures how long each final dot
// waits for its 250. For benchmarks and tests.
//
// source --port P [--address A] [--sessions N] [--messages M] [--size BYTES] [--domain D]...
//        [--domains COUNT] [--per-connection K] [--first-number X] [--acks FILE] [--seconds S]
//   --domains COUNT  recipients are spread over D1.D, D2.D ... D(COUNT).D instead of D
//   --acks FILE      one line for each message that got its 250: the number in its X-Number field
//   --seconds S      stops after S seconds even when messages are left
// Prints JSON: messages, seconds, rate, latency percentiles in microseconds, failures.
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum step { STEP_GREETING, STEP_EHLO, STEP_ENVELOPE, STEP_DOT, STEP_QUIT };

struct session {
    int descriptor;
    enum step step;
    unsigned replies_left;
    unsigned sent_here;
    uint64_t number;
    int64_t dot_us;
    size_t input_len;
    char input[4096];
    char *output;
    size_t output_len, output_done;
};

static struct {
    const char *address, *domain;
    int port, epoll;
    unsigned sessions, domains, per_connection, live;
    uint64_t messages, started, accepted, failed, first_number;
    size_t size;
    double seconds;
    char *body;
    uint32_t *latencies;
    FILE *acks;
    bool is_stopping;
} source = {.address = "127.0.0.1",
            .domain = "example.net",
            .port = 2525,
            .sessions = 1,
            .messages = 1000,
            .size = 4096};

static int64_t now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void open_session(struct session *session) {
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)source.port)};
    inet_pton(AF_INET, source.address, &in.sin_addr);
    session->descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(session->descriptor, (struct sockaddr *)&in, sizeof(in)) < 0) {
        perror("source: connect");
        exit(1);
    }
    int one = 1;
    setsockopt(session->descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    session->step = STEP_GREETING;
    session->replies_left = 1;
    session->sent_here = 0;
    session->input_len = session->output_len = session->output_done = 0;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = session};
    epoll_ctl(source.epoll, EPOLL_CTL_ADD, session->descriptor, &event);
    source.live++;
}

static void close_session(struct session *session) {
    close(session->descriptor);
    session->descriptor = -1;
    source.live--;
}

static void put(struct session *session, const char *bytes, size_t len) {
    memcpy(session->output + session->output_len, bytes, len);
    session->output_len += len;
}

// False while bytes are left: the socket is full.
static bool flush_output(struct session *session) {
    while (session->output_done < session->output_len) {
        ssize_t n = send(session->descriptor, session->output + session->output_done,
                         session->output_len - session->output_done, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN) {
            struct epoll_event event = {.events = EPOLLIN | EPOLLOUT, .data.ptr = session};
            epoll_ctl(source.epoll, EPOLL_CTL_MOD, session->descriptor, &event);
            return false;
        }
        if (n <= 0)
            break;
        session->output_done += (size_t)n;
    }
    if (session->step == STEP_DOT)
        session->dot_us = now_us();
    session->output_len = session->output_done = 0;
    return true;
}

static void begin_message(struct session *session) {
    char text[512];
    bool is_over = source.started >= source.messages || source.is_stopping;
    if (is_over || (source.per_connection && session->sent_here >= source.per_connection)) {
        session->step = STEP_QUIT;
        session->replies_left = 1;
        put(session, "QUIT\r\n", 6);
        flush_output(session);
        return;
    }
    session->number = source.first_number + source.started++;
    session->sent_here++;
    int len;
    if (source.domains)
        len = snprintf(text, sizeof(text),
                       "MAIL FROM:<source@bench.test>\r\nRCPT TO:<user@d%llu.%s>\r\nDATA\r\n",
                       (unsigned long long)(session->number % source.domains + 1), source.domain);
    else
        len = snprintf(text, sizeof(text),
                       "MAIL FROM:<source@bench.test>\r\nRCPT TO:<user@%s>\r\nDATA\r\n",
                       source.domain);
    put(session, text, (size_t)len);
    session->step = STEP_ENVELOPE;
    session->replies_left = 3;
    flush_output(session);
}

static void send_body(struct session *session) {
    char head[256];
    int len = snprintf(head, sizeof(head),
                       "From: source@bench.test\r\nTo: user@%s\r\nSubject: bench\r\n"
                       "Date: Sat, 21 Nov 2026 12:00:00 +0000\r\n"
                       "Message-ID: <%llu@bench.test>\r\nX-Number: %llu\r\n\r\n",
                       source.domain, (unsigned long long)session->number,
                       (unsigned long long)session->number);
    put(session, head, (size_t)len);
    size_t left = source.size > (size_t)len ? source.size - (size_t)len : 0;
    if (left && source.body[left - 1] == '\r') // never a bare CR before the end
        left--;
    put(session, source.body, left);
    put(session, "\r\n.\r\n", 5);
    session->step = STEP_DOT;
    session->replies_left = 1;
    flush_output(session);
}

static void message_accepted(struct session *session) {
    source.latencies[source.accepted++] = (uint32_t)(now_us() - session->dot_us);
    if (source.acks) {
        fprintf(source.acks, "%llu\n", (unsigned long long)session->number);
        fflush(source.acks);
    }
}

// A whole reply (its last line). Returns false when the session is over.
static bool on_reply(struct session *session, int code) {
    if (code >= 400) {
        if (!source.failed++) // the first one says what is wrong
            fprintf(stderr, "source: refused at step %d: %.*s\n", (int)session->step,
                    (int)session->input_len, session->input);
        if (session->step == STEP_DOT || session->step == STEP_QUIT)
            return false;
        session->step = STEP_QUIT;
        return false;
    }
    if (--session->replies_left > 0)
        return true;
    switch (session->step) {
    case STEP_GREETING:
        session->step = STEP_EHLO;
        session->replies_left = 1;
        put(session, "EHLO source.test\r\n", 18);
        flush_output(session);
        return true;
    case STEP_ENVELOPE: send_body(session); return true;
    case STEP_DOT: message_accepted(session); begin_message(session); return true;
    case STEP_EHLO: begin_message(session); return true;
    default: return false;
    }
}

static bool on_input(struct session *session) {
    ssize_t n = recv(session->descriptor, session->input + session->input_len,
                     sizeof(session->input) - session->input_len, MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN)
        return true;
    if (n <= 0) {
        if (session->step != STEP_QUIT && !source.failed++)
            fprintf(stderr, "source: closed at step %d\n", (int)session->step);
        return false;
    }
    session->input_len += (size_t)n;
    size_t at = 0;
    char *newline;
    while ((newline = memchr(session->input + at, '\n', session->input_len - at))) {
        const char *line = session->input + at;
        bool is_last = newline - line >= 4 && line[3] == ' ';
        int code = (int)strtol(line, NULL, 10);
        at = (size_t)(newline - session->input) + 1;
        if (is_last && !on_reply(session, code))
            return false;
    }
    memmove(session->input, session->input + at, session->input_len - at);
    session->input_len -= at;
    return session->input_len < sizeof(session->input);
}

static void loop(struct session *sessions, int64_t end_us) {
    struct epoll_event events[256];
    while (source.live > 0) {
        int n = epoll_wait(source.epoll, events, 256, 200);
        if (end_us && now_us() > end_us)
            source.is_stopping = true;
        for (int i = 0; i < n; i++) {
            struct session *session = events[i].data.ptr;
            if (events[i].events & EPOLLOUT) {
                struct epoll_event event = {.events = EPOLLIN, .data.ptr = session};
                if (flush_output(session))
                    epoll_ctl(source.epoll, EPOLL_CTL_MOD, session->descriptor, &event);
            }
            if (!(events[i].events & ~(uint32_t)EPOLLOUT) || on_input(session))
                continue;
            bool was_quit = session->step == STEP_QUIT;
            close_session(session);
            if (was_quit && source.started < source.messages && !source.is_stopping)
                open_session(session);
        }
        if (end_us && now_us() > end_us + 5000000)
            break;
    }
    (void)sessions;
}

static int compare(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static uint32_t percentile(double share) {
    if (!source.accepted)
        return 0;
    return source.latencies[(size_t)((double)(source.accepted - 1) * share)];
}

static void parse(int argc, char **argv) {
    for (int i = 1; i + 1 < argc; i += 2) {
        const char *value = argv[i + 1];
        unsigned long long number = strtoull(value, NULL, 10);
        if (strcmp(argv[i], "--port") == 0)
            source.port = (int)number;
        else if (strcmp(argv[i], "--address") == 0)
            source.address = value;
        else if (strcmp(argv[i], "--sessions") == 0)
            source.sessions = (unsigned)number;
        else if (strcmp(argv[i], "--messages") == 0)
            source.messages = number;
        else if (strcmp(argv[i], "--size") == 0)
            source.size = number;
        else if (strcmp(argv[i], "--domain") == 0)
            source.domain = value;
        else if (strcmp(argv[i], "--domains") == 0)
            source.domains = (unsigned)number;
        else if (strcmp(argv[i], "--per-connection") == 0)
            source.per_connection = (unsigned)number;
        else if (strcmp(argv[i], "--first-number") == 0)
            source.first_number = number;
        else if (strcmp(argv[i], "--seconds") == 0)
            source.seconds = strtod(value, NULL);
        else if (strcmp(argv[i], "--acks") == 0)
            source.acks = fopen(value, "a");
        else {
            fprintf(stderr, "source: unknown option %s\n", argv[i]);
            exit(2);
        }
    }
}

static void make_body(void) {
    source.body = malloc(source.size + 1);
    for (size_t i = 0; i < source.size; i++)
        source.body[i] = i % 76 == 74 ? '\r' : i % 76 == 75 ? '\n' : (char)('a' + i % 26);
}

int main(int argc, char **argv) {
    parse(argc, argv);
    make_body();
    source.latencies = malloc((source.messages + 1) * sizeof(uint32_t));
    source.epoll = epoll_create1(EPOLL_CLOEXEC);
    struct session *sessions = calloc(source.sessions, sizeof(*sessions));
    int64_t start = now_us();
    for (unsigned i = 0; i < source.sessions; i++) {
        sessions[i].output = malloc(source.size + 1024);
        open_session(&sessions[i]);
    }
    loop(sessions, source.seconds > 0 ? start + (int64_t)(source.seconds * 1e6) : 0);
    double seconds = (double)(now_us() - start) / 1e6;
    qsort(source.latencies, source.accepted, sizeof(uint32_t), compare);
    printf("{\"messages\": %llu, \"failed\": %llu, \"seconds\": %.3f, \"rate\": %.0f, "
           "\"start_us\": %lld, \"p50_us\": %u, \"p99_us\": %u, \"max_us\": %u}\n",
           (unsigned long long)source.accepted, (unsigned long long)source.failed, seconds,
           (double)source.accepted / seconds, (long long)start, percentile(0.5), percentile(0.99),
           percentile(1));
    return source.failed ? 1 : 0;
}
