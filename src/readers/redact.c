// SPDX-License-Identifier: Apache-2.0
// Masks for people who show an answer to others. It works on the finished answer, so nothing slips
// through a member that somebody forgot: whoever has an "@" behind him gets a mask, and his name is
// masked wherever else it stands as a word.
#include "mail/mail.h"
#include "readers/readers.h"

#include <stdlib.h>

enum { NAMES_MAX = 4096, NAME_BYTES_MIN = 3, SUBJECTS_MAX = 64 };

struct reader_redaction {
    struct arena arena;
    struct view names[NAMES_MAX]; // local parts; user1 is the first
    size_t n_names;
    struct view subjects[SUBJECTS_MAX];
    size_t n_subjects;
};

struct reader_redaction *reader_redaction_create(void) {
    struct reader_redaction *redaction = mem_alloc_zero(sizeof(*redaction));
    arena_init(&redaction->arena, 8 << 20);
    return redaction;
}

void reader_redaction_destroy(struct reader_redaction *redaction) {
    if (!redaction)
        return;
    arena_finish(&redaction->arena);
    free(redaction);
}

void reader_redaction_add_subject(struct reader_redaction *redaction, struct view subject) {
    subject = view_trim(subject);
    if (subject.len >= NAME_BYTES_MIN && redaction->n_subjects < SUBJECTS_MAX)
        redaction->subjects[redaction->n_subjects++] = arena_copy(&redaction->arena, subject);
}

// --- Names ---------------------------------------------------------------------------------------
// Zero where there is no room for another one.
static size_t number_of(struct reader_redaction *redaction, struct view name) {
    for (size_t i = 0; i < redaction->n_names; i++)
        if (view_equals_nocase(redaction->names[i], name))
            return i + 1;
    if (redaction->n_names == NAMES_MAX)
        return 0;
    redaction->names[redaction->n_names++] = arena_copy(&redaction->arena, name);
    return redaction->n_names;
}

// Addresses that name a role and no person.
static bool is_role(struct view name) {
    static const struct view roles[] = {{"postmaster", 10},
                                        {"mailer-daemon", 13},
                                        {"abuse", 5},
                                        {"hostmaster", 10},
                                        {"mail-administrator", 18}};
    for (size_t i = 0; i < ARRAY_LEN(roles); i++)
        if (view_equals_nocase(name, roles[i]))
            return true;
    return false;
}

static void put_mask(struct reader_redaction *redaction, struct view name, struct buffer *out) {
    if (is_role(name))
        buffer_append_view(out, name);
    else
        buffer_printf(out, "user%zu", number_of(redaction, name));
}

static void learn_names(struct reader_redaction *redaction, struct view text) {
    for (struct view address; (address = mail_address_find(text)).len;) {
        struct view local = view_take(address, view_find_last_char(address, '@'));
        if (!is_role(local))
            (void)number_of(redaction, local);
        text = view_skip(text, (size_t)(address.ptr + address.len - text.ptr));
    }
}

// --- Words ---------------------------------------------------------------------------------------
static bool is_word_char(char c) {
    return ascii_is_alpha(c) || ascii_is_digit(c) || (c && strchr("-_.+", c)) ||
           (unsigned char)c >= 0x80;
}

// Two letters that are a word far more often than somebody's name.
static bool is_small_word(struct view word) {
    static const char words[] = "am an as at be by de do el en er es et go he id if in ip is it la "
                                "le me mx my no of ok on or os pm re so te to tx un up us we ";
    for (size_t i = 0; word.len == 2 && words[i]; i += 3)
        if (view_equals_nocase(view_from(words + i, 2), word))
            return true;
    return word.len < 2;
}

static bool is_known_name(const struct reader_redaction *redaction, struct view word) {
    if (is_small_word(word))
        return false;
    for (size_t i = 0; i < redaction->n_names; i++)
        if (view_equals_nocase(redaction->names[i], word))
            return true;
    return false;
}

// "Anna" and "Smith" of anna.smith@example.org, written as names are.
static bool is_part_of_name(const struct reader_redaction *redaction, struct view word) {
    bool is_capital = word.len >= NAME_BYTES_MIN && word.ptr[0] >= 'A' && word.ptr[0] <= 'Z';
    for (size_t i = 0; is_capital && i < redaction->n_names; i++) {
        struct view rest = redaction->names[i];
        while (rest.len) {
            size_t end = 0;
            while (end < rest.len && !strchr("._-+=", rest.ptr[end]))
                end++;
            if (view_equals_nocase(view_take(rest, end), word))
                return true;
            rest = view_skip(rest, end + 1);
        }
    }
    return false;
}

// RFC 6762 and the names that companies use inside.
static bool is_inside_host(struct view word) {
    static const struct view ends[] = {{".local", 6},      {".lan", 4},         {".internal", 9},
                                       {".intranet", 9},   {".corp", 5},        {".intra", 6},
                                       {".home.arpa", 10}, {".localdomain", 12}};
    for (size_t i = 0; i < ARRAY_LEN(ends); i++)
        if (word.len > ends[i].len && view_ends_with_nocase(word, ends[i]))
            return true;
    return false;
}

