// SPDX-License-Identifier: Apache-2.0
// The arguments of MAIL and RCPT: a path, then parameters (RFC 5321 4.1.1.2, 4.1.1.3, 4.1.1.11). A
// table names each parameter with its reader; a parameter that comes twice is refused.
#include "smtp/grammar.h"

enum {
    ENVID_BYTES_MAX = 100, // RFC 3461 4.4
    ORCPT_BYTES_MAX = 500, // RFC 3461 4.2
    AUTH_BYTES_MAX = 500,  // RFC 4954 3
    SIZE_DIGITS_MAX = 20,  // RFC 1870 4
    PARAMETERS_MAX = 32    // of one command
};

struct parameter {
    struct view name;
    bool (*read)(struct view value, bool has_value, void *params);
};

static bool is_hex(char c) {
    return ascii_is_digit(c) || (c >= 'A' && c <= 'F') || (c >= 'a' && c <= 'f');
}

// RFC 3461 4: printable characters without "+" and "=", or "+" and two hexadecimal digits. Bytes
// above 127 stand in the forms of RFC 6533 and are allowed where `utf8`.
static bool xtext_is_valid(struct view text, bool utf8) {
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c == '+') {
            if (text.len - i < 3 || !is_hex(text.ptr[i + 1]) || !is_hex(text.ptr[i + 2]))
                return false;
            i += 2;
        } else if (c <= ' ' || c == '=' || c == 0x7f || (c > 0x7f && !utf8)) {
            return false;
        }
    }
    return !utf8 || smtp_text_is_clean(text);
}

// --- MAIL ---------------------------------------------------------------------------------------

static bool read_size(struct view value, bool has_value, void *arg) {
    struct smtp_mail_params *params = arg;
    if (!has_value || value.len == 0 || value.len > SIZE_DIGITS_MAX)
        return false;
    for (size_t i = 0; i < value.len; i++)
        if (!ascii_is_digit(value.ptr[i]))
            return false;
    // Twenty digits can pass 64 bits: larger than any limit, so the answer is 552 and not 501.
    if (!view_to_u64(value, &params->size))
        params->size = UINT64_MAX;
    return params->has_size = true;
}

static bool read_body(struct view value, bool has_value, void *arg) {
    struct smtp_mail_params *params = arg;
    params->has_body = true;
    params->body_8bitmime = view_equals_nocase(value, VIEW("8BITMIME"));
    params->body_binarymime = view_equals_nocase(value, VIEW("BINARYMIME"));
    return params->body_8bitmime || params->body_binarymime ||
           view_equals_nocase(value, VIEW("7BIT"));
}

static bool read_smtputf8(struct view value, bool has_value, void *arg) {
    ((struct smtp_mail_params *)arg)->smtputf8 = true;
    return !has_value;
}

static bool read_requiretls(struct view value, bool has_value, void *arg) {
    ((struct smtp_mail_params *)arg)->requiretls = true;
    return !has_value;
}

static bool read_ret(struct view value, bool has_value, void *arg) {
    struct smtp_mail_params *params = arg;
    params->has_ret = true;
    params->ret_full = view_equals_nocase(value, VIEW("FULL"));
    return params->ret_full || view_equals_nocase(value, VIEW("HDRS"));
}

static bool read_envid(struct view value, bool has_value, void *arg) {
    ((struct smtp_mail_params *)arg)->envid = value;
    return value.len && value.len <= ENVID_BYTES_MAX && xtext_is_valid(value, false);
}

static bool read_auth(struct view value, bool has_value, void *arg) {
    ((struct smtp_mail_params *)arg)->auth = value;
    return value.len && value.len <= AUTH_BYTES_MAX && xtext_is_valid(value, true);
}

// --- RCPT ---------------------------------------------------------------------------------------

enum { NOTIFY_NEVER = 1, NOTIFY_SUCCESS = 2, NOTIFY_FAILURE = 4, NOTIFY_DELAY = 8 };

static unsigned notify_bit(struct view word) {
    if (view_equals_nocase(word, VIEW("NEVER")))
        return NOTIFY_NEVER;
    if (view_equals_nocase(word, VIEW("SUCCESS")))
        return NOTIFY_SUCCESS;
    if (view_equals_nocase(word, VIEW("FAILURE")))
        return NOTIFY_FAILURE;
    return view_equals_nocase(word, VIEW("DELAY")) ? NOTIFY_DELAY : 0;
}

static bool read_notify(struct view value, bool has_value, void *arg) {
    struct smtp_rcpt_params *params = arg;
    struct view word = VIEW_NONE;
    params->has_notify = true;
    while (view_split(&value, ',', &word)) {
        unsigned bit = notify_bit(word);
        if (bit == 0)
            return false;
        params->notify |= bit;
    }
    // RFC 3461 4.1: NEVER stands alone.
    return params->notify && (params->notify == NOTIFY_NEVER || !(params->notify & NOTIFY_NEVER));
}

