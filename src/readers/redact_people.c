// SPDX-License-Identifier: Apache-2.0
// Who is told of: local parts of addresses, names in front of them, accounts, folders of people,
// subjects.
#include "mail/mail.h"
#include "readers/redact.h"

// --- Names ---------------------------------------------------------------------------------------
// The same person: "+4915112345678" is 4915112345678, "\"jane doe\"" is jane doe.
static struct view bare(struct view name) {
    if (name.len > 1 && name.ptr[0] == '"' && name.ptr[name.len - 1] == '"')
        name = view_take(view_skip(name, 1), name.len - 2);
    return name.len > 1 && name.ptr[0] == '+' ? view_skip(name, 1) : name;
}

// Zero where there is no room for another one.
static size_t number_of(struct reader_redaction *redaction, struct view name) {
    for (size_t i = 0; i < redaction->n_names; i++)
        if (view_equals_nocase(redaction->names[i], bare(name)))
            return i + 1;
    if (redaction->n_names == REDACT_NAMES_MAX)
        return 0;
    redaction->names[redaction->n_names++] = arena_copy(&redaction->arena, bare(name));
    return redaction->n_names;
}

static bool is_among(struct view word, const struct view *words, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (view_equals_nocase(word, words[i]))
            return true;
    return false;
}

// Addresses that name a role and no person.
static bool is_role(struct view name) {
    static const struct view roles[] = {{"postmaster", 10},
                                        {"mailer-daemon", 13},
                                        {"abuse", 5},
                                        {"hostmaster", 10},
                                        {"mail-administrator", 18}};
    return is_among(name, roles, ARRAY_LEN(roles));
}

void redact_put_mask(struct reader_redaction *redaction, struct view name, struct buffer *out) {
    if (is_role(name))
        buffer_append_view(out, name);
    else
        buffer_printf(out, "user%zu", number_of(redaction, name));
}

void redact_learn_people(struct reader_redaction *redaction, struct view text) {
    for (struct view address; (address = mail_address_find(text)).len;) {
        struct view local = view_take(address, view_find_last_char(address, '@'));
        if (!is_role(local))
            (void)number_of(redaction, local);
        text = view_skip(text, (size_t)(address.ptr + address.len - text.ptr));
    }
}

void reader_redaction_add_person(struct reader_redaction *redaction, struct view address) {
    struct view local = view_take(address, view_find_last_char(address, '@'));
    if (local.len && !is_role(local))
        (void)number_of(redaction, local);
}

// --- Words ---------------------------------------------------------------------------------------
// Local parts that are a word far more often than somebody's name.
static bool is_common_word(struct view word) {
    static const struct view words[] = {
        {"mail", 4},    {"info", 4},     {"user", 4},    {"server", 6},    {"message", 7},
        {"test", 4},    {"sender", 6},   {"host", 4},    {"recipient", 9}, {"error", 5},
        {"contact", 7}, {"support", 7},  {"service", 7}, {"address", 7},   {"domain", 6},
        {"relay", 5},   {"delivery", 8}, {"root", 4},    {"mailbox", 7},   {"noreply", 7},
        {"bounce", 6},  {"bounces", 7},  {"from", 4},    {"help", 4},      {"security", 8},
        {"spam", 4},    {"name", 4},     {"null", 4},    {"true", 4},      {"false", 5},
        {"and", 3},     {"the", 3},      {"network", 7}, {"admin", 5},     {"unknown", 7}};
    static const char small[] = "am an as at be by de do el en er es et go he id if in ip is it la "
                                "le me mx my no of ok on or os pm re so te to tx un up us we ";
    for (size_t i = 0; word.len == 2 && small[i]; i += 3)
        if (view_equals_nocase(view_from(small + i, 2), word))
            return true;
    return word.len < 2 || is_among(word, words, ARRAY_LEN(words));
}

bool redact_is_person(const struct reader_redaction *redaction, struct view word) {
    word = bare(word);
    if (is_common_word(word))
        return false;
    for (size_t i = 0; i < redaction->n_names; i++)
        if (view_equals_nocase(redaction->names[i], word))
            return true;
    return false;
}

