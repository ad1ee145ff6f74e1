// The option table for people: --help, --print-config and the table of docs/OPERATING.md.
#include "gateway/option_value.h"
#include "gateway/options.h"

#include <string.h>

#define HELP_COLUMN 32
#define HELP_WIDTH 100

// `text` broken at spaces, each further line starting at HELP_COLUMN or behind `prefix`.
static void print_wrapped(FILE *out, const char *text, size_t column, const char *prefix) {
    size_t at = column;
    while (*text) {
        size_t word = strcspn(text, " ");
        if (at > column && at + 1 + word > HELP_WIDTH) {
            fprintf(out, "\n%s%*s", prefix, (int)(column - strlen(prefix)), "");
            at = column;
        }
        at += (size_t)fprintf(out, "%s%.*s", at > column ? " " : "", (int)word, text);
        text += word + strspn(text + word, " ");
    }
    fputc('\n', out);
}

// "largest message from a client [1KiB to 64MiB; default 64KiB]".
static void describe(const struct option_spec *spec, char *text, size_t size) {
    char range[OPTION_ALLOWED_TEXT_SIZE];
    option_value_range(spec, range);
    bool has_default = spec->fallback && spec->type != OPTION_BOOL;
    bool has_brackets = has_default || range[0];
    snprintf(text, size, "%s%s%s%s%s%s%s%s", spec->help,
             option_spec_is_list(spec) ? "; repeatable" : "", has_brackets ? " [" : "", range,
             range[0] && has_default ? "; " : "", has_default ? "default " : "",
             has_default ? spec->fallback : "", has_brackets ? "]" : "");
}

void options_print_help(FILE *out) {
    fputs("usage: fairlead serve [options]\n\n"
          "Hosts chat rooms for Phoenix clients over WebSocket. Without options it listens on\n"
          "127.0.0.1:8080 and shows a page to try it on http://127.0.0.1:8081/.\n"
          "Every option is also a key of the --config file, by the same name.\n",
          out);
    for (int section = 0; section < OPTION_SECTION_COUNT; section++) {
        fprintf(out, "\n%s\n", option_section_title((enum option_section)section));
        for (size_t i = 0; i < option_table_count; i++) {
            const struct option_spec *spec = &option_table[i];
            char text[1024];
            if ((int)spec->section != section)
                continue;
            int size = fprintf(out, "  --%s%s%s", spec->name, spec->value_name ? " " : "",
                               spec->value_name ? spec->value_name : "");
            if (size >= HELP_COLUMN)
                size = fprintf(out, "\n") - 1;
            fprintf(out, "%*s", HELP_COLUMN - size, "");
            describe(spec, text, sizeof(text));
            print_wrapped(out, text, HELP_COLUMN, "");
        }
    }
    fputs("\nExit codes: 0 ok, 1 failed, 2 usage.  Manual: docs/OPERATING.md\n", out);
}

// Double quotes serve every text that a value may hold: none of them has a quote or a backslash
// but room patterns.
static void print_quoted(FILE *out, const char *text) {
    fputc('"', out);
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            fputc('\\', out);
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            fprintf(out, "\\x%02x", *text);
        else
            fputc(*text, out);
    }
    fputc('"', out);
}

static void print_value(FILE *out, const struct option_spec *spec, const struct config *config) {
    char text[OPTION_VALUE_TEXT_SIZE];
    if (!option_spec_is_list(spec)) {
        option_value_encode(spec, config, 0, text);
        bool plain = spec->type == OPTION_BOOL || spec->type == OPTION_NUMBER ||
                     spec->type == OPTION_BYTES || spec->type == OPTION_CHOICE;
        if (plain)
            fputs(text, out);
        else
            print_quoted(out, text);
        fputc('\n', out);
        return;
    }
    fputc('[', out);
    for (uint32_t i = 0; i < option_value_count(spec, config); i++) {
        fputs(i > 0 ? ", " : "", out);
        print_quoted(out, option_value_encode(spec, config, i, text));
    }
    fputs("]\n", out);
}

static void print_rules(FILE *out, const struct config *config) {
    fputs("\n# Settings for rooms by name, the first match wins: * any run of characters, ? one.\n"
          "# What a rule leaves out is as above. For example:\n"
          "#   - match: \"room:lobby-*\"\n"
          "#     presence: counts\n"
          "#     room-policy: close\n",
          out);
    fputs(config->room_rule_count > 0 ? "rooms:\n" : "rooms: []\n", out);
    for (uint32_t i = 0; i < config->room_rule_count; i++) {
        const struct config_room_rule *rule = &config->room_rules[i];
        fputs("  - match: ", out);
        print_quoted(out, rule->pattern);
        fputc('\n', out);
        for (size_t at = 0; at < option_table_count; at++) {
            const struct option_spec *spec = &option_table[at];
            char text[OPTION_VALUE_TEXT_SIZE];
            if (spec->per_room && option_value_is_in_rule(spec, rule))
                fprintf(out, "    %s: %s\n", spec->name,
                        option_value_encode_rule(spec, rule, text));
        }
    }
}

void options_print_config(FILE *out, const struct config *config) {
    fputs("# Settings of `fairlead serve`; use with --config FILE. Flags override them.\n", out);
    for (int section = 0; section < OPTION_SECTION_COUNT; section++) {
        fprintf(out, "\n# --- %s ---\n", option_section_title((enum option_section)section));
        for (size_t i = 0; i < option_table_count; i++) {
            const struct option_spec *spec = &option_table[i];
            char text[1024];
            if ((int)spec->section != section || !option_spec_is_in_file(spec))
                continue;
            describe(spec, text, sizeof(text));
            fputs("\n# ", out);
            print_wrapped(out, text, 2, "# ");
            fprintf(out, "%s: ", spec->name);
            print_value(out, spec, config);
        }
        if (section == OPTION_ROOMS)
            print_rules(out, config);
    }
}

void options_print_markdown(FILE *out) {
    fputs("| option | default | allowed | what it does |\n|---|---|---|---|\n", out);
    for (size_t i = 0; i < option_table_count; i++) {
        const struct option_spec *spec = &option_table[i];
        char allowed[OPTION_ALLOWED_TEXT_SIZE];
        fprintf(out, "| `--%s%s%s` | %s%s%s | %s | %s%s |\n", spec->name,
                spec->value_name ? " " : "", spec->value_name ? spec->value_name : "",
                spec->fallback ? "`" : "", spec->fallback ? spec->fallback : "",
                spec->fallback ? "`" : "", option_value_allowed(spec, allowed), spec->help,
                option_spec_is_list(spec) ? "; repeatable" : "");
    }
}
