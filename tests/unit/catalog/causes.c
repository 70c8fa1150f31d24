// SPDX-License-Identifier: Apache-2.0
// The tables themselves: every cause has every field, ids are unique words, codes are registered,
// sentences are sentences, and each cause has advice.
#include "catalog/catalog_internal.h"

#include "base/address.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void fail_for(enum cause cause, const char *what) {
    fail_msg("%.*s: %s", VIEW_ARG(cause_info(cause)->id), what);
}

static bool is_word(struct view id) {
    for (size_t i = 0; i < id.len; i++)
        if (!(id.ptr[i] >= 'a' && id.ptr[i] <= 'z') && !ascii_is_digit(id.ptr[i]) &&
            id.ptr[i] != '-')
            return false;
    return id.len > 0;
}

static bool is_sentence(struct view text) {
    char last = text.len ? text.ptr[text.len - 1] : 0;
    return text.len > 10 && (last == '.' || last == '?') && view_find(text, VIEW("  ")) == text.len;
}

static void test_every_field(void **state) {
    for (int i = 0; i < CAUSE_COUNT; i++) {
        const struct cause_info *info = cause_info((enum cause)i);
        if (!is_word(info->id))
            fail_for((enum cause)i, "id is no word");
        // "450 4.4.316 [postrider] TITLE (RFC 3463: 4.4.1)" has to fit a line of 100 columns.
        if (info->title.len > 58)
            fail_for((enum cause)i, "title is too long");
        if (info->title.len == 0 || info->title.ptr[info->title.len - 1] == '.')
            fail_for((enum cause)i, "title is empty or a sentence");
        if (!is_sentence(info->meaning) || !is_sentence(info->proved_by) ||
            !is_sentence(info->ruled_out_by) || (info->note.len && !is_sentence(info->note)))
            fail_for((enum cause)i, "a text is no sentence");
        if (info->sure_percent > 100)
            fail_for((enum cause)i, "more than sure");
    }
}

static void test_ids_are_unique(void **state) {
    for (int i = 0; i < CAUSE_COUNT; i++) {
        enum cause found = CAUSE_NONE;
        if (!cause_from_id(cause_info((enum cause)i)->id, &found) || found != (enum cause)i)
            fail_for((enum cause)i, "id is used twice");
    }
    enum cause untouched = CAUSE_LOOP;
    assert_false(cause_from_id(VIEW("no-such-cause"), &untouched));
    assert_int_equal(untouched, CAUSE_LOOP);
}

static void test_enhanced_codes_are_registered(void **state) {
    for (int i = 0; i < CAUSE_COUNT; i++) {
        struct enhanced e;
        size_t len = 0;
        struct view code = cause_info((enum cause)i)->enhanced;
        if (!enhanced_parse(code, &e, &len) || len != code.len || !enhanced_is_registered(&e))
            fail_for((enum cause)i, "enhanced code is not registered");
        if (cause_info((enum cause)i)->is_permanent && e.class == 4 && i != CAUSE_EXPIRED)
            fail_for((enum cause)i, "permanent with a temporary code");
    }
}

// The family keeps subject and detail: 450 4.4.316 becomes 550 5.4.316.
static void test_twins_keep_the_family(void **state) {
    for (int i = 0; i < CAUSE_COUNT; i++) {
        struct view code = cause_info((enum cause)i)->family_code;
        struct view twin = cause_info((enum cause)i)->family_twin;
        if ((code.len == 0) != (twin.len == 0))
            fail_for((enum cause)i, "code without twin");
        if (code.len == 0 || i == CAUSE_EXPIRED)
            continue;
        if (!view_starts_with(code, VIEW("450 4.")) || !view_starts_with(twin, VIEW("550 5.")) ||
            !view_equals(view_skip(code, 6), view_skip(twin, 6)))
            fail_for((enum cause)i, "twin of another family");
    }
}

