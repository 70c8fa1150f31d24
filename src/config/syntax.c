// SPDX-License-Identifier: Apache-2.0
// A reader of braces and assignments. It stops at the first mistake of form, as what follows cannot
// be told apart from it; mistakes of meaning are found later and all at once.
#include "config/syntax.h"

enum token_kind {
    TOKEN_END,
    TOKEN_TEXT,
    TOKEN_WORD,
    TOKEN_ASSIGN,
    TOKEN_OPEN,
    TOKEN_CLOSE,
    TOKEN_COMMA,
    TOKEN_BAD
};

struct token {
    enum token_kind kind;
    const char *text; // of TEXT and WORD
    unsigned line;
};

struct parser {
    const char *at, *end;
    unsigned line;
    struct arena *arena;
    struct config_problems *problems;
    struct token token; // the one that comes next
};

static bool fail_memory(struct parser *parser) {
    config_problem(parser->problems, parser->line, "the file is too large");
    return false;
}

// --- Tokens -----------------------------------------------------------------------------------

static bool starts(const struct parser *parser, const char *text) {
    return view_starts_with(view_from(parser->at, (size_t)(parser->end - parser->at)),
                            view_of(text));
}

static void skip_line(struct parser *parser) {
    while (parser->at < parser->end && *parser->at != '\n')
        parser->at++;
}

static bool skip_block_comment(struct parser *parser) {
    unsigned begun = parser->line;
    parser->at += 2;
    while (parser->at < parser->end && !starts(parser, "*/")) {
        parser->line += *parser->at == '\n';
        parser->at++;
    }
    if (parser->at == parser->end) {
        config_problem(parser->problems, begun, "the comment that begins here has no closing */");
        return false;
    }
    parser->at += 2;
    return true;
}

// False at a comment without an end.
static bool skip_blank(struct parser *parser) {
    while (parser->at < parser->end) {
        char c = *parser->at;
        if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
            parser->line += c == '\n';
            parser->at++;
        } else if (c == '#' || starts(parser, "//")) {
            skip_line(parser);
        } else if (!starts(parser, "/*")) {
            return true;
        } else if (!skip_block_comment(parser)) {
            return false;
        }
    }
    return true;
}

static bool is_word_char(char c) {
    return (unsigned char)c > ' ' && c != 0x7f && !strchr("\"'{}(),=#;", c);
}

static enum token_kind read_word(struct parser *parser, struct buffer *text) {
    while (parser->at < parser->end && is_word_char(*parser->at))
        buffer_append_char(text, *parser->at++);
    if (text->len)
        return TOKEN_WORD;
    unsigned char c = (unsigned char)*parser->at;
    if (c > ' ' && c < 0x7f)
        config_problem(parser->problems, parser->line,
                       "\"%c\" has no meaning here; texts with such characters stand in double "
                       "quotes",
                       c);
    else
        config_problem(parser->problems, parser->line,
                       "a byte with the value %u stands here: this "
                       "is no text file",
                       c);
    return TOKEN_BAD;
}

static enum token_kind read_quoted(struct parser *parser, struct buffer *text) {
    char quote = *parser->at++;
    while (parser->at < parser->end && *parser->at != quote) {
        char c = *parser->at++;
        if (c == '\\' && quote == '"' && parser->at < parser->end &&
            (*parser->at == '"' || *parser->at == '\\'))
            c = *parser->at++;
        if (c == '\n') {
            parser->at = parser->end;
        } else if (((unsigned char)c < ' ' && c != '\t') || c == 0x7f) {
            config_problem(parser->problems, parser->line,
                           "the quoted text holds a control character (byte %u)", (unsigned char)c);
            return TOKEN_BAD;
        } else {
            buffer_append_char(text, c);
        }
    }
    if (parser->at == parser->end) {
        config_problem(parser->problems, parser->line,
                       "the text that begins here has no closing %c on its line", quote);
        return TOKEN_BAD;
    }
    parser->at++;
    return TOKEN_TEXT;
}

