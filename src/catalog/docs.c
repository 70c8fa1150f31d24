// SPDX-License-Identifier: Apache-2.0
// The catalogue as pages: docs/causes.md, the manual page, the list of causes. All of it comes from
// the tables.
#include "catalog/dialect.h"

// The parts of causes.inc, by their first entries.
static const struct {
    enum cause first;
    struct view title;
} parts[] = {
    {CAUSE_DNS_NXDOMAIN, TEXT("DNS")},
    {CAUSE_NULL_MX, TEXT("Routing")},
    {CAUSE_CONN_REFUSED, TEXT("Connection and greeting")},
    {CAUSE_CLOSED_EHLO, TEXT("Sessions that broke")},
    {CAUSE_STARTTLS_MISSING, TEXT("TLS, certificates and login")},
    {CAUSE_RCPT_GREYLIST, TEXT("Measures and troubles of the receiver")},
    {CAUSE_REPUTATION, TEXT("Reputation and identity of the sender")},
    {CAUSE_USER_UNKNOWN, TEXT("Recipients and mailboxes")},
    {CAUSE_SIZE_LIMIT, TEXT("The message itself")},
    {CAUSE_INSPECTING_FIREWALL, TEXT("Devices and lines in between")},
    {CAUSE_LOCAL_DESCRIPTORS, TEXT("The sending machine")},
};

static const struct view *part_at(enum cause cause) {
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        if (parts[i].first == cause)
            return &parts[i].title;
    return NULL;
}

static struct view retry_sentence(enum retry_meaning retry) {
    static const struct view words[RETRY_MEANING_COUNT] = {
        [RETRY_OTHER_ADDRESS] = TEXT("another address may do at once, the same one later"),
        [RETRY_LATER] = TEXT("waiting helps"),
        [RETRY_SLOWER] = TEXT("waiting and sending less helps"),
        [RETRY_PERSON] = TEXT("somebody must act; the retries go on meanwhile"),
        [RETRY_NEVER] = TEXT("trying again does not help"),
    };
    return words[retry];
}

static struct view who_words(enum remedy_who who) {
    static const struct view words[] = {
        [REMEDY_SENDING_SIDE] = TEXT("Sending side"),
        [REMEDY_RECEIVING_SIDE] = TEXT("Receiving side"),
        [REMEDY_NETWORK] = TEXT("Network"),
        [REMEDY_DNS_OWNER] = TEXT("DNS owner"),
    };
    return words[who];
}

// A remedy about nobody in particular.
static void put_filled(struct buffer *out, struct view pattern) {
    struct arena arena;
    arena_init(&arena, 1 << 14);
    buffer_append_view(out, cast_apply(&cast_generic, pattern, &arena));
    arena_finish(&arena);
}

// --- Markdown ----------------------------------------------------------------------------------
static void md_codes(const struct cause_info *info, struct buffer *out) {
    if (info->family_code.len)
        buffer_printf(out, "`%.*s`, on expiry `%.*s`; ", VIEW_ARG(info->family_code),
                      VIEW_ARG(info->family_twin));
    buffer_printf(out, "RFC 3463 `%.*s`", VIEW_ARG(info->enhanced));
    if (info->tlsrpt.len)
        buffer_printf(out, "; TLS report `%.*s`", VIEW_ARG(info->tlsrpt));
}

static void md_table(const struct cause_info *info, struct buffer *out) {
    buffer_printf(out, "| | |\n|---|---|\n| Shows at | %.*s |\n",
                  VIEW_ARG(info->stage == FACT_STAGE_UNKNOWN ? VIEW("several steps")
                                                             : fact_stage_word(info->stage)));
    buffer_append_view(out, VIEW("| Codes | "));
    md_codes(info, out);
    buffer_printf(out, " |\n| Usual fault | %.*s |\n| Retry | %.*s |\n\n",
                  VIEW_ARG(blame_word(info->blame)), VIEW_ARG(retry_sentence(info->retry)));
}

