// SPDX-License-Identifier: Apache-2.0
// A rules file, line by line:
//
//   # a comment
//   rule CAUSE [code=550|4xx|550-559] [enhanced=*.7.1] [host=.example.net] "words*more words"
//   test CAUSE [host=mx.example.net] "450 4.7.1 a whole reply"
//
// Rules are written like the rows of dialects.inc, and held to the same standard: a rule that an
// earlier one makes useless is an error, and so is a test that does not come out.
#include "catalog/rules.h"

#include <stdlib.h>

enum { RULES_MAX = 1000, RULE_WORDS_MIN = 3, RULE_WORDS_MAX = 256 };

struct rule {
    enum cause cause;
    int code_from, code_to;
    struct view enhanced; // empty: any
    struct view host_end; // empty: any
    struct view words;
    unsigned line;
    bool is_test;
};

struct rules {
    struct arena arena;
    struct rule rules[RULES_MAX]; // rules and tests in the order of the file
    size_t n, n_rules;
};

// Set once, before anything is judged that should know them.
static const struct rules *in_use;

// --- Reading -------------------------------------------------------------------------------------
struct rules_reader {
    struct rules *rules;
    struct view name, rest; // of the line
    unsigned line;
    struct error *error;
};

static bool refuse(struct rules_reader *reader, const char *what, struct view which) {
    return error_set(reader->error, "%.*s:%u: %s%.*s", VIEW_ARG(reader->name), reader->line, what,
                     VIEW_ARG(which));
}

static bool read_code(struct view text, struct rule *rule) {
    uint64_t from = 0, to = 0;
    if (text.len == 3 && view_equals(view_skip(text, 1), VIEW("xx")) &&
        view_to_u64(view_take(text, 1), &from)) {
        rule->code_from = (int)from * 100;
        rule->code_to = rule->code_from + 99;
        return from == 4 || from == 5;
    }
    struct view rest = text, lowest = text;
    (void)view_split(&rest, '-', &lowest);
    if (!view_to_u64(lowest, &from) || !view_to_u64(rest.ptr ? rest : lowest, &to))
        return false;
    rule->code_from = (int)size_min(from, 1000);
    rule->code_to = (int)size_min(to, 1000);
    return from >= 400 && to <= 599 && from <= to;
}

static bool is_enhanced_pattern(struct view text) {
    struct view class, subject, lowest, rest = text;
    uint64_t number;
    return view_split(&rest, '.', &class) && view_split(&rest, '.', &subject) &&
           view_split(&rest, '-', &lowest) && class.len == 1 && strchr("*45", class.ptr[0]) &&
           view_to_u64(subject, &number) && view_to_u64(lowest, &number) &&
           (!rest.ptr || view_to_u64(rest, &number));
}

static bool read_option(struct rules_reader *reader, struct view word, struct rule *rule) {
    struct view value = word, key;
    (void)view_split(&value, '=', &key);
    value = arena_copy(&reader->rules->arena, value); // the file is gone when it is asked for
    if (view_equals(key, VIEW("code")) && !rule->is_test)
        return read_code(value, rule) ||
               refuse(reader, "a code is 421, 4xx, 5xx or 550-559, not ", value);
    if (view_equals(key, VIEW("enhanced")) && !rule->is_test) {
        rule->enhanced = value;
        return is_enhanced_pattern(value) ||
               refuse(reader, "an enhanced code is 4.7.1, *.7.1 or *.7.600-649, not ", value);
    }
    if (view_equals(key, VIEW("host"))) {
        rule->host_end = value;
        return value.len > 0 || refuse(reader, "host= needs a name", VIEW_NONE);
    }
    return refuse(reader, "not known here: ", word);
}

static struct view take_word(struct view *rest) {
    *rest = view_trim(*rest);
    size_t len = size_min(view_find_char(*rest, ' '), view_find_char(*rest, '\t'));
    struct view word = view_take(*rest, len);
    *rest = view_skip(*rest, len);
    return word;
}

