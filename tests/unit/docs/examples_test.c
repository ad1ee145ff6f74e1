// Goal: the programs in docs/RUNTIME.md do what it says. Method: each is run, and what it prints
// held against the text beside its source; tests/tidy/docs.sh holds the document against both.
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/unit.h"

#define TEXT_MAX 16384

// The whole of it, as a string.
static void read_all(FILE *file, char *text) {
    ck_assert_ptr_nonnull(file);
    size_t size = fread(text, 1, TEXT_MAX, file);
    ck_assert_uint_lt(size, TEXT_MAX);
    text[size] = 0;
}

// build/<mode>/unit/docs/examples_test runs build/<mode>/examples/<name>.
static void expect_output(const char *name) {
    char own[512], path[1024], expected[TEXT_MAX + 1], printed[TEXT_MAX + 1];
    ssize_t size = readlink("/proc/self/exe", own, sizeof(own) - 1);
    ck_assert_int_gt(size, 0);
    own[size] = 0;
    char *end = strstr(own, "/unit/docs/");
    ck_assert_ptr_nonnull(end);
    *end = 0;
    snprintf(path, sizeof(path), "docs/examples/%s.txt", name);
    FILE *file = fopen(path, "r");
    read_all(file, expected);
    fclose(file);
    ck_assert_uint_gt(strlen(expected), 0);
    snprintf(path, sizeof(path), "'%s/examples/%s' 2>&1", own, name);
    FILE *program = popen(path, "r");
    read_all(program, printed);
    ck_assert_int_eq(pclose(program), 0);
    ck_assert_str_eq(printed, expected);
}

START_TEST(the_smallest_actor_greets_is_full_and_leaves) {
    expect_output("hello");
}
END_TEST

START_TEST(the_code_lock_opens_locks_itself_and_postpones) {
    expect_output("code_lock");
}
END_TEST

START_TEST(the_turnstile_is_called_killed_and_started_again) {
    expect_output("turnstile");
}
END_TEST

UNIT_MAIN("docs/examples", the_smallest_actor_greets_is_full_and_leaves,
          the_code_lock_opens_locks_itself_and_postpones,
          the_turnstile_is_called_killed_and_started_again)