static void test_tlsrpt_types_are_known(void **state) {
    static const struct view types[] = {TEXT(""), // RFC 8460 4.3 and its registry
                                        TEXT("starttls-not-supported"),
                                        TEXT("certificate-host-mismatch"),
                                        TEXT("certificate-expired"),
                                        TEXT("certificate-not-trusted"),
                                        TEXT("validation-failure"),
                                        TEXT("tlsa-invalid"),
                                        TEXT("dnssec-invalid"),
                                        TEXT("dane-required"),
                                        TEXT("sts-policy-fetch-error"),
                                        TEXT("sts-policy-invalid"),
                                        TEXT("sts-webpki-invalid")};
    for (int i = 0; i < CAUSE_COUNT; i++) {
        bool known = false;
        for (size_t k = 0; k < ARRAY_LEN(types); k++)
            known = known || view_equals(cause_info((enum cause)i)->tlsrpt, types[k]);
        if (!known)
            fail_for((enum cause)i, "unknown RFC 8460 type");
    }
}

static bool is_action(struct view action) {
    static const struct view actions[] = {TEXT(""), TEXT("retry"), TEXT("reroute"), TEXT("hold"),
                                          TEXT("reject")};
    for (size_t i = 0; i < ARRAY_LEN(actions); i++)
        if (view_equals(action, actions[i]))
            return true;
    return false;
}

static void test_every_cause_has_advice(void **state) {
    for (int i = CAUSE_NONE + 1; i < CAUSE_COUNT; i++) {
        const struct remedy *row = advice_remedies((enum cause)i);
        size_t n = 0;
        for (; row->what.len; row++, n++)
            if (!is_action(row->action) || row->verify.len < 10)
                fail_for((enum cause)i, "remedy without a known action or a check");
        if (n == 0 || n > VERDICT_REMEDIES_MAX)
            fail_for((enum cause)i, "no remedy, or too many");
    }
}

// A name in braces that nobody fills in would reach the reader.
static void test_names_in_remedies_are_known(void **state) {
    struct arena arena;
    arena_init(&arena, 1 << 20);
    for (int i = CAUSE_NONE + 1; i < CAUSE_COUNT; i++)
        for (const struct remedy *row = advice_remedies((enum cause)i); row->what.len; row++) {
            struct view what = cast_apply(&cast_nobody, row->what, &arena);
            struct view verify = cast_apply(&cast_nobody, row->verify, &arena);
            if (view_find_char(what, '{') < what.len || view_find_char(verify, '{') < verify.len)
                fail_for((enum cause)i, "unknown name in braces");
        }
    arena_finish(&arena);
}

// --- Commands in texts -------------------------------------------------------------------------
// A text may name only commands of this program that a reader can type.
static const struct view commands[] = {TEXT("serve"),  TEXT("queue"),  TEXT("why"),
                                       TEXT("status"), TEXT("check"),  TEXT("reload"),
                                       TEXT("probe"),  TEXT("explain")};
static const struct view queue_commands[] = {TEXT("list"), TEXT("show"),    TEXT("retry"),
                                             TEXT("hold"), TEXT("release"), TEXT("remove")};

static struct view take_word(struct view *rest) {
    size_t len = 0;
    if (rest->len && rest->ptr[0] == ' ')
        *rest = view_skip(*rest, 1);
    while (len < rest->len && ((rest->ptr[len] >= 'a' && rest->ptr[len] <= 'z')))
        len++;
    struct view word = view_take(*rest, len);
    *rest = view_skip(*rest, len);
    return word;
}

static bool is_one_of(struct view word, const struct view *words, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (view_equals(word, words[i]))
            return true;
    return false;
}

static bool names_real_commands(struct view text) {
    static const struct view name = TEXT("postrider ");
    for (size_t at = view_find(text, name); at < text.len; at = view_find(text, name)) {
        text = view_skip(text, at + name.len - 1);
        struct view rest = text;
        struct view command = take_word(&rest);
        if (!is_one_of(command, commands, ARRAY_LEN(commands)))
            return false;
        struct view action = take_word(&rest);
        if (view_equals(command, VIEW("queue")) && action.len &&
            !is_one_of(action, queue_commands, ARRAY_LEN(queue_commands)))
            return false;
    }
    return true;
}

