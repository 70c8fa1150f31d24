// SPDX-License-Identifier: Apache-2.0
// Every key stands in both manuals, and the examples in them are files that load.
#include "config/keys.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

// A file of the source tree, found from this one's own name; empty where that leads nowhere.
static void read_page(const char *name, struct buffer *page) {
    char path[1024];
    struct view here = view_of(__FILE__);
    size_t root = view_find(here, VIEW("tests/unit/config"));
    snprintf(path, sizeof(path), "%.*s%s", (int)root, here.ptr, name);
    buffer_init(page, 1 << 20);
    FILE *file = fopen(path, "r");
    char line[4096];
    while (file && fgets(line, sizeof(line), file))
        buffer_append_view(page, view_of(line));
    if (file)
        fclose(file);
}

static const struct config_section *const sections[] = {
    &config_root_section,  &config_listen_section,   &config_tls_section,
    &config_retry_section, &config_resolver_section, &config_connector_section};

static void check_keys(const char *name, const char *before, const char *after) {
    struct buffer page;
    read_page(name, &page);
    if (page.len == 0)
        skip(); // run from somewhere else
    for (size_t i = 0; i < ARRAY_LEN(sections); i++)
        for (size_t k = 0; k < sections[i]->n_keys; k++) {
            char wanted[128];
            snprintf(wanted, sizeof(wanted), "%s%s%s", before, sections[i]->keys[k].name, after);
            if (!strstr(buffer_string(&page), wanted))
                fail_msg("%s does not explain %s %s", name, sections[i]->name,
                         sections[i]->keys[k].name);
        }
    buffer_finish(&page);
}

static void the_guide_explains_every_key(void **state) {
    (void)state;
    check_keys("docs/configuration.md", "`", "`");
}

static void the_manual_page_explains_every_key(void **state) {
    (void)state;
    check_keys("man/postrider.conf.5", " ", "");
}

// Example passwords are on no machine: those lines are left out.
static void load_example(struct view text, const char *page) {
    struct buffer clean, problems;
    struct view line;
    buffer_init(&clean, 1 << 16);
    buffer_init(&problems, 1 << 16);
    while (view_split(&text, '\n', &line))
        if (view_find(line, VIEW("username")) == line.len &&
            view_find(line, VIEW("password")) == line.len) {
            buffer_append_view(&clean, line);
            buffer_append_char(&clean, '\n');
        }
    struct config *config = config_load_text(buffer_view(&clean), page, &problems);
    if (!config)
        fail_msg("%s%s", buffer_string(&clean), buffer_string(&problems));
    config_unref(config);
    buffer_finish(&clean);
    buffer_finish(&problems);
}

static void the_examples_load(void **state) {
    (void)state;
    struct buffer page;
    size_t n_examples = 0;
    read_page("docs/configuration.md", &page);
    if (page.len == 0)
        skip();
    struct view rest = buffer_view(&page);
    size_t at;
    while ((at = view_find(rest, VIEW("```\n"))) < rest.len) {
        rest = view_skip(rest, at + 4);
        struct view example = view_take(rest, view_find(rest, VIEW("```")));
        rest = view_skip(rest, example.len + 4);
        // The one that shows the notation is none.
        if (view_find(example, VIEW("key = ")) < example.len)
            continue;
        load_example(example, "docs/configuration.md");
        n_examples++;
    }
    assert_true(n_examples >= 3);
    buffer_finish(&page);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_guide_explains_every_key),
        cmocka_unit_test(the_manual_page_explains_every_key),
        cmocka_unit_test(the_examples_load),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
