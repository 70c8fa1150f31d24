// SPDX-License-Identifier: Apache-2.0
// The halves of an address that the grammar of smtp/ has accepted already.
#include "mail/mail.h"

// Length of the local part; a quoted one may hold "@" (RFC 5321 4.1.2).
static size_t local_part_len(struct view address) {
    if (address.len == 0 || address.ptr[0] != '"')
        return view_find_last_char(address, '@');
    for (size_t i = 1; i < address.len; i++) {
        if (address.ptr[i] == '"')
            return i + 1 < address.len && address.ptr[i + 1] == '@' ? i + 1 : address.len;
        if (address.ptr[i] == '\\')
            i++;
    }
    return address.len;
}

struct view mail_address_domain(struct view address) {
    struct view domain = view_skip(address, local_part_len(address) + 1);
    if (domain.len && domain.ptr[domain.len - 1] == '.')
        domain.len--;
    return domain;
}

struct view mail_address_canonical(struct view address, struct arena *arena) {
    size_t local_len = local_part_len(address);
    struct view domain = mail_address_domain(address);
    if (domain.len == 0)
        return arena_copy(arena, address);
    size_t len = local_len + 1 + domain.len;
    ASSERT(len <= address.len);
    char *copy = arena_alloc(arena, len + 1);
    if (!copy)
        return VIEW_NONE;
    memcpy(copy, address.ptr, len);
    for (size_t i = local_len; i < len; i++)
        copy[i] = ascii_lower(copy[i]);
    return view_from(copy, len);
}
