// Goal: a command line becomes one mode and its options, or a sentence that helps. Method: command
// lines.
#include <string.h>

#include "tests/unit/unit.h"
#include "tuning/tune_options.h"

static struct tune_options o;
static char error[TUNE_OPTIONS_ERROR_BYTES];

#define PARSE(...)                                                                                 \
    parse((char *[]){(char *)(uintptr_t) "tune", __VA_ARGS__},                                     \
          (int)(sizeof((const char *[]){"tune", __VA_ARGS__}) / sizeof(char *)))

static enum tune_options_outcome parse(char *const *argv, int argc) {
    return tune_options_parse(&o, argc, argv, error);
}

#define BAD(text, ...)                                                                             \
    do {                                                                                           \
        ck_assert_int_eq(PARSE(__VA_ARGS__), TUNE_OPTIONS_BAD);                                    \
        ck_assert_str_eq(error, text);                                                             \
    } while (0)

START_TEST(refuses_what_it_does_not_know_and_names_the_nearest) {
    BAD("no option --aply; did you mean --apply?", "--aply", "chat");
    BAD("no verb 'measure'; did you mean --measure? options begin with --, see --help", "measure");
    BAD("--apply wants a value: --apply PROFILE", "--apply");
    BAD("--measure takes no value", "--measure=1");
}
END_TEST

START_TEST(refuses_what_does_not_go_together) {
    BAD("--apply, --measure, --knee and --try exclude each other: one at a time", "--measure",
        "--knee");
    BAD("--dry-run belongs to --apply; nothing else changes the host", "--dry-run");
    BAD("--undo belongs to --apply", "--undo", "x.sh");
    BAD("--json and --html tell what was found; --apply has nothing for them", "--apply", "chat",
        "--json", "-");
}
END_TEST

START_TEST(without_arguments_reads_the_host) {
    char *const argv[] = {(char *)(uintptr_t) "tune"};
    ck_assert_int_eq(parse(argv, 1), TUNE_OPTIONS_RUN);
    ck_assert_int_eq(o.mode, TUNE_OPTIONS_HOST);
    ck_assert_str_eq(o.root, "");
    ck_assert_str_eq(o.json_file, "");
}
END_TEST

START_TEST(modes_take_their_values) {
    ck_assert_int_eq(PARSE("--apply", "chat", "--dry-run", "--root=/x", "--undo", "u.sh"),
                     TUNE_OPTIONS_RUN);
    ck_assert_int_eq(o.mode, TUNE_OPTIONS_APPLY);
    ck_assert_str_eq(o.profile, "chat");
    ck_assert_str_eq(o.root, "/x");
    ck_assert_str_eq(o.undo_file, "u.sh");
    ck_assert(o.is_dry_run && !o.says_yes);
    ck_assert_int_eq(PARSE("--try", "min-wait"), TUNE_OPTIONS_RUN);
    ck_assert_int_eq(o.mode, TUNE_OPTIONS_TRY);
    ck_assert_str_eq(o.knob, "min-wait");
    ck_assert_int_eq(PARSE("--knee"), TUNE_OPTIONS_RUN);
    ck_assert_int_eq(o.mode, TUNE_OPTIONS_KNEE);
}
END_TEST

START_TEST(help_fits_80_columns_and_names_every_mode) {
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    tune_options_print_help(out);
    fclose(out);
    ck_assert_ptr_nonnull(strstr(text, "--apply PROFILE"));
    ck_assert_ptr_nonnull(strstr(text, "--try KNOB"));
    for (const char *line = text; *line;) {
        size_t columns = 0, bytes = strcspn(line, "\n");
        for (size_t i = 0; i < bytes; i++)
            columns += (line[i] & 0xC0) != 0x80; // UTF-8: heads only
        ck_assert_msg(columns <= 80, "%.*s", (int)bytes, line);
        line += bytes + (line[bytes] == '\n');
    }
    free(text);
}
END_TEST

UNIT_MAIN("tuning/tune_options", refuses_what_it_does_not_know_and_names_the_nearest,
          refuses_what_does_not_go_together, without_arguments_reads_the_host,
          modes_take_their_values, help_fits_80_columns_and_names_every_mode)