// Addresses of the reader's own network; those for documentation and of the internet stay.
static bool is_inside_address(struct view word) {
    static const char *const networks[] = {"10.0.0.0/8",    "172.16.0.0/12",  "192.168.0.0/16",
                                           "100.64.0.0/10", "169.254.0.0/16", "fc00::/7",
                                           "fe80::/10",     "127.0.0.0/8"};
    struct address address;
    if (!address_parse(word, &address))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(networks); i++) {
        struct network network;
        if (network_parse(view_of(networks[i]), &network) && network_contains(&network, &address))
            return true;
    }
    return false;
}

static struct view without_dot(struct view word) {
    while (word.len && word.ptr[word.len - 1] == '.')
        word.len--;
    return word;
}

static void put_word(struct reader_redaction *redaction, struct view word, struct buffer *out) {
    struct view core = without_dot(word);
    if (is_inside_address(core))
        buffer_append_view(out, VIEW("[inside-address]"));
    else if (is_inside_host(core))
        buffer_append_view(out, VIEW("[inside-host]"));
    else if (is_known_name(redaction, core))
        put_mask(redaction, core, out);
    else if (is_part_of_name(redaction, core))
        buffer_append_view(out, VIEW("[name]"));
    else
        buffer_append_view(out, core);
    buffer_append_view(out, view_skip(word, core.len));
}

// An IPv6 address has colons, which end words.
static size_t ipv6_len(struct view text) {
    size_t len = 0;
    bool has_colon = false;
    while (len < text.len && len < 45 &&
           (ascii_is_digit(text.ptr[len]) || strchr("abcdefABCDEF:.", text.ptr[len]))) {
        has_colon = has_colon || text.ptr[len] == ':';
        len++;
    }
    return has_colon && is_inside_address(view_take(text, len)) ? len : 0;
}

static size_t blank_len(struct view text) {
    size_t len = 0;
    while (len < text.len && strchr(" \t\r\n", text.ptr[len]))
        len++;
    return len;
}

// How much of `text` is the subject, zero: it is not. The answer may have broken it into lines, or
// put a backslash before its quotes.
static size_t subject_len_at(struct view subject, struct view text) {
    size_t at = 0;
    while (subject.len) {
        size_t blank = blank_len(subject), blank_here = blank_len(view_skip(text, at));
        if ((blank > 0) != (blank_here > 0))
            return 0;
        subject = view_skip(subject, blank);
        at += blank_here;
        if (subject.len == 0)
            break;
        bool is_escaped = at + 1 < text.len && text.ptr[at] == '\\' &&
                          (subject.ptr[0] == '"' || subject.ptr[0] == '\\');
        at += is_escaped;
        if (at >= text.len || text.ptr[at] != subject.ptr[0])
            return 0;
        at++;
        subject = view_skip(subject, 1);
    }
    return at;
}

static size_t subject_len(const struct reader_redaction *redaction, struct view text) {
    size_t longest = 0;
    for (size_t i = 0; i < redaction->n_subjects; i++)
        longest = size_max(longest, subject_len_at(redaction->subjects[i], text));
    return longest;
}

// "/O=FIRM/CN=RECIPIENTS/CN=ANNA": how Exchange names a mailbox without an "@".
static size_t directory_name_len(struct view text) {
    size_t len = 3;
    if (!view_starts_with_nocase(text, VIEW("cn=")))
        return 0;
    while (len < text.len && !strchr("/ \t\n\"',;<>()[]\\", text.ptr[len]))
        len++;
    return len;
}

static void put_plain(struct reader_redaction *redaction, struct view text, struct buffer *out) {
    while (text.len) {
        size_t len = subject_len(redaction, text);
        if (len) {
            buffer_append_view(out, VIEW("[subject]"));
            text = view_skip(text, len);
            continue;
        }
        len = directory_name_len(text);
        if (len) {
            buffer_append_view(out, VIEW("CN=[name]"));
            text = view_skip(text, len);
            continue;
        }
        len = ipv6_len(text);
        if (len) {
            buffer_append_view(out, VIEW("[inside-address]"));
            text = view_skip(text, len);
            continue;
        }
        while (len < text.len && is_word_char(text.ptr[len]))
            len++;
        // "?user=anna%40example.org" in an address of the web.
        bool is_escaped_address = view_starts_with_nocase(view_skip(text, len), VIEW("%40"));
        if (len && is_escaped_address)
            put_mask(redaction, view_take(text, len), out);
        else if (len)
            put_word(redaction, view_take(text, len), out);
        else
            buffer_append_char(out, text.ptr[len++]);
        text = view_skip(text, len);
    }
}

void reader_redact(struct reader_redaction *redaction, struct view text, struct buffer *out) {
    learn_names(redaction, text);
    for (struct view address; (address = mail_address_find(text)).len;) {
        size_t at = view_find_last_char(address, '@');
        put_plain(redaction, view_take(text, (size_t)(address.ptr - text.ptr)), out);
        put_mask(redaction, view_take(address, at), out);
        buffer_append_char(out, '@');
        put_word(redaction, view_skip(address, at + 1), out);
        text = view_skip(text, (size_t)(address.ptr + address.len - text.ptr));
    }
    put_plain(redaction, text, out);
}