static void md_candidates(enum cause cause, struct buffer *out) {
    const struct candidate *row = advice_candidates(cause);
    if (row->cause == CAUSE_NONE)
        return;
    buffer_append_view(out, VIEW("What may be behind it:\n\n"));
    for (; row->cause != CAUSE_NONE; row++) {
        const struct cause_info *info = cause_info(row->cause);
        buffer_printf(out, "- [%.*s](#%.*s). What decides: %.*s\n", VIEW_ARG(info->title),
                      VIEW_ARG(info->id), VIEW_ARG(row->decide_by));
    }
    buffer_append_char(out, '\n');
}

static void md_remedies(enum cause cause, struct buffer *out) {
    buffer_append_view(out, VIEW("What to do:\n\n"));
    for (const struct remedy *row = advice_remedies(cause); row->what.len; row++) {
        buffer_printf(out, "- *%.*s*: ", VIEW_ARG(who_words(row->who)));
        put_filled(out, row->what);
        buffer_append_view(out, VIEW("<br>\n  Check: "));
        put_filled(out, row->verify);
        buffer_append_char(out, '\n');
    }
    buffer_append_char(out, '\n');
}

static void md_said(const struct dialect *row, struct buffer *out) {
    if (row->speaker != SPEAKER_ANY)
        buffer_printf(out, "%.*s ", VIEW_ARG(speaker_word(row->speaker)));
    if (row->codes.from == row->codes.to)
        buffer_printf(out, "`%d` ", row->codes.from);
    if (row->enhanced.len)
        buffer_printf(out, "`%.*s` ", VIEW_ARG(row->enhanced));
    struct view rest = row->pattern, part;
    for (bool first = true; row->pattern.len && view_split(&rest, '*', &part); first = false)
        buffer_printf(out, "%s%.*s", first ? "\"" : " … ", VIEW_ARG(part));
    if (row->pattern.len)
        buffer_append_char(out, '"');
    while (out->len && out->ptr[out->len - 1] == ' ')
        out->len--;
}

static void md_dialects(enum cause cause, struct buffer *out) {
    enum { SHOWN_MAX = 12 };
    size_t n = 0;
    for (size_t i = 0; i < dialect_count() && n < SHOWN_MAX; i++)
        if (dialect_at(i)->cause == cause) {
            buffer_append_view(out, n++ ? VIEW(", ") : VIEW("Servers say, for example: "));
            md_said(dialect_at(i), out);
        }
    if (n)
        buffer_append_view(out, VIEW(".\n\n"));
}

static void md_cause(enum cause cause, struct buffer *out) {
    const struct cause_info *info = cause_info(cause);
    buffer_printf(out, "### %.*s\n\n**%.*s.** %.*s\n\n", VIEW_ARG(info->id), VIEW_ARG(info->title),
                  VIEW_ARG(info->meaning));
    md_table(info, out);
    buffer_printf(out, "Proved by: %.*s<br>\nRuled out by: %.*s\n\n", VIEW_ARG(info->proved_by),
                  VIEW_ARG(info->ruled_out_by));
    if (info->note.len)
        buffer_printf(out, "> Mind: %.*s\n\n", VIEW_ARG(info->note));
    md_dialects(cause, out);
    md_candidates(cause, out);
    md_remedies(cause, out);
}

static void md_head(struct buffer *out) {
    static const char head[] =
        "# Causes\n\n"
        "<!-- Made by tools/causes_doc from src/catalog; edit the tables there. -->\n\n"
        "Every verdict of Postrider names one of these causes by its id: in `postrider why`, in "
        "the lists that `--cause` narrows, in bounces (`X-Postrider-Cause:`) and in JSON. Ids "
        "never change their meaning.\n\n"
        "*Codes*: where Exchange has a code of its own (`4.4.316`), people see that one, marked as "
        "ours; the code after RFC 3463 is always a registered one. *Usual fault*: `local` this "
        "machine "
        "or network, `sender` our identity, rate or content, `path` the network or a device in "
        "between, `destination` the receiving side's servers or DNS, `recipient` the address or "
        "mailbox, `policy` a demand of ours or a rule of the receiver, `nobody`, `unknown`. A "
        "verdict "
        "may say more than this page, since it knows the case: HOST, DOMAIN, SOURCE (our address) "
        "and "
        "EHLO-NAME stand for its names.\n\n";
    buffer_append(out, head, sizeof(head) - 1);
}

