// SPDX-License-Identifier: Apache-2.0
// Prints the pages that are made from the catalogue: `causes_doc markdown` is docs/causes.md,
// `causes_doc man` is man/postrider-causes.7, `causes_doc list` one line for each cause.
// `causes_doc --check PAGE FILE` tells whether a stored page is the present one.
#include "catalog/catalog.h"

#include <stdio.h>
#include <stdlib.h>

enum { PAGE_BYTES_MAX = 4 << 20 };

static int check(const char *name, const char *path, struct buffer *page) {
    FILE *file = fopen(path, "re");
    char *stored = mem_alloc(PAGE_BYTES_MAX);
    size_t len = file ? fread(stored, 1, PAGE_BYTES_MAX, file) : 0;
    bool same = view_equals(view_from(stored, len), buffer_view(page));
    if (file)
        fclose(file);
    free(stored);
    if (!same)
        fprintf(stderr, "%s is not what the tables say: causes_doc markdown > docs/causes.md\n",
                path);
    return same ? EXIT_SUCCESS : EXIT_FAILURE;
}

static bool write_page(const char *name, struct buffer *page) {
    if (view_equals(view_of(name), VIEW("markdown")))
        catalog_write_markdown(page);
    else if (view_equals(view_of(name), VIEW("man")))
        catalog_write_man(page);
    else if (view_equals(view_of(name), VIEW("list")))
        catalog_write_list(page);
    return page->len > 0 && !page->overflow;
}

int main(int argc, char **argv) {
    struct buffer page;
    bool checks = argc == 4 && view_equals(view_of(argv[1]), VIEW("--check"));
    int status = EXIT_SUCCESS;
    buffer_init(&page, PAGE_BYTES_MAX);
    if ((argc != 2 && !checks) || !write_page(argv[checks ? 2 : 1], &page)) {
        fputs("usage: causes_doc [--check] markdown | man | list [FILE]\n", stderr);
        status = 2;
    } else if (checks)
        status = check(argv[2], argv[3], &page);
    else if (fwrite(page.ptr, 1, page.len, stdout) != page.len)
        status = EXIT_FAILURE;
    buffer_finish(&page);
    return status;
}