static enum token_kind read_text(struct parser *parser, const char **copy) {
    struct buffer text;
    buffer_init(&text, CONFIG_TEXT_BYTES_MAX);
    bool is_quoted = *parser->at == '"' || *parser->at == '\'';
    enum token_kind kind = is_quoted ? read_quoted(parser, &text) : read_word(parser, &text);
    if (kind != TOKEN_BAD && text.overflow) {
        config_problem(parser->problems, parser->line, "a text is longer than %d bytes",
                       CONFIG_TEXT_BYTES_MAX);
        kind = TOKEN_BAD;
    }
    *copy = kind == TOKEN_BAD ? NULL : arena_copy(parser->arena, buffer_view(&text)).ptr;
    if (kind != TOKEN_BAD && !*copy) {
        fail_memory(parser);
        kind = TOKEN_BAD;
    }
    buffer_finish(&text);
    return kind;
}

static void advance(struct parser *parser) {
    static const char marks[] = "={},";
    static const enum token_kind kinds[] = {TOKEN_ASSIGN, TOKEN_OPEN, TOKEN_CLOSE, TOKEN_COMMA};
    struct token *token = &parser->token;
    bool is_well = skip_blank(parser);
    *token = (struct token){.kind = is_well ? TOKEN_END : TOKEN_BAD, .line = parser->line};
    if (!is_well || parser->at == parser->end)
        return;
    const char *mark = *parser->at ? strchr(marks, *parser->at) : NULL;
    if (mark) {
        token->kind = kinds[mark - marks];
        parser->at++;
    } else {
        token->kind = read_text(parser, &token->text);
    }
}

// --- Statements -------------------------------------------------------------------------------

static bool is_text(const struct token *token) {
    return token->kind == TOKEN_TEXT || token->kind == TOKEN_WORD;
}

static const char *token_name(const struct token *token) {
    static const char *const names[] = {"the end of the file", "", "", "=", "{", "}", ","};
    ASSERT(token->kind < ARRAY_LEN(names));
    return is_text(token) ? token->text : names[token->kind];
}

static bool fail_value(struct parser *parser, const struct config_node *node) {
    if (parser->token.kind != TOKEN_BAD)
        config_problem(parser->problems, node->line, "%s has no value: %s = \"...\" was expected",
                       node->name, node->name);
    return false;
}

static bool add_value(struct parser *parser, struct config_node *node, struct config_value ***end) {
    struct config_value *value = arena_alloc(parser->arena, sizeof(*value));
    if (!value)
        return fail_memory(parser);
    value->text = parser->token.text;
    value->line = parser->token.line;
    **end = value;
    *end = &value->next;
    node->n_values++;
    advance(parser);
    return true;
}

static bool read_list(struct parser *parser, struct config_node *node) {
    struct config_value **end = &node->values;
    node->is_list = true;
    advance(parser);
    while (is_text(&parser->token)) {
        if (!add_value(parser, node, &end))
            return false;
        if (parser->token.kind == TOKEN_COMMA)
            advance(parser);
    }
    if (parser->token.kind == TOKEN_CLOSE) {
        advance(parser);
        return true;
    }
    if (parser->token.kind == TOKEN_ASSIGN)
        config_problem(parser->problems, node->line,
                       "the list of %s begins here and has no closing } before the next key",
                       node->name);
    else if (parser->token.kind != TOKEN_BAD)
        config_problem(parser->problems, parser->token.line,
                       "%s stands in the list of %s, which began in line %u: a text or } was "
                       "expected",
                       token_name(&parser->token), node->name, node->line);
    return false;
}

