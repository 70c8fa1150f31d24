// SPDX-License-Identifier: Apache-2.0
// A record as terms (RFC 7208 4.6, 5, 6).
#ifndef SPF_SPF_INTERNAL_H
#define SPF_SPF_INTERNAL_H

#include "spf/spf.h"

enum { SPF_TERMS_MAX = 100, SPF_NAME_BYTES_MAX = 253 };

enum spf_mechanism {
    SPF_ALL,
    SPF_INCLUDE,
    SPF_A,
    SPF_MX,
    SPF_PTR,
    SPF_IP4,
    SPF_IP6,
    SPF_EXISTS,
    SPF_MECHANISM_COUNT
};

struct spf_term {
    enum spf_mechanism mechanism;
    enum spf_result qualifier; // what a match means
    struct view text;          // as it stands there
    struct view domain;        // with macros; empty: the current one
    struct address network;    // of ip4 and ip6
    unsigned bits4, bits6;     // of a and mx; of ip4 and ip6 the one that belongs to it
};

struct spf_record {
    struct spf_term terms[SPF_TERMS_MAX];
    size_t n_terms;
    struct view redirect; // with macros; empty: none
};

// Whether the text of a TXT record is one of SPF at all (RFC 7208 4.5).
bool spf_record_is(struct view text);
// Views point into `text`. False: `wrong` is the term that cannot be read.
bool spf_record_parse(struct view text, struct spf_record *record, struct view *wrong);
// True where every macro in it can be expanded (RFC 7208 7.1).
bool spf_macro_is_well(struct view text);

// What macros are expanded with (RFC 7208 7.2).
struct spf_macros {
    const struct address *source;
    struct view sender; // whole: "postmaster@example.org"
    struct view domain, helo;
    struct view validated; // of %{p}; empty: unknown
};
// A name of at most SPF_NAME_BYTES_MAX, cut by whole labels in front; empty: the arena is full.
struct view spf_macro_expand(struct view text, const struct spf_macros *macros,
                             struct arena *arena);

#endif
