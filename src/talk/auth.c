// SPDX-License-Identifier: Apache-2.0
// AUTH (RFC 4954) with PLAIN (RFC 4616) or LOGIN. Credentials exist in the queue for as long as it
// takes to write them, and are wiped then; facts and logs never hold them.
#include "talk/talk_internal.h"

#include <stdlib.h>

enum { CREDENTIAL_BYTES_MAX = 512 };
enum { REPLY_GO_ON = 334 };

// RFC 4648 4.
static size_t base64_encode(struct view bytes, char *out, size_t size) {
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t len = 0;
    ASSERT((bytes.len + 2) / 3 * 4 < size);
    for (size_t i = 0; i < bytes.len; i += 3) {
        uint32_t group = 0;
        for (size_t k = 0; k < 3; k++)
            group = group << 8 | (i + k < bytes.len ? (unsigned char)bytes.ptr[i + k] : 0);
        for (size_t k = 0; k < 4; k++)
            out[len++] = i + k <= bytes.len ? letters[group >> (18 - 6 * k) & 63] : '=';
    }
    out[len] = '\0';
    return len;
}

static void wipe_queue(struct talk *talk) {
    if (talk->out.ptr)
        explicit_bzero(talk->out.ptr, talk->out.size);
}

// One line of the exchange: a word before it (or none), and bytes in base64.
IO_WAITS static struct fact say(struct talk *talk, const char *word, struct view bytes) {
    char text[CREDENTIAL_BYTES_MAX * 2];
    size_t len = base64_encode(bytes, text, sizeof(text));
    // Room for all of it at once: a buffer that grows leaves a copy behind.
    char *room = buffer_reserve(&talk->out, sizeof(text));
    ASSERT(room != NULL);
    talk_queue_copy(talk, view_of(word));
    talk_queue_copy(talk, view_from(text, len));
    talk_queue_end_line(talk);
    explicit_bzero(text, sizeof(text));
    struct fact fact =
        talk_await(talk, FACT_STAGE_AUTH, TALK_WANT_2XX_OR_3XX, talk->timeouts.auth_ms);
    wipe_queue(talk);
    return fact;
}

static bool wants_more(const struct fact *fact) {
    return fact_is_ok(fact) && fact->reply_code == REPLY_GO_ON;
}

// RFC 4616 2: authorisation identity (none), NUL, name, NUL, password.
IO_WAITS static struct fact say_plain(struct talk *talk, struct view username,
                                      struct view password) {
    char message[CREDENTIAL_BYTES_MAX + 2] = "";
    size_t len = 1 + username.len + 1 + password.len;
    ASSERT(len <= sizeof(message));
    memcpy(message + 1, username.ptr, username.len);
    memcpy(message + 2 + username.len, password.ptr, password.len);
    struct fact fact = say(talk, "AUTH PLAIN ", view_from(message, len));
    // RFC 4954 4: a server may overlook the initial response and ask for it.
    if (wants_more(&fact))
        fact = say(talk, "", view_from(message, len));
    explicit_bzero(message, sizeof(message));
    return fact;
}

IO_WAITS static struct fact say_login(struct talk *talk, struct view username,
                                      struct view password) {
    struct fact fact = say(talk, "AUTH LOGIN", VIEW_NONE);
    if (wants_more(&fact))
        fact = say(talk, "", username);
    if (wants_more(&fact))
        fact = say(talk, "", password);
    return fact;
}

static struct fact local_failure(enum fact_kind kind, int detail) {
    struct fact fact = fact_make(FACT_STAGE_AUTH, kind);
    fact.detail = detail;
    fact.at_ms = io_wall_ms();
    return fact;
}

struct fact talk_auth_exchange(struct talk *talk, struct view username, struct view password) {
    unsigned offered = talk->extensions.auth;
    struct fact fact;
    if (talk->is_over)
        return talk_ended(talk, FACT_STAGE_AUTH);
    if (username.len == 0 || password.len == 0 ||
        username.len + password.len > CREDENTIAL_BYTES_MAX)
        return local_failure(FACT_KIND_LOCAL, FACT_LOCAL_CREDENTIALS);
    if (!(offered & (SMTP_AUTH_PLAIN | SMTP_AUTH_LOGIN)))
        return local_failure(FACT_KIND_DEMAND,
                             offered ? FACT_DEMAND_AUTH_MECHANISM : FACT_DEMAND_AUTH);
    fact = offered & SMTP_AUTH_PLAIN ? say_plain(talk, username, password)
                                     : say_login(talk, username, password);
    if (!wants_more(&fact))
        return fact;
    // RFC 4954 4: one question too many; "*" ends the exchange, and its reply is the refusal.
    return talk_command(talk, FACT_STAGE_AUTH, VIEW("*"), talk->timeouts.auth_ms);
}
