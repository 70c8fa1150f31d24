// SPDX-License-Identifier: Apache-2.0
// Character sets to UTF-8 with the C library's tables. Most mail is ASCII in the end and never gets
// that far.
#include "mail/transfer.h"

#include <errno.h>
#include <iconv.h>

enum { CHARSET_NAME_MAX = 40 };

static bool is_utf8(struct view charset) {
    return charset.len == 0 || view_equals_nocase(charset, VIEW("utf-8")) ||
           view_equals_nocase(charset, VIEW("utf8")) ||
           view_equals_nocase(charset, VIEW("us-ascii")) ||
           view_equals_nocase(charset, VIEW("ascii"));
}

// Encodings that give other meanings to bytes of ASCII: shifted sets, UTF-7 and the wide ones.
static bool uses_ascii_bytes(struct view charset) {
    static const struct view prefixes[] = {{"iso-2022", 8},    {"utf-7", 5},  {"unicode", 7},
                                           {"utf-16", 6},      {"utf-32", 6}, {"ucs-", 4},
                                           {"iso-10646-", 10}, {"hz-", 3},    {"csunicode", 9},
                                           {"ebcdic", 6},      {"ibm", 3},    {"cp", 2}};
    for (size_t i = 0; i < ARRAY_LEN(prefixes); i++)
        if (view_starts_with_nocase(charset, prefixes[i]))
            return true;
    return false;
}

static bool has_high_bytes(struct view bytes) {
    size_t i = 0;
    for (uint64_t word; i + sizeof(word) <= bytes.len; i += sizeof(word)) {
        memcpy(&word, bytes.ptr + i, sizeof(word));
        if (word & 0x8080808080808080U)
            return true;
    }
    for (; i < bytes.len; i++)
        if ((unsigned char)bytes.ptr[i] >= 0x80)
            return true;
    return false;
}

bool mail_charset_is_plain(struct view charset, struct view bytes) {
    if (has_high_bytes(bytes))
        return false;
    // ISO-2022 announces its other sets with an escape; without one it is ASCII (RFC 1468).
    if (view_starts_with_nocase(charset, VIEW("iso-2022")))
        return view_find_char(bytes, '\x1b') == bytes.len;
    return is_utf8(charset) || !uses_ascii_bytes(charset);
}

static void append_utf8(struct view bytes, struct buffer *out) {
    while (bytes.len) {
        size_t plain = 0;
        while (plain < bytes.len && (unsigned char)bytes.ptr[plain] < 0x80)
            plain++;
        size_t len = plain ? plain : view_utf8_len(bytes);
        buffer_append_view(out, len ? view_take(bytes, len) : VIEW("\xef\xbf\xbd"));
        bytes = view_skip(bytes, size_max(len, 1));
    }
}

// A name that strangers wrote reaches the C library only as letters, digits and a few signs;
// aliases that mail uses and the library does not know are put right.
static bool charset_name(struct view charset, char *name) {
    static const struct {
        struct view alias;
        const char *name;
    } rows[] = {{{"unicode-1-1-utf-7", 17}, "UTF-7"},   {{"unicode-1-1-utf-8", 17}, "UTF-8"},
                {{"x-sjis", 6}, "SHIFT_JIS"},           {{"ks_c_5601-1987", 14}, "CP949"},
                {{"iso-2022-jp", 11}, "ISO-2022-JP-3"}, {{"gb2312", 6}, "GB18030"}};
    if (charset.len == 0 || charset.len > CHARSET_NAME_MAX)
        return false;
    for (size_t i = 0; i < charset.len; i++) {
        char c = charset.ptr[i];
        if (!ascii_is_alpha(c) && !ascii_is_digit(c) && !(c && strchr("-_.:", c)))
            return false;
    }
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (view_equals_nocase(charset, rows[i].alias))
            return view_copy_string(view_of(rows[i].name), name, CHARSET_NAME_MAX + 1);
    return view_copy_string(charset, name, CHARSET_NAME_MAX + 1);
}

// The C library loads a table from disk for each set and forgets it at once; mail of one sender
// uses the same set again and again, so each thread keeps the last converter.
static iconv_t converter_for(const char *name) {
    static _Thread_local struct {
        char name[CHARSET_NAME_MAX + 1];
        iconv_t converter;
    } last = {"", (iconv_t)-1};
    if (last.converter != (iconv_t)-1 && strcmp(last.name, name) == 0) {
        iconv(last.converter, NULL, NULL, NULL, NULL); // back to its first state
        return last.converter;
    }
    iconv_t converter = iconv_open("UTF-8", name);
    if (converter == (iconv_t)-1)
        return converter;
    if (last.converter != (iconv_t)-1)
        iconv_close(last.converter);
    last.converter = converter;
    (void)view_copy_string(view_of(name), last.name, sizeof(last.name));
    return converter;
}

static void convert(iconv_t converter, struct view bytes, struct buffer *out) {
    char *in = (char *)(uintptr_t)bytes.ptr, piece[1024];
    size_t in_left = bytes.len;
    while (in_left > 0) {
        char *to = piece;
        size_t room = sizeof(piece);
        size_t result = iconv(converter, &in, &in_left, &to, &room);
        buffer_append(out, piece, sizeof(piece) - room);
        if (result != (size_t)-1 || errno == E2BIG)
            continue;
        buffer_append_view(out, VIEW("\xef\xbf\xbd")); // an invalid or unfinished sequence
        in++;
        in_left--;
    }
}

bool mail_charset_append(struct view charset, struct view bytes, struct buffer *out) {
    char name[CHARSET_NAME_MAX + 1];
    if (mail_charset_is_plain(charset, bytes)) {
        buffer_append_view(out, bytes);
        return true;
    }
    if (is_utf8(charset)) {
        append_utf8(bytes, out);
        return true;
    }
    if (!charset_name(charset, name))
        return false;
    iconv_t converter = converter_for(name);
    if (converter == (iconv_t)-1)
        return false;
    convert(converter, bytes, out);
    return true;
}