static bool read_orcpt(struct view value, bool has_value, void *arg) {
    ((struct smtp_rcpt_params *)arg)->orcpt = value;
    size_t semicolon = view_find_char(value, ';');
    if (semicolon == 0 || semicolon + 1 >= value.len || value.len > ORCPT_BYTES_MAX)
        return false;
    for (size_t i = 0; i < semicolon; i++)
        if (!ascii_is_alpha(value.ptr[i]) && !ascii_is_digit(value.ptr[i]) && value.ptr[i] != '-')
            return false;
    return xtext_is_valid(view_skip(value, semicolon + 1), true);
}

// --- Both ---------------------------------------------------------------------------------------

static const struct parameter mail_parameters[] = {
    {{"SIZE", 4}, read_size},         {{"BODY", 4}, read_body},
    {{"SMTPUTF8", 8}, read_smtputf8}, {{"REQUIRETLS", 10}, read_requiretls},
    {{"RET", 3}, read_ret},           {{"ENVID", 5}, read_envid},
    {{"AUTH", 4}, read_auth},
};

static const struct parameter rcpt_parameters[] = {
    {{"NOTIFY", 6}, read_notify},
    {{"ORCPT", 5}, read_orcpt},
};

struct parameter_table {
    const struct parameter *rows;
    size_t n_rows;
};

static enum smtp_syntax parameter_read(const struct parameter_table *table, struct view word,
                                       unsigned *seen, void *params) {
    size_t equals = view_find_char(word, '=');
    struct view name = view_take(word, equals);
    for (size_t i = 0; i < table->n_rows; i++) {
        if (!view_equals_nocase(name, table->rows[i].name))
            continue;
        if (*seen & 1U << i)
            return SMTP_SYNTAX_PARAMETER;
        *seen |= 1U << i;
        bool well = table->rows[i].read(view_skip(word, equals + 1), equals < word.len, params);
        return well ? SMTP_SYNTAX_OK : SMTP_SYNTAX_PARAMETER;
    }
    return SMTP_SYNTAX_UNKNOWN;
}

static enum smtp_syntax parameters_read(const struct parameter_table *table, struct view rest,
                                        void *params) {
    unsigned seen = 0, n_words = 0;
    struct view word = VIEW_NONE;
    if (rest.len && rest.ptr[0] != ' ' && rest.ptr[0] != '\t')
        return SMTP_SYNTAX_PARAMETER;
    rest = view_trim(rest);
    while (rest.len && view_split(&rest, ' ', &word)) {
        if (word.len == 0)
            continue;
        if (++n_words > PARAMETERS_MAX)
            return SMTP_SYNTAX_TOO_LONG;
        enum smtp_syntax syntax = parameter_read(table, word, &seen, params);
        if (syntax != SMTP_SYNTAX_OK)
            return syntax;
    }
    return SMTP_SYNTAX_OK;
}

static bool take_prefix(struct view *rest, struct view prefix) {
    if (!view_starts_with_nocase(*rest, prefix))
        return false;
    // "MAIL FROM: <a@b>" is wrong and common; nothing is lost by taking it.
    *rest = view_trim(view_skip(*rest, prefix.len));
    return true;
}

enum smtp_syntax smtp_mail_parse(struct view rest, struct smtp_path *path,
                                 struct smtp_mail_params *params) {
    const struct parameter_table table = {mail_parameters, ARRAY_LEN(mail_parameters)};
    *path = (struct smtp_path){0};
    *params = (struct smtp_mail_params){0};
    if (!take_prefix(&rest, VIEW("FROM:")))
        return SMTP_SYNTAX_PATH;
    enum smtp_syntax syntax = smtp_path_take(&rest, true, path);
    return syntax == SMTP_SYNTAX_OK ? parameters_read(&table, rest, params) : syntax;
}

enum smtp_syntax smtp_rcpt_parse(struct view rest, struct smtp_path *path,
                                 struct smtp_rcpt_params *params) {
    const struct parameter_table table = {rcpt_parameters, ARRAY_LEN(rcpt_parameters)};
    *path = (struct smtp_path){0};
    *params = (struct smtp_rcpt_params){0};
    if (!take_prefix(&rest, VIEW("TO:")))
        return SMTP_SYNTAX_PATH;
    enum smtp_syntax syntax = smtp_path_take(&rest, false, path);
    return syntax == SMTP_SYNTAX_OK ? parameters_read(&table, rest, params) : syntax;
}