// "Anna" and "Smith" of anna.smith@example.org, written as names are.
bool redact_is_part_of_person(const struct reader_redaction *redaction, struct view word) {
    bool is_capital = word.len >= REDACT_NAME_BYTES_MIN &&
                      ((word.ptr[0] >= 'A' && word.ptr[0] <= 'Z') || (word.ptr[0] & 0x80)) &&
                      !is_common_word(word);
    for (size_t i = 0; is_capital && i < redaction->n_names; i++) {
        struct view rest = redaction->names[i];
        while (rest.len) {
            size_t end = 0;
            while (end < rest.len && !strchr("._-+= ", rest.ptr[end]))
                end++;
            if (view_equals_nocase(view_take(rest, end), word))
                return true;
            rest = view_skip(rest, end + 1);
        }
    }
    return false;
}

// --- Names in front of an address ----------------------------------------------------------------
// Words of servers that stand there as often: "550 No Such User <a@b.example>".
static bool is_servers_word(struct view word) {
    static const struct view words[] = {{"to", 2},
                                        {"from", 4},
                                        {"for", 3},
                                        {"by", 2},
                                        {"user", 4},
                                        {"unknown", 7},
                                        {"recipient", 9},
                                        {"sender", 6},
                                        {"mailbox", 7},
                                        {"address", 7},
                                        {"rejected", 8},
                                        {"invalid", 7},
                                        {"access", 6},
                                        {"denied", 6},
                                        {"relay", 5},
                                        {"host", 4},
                                        {"domain", 6},
                                        {"mail", 4},
                                        {"message", 7},
                                        {"account", 7},
                                        {"unavailable", 11},
                                        {"not", 3},
                                        {"no", 2},
                                        {"such", 4},
                                        {"bad", 3},
                                        {"relaying", 8},
                                        {"delivery", 8},
                                        {"failed", 6},
                                        {"server", 6},
                                        {"rcpt", 4},
                                        {"local", 5},
                                        {"full", 4},
                                        {"the", 3},
                                        {"email", 5},
                                        {"of", 2},
                                        {"is", 2},
                                        {"disabled", 8},
                                        {"inactive", 8},
                                        {"greylisted", 10},
                                        {"policy", 6},
                                        {"quota", 5},
                                        {"over", 4},
                                        {"exceeded", 8},
                                        {"undeliverable", 13},
                                        {"final-recipient", 15},
                                        {"original-recipient", 18},
                                        {"written", 7},
                                        {"about", 5}};
    return is_among(word, words, ARRAY_LEN(words));
}

static size_t blank_len(struct view text) {
    size_t len = 0;
    while (len < text.len && strchr(" \t\r\n", text.ptr[len]))
        len++;
    return len;
}

// Whether `text` up to its end is nothing but blanks and "<", with an address behind it.
static bool ends_before_address(const struct redact_spot *spot, struct view text) {
    size_t blank = blank_len(text);
    return blank > 0 && text.len == blank + 1 && text.ptr[blank] == '<' &&
           spot->end < spot->text.len;
}

static size_t quoted_name_len(const struct redact_spot *spot) {
    struct view rest = redact_rest(spot);
    size_t end = view_find_char(view_skip(rest, 1), '"') + 1;
    return end < rest.len && end > 2 && end < 100 &&
                   ends_before_address(spot, view_skip(rest, end + 1))
               ? end + 1
               : 0;
}

// Jane Doe <jd17@example.org>
size_t redact_display_name_len(const struct redact_spot *spot) {
    enum { WORDS_MAX = 5 };
    struct view rest = redact_rest(spot);
    if (rest.len && rest.ptr[0] == '"')
        return quoted_name_len(spot);
    if (spot->end - spot->at > 100)
        return 0;
    for (size_t i = 0, len = 0; i < WORDS_MAX; i++) {
        struct redact_spot here = {spot->text, spot->at + len, spot->end};
        struct view word = redact_word(&here);
        bool is_name = word.len && !is_servers_word(word) &&
                       ((word.ptr[0] >= 'A' && word.ptr[0] <= 'Z') || (word.ptr[0] & 0x80));
        if (!is_name)
            return 0;
        len += word.len;
        len += len < rest.len && (rest.ptr[len] == ',' || rest.ptr[len] == '.');
        if (ends_before_address(spot, view_skip(rest, len)))
            return len;
        len += blank_len(view_skip(rest, len));
    }
    return 0;
}

