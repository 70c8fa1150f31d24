// SPDX-License-Identifier: Apache-2.0
// May this address send mail for that domain (RFC 7208)? What a receiver computes of us.
#ifndef SPF_SPF_H
#define SPF_SPF_H

#include "dns/dns.h"

enum spf_result { // RFC 7208 2.6
    SPF_NONE,
    SPF_NEUTRAL,
    SPF_PASS,
    SPF_FAIL,
    SPF_SOFTFAIL,
    SPF_TEMPERROR,
    SPF_PERMERROR
};

struct spf_question {
    struct dns_resolver *resolver; // of the calling loop
    struct address source;
    struct view sender; // "user@example.org"; a domain alone stands for its postmaster
    struct view helo;
    io_time deadline;
};

// Views come from the arena of the evaluation.
struct spf_answer {
    enum spf_result result;
    struct view domain; // that was asked for
    struct view record; // its record; empty: none
    struct view term;   // that decided, as it stands in `record`; empty: none did
    struct view why;    // what is wrong, a clause: of TEMPERROR and PERMERROR
    unsigned n_lookups; // that count against the limit of ten (RFC 7208 4.6.4)
    unsigned n_void;    // that found nothing
};

IO_WAITS void spf_evaluate(const struct spf_question *question, struct arena *arena,
                           struct spf_answer *answer);
struct view spf_result_word(enum spf_result result);

#endif
