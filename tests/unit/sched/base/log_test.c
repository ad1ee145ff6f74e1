// Goal: one call writes one line, whatever is in it. Method: stderr is a pipe for the length of a
// call.
#include "sched/base/log.h"

#include <string.h>
#include <unistd.h>

#include "tests/unit/unit.h"

static char line[4096];

// What `text` becomes as a value at `level`.
static size_t logged(enum log_level level, const char *text) {
    int fds[2];
    ck_assert_int_eq(pipe(fds), 0);
    int saved = dup(STDERR_FILENO);
    dup2(fds[1], STDERR_FILENO);
    close(fds[1]);
    log_line(level, "event=test value=%s", text);
    dup2(saved, STDERR_FILENO);
    close(saved);
    ssize_t size = read(fds[0], line, sizeof(line) - 1);
    close(fds[0]);
    ck_assert_int_ge((int)size, 0);
    line[size] = 0;
    return (size_t)size;
}

START_TEST(log_line_has_time_level_and_text) {
    ck_assert_uint_gt(logged(LOG_WARN, "a"), 0);
    ck_assert_ptr_eq(strstr(line, " warn event=test value=a\n"),
                     line + strlen("2026-01-02T03:04:05Z"));
}
END_TEST

START_TEST(log_line_below_the_level_is_not_written) {
    ck_assert_uint_eq(logged(LOG_DEBUG, "a"), 0);
    log_set_level(LOG_DEBUG);
    ck_assert_uint_gt(logged(LOG_DEBUG, "a"), 0);
    log_set_level(LOG_INFO);
}
END_TEST

START_TEST(log_line_stays_one_line) {
    (void)logged(LOG_INFO, "x\n2026 error event=forged\r\x1b[31m\x7f");
    ck_assert_ptr_nonnull(strstr(line, "value=x?2026 error event=forged??[31m?\n"));
    (void)logged(LOG_INFO, "Grüße"); // UTF-8 passes
    ck_assert_ptr_nonnull(strstr(line, "value=Grüße\n"));
}
END_TEST

START_TEST(log_line_is_cut_at_its_limit) {
    char text[3000];
    memset(text, 'x', sizeof(text));
    size_t before = logged(LOG_INFO, "") - 1; // without its value, without the end
    for (size_t over = 0; over < 4; over++) {
        size_t value = 1023 - 1 - before + over - 2;
        text[value] = 0;
        size_t size = logged(LOG_INFO, text);
        text[value] = 'x';
        ck_assert_uint_le(size, 1023);
        ck_assert_int_eq(line[size - 1], '\n');
        ck_assert_ptr_eq(strchr(line, '\n'), line + size - 1);
    }
    text[sizeof(text) - 1] = 0;
    ck_assert_uint_eq(logged(LOG_INFO, text), 1023);
    ck_assert_int_eq(line[1021], 'x');
}
END_TEST

UNIT_MAIN("sched/base/log", log_line_has_time_level_and_text,
          log_line_below_the_level_is_not_written, log_line_stays_one_line,
          log_line_is_cut_at_its_limit)
