// SPDX-License-Identifier: Apache-2.0
// What an EHLO reply offers (RFC 5321 4.1.1.1): a line a keyword, parameters behind it.
#include "smtp/smtp.h"

static bool take_word(struct view *rest, struct view *word) {
    size_t len = 0;
    *rest = view_trim(*rest);
    while (len < rest->len && rest->ptr[len] != ' ' && rest->ptr[len] != '\t')
        len++;
    *word = view_take(*rest, len);
    *rest = view_skip(*rest, len);
    return len > 0;
}

static unsigned auth_mechanism(struct view word) {
    static const struct {
        struct view name;
        enum smtp_auth mechanism;
    } table[] = {{{"PLAIN", 5}, SMTP_AUTH_PLAIN},
                 {{"LOGIN", 5}, SMTP_AUTH_LOGIN},
                 {{"CRAM-MD5", 8}, SMTP_AUTH_CRAM_MD5},
                 {{"XOAUTH2", 7}, SMTP_AUTH_XOAUTH2}};
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        if (view_equals_nocase(word, table[i].name))
            return table[i].mechanism;
    return SMTP_AUTH_OTHER;
}

static void read_auth(struct view rest, struct smtp_extensions *extensions) {
    struct view word = VIEW_NONE;
    while (take_word(&rest, &word))
        extensions->auth |= auth_mechanism(word);
}

// RFC 1870 3: the number may be missing, and zero says that there is no fixed limit. Where a server
// says it twice, the smaller one is safe.
static void read_size(struct view rest, struct smtp_extensions *extensions) {
    struct view word = VIEW_NONE;
    uint64_t size = 0;
    extensions->size = true;
    if (!take_word(&rest, &word) || !view_to_u64(word, &size) || size == 0)
        return;
    if (extensions->size_max == 0 || size < extensions->size_max)
        extensions->size_max = size;
}

static void read_limit(struct view word, struct view name, uint64_t *limit) {
    uint64_t value = 0;
    if (word.len <= name.len || !view_starts_with_nocase(word, name) || word.ptr[name.len] != '=' ||
        !view_to_u64(view_skip(word, name.len + 1), &value))
        return;
    if (value > 0 && (*limit == 0 || value < *limit))
        *limit = value;
}

// RFC 9422 4: name=value pairs; names that are not known are ignored.
static void read_limits(struct view rest, struct smtp_extensions *extensions) {
    struct view word = VIEW_NONE;
    extensions->limits = true;
    while (take_word(&rest, &word)) {
        read_limit(word, VIEW("RCPTMAX"), &extensions->limit_rcptmax);
        read_limit(word, VIEW("MAILMAX"), &extensions->limit_mailmax);
    }
}

static bool *plain_keyword(struct view word, struct smtp_extensions *extensions) {
    const struct {
        struct view name;
        bool *flag;
    } table[] = {{VIEW("PIPELINING"), &extensions->pipelining},
                 {VIEW("8BITMIME"), &extensions->eightbitmime},
                 {VIEW("SMTPUTF8"), &extensions->smtputf8},
                 {VIEW("ENHANCEDSTATUSCODES"), &extensions->enhanced_status},
                 {VIEW("STARTTLS"), &extensions->starttls},
                 {VIEW("DSN"), &extensions->dsn},
                 {VIEW("CHUNKING"), &extensions->chunking},
                 {VIEW("BINARYMIME"), &extensions->binarymime},
                 {VIEW("REQUIRETLS"), &extensions->requiretls}};
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        if (view_equals_nocase(word, table[i].name))
            return table[i].flag;
    return NULL;
}

// Cisco's inspection overwrites a keyword that it does not know with X and a counting letter:
// XXXXXXXA, XXXB, ... No registered keyword looks like that.
static bool is_masked(struct view word) {
    if (word.len < 3 || word.ptr[word.len - 1] < 'A' || word.ptr[word.len - 1] > 'Z')
        return false;
    for (size_t i = 0; i + 1 < word.len; i++)
        if (word.ptr[i] != 'X')
            return false;
    return true;
}

static void read_keyword(struct view line, struct smtp_extensions *extensions) {
    struct view word = VIEW_NONE;
    if (!take_word(&line, &word))
        return;
    extensions->n_keywords++;
    // "AUTH=LOGIN PLAIN" is the form of servers older than RFC 2554.
    size_t equals = view_find_char(word, '=');
    if (equals < word.len) {
        line =
            view_from(word.ptr + equals + 1, (size_t)(line.ptr + line.len - word.ptr) - equals - 1);
        word = view_take(word, equals);
    }
    bool *flag = plain_keyword(word, extensions);
    if (flag)
        *flag = true;
    else if (view_equals_nocase(word, VIEW("SIZE")))
        read_size(line, extensions);
    else if (view_equals_nocase(word, VIEW("AUTH")))
        read_auth(line, extensions);
    else if (view_equals_nocase(word, VIEW("LIMITS")))
        read_limits(line, extensions);
    else if (is_masked(word))
        extensions->n_masked++;
}

void smtp_extensions_parse(struct view text, struct smtp_extensions *extensions) {
    struct view line = VIEW_NONE;
    *extensions = (struct smtp_extensions){0};
    if (!view_split(&text, '\n', &line))
        return;
    take_word(&line, &extensions->name);
    while (view_split(&text, '\n', &line))
        read_keyword(line, extensions);
    ASSERT(extensions->n_masked <= extensions->n_keywords);
}
