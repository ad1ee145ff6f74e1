// Goal: knobs are named rightly, and a sysctl is as it was whatever happens to the tool. Method: a
// tree of files in place of /proc/sys; a child that is killed while the value is changed.
#include "tuning/try_knob.h"

#include "tests/unit/unit.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char root[64], path[128], error[TRY_KNOB_ERROR_BYTES];
static struct try_knob knob;

static void put(const char *value) {
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fputs(value, file);
    fclose(file);
}

static void expect(const char *value) {
    char text[128] = "";
    FILE *file = fopen(path, "r");
    ck_assert_ptr_nonnull(file);
    ck_assert_ptr_nonnull(fgets(text, sizeof(text), file));
    fclose(file);
    text[strcspn(text, "\n")] = '\0';
    ck_assert_str_eq(text, value);
}

static void make_tree(const char *value) {
    snprintf(root, sizeof(root), "/tmp/try_knob_test.%d", (int)getpid());
    ck_assert_int_eq(mkdir(root, 0700), 0);
    const char *const folders[] = {"/proc", "/proc/sys", "/proc/sys/net", "/proc/sys/net/ipv4"};
    for (size_t i = 0; i < 4; i++) {
        snprintf(path, sizeof(path), "%s%s", root, folders[i]);
        ck_assert_int_eq(mkdir(path, 0700), 0);
    }
    snprintf(path, sizeof(path), "%s/proc/sys/net/ipv4/tcp_rmem", root);
    put(value);
}

static void remove_tree(void) {
    unlink(path);
    for (int i = 0; i < 5; i++) {
        *strrchr(path, '/') = '\0';
        if (strlen(path) >= strlen(root))
            rmdir(path);
    }
}

START_TEST(short_names_stand_for_options_and_sysctls) {
    ck_assert(try_knob_parse("min-wait=0", &knob, error));
    ck_assert_str_eq(knob.name, "min-wait-us");
    ck_assert_str_eq(knob.value, "0");
    ck_assert(!knob.is_sysctl);
    ck_assert(try_knob_parse("busy-poll=50", &knob, error));
    ck_assert_str_eq(knob.name, "net.core.busy_poll");
    ck_assert(knob.is_sysctl);
    ck_assert(try_knob_parse("schedulers=2", &knob, error));
    ck_assert_str_eq(knob.name, "schedulers");
    ck_assert(try_knob_parse("net.ipv4.tcp_rmem=4096 131072 6291456", &knob, error));
    ck_assert_str_eq(knob.value, "4096 131072 6291456");
}
END_TEST

START_TEST(what_is_no_knob_is_refused) {
    const char *const bad[] = {"",      "min-wait", "=3",    "x=",      "../../etc/passwd=1",
                               "a b=1", "--x=1",    "x/y=1", "net..a=1"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_msg(!try_knob_parse(bad[i], &knob, error), "%s", bad[i]);
    ck_assert(!try_knob_parse("min-wait", &knob, error));
    ck_assert_ptr_nonnull(strstr(error, "KNOB=VALUE"));
}
END_TEST

START_TEST(a_sysctl_that_is_not_there_or_the_same_is_refused) {
    make_tree("4096\t131072\t6291456\n");
    ck_assert(try_knob_parse("net.ipv4.no_such=1", &knob, error));
    ck_assert(!try_knob_look(&knob, root, error));
    ck_assert_ptr_nonnull(strstr(error, "no sysctl net.ipv4.no_such"));
    ck_assert(try_knob_parse("net.ipv4.tcp_rmem=4096  131072 6291456", &knob, error));
    ck_assert(!try_knob_look(&knob, root, error));
    ck_assert_ptr_nonnull(strstr(error, "already"));
    remove_tree();
}
END_TEST

START_TEST(it_goes_there_and_back) {
    struct try_guard guard;
    make_tree("4096\t131072\t6291456\n");
    ck_assert(try_knob_parse("net.ipv4.tcp_rmem=4096 65536 65536", &knob, error));
    ck_assert_msg(try_knob_look(&knob, root, error), "%s", error);
    ck_assert_str_eq(knob.before, "4096 131072 6291456");
    ck_assert(try_guard_open(&guard, &knob, error));
    ck_assert(try_knob_write(&knob, knob.value, error));
    expect("4096 65536 65536");
    ck_assert_msg(try_guard_close(&guard, &knob, error), "%s", error);
    expect("4096 131072 6291456");
    remove_tree();
}
END_TEST

START_TEST(it_goes_back_when_the_tool_is_killed) {
    make_tree("1\n");
    pid_t tool = fork();
    if (tool == 0) {
        struct try_guard guard;
        if (!try_knob_parse("net.ipv4.tcp_rmem=2", &knob, error) ||
            !try_knob_look(&knob, root, error) || !try_guard_open(&guard, &knob, error) ||
            !try_knob_write(&knob, knob.value, error))
            _exit(1);
        kill(getpid(), SIGKILL);
    }
    int status = 0;
    waitpid(tool, &status, 0);
    ck_assert(WIFSIGNALED(status));
    for (int i = 0; i < 500; i++) {
        char text[16] = "";
        FILE *file = fopen(path, "r");
        bool is_back = fgets(text, sizeof(text), file) != NULL && strcmp(text, "1") == 0;
        fclose(file);
        if (is_back)
            break;
        usleep(10000);
        ck_assert_int_lt(i, 499);
    }
    remove_tree();
}
END_TEST

START_TEST(an_option_needs_no_guard) {
    struct try_guard guard;
    ck_assert(try_knob_parse("park-after=10", &knob, error));
    ck_assert(try_knob_look(&knob, "/nonexistent", error));
    ck_assert(try_guard_open(&guard, &knob, error));
    ck_assert_int_eq(guard.pid, 0);
    ck_assert(try_guard_close(&guard, &knob, error));
}
END_TEST

UNIT_MAIN("tuning/try_knob", short_names_stand_for_options_and_sysctls, what_is_no_knob_is_refused,
          a_sysctl_that_is_not_there_or_the_same_is_refused, it_goes_there_and_back,
          it_goes_back_when_the_tool_is_killed, an_option_needs_no_guard)