static void md_index(struct buffer *out) {
    for (int i = CAUSE_NONE + 1; i < CAUSE_COUNT; i++) {
        const struct cause_info *info = cause_info((enum cause)i);
        const struct view *part = part_at((enum cause)i);
        if (part)
            buffer_printf(out, "%s**%.*s**: ", i > CAUSE_NONE + 1 ? "\n\n" : "", VIEW_ARG(*part));
        else
            buffer_append_view(out, VIEW(" · "));
        buffer_printf(out, "[%.*s](#%.*s)", VIEW_ARG(info->id), VIEW_ARG(info->id));
    }
    buffer_append_view(out, VIEW("\n\n"));
}

void catalog_write_markdown(struct buffer *out) {
    md_head(out);
    md_index(out);
    for (int i = CAUSE_NONE + 1; i < CAUSE_COUNT; i++) {
        const struct view *part = part_at((enum cause)i);
        if (part)
            buffer_printf(out, "## %.*s\n\n", VIEW_ARG(*part));
        md_cause((enum cause)i, out);
    }
    while (out->len > 1 && out->ptr[out->len - 2] == '\n')
        out->len--;
}

// --- Manual page, list -------------------------------------------------------------------------
// A backslash, and a dot or apostrophe at the start of a line, mean something to roff.
static void man_text(struct buffer *out, struct view text) {
    if (text.len && (text.ptr[0] == '.' || text.ptr[0] == '\''))
        buffer_append_view(out, VIEW("\\&"));
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] == '\\')
            buffer_append_view(out, VIEW("\\e"));
        else
            buffer_append_char(out, text.ptr[i]);
    buffer_append_char(out, '\n');
}

static void man_head(struct buffer *out) {
    static const char head[] =
        ".\\\" SPDX-License-Identifier: Apache-2.0\n"
        ".\\\" Made by tools/causes_doc from src/catalog; edit the tables there.\n"
        ".Dd November 21, 2026\n.Dt POSTRIDER-CAUSES 7\n.Os\n"
        ".Sh NAME\n.Nm postrider-causes\n.Nd why mail is late or comes back\n"
        ".Sh DESCRIPTION\n"
        "Every verdict of\n.Xr postrider 1\nnames one of these causes.\n"
        "The code beside it is the one that people see while the message waits; proofs, other\n"
        "explanations and remedies are in the verdict itself and in\n.Pa docs/causes.md .\n";
    buffer_append(out, head, sizeof(head) - 1);
}

void catalog_write_man(struct buffer *out) {
    man_head(out);
    for (int i = CAUSE_NONE + 1; i < CAUSE_COUNT; i++) {
        const struct cause_info *info = cause_info((enum cause)i);
        const struct view *part = part_at((enum cause)i);
        struct view code = info->family_code.len ? info->family_code : info->enhanced;
        if (part)
            buffer_printf(out, "%s.Sh %.*s\n.Bl -tag -width Ds\n",
                          i > CAUSE_NONE + 1 ? ".El\n" : "", VIEW_ARG(*part));
        buffer_printf(out, ".It Sy %.*s Pq %.*s\n", VIEW_ARG(info->id), VIEW_ARG(code));
        man_text(out, info->meaning);
    }
    buffer_append_view(out, VIEW(".El\n.Sh SEE ALSO\n.Xr postrider 1\n"));
}

void catalog_write_list(struct buffer *out) {
    for (int i = CAUSE_NONE + 1; i < CAUSE_COUNT; i++) {
        const struct cause_info *info = cause_info((enum cause)i);
        struct view code = info->family_code.len ? info->family_code : info->enhanced;
        buffer_printf(out, "%-24.*s %-12.*s %.*s\n", VIEW_ARG(info->id), VIEW_ARG(code),
                      VIEW_ARG(info->title));
    }
}
