// SPDX-License-Identifier: Apache-2.0
// Enhanced status codes (RFC 3463, RFC 5248): reading them and knowing which ones are registered. A
// provider's private number (4.7.500) is kept as reported and never shown as ours.
#include "catalog/catalog_internal.h"

bool enhanced_parse(struct view text, struct enhanced *enhanced, size_t *len) {
    int parts[3];
    size_t at = 0;
    for (int i = 0; i < 3; i++) {
        size_t digits = 0;
        int value = 0;
        while (at < text.len && digits < 3 && ascii_is_digit(text.ptr[at])) {
            value = value * 10 + (text.ptr[at++] - '0');
            digits++;
        }
        if (digits == 0 || (i < 2 && (at >= text.len || text.ptr[at++] != '.')))
            return false;
        parts[i] = value;
    }
    bool ends = at == text.len || !(ascii_is_alpha(text.ptr[at]) || ascii_is_digit(text.ptr[at]));
    if (!ends || (parts[0] != 2 && parts[0] != 4 && parts[0] != 5))
        return false;
    *enhanced = (struct enhanced){parts[0], parts[1], parts[2]};
    *len = at;
    return true;
}

// The highest detail of each subject in the IANA registry; all below it are registered.
bool enhanced_is_registered(const struct enhanced *enhanced) {
    static const int detail_max[] = {0, 10, 4, 6, 7, 6, 10, 30};
    bool known_class = enhanced->class == 2 || enhanced->class == 4 || enhanced->class == 5;
    return known_class && enhanced->subject >= 0 &&
           enhanced->subject < (int)ARRAY_LEN(detail_max) && enhanced->detail >= 0 &&
           enhanced->detail <= detail_max[enhanced->subject];
}

bool enhanced_of_fact(const struct fact *fact, struct enhanced *enhanced) {
    size_t len = 0;
    *enhanced = (struct enhanced){fact->enhanced[0], fact->enhanced[1], fact->enhanced[2]};
    return enhanced->class != 0 || enhanced_parse(view_trim(fact->text), enhanced, &len);
}

struct view reply_words(const struct fact *fact) {
    struct view text = view_trim(fact->text);
    struct enhanced enhanced;
    size_t len = 0;
    if (enhanced_parse(text, &enhanced, &len))
        text = view_trim(view_skip(text, len));
    return text;
}