// --- Accounts ------------------------------------------------------------------------------------
// "/O=FIRM/CN=RECIPIENTS/CN=ANNA": how Exchange names a mailbox without an "@".
size_t redact_directory_name_len(const struct redact_spot *spot) {
    struct view text = redact_rest(spot);
    size_t len = 3;
    if (!view_starts_with_nocase(text, VIEW("cn=")))
        return 0;
    while (len < text.len && !strchr("/ \t\n\"',;<>()[]\\", text.ptr[len]))
        len++;
    return len;
}

// "FIRM\jane". What follows a server ("EX1\Submission", "EX1\3") is a queue and tells nobody.
size_t redact_account_len(const struct redact_spot *spot) {
    struct view rest = redact_rest(spot), firm = redact_word(spot);
    struct redact_spot behind = {spot->text, spot->at + firm.len + 1, spot->end};
    bool is_upper = firm.len > 1 && firm.len <= 15;
    if (firm.len + 1 >= rest.len || rest.ptr[firm.len] != '\\' ||
        (spot->at > 0 && strchr("\\:", spot->text.ptr[spot->at - 1])))
        return 0;
    for (size_t i = 0; i < firm.len; i++)
        is_upper = is_upper && (ascii_is_digit(firm.ptr[i]) || firm.ptr[i] == '-' ||
                                (firm.ptr[i] >= 'A' && firm.ptr[i] <= 'Z'));
    static const struct view queues[] = {
        {"submission", 10}, {"unreachable", 11}, {"poison", 6}, {"shadow", 6}, {"default", 7}};
    struct view name = redact_word(&behind);
    bool is_queue =
        name.len == 0 || ascii_is_digit(name.ptr[0]) || is_among(name, queues, ARRAY_LEN(queues));
    bool is_escape = name.len >= 3 && name.ptr[0] == 'x' && ascii_is_digit(name.ptr[1]);
    return is_upper && !is_queue && !is_escape ? firm.len + 1 + name.len : 0;
}

// A word of which only its place tells that it is somebody's.
size_t redact_user_field_len(const struct redact_spot *spot) {
    static const struct view marks[] = {
        {"/home/", 6},        {"/users/", 7},         {"\\users\\", 7},       {"/var/mail/", 10},
        {"/spool/mail/", 12}, {"and settings\\", 13}, {"sasl_username=", 14}, {"ctladdr=", 8},
        {"ctladdr=<", 9},     {" user=", 6},          {" user=<", 7},         {"username=", 9}};
    static const struct view brackets[] = {
        {"to=<", 4}, {"from=<", 6}, {"to:<", 4}, {"from:<", 6}, {"for <", 5}};
    struct view word = redact_word(spot);
    if (word.len == 0)
        return 0;
    if (redact_follows(spot, marks, ARRAY_LEN(marks)))
        return word.len;
    // "<jane>... User unknown": a local part alone.
    struct view behind = view_skip(redact_rest(spot), word.len);
    bool is_bracketed =
        redact_follows(spot, &(struct view){"<", 1}, 1) && view_starts_with(behind, VIEW(">"));
    bool is_told = redact_follows(spot, brackets, ARRAY_LEN(brackets)) ||
                   view_starts_with(behind, VIEW(">...")) || view_starts_with(behind, VIEW(">:"));
    return is_bracketed && is_told ? word.len : 0;
}

// --- Subjects ------------------------------------------------------------------------------------
// How much of `text` is the subject, zero: it is not. The answer may have broken it into lines.
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
        if (at >= text.len || text.ptr[at] != subject.ptr[0])
            return 0;
        at++;
        subject = view_skip(subject, 1);
    }
    return at;
}

// "warning: header Subject: an offer from app[192.0.2.9]; from=<..."
static size_t subject_field_len(const struct redact_spot *spot) {
    static const struct view mark = {"header subject: ", 16};
    struct view rest = redact_rest(spot);
    if (!redact_follows(spot, &mark, 1))
        return 0;
    size_t end = size_min(view_find(rest, VIEW("; from=")), view_find_char(rest, '\n'));
    return size_min(end, view_find(rest, VIEW(" from ")));
}

size_t redact_subject_len(const struct reader_redaction *redaction,
                          const struct redact_spot *spot) {
    size_t longest = subject_field_len(spot);
    for (size_t i = 0; i < redaction->n_subjects; i++)
        longest = size_max(longest, subject_len_at(redaction->subjects[i], redact_rest(spot)));
    return longest;
}
