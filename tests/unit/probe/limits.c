// SPDX-License-Identifier: Apache-2.0
// What a limit that was found means: nothing, a cause, or a warning beside one.
#include "unit/probe/stage.h"

static void add_limit(struct stage *stage, const char *what, struct fact fact, bool is_low) {
    stage->result.limits[stage->result.n_limits++] =
        (struct probe_limit){.what = what,
                             .unit = "bytes",
                             .passes = 512,
                             .fails = 513,
                             .is_found = true,
                             .is_low = is_low,
                             .fact = fact,
                             .words = VIEW("512 bytes pass, 513 bytes do not"),
                             .documented = VIEW("somebody's")};
}

static struct fact reset(void) {
    struct fact fact = fact_make(FACT_STAGE_DOT, FACT_KIND_ERRNO);
    fact.sys_errno = ECONNRESET;
    return fact;
}

static struct fact refusal(void) {
    struct fact fact = fact_make(FACT_STAGE_DOT, FACT_KIND_REPLY);
    fact.reply_code = 552;
    fact.text = VIEW("too long");
    return fact;
}

static const struct verdict *conclude(struct stage *stage) {
    probe_judge(&stage->probe);
    probe_reason(&stage->probe);
    return &stage->result.verdict;
}

static void test_what_mail_does_not_meet_is_no_fault(void **state) {
    struct stage *stage = stage_set(fact_make(FACT_STAGE_DONE, FACT_KIND_OK));
    add_limit(stage, "header", reset(), false);
    const struct verdict *verdict = conclude(stage);
    assert_int_equal(verdict->cause, CAUSE_NONE);
    assert_int_equal(verdict->n_warnings, 0);
    stage_free(stage);
}

static void test_low_ones_are_the_cause(void **state) {
    static const struct {
        const char *what;
        bool is_said;
        enum cause cause;
        enum blame blame;
    } rows[] = {{"header-line", false, CAUSE_HEADER_LINE_LIMIT, BLAME_PATH},
                {"header", false, CAUSE_HEADER_TOTAL_LIMIT, BLAME_PATH},
                {"header", true, CAUSE_HEADER_TOTAL_LIMIT, BLAME_POLICY},
                {"body", false, CAUSE_DATA_RESET_AT_OFFSET, BLAME_PATH},
                {"body", true, CAUSE_SIZE_LIMIT, BLAME_POLICY},
                {"size", true, CAUSE_SIZE_LIMIT, BLAME_POLICY},
                {"recipients", true, CAUSE_TOO_MANY_RECIPIENTS, BLAME_POLICY}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct stage *stage = stage_set(fact_make(FACT_STAGE_DONE, FACT_KIND_OK));
        bool is_shown = false;
        add_limit(stage, rows[i].what, rows[i].is_said ? refusal() : reset(), true);
        const struct verdict *verdict = conclude(stage);
        assert_int_equal(verdict->cause, rows[i].cause);
        assert_int_equal(verdict->blame, rows[i].blame);
        for (size_t k = 0; k < verdict->n_evidence; k++)
            is_shown |= view_find(verdict->evidence[k], VIEW("somebody's")) < 200;
        assert_true(is_shown);
        stage_free(stage);
    }
}

static void test_beside_a_fault_it_is_a_warning(void **state) {
    struct stage *stage = stage_set(refusal());
    add_limit(stage, "header", reset(), true);
    const struct verdict *verdict = conclude(stage);
    assert_int_not_equal(verdict->cause, CAUSE_HEADER_TOTAL_LIMIT);
    assert_int_equal(verdict->n_warnings, 1);
    assert_int_equal(verdict->warnings[0].cause, CAUSE_HEADER_TOTAL_LIMIT);
    stage_free(stage);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_mail_does_not_meet_is_no_fault),
        cmocka_unit_test(test_low_ones_are_the_cause),
        cmocka_unit_test(test_beside_a_fault_it_is_a_warning),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
