// SPDX-License-Identifier: Apache-2.0
// The dialects as the catalogue's own files and their tests see them.
#ifndef CATALOG_DIALECT_H
#define CATALOG_DIALECT_H

#include "catalog/catalog_internal.h"
#include "catalog/pattern.h"

enum speaker {
    SPEAKER_ANY,
    SPEAKER_GMAIL,
    SPEAKER_MICROSOFT,
    SPEAKER_YAHOO,
    SPEAKER_APPLE,
    SPEAKER_MIMECAST,
    SPEAKER_BARRACUDA,
    SPEAKER_PROOFPOINT,
    SPEAKER_RACKSPACE,
    SPEAKER_CISCO,
    SPEAKER_ORANGE,
    SPEAKER_QQ,
    SPEAKER_COUNT
};

// A text as patterns see it: small letters, single blanks, no addresses and no codes at the starts
// of lines. Longer texts are cut.
struct plain_text {
    size_t len;
    char bytes[FACT_TEXT_BYTES_MAX];
};

void plain_text_from(struct view text, struct plain_text *plain);
static inline struct view plain_text_view(const struct plain_text *plain) {
    return view_from(plain->bytes, plain->len);
}

struct dialect {
    enum speaker speaker;
    struct {
        int from, to;
    } codes;
    struct view enhanced; // "*.7.606-649"; empty: any
    struct view pattern;  // empty: any text
    enum cause cause;
};

struct said {
    enum speaker speaker;
    int code;
    struct enhanced enhanced; // class zero: none
    struct view text;         // plain
    struct view host;         // who said it; may be empty
    bool words_only;          // rows without words of a known speaker do not count
};

// "*.7.606-649" or empty against a code of class zero: none.
bool enhanced_matches(struct view pattern, const struct enhanced *enhanced);

size_t dialect_count(void);
const struct dialect *dialect_at(size_t index);
// The first row that holds, or NULL.
const struct dialect *dialect_find(const struct said *said);
struct view speaker_word(enum speaker speaker); // "Gmail"; empty for any
// From the host name first, then from the words and the greeting.
enum speaker speaker_of(struct view host, struct view text, struct view greeting);

#endif