// As plain_text_from() leaves a reply, with "*" kept.
static bool read_words(struct rules_reader *reader, struct rule *rule) {
    struct view words = view_trim(reader->rest), part;
    if (words.len < 2 || words.ptr[0] != '"' || words.ptr[words.len - 1] != '"')
        return refuse(reader, "the words stand in quotes at the end of the line", VIEW_NONE);
    words = view_take(view_skip(words, 1), words.len - 2);
    if (words.len > RULE_WORDS_MAX)
        return refuse(reader, "the words are longer than 256 bytes", VIEW_NONE);
    struct plain_text plain;
    plain_text_from(words, &plain);
    rule->words =
        arena_copy(&reader->rules->arena, rule->is_test ? words : plain_text_view(&plain));
    struct view rest = rule->words;
    while (!rule->is_test && rest.len && view_split(&rest, '*', &part))
        if (part.len < RULE_WORDS_MIN)
            return refuse(reader, "each part of the words needs three letters or more: ", words);
    return rule->words.len > 0 || refuse(reader, "there are no words", VIEW_NONE);
}

static bool read_cause(struct rules_reader *reader, struct rule *rule) {
    struct view word = take_word(&reader->rest);
    bool is_cause = cause_from_id(word, &rule->cause) && rule->cause != CAUSE_NONE;
    return is_cause ||
           refuse(reader, "no cause has this id (see postrider explain --list): ", word);
}

static bool read_rule(struct rules_reader *reader, bool is_test) {
    struct rules *rules = reader->rules;
    if (rules->n == RULES_MAX)
        return refuse(reader, "more than 1000 rules and tests", VIEW_NONE);
    struct rule *rule = &rules->rules[rules->n];
    *rule = (struct rule){.code_to = 999, .line = reader->line, .is_test = is_test};
    if (!read_cause(reader, rule))
        return false;
    while (reader->rest = view_trim(reader->rest), reader->rest.len && reader->rest.ptr[0] != '"')
        if (!read_option(reader, take_word(&reader->rest), rule))
            return false;
    if (!read_words(reader, rule))
        return false;
    rules->n++;
    rules->n_rules += !is_test;
    return true;
}

static bool read_line(struct rules_reader *reader) {
    reader->rest = view_trim(reader->rest);
    if (reader->rest.len == 0 || reader->rest.ptr[0] == '#')
        return true;
    struct view word = take_word(&reader->rest);
    bool is_test = view_equals(word, VIEW("test"));
    if (!is_test && !view_equals(word, VIEW("rule")))
        return refuse(reader, "a line begins with rule, test or #, not with ", word);
    return read_rule(reader, is_test);
}

// --- Judging -------------------------------------------------------------------------------------
static bool code_holds(const struct rule *rule, const struct said *said) {
    int class = said->code ? said->code / 100 : said->enhanced.class;
    if (rule->code_to == 999)
        return true;
    if (said->code)
        return said->code >= rule->code_from && said->code <= rule->code_to;
    // Told without its code: the class of the enhanced code stands for it.
    return rule->code_to - rule->code_from == 99 && class == rule->code_from / 100;
}

static bool holds(const struct rule *rule, const struct said *said) {
    return !rule->is_test && code_holds(rule, said) &&
           (rule->host_end.len == 0 || view_ends_with_nocase(said->host, rule->host_end)) &&
           enhanced_matches(rule->enhanced, &said->enhanced) &&
           pattern_matches(rule->words, said->text);
}

static const struct rule *find(const struct rules *rules, const struct said *said) {
    for (size_t i = 0; i < rules->n; i++)
        if (holds(&rules->rules[i], said))
            return &rules->rules[i];
    return NULL;
}

enum cause rules_find(const struct said *said) {
    const struct rules *rules = in_use;
    const struct rule *rule = rules ? find(rules, said) : NULL;
    return rule ? rule->cause : CAUSE_NONE;
}

void rules_use(const struct rules *rules) {
    in_use = rules;
}

