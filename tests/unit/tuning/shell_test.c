// Goal: a quoted text means itself. Method: the shell says it back.
#include "tuning/shell.h"

#include <stdio.h>
#include <string.h>

#include "tests/unit/unit.h"

START_TEST(the_shell_says_a_quoted_text_back) {
    static const char *const TEXTS[] = {"", "a b", "it's", "''", "$(reboot) `x` \\ \" \n*"};
    for (size_t i = 0; i < sizeof(TEXTS) / sizeof(TEXTS[0]); i++) {
        char quoted[SHELL_WORD_BYTES], command[SHELL_WORD_BYTES + 32], said[256] = "";
        ck_assert(shell_quote(TEXTS[i], quoted));
        snprintf(command, sizeof(command), "printf '%%s' %s", quoted);
        FILE *out = popen(command, "r");
        ck_assert_ptr_nonnull(out);
        size_t size = fread(said, 1, sizeof(said) - 1, out);
        ck_assert_int_eq(pclose(out), 0);
        said[size] = 0;
        ck_assert_str_eq(said, TEXTS[i]);
    }
}
END_TEST

START_TEST(what_does_not_fit_is_refused) {
    char text[SHELL_WORD_BYTES + 8], quoted[SHELL_WORD_BYTES];
    memset(text, 'x', sizeof(text));
    text[SHELL_WORD_BYTES - 3] = 0; // with two quotes and the end it just fits
    ck_assert(shell_quote(text, quoted));
    ck_assert_uint_eq(strlen(quoted), SHELL_WORD_BYTES - 1);
    text[SHELL_WORD_BYTES - 3] = 'x';
    text[SHELL_WORD_BYTES - 2] = 0;
    ck_assert(!shell_quote(text, quoted));
}
END_TEST

UNIT_MAIN("tuning/shell", the_shell_says_a_quoted_text_back, what_does_not_fit_is_refused)