static bool read_assignment(struct parser *parser, struct config_node *node) {
    struct config_value **end = &node->values;
    unsigned line = parser->token.line;
    advance(parser);
    if (parser->token.kind == TOKEN_OPEN)
        return read_list(parser, node);
    // A word on a later line is the next key: the value was forgotten.
    if (!is_text(&parser->token) || parser->token.line != line)
        return fail_value(parser, node);
    return add_value(parser, node, &end);
}

static bool read_statements(struct parser *parser, struct config_node *section, unsigned depth);

static bool read_section(struct parser *parser, struct config_node *node, unsigned depth) {
    node->is_section = true;
    if (is_text(&parser->token)) {
        node->title = parser->token.text;
        advance(parser);
    }
    if (parser->token.kind != TOKEN_OPEN) {
        if (parser->token.kind != TOKEN_BAD)
            config_problem(parser->problems, node->line,
                           "after %s a \"=\" or a section in braces was expected, not %s",
                           node->name, node->title ? node->title : token_name(&parser->token));
        return false;
    }
    if (depth == CONFIG_DEPTH_MAX) {
        config_problem(parser->problems, node->line, "sections stand too deep in each other");
        return false;
    }
    advance(parser);
    if (!read_statements(parser, node, depth + 1))
        return false;
    advance(parser); // the closing brace
    return true;
}

static bool read_statement(struct parser *parser, struct config_node *section,
                           struct config_node ***end, unsigned depth) {
    if (parser->token.kind != TOKEN_WORD) {
        if (parser->token.kind != TOKEN_BAD)
            config_problem(parser->problems, parser->token.line, "a key was expected here, not %s",
                           token_name(&parser->token));
        return false;
    }
    struct config_node *node = arena_alloc(parser->arena, sizeof(*node));
    if (!node)
        return fail_memory(parser);
    node->name = parser->token.text;
    node->line = parser->token.line;
    advance(parser);
    bool is_whole = parser->token.kind == TOKEN_ASSIGN ? read_assignment(parser, node)
                                                       : read_section(parser, node, depth);
    if (!is_whole)
        return false;
    **end = node;
    *end = &node->next;
    return true;
}

// Up to the brace that closes `section`, which is left to the caller, or to the end of the file.
static bool read_statements(struct parser *parser, struct config_node *section, unsigned depth) {
    struct config_node **end = &section->children;
    ASSERT(depth <= CONFIG_DEPTH_MAX);
    while (parser->token.kind != TOKEN_END && parser->token.kind != TOKEN_CLOSE)
        if (!read_statement(parser, section, &end, depth))
            return false;
    if (parser->token.kind == TOKEN_CLOSE && depth == 0) {
        config_problem(parser->problems, parser->token.line,
                       "this } closes nothing: one too many, or a { is missing above");
        return false;
    }
    if (parser->token.kind == TOKEN_END && depth > 0) {
        const char *title = section->title;
        config_problem(parser->problems, section->line,
                       "section %s%s%s%s begins here and is never closed: a } is missing",
                       section->name, title ? " \"" : "", title ? title : "", title ? "\"" : "");
        return false;
    }
    return true;
}

bool config_syntax_read(struct view text, struct arena *arena, struct config_problems *problems,
                        struct config_node *root) {
    *root = (struct config_node){.name = "", .is_section = true};
    if (view_starts_with(text, VIEW("\xef\xbb\xbf")))
        text = view_skip(text, 3); // the mark some editors put before UTF-8
    if (text.len == 0)
        return true;
    struct parser parser = {.at = text.ptr,
                            .end = text.ptr + text.len,
                            .line = 1,
                            .arena = arena,
                            .problems = problems};
    advance(&parser);
    return read_statements(&parser, root, 0);
}

const struct config_node *config_node_find(const struct config_node *section, const char *name) {
    for (const struct config_node *node = section->children; node; node = node->next)
        if (strcmp(node->name, name) == 0)
            return node;
    return NULL;
}

unsigned config_node_line(const struct config_node *section, const char *name) {
    const struct config_node *node = config_node_find(section, name);
    return node ? node->line : section->line;
}