static void test_texts_name_commands_that_exist(void **state) {
    assert_true(names_real_commands(VIEW("See postrider queue retry; or postrider check.")));
    assert_false(names_real_commands(VIEW("See postrider check and postrider burn HOST.")));
    assert_false(names_real_commands(VIEW("See postrider queue burn.")));
    assert_false(names_real_commands(VIEW("postrider ")));
    for (int i = 0; i < CAUSE_COUNT; i++) {
        const struct cause_info *info = cause_info((enum cause)i);
        bool is_true = names_real_commands(info->meaning) && names_real_commands(info->proved_by) &&
                       names_real_commands(info->ruled_out_by) && names_real_commands(info->note);
        const struct remedy *row = advice_remedies((enum cause)i);
        for (; row->what.len; row++)
            is_true &= names_real_commands(row->what) && names_real_commands(row->verify);
        const struct candidate *guess = advice_candidates((enum cause)i);
        for (; guess->cause != CAUSE_NONE; guess++)
            is_true &= names_real_commands(guess->decide_by);
        if (!is_true)
            fail_for((enum cause)i, "a text names a command that does not exist");
    }
}

static void test_weak_causes_have_candidates(void **state) {
    for (int i = CAUSE_NONE + 1; i < CAUSE_COUNT; i++) {
        const struct candidate *row = advice_candidates((enum cause)i);
        double sum = 0;
        size_t n = 0;
        for (; row->cause != CAUSE_NONE; row++, n++) {
            sum += row->confidence;
            if (row->cause == (enum cause)i || !is_sentence(row->decide_by))
                fail_for((enum cause)i, "a candidate is the cause itself or has no decision");
        }
        if (sum > 1.001 || n > VERDICT_CANDIDATES_MAX)
            fail_for((enum cause)i, "candidates beyond certainty");
        if (cause_info((enum cause)i)->sure_percent < 50 && n == 0 && i != CAUSE_UNKNOWN)
            fail_for((enum cause)i, "weak without candidates");
    }
}

static void test_no_cause_is_advised_twice(void **state) {
    static const enum cause listed[] = {
#define REMEDIES(causes, ...) causes
#define FOR(...) __VA_ARGS__,
#include "catalog/remedies.inc"
#undef FOR
#undef REMEDIES
    };
    unsigned count[CAUSE_COUNT] = {0};
    for (size_t i = 0; i < ARRAY_LEN(listed); i++)
        if (++count[listed[i]] > 1)
            fail_for(listed[i], "stands in two entries of remedies.inc");
}

static void test_pages(void **state) {
    struct buffer list, man;
    size_t lines = 0;
    buffer_init(&list, 1 << 16);
    buffer_init(&man, 1 << 18);
    catalog_write_list(&list);
    catalog_write_man(&man);
    for (size_t i = 0; i < list.len; i++)
        lines += list.ptr[i] == '\n';
    assert_int_equal(lines, CAUSE_COUNT - 1);
    for (int i = CAUSE_NONE + 1; i < CAUSE_COUNT; i++)
        if (view_find(buffer_view(&man), cause_info((enum cause)i)->id) == man.len)
            fail_for((enum cause)i, "is not in the manual page");
    assert_false(list.overflow || man.overflow);
    buffer_finish(&list);
    buffer_finish(&man);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_field),
        cmocka_unit_test(test_ids_are_unique),
        cmocka_unit_test(test_enhanced_codes_are_registered),
        cmocka_unit_test(test_twins_keep_the_family),
        cmocka_unit_test(test_tlsrpt_types_are_known),
        cmocka_unit_test(test_every_cause_has_advice),
        cmocka_unit_test(test_names_in_remedies_are_known),
        cmocka_unit_test(test_texts_name_commands_that_exist),
        cmocka_unit_test(test_weak_causes_have_candidates),
        cmocka_unit_test(test_no_cause_is_advised_twice),
        cmocka_unit_test(test_pages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