// --- Testing -------------------------------------------------------------------------------------
// A reply for which the rule was written, made of the rule itself.
static struct said example_of(const struct rule *rule, char *text) {
    struct said said = {.code = rule->code_to == 999 ? 0 : rule->code_from,
                        .host = rule->host_end,
                        .text = view_from(text, 0)};
    struct view rest = rule->words, part;
    while (view_split(&rest, '*', &part)) {
        memcpy(text + said.text.len, part.ptr, part.len);
        text[said.text.len + part.len] = '\n'; // no words hold one
        said.text.len += part.len + 1;
    }
    struct view subject = view_skip(rule->enhanced, 2);
    uint64_t number[2] = {0};
    size_t dot = view_find_char(subject, '.'),
           dash = view_find_char(view_skip(subject, dot + 1), '-');
    if (rule->enhanced.len && view_to_u64(view_take(subject, dot), &number[0]) &&
        view_to_u64(view_take(view_skip(subject, dot + 1), dash), &number[1]))
        said.enhanced =
            (struct enhanced){rule->enhanced.ptr[0] == '4' || said.code / 100 == 4 ? 4 : 5,
                              (int)number[0], (int)size_min(number[1], 9999)};
    return said;
}

static bool no_rule_hides_another(struct rules_reader *reader) {
    char text[2 * RULE_WORDS_MAX + 2];
    const struct rules *rules = reader->rules;
    for (size_t i = 0; i < rules->n; i++) {
        const struct rule *rule = &rules->rules[i];
        if (rule->is_test)
            continue;
        struct said said = example_of(rule, text);
        const struct rule *found = find(rules, &said);
        if (found && found != rule)
            return error_set(reader->error,
                             "%.*s:%u: this rule is never asked: the one in line %u holds for all "
                             "that it is for",
                             VIEW_ARG(reader->name), rule->line, found->line);
    }
    return true;
}

static enum cause judge(const struct rule *test) {
    struct attempt attempt = {.host = test->host_end};
    struct fact fact;
    if (!fact_of_words(test->words, &fact)) {
        fact = fact_make(FACT_STAGE_UNKNOWN, FACT_KIND_REPLY);
        fact.text = test->words;
    }
    return cause_of_attempt(&fact, &attempt);
}

size_t rules_test(const struct rules *rules, struct buffer *out) {
    const struct rules *before = in_use;
    size_t n_failed = 0;
    rules_use(rules);
    for (size_t i = 0; i < rules->n; i++) {
        const struct rule *test = &rules->rules[i];
        enum cause cause = test->is_test ? judge(test) : CAUSE_NONE;
        if (!test->is_test || cause == test->cause)
            continue;
        buffer_printf(out, "line %u: \"%.*s\" comes out as %.*s, not as %.*s\n", test->line,
                      VIEW_ARG(test->words), VIEW_ARG(cause_info(cause)->id),
                      VIEW_ARG(cause_info(test->cause)->id));
        n_failed++;
    }
    rules_use(before);
    return n_failed;
}

// --- The whole -----------------------------------------------------------------------------------
struct rules *rules_read(struct view text, struct view name, struct error *error) {
    struct rules *rules = mem_alloc_zero(sizeof(*rules));
    struct rules_reader reader = {.rules = rules, .name = name, .error = error};
    arena_init(&rules->arena, 4 << 20);
    bool is_well = true;
    while (is_well && view_split(&text, '\n', &reader.rest)) {
        reader.line++;
        is_well = read_line(&reader);
    }
    if (is_well && no_rule_hides_another(&reader))
        return rules;
    rules_destroy(rules);
    return NULL;
}

void rules_destroy(struct rules *rules) {
    if (!rules)
        return;
    ASSERT(in_use != rules);
    arena_finish(&rules->arena);
    free(rules);
}

void rules_count(const struct rules *rules, size_t *n_rules, size_t *n_tests) {
    *n_rules = rules->n_rules;
    *n_tests = rules->n - rules->n_rules;
}
