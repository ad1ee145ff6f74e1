// Goal: children are started, heard, stopped and reaped. Method: /bin/sh as the
// child.
#include "tuning/child.h"

#include "tests/unit/unit.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char error[CHILD_ERROR_BYTES];

static void count_lines(void *context, const char *line) {
    char *all = context;
    snprintf(all + strlen(all), 256 - strlen(all), "[%s]", line);
}

static void start(struct child *child, const char *script, char *lines) {
    struct child_arguments arguments = {0};
    child_argument(&arguments, "-c");
    child_argument(&arguments, "%s", script);
    struct child_order order = {.program = "/bin/sh",
                                .arguments = &arguments,
                                .on_line = lines ? count_lines : NULL,
                                .context = lines};
    ck_assert_msg(child_start(child, &order, error), "%s", error);
}

static void until_end(struct child *child) {
    while (!child_poll(child, -1, 1000))
        continue;
}

START_TEST(output_lines_and_exit_code_come_back) {
    struct child child;
    char lines[256] = "", last[CHILD_ERROR_BYTES];
    start(&child, "echo one; echo two >&2; printf 'th' >&2; printf 'ree\\n' >&2; exit 3", lines);
    until_end(&child);
    ck_assert_int_eq(child.exit_code, 3);
    ck_assert_str_eq(child.output, "one\n");
    ck_assert_str_eq(lines, "[two][three]");
    child_last_line(&child, last);
    ck_assert_str_eq(last, "three");
    child_fini(&child);
    child_fini(&child); // twice does no harm
}
END_TEST

START_TEST(much_output_is_all_kept_and_of_stderr_the_end) {
    struct child child;
    char last[CHILD_ERROR_BYTES];
    start(&child, "head -c 300000 /dev/zero | tr '\\0' x; seq 1 5000 >&2", NULL);
    until_end(&child);
    ck_assert_uint_eq(child.output_size, 300000);
    ck_assert_uint_eq(strspn(child.output, "x"), 300000);
    ck_assert_uint_eq(child.tail_size, CHILD_TAIL_BYTES);
    child_last_line(&child, last);
    ck_assert_str_eq(last, "5000");
    child_fini(&child);
}
END_TEST

START_TEST(a_signal_ends_it_and_is_told) {
    struct child child;
    // Before its exec it would run this program's own handler, which ends the whole test.
    start(&child, "echo up; exec sleep 60", NULL);
    while (child.output_size == 0)
        ck_assert(!child_poll(&child, -1, 1000));
    child_signal(&child, SIGTERM);
    until_end(&child);
    ck_assert_int_eq(child.exit_code, 128 + SIGTERM);
    child_fini(&child);
}
END_TEST

static void on_signal(int number) {
    (void)number;
    _exit(99);
}

// Between fork and exec the child is a copy of the parent, handlers and all: they must not run.
START_TEST(a_signal_at_once_meets_no_handler_of_the_parent) {
    void (*before)(int) = signal(SIGTERM, on_signal);
    for (int i = 0; i < 200; i++) {
        struct child child;
        start(&child, "exec sleep 60", NULL);
        child_signal(&child, SIGTERM);
        until_end(&child);
        ck_assert_int_eq(child.exit_code, 128 + SIGTERM);
        child_fini(&child);
    }
    signal(SIGTERM, before);
}
END_TEST

START_TEST(fini_kills_and_reaps_what_still_runs) {
    struct child child;
    start(&child, "trap '' TERM; while :; do sleep 1; done", NULL);
    pid_t pid = child.pid;
    child_fini(&child);
    ck_assert_int_eq(kill(pid, 0), -1);
}
END_TEST

START_TEST(a_readable_stop_descriptor_ends_the_wait) {
    struct child child;
    int fds[2];
    ck_assert_int_eq(pipe(fds), 0);
    ck_assert_int_eq((int)write(fds[1], "x", 1), 1);
    start(&child, "exec sleep 60", NULL);
    ck_assert(!child_poll(&child, fds[0], 60000)); // returns, or the test times out
    child_fini(&child);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

START_TEST(a_program_that_is_not_there_says_so_by_its_exit_code) {
    struct child child;
    struct child_arguments none = {0};
    struct child_order order = {.program = "/nonexistent/program", .arguments = &none};
    char last[CHILD_ERROR_BYTES];
    ck_assert(child_start(&child, &order, error));
    until_end(&child);
    ck_assert_int_eq(child.exit_code, CHILD_CANNOT_RUN);
    child_last_line(&child, last);
    ck_assert_ptr_nonnull(strstr(last, "/nonexistent/program: No such file"));
    child_fini(&child);
}
END_TEST

START_TEST(it_dies_with_its_parent) {
    int fds[2];
    ck_assert_int_eq(pipe(fds), 0);
    pid_t parent = fork();
    if (parent == 0) {
        struct child child;
        start(&child, "exec sleep 60", NULL);
        (void)!write(fds[1], &child.pid, sizeof(child.pid));
        kill(getpid(), SIGKILL);
    }
    pid_t grandchild = 0;
    ck_assert_int_eq((int)read(fds[0], &grandchild, sizeof(grandchild)), (int)sizeof(grandchild));
    waitpid(parent, NULL, 0);
    char path[64], state[512] = "";
    for (int i = 0; i < 500; i++) {
        snprintf(path, sizeof(path), "/proc/%d/stat", grandchild);
        FILE *file = fopen(path, "re");
        if (file == NULL)
            break;
        bool is_zombie = fgets(state, sizeof(state), file) && strstr(state, ") Z ");
        fclose(file);
        if (is_zombie)
            break;
        usleep(10000);
        ck_assert_int_lt(i, 499);
    }
    close(fds[0]);
    close(fds[1]);
}
END_TEST

START_TEST(a_program_is_found_in_path_and_a_missing_one_is_named) {
    char path[PATH_MAX];
    ck_assert(child_find("sh", path, error));
    ck_assert_int_eq(access(path, X_OK), 0);
    ck_assert(!child_find("no-such-program-here", path, error));
    ck_assert_ptr_nonnull(strstr(error, "no-such-program-here"));
    ck_assert_ptr_nonnull(strstr(error, "make"));
}
END_TEST

UNIT_MAIN("tuning/child", output_lines_and_exit_code_come_back,
          much_output_is_all_kept_and_of_stderr_the_end, a_signal_ends_it_and_is_told,
          a_signal_at_once_meets_no_handler_of_the_parent, fini_kills_and_reaps_what_still_runs,
          a_readable_stop_descriptor_ends_the_wait,
          a_program_that_is_not_there_says_so_by_its_exit_code, it_dies_with_its_parent,
          a_program_is_found_in_path_and_a_missing_one_is_named)
