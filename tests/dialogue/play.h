// SPDX-License-Identifier: Apache-2.0
// Dialogue tests read like the session that they test. A script has both parts; the test plays one
// of them over a stream and holds the program, which plays the other, to its lines.
//
//     # A comment.
//     message: ann@a.example bob@b.example   a setting: the test program knows what it means
//     [mx1]                                  the first connection to the peer called mx1
//     S: 220 mx1.example ESMTP
//     C: EHLO *                              "*" stands for anything in the lines that are expected
//     S: 250 mx1.example
//     C: (closed)
//     [mx1]                                  its second connection
//     S: (reset)
//     expect: rcpt 1 connect errno           settings may stand anywhere
//
// A line is sent and expected with CRLF; "\" at its end leaves that out. Escapes: \r \n \t \0 \xHH
// \\ \* and \( at the start. What the player does:
//     (close) (reset)      ends the connection
//     (wait 200)           milliseconds
//     (tls)                a handshake, as the server for S and as the client for C
//     (flood 70000 text)   that many bytes of it, without an end of line
//     (drip 100 text)      a byte each so many milliseconds, until all are sent
//     (send 5000 text)     that many lines
// What it expects of the other part:
//     (closed)             end or reset
//     (line)               any line
//     (lines 50 250 *)     that many lines like this one
//     (message)            lines up to the lone dot
//     (nothing 200)        no byte for so many milliseconds
// Expectations of one part that stand behind lines of the other need no more order than that: the
// player reads what it needs, when it is there.
#ifndef TESTS_DIALOGUE_PLAY_H
#define TESTS_DIALOGUE_PLAY_H

#include "io/io.h"
#include "tls/tls.h"

struct play;

// Ends the program, naming the line, when the script is none.
struct play *play_parse(struct view text, const char *name);
struct play *play_load(const char *path);
void play_free(struct play *play);

// The n-th setting of that name, from 0; false: there is none.
bool play_setting(const struct play *play, const char *name, size_t nth, struct view *value,
                  unsigned *line);
const char *play_name(const struct play *play);
// Names of the sections in order of their first line; the unnamed one is "". Returns their number.
size_t play_peers(const struct play *play, struct view *names, size_t max);
// How many connections a peer has in the script.
size_t play_connections(const struct play *play, struct view peer);

struct play_part {
    const struct play *play;
    struct view peer;
    size_t connection; // of that peer, from 0
    char role;         // 'S' or 'C'
    struct tls_context *tls;
    int64_t patience_ms; // for each line; zero: 5 s
    bool gathers;        // lines in a row leave in one write
    // Called for each setting of the connection in its turn; false: `why` says what is wrong. May
    // be NULL.
    IO_WAITS bool (*on_setting)(void *arg, struct view name, struct view value, char *why,
                                size_t size);
    void *arg;
};
// Plays a part and closes the stream. False: `why` says at which line the other one left the
// script.
IO_WAITS bool play_run(const struct play_part *part, struct io_stream *stream, char *why,
                       size_t size);

// Whether `text` is what `pattern` says ("*" for anything).
bool play_matches(struct view pattern, struct view text);

#endif
