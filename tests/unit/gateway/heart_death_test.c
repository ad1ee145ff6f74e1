// Goal: every way to die has words. Method: wait statuses as the kernel makes them, invented words.
#include "gateway/heart_death.h"

#include <signal.h>
#include <string.h>

#include "sched/base/clock.h"
#include "tests/unit/unit.h"

#define CORE_FLAG 0x80 // wait(2): WCOREFLAG

static struct heart_death death;
static char fields[HEART_REASON_SIZE * 2];

static void describe(int wait_status, const char *words, bool oom_killed) {
    struct heart_life life = {.started_ns = 10 * NS_PER_S,
                              .died_ns = 40 * NS_PER_S,
                              .died_s = 1234,
                              .wait_status = wait_status,
                              .words = words,
                              .oom_killed = oom_killed};
    heart_death_describe(&death, &life);
    heart_death_fields(&death, fields);
}

static void cause_has(const char *part) {
    ck_assert_msg(strstr(death.cause, part) != NULL, "%s: %s", part, death.cause);
}

START_TEST(a_signal_is_named_with_its_usual_cause) {
    describe(SIGSEGV, "", false);
    ck_assert_str_eq(death.reason, "SIGSEGV");
    ck_assert_str_eq(fields, "signal=SIGSEGV core_dumped=no");
    ck_assert_int_eq(death.exit_code, -1);
    cause_has("report");
    describe(SIGABRT | CORE_FLAG, "", false);
    ck_assert_str_eq(fields, "signal=SIGABRT core_dumped=yes");
    ck_assert(death.core_dumped);
    describe(SIGSYS, "", false);
    cause_has("seccomp");
    describe(SIGTERM, "", false);
    ck_assert_str_eq(death.reason, "SIGTERM");
    cause_has("from outside");
    describe(SIGRTMIN + 3, "", false);
    ck_assert(strncmp(death.reason, "signal ", 7) == 0);
}
END_TEST

START_TEST(a_kill_without_words_names_memory_and_for_certain_where_the_kernel_tells) {
    describe(SIGKILL, "up 20000000000\n", false);
    cause_has("killed from outside");
    cause_has("memory limit");
    describe(SIGKILL, "up 20000000000\n", true);
    cause_has("out of memory: the kernel killed it");
    describe(SIGSEGV, "", true); // somebody else's
    cause_has("fault");
}
END_TEST

START_TEST(an_exit_keeps_its_code) {
    describe(3 << 8, "", false);
    ck_assert_str_eq(death.reason, "exit 3");
    ck_assert_str_eq(fields, "exit=3");
    ck_assert_int_eq(death.exit_code, 3);
    cause_has("stderr");
    describe(0, "", false);
    ck_assert_str_eq(fields, "exit=0");
    cause_has("told to stop");
}
END_TEST

START_TEST(uptime_counts_from_when_it_served) {
    describe(SIGSEGV, "up 15000000000\n", false);
    ck_assert(death.was_up);
    ck_assert_uint_eq(death.uptime_ns, 25 * NS_PER_S);
    ck_assert_uint_eq(death.died_s, 1234);
    describe(SIGSEGV, "", false);
    ck_assert(!death.was_up);
    ck_assert_uint_eq(death.uptime_ns, 30 * NS_PER_S);
    describe(SIGSEGV, "fault\nup 15000000000\n", false); // no first line, no life
    ck_assert(!death.was_up);
    // What a child gone wild may write.
    static const char *const odd[] = {"up \n", "up 9\n", "up -3", "up 99999999999999999999999\n"};
    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        describe(SIGSEGV, odd[i], false);
        ck_assert_uint_eq(death.uptime_ns, 30 * NS_PER_S);
        cause_has("fault");
    }
}
END_TEST

START_TEST(the_first_words_are_the_cause) {
    describe(SIGABRT,
             "up 15000000000\nfairlead: bug: a.c:3: CHECK(x) slab 7\nSIGABRT in thread b\n", false);
    ck_assert_str_eq(death.cause, "fairlead: bug: a.c:3: CHECK(x) slab 7");
    describe(SIGSEGV, "no newline", true);
    ck_assert_str_eq(death.cause, "no newline");
}
END_TEST

START_TEST(words_become_printable_and_bounded) {
    describe(SIGABRT, "a \"room\" \\ \x1b[2J \xff\x80 end\n", false);
    ck_assert_str_eq(death.cause, "a 'room' ' ?[2J ?? end");
    for (size_t size = HEART_CAUSE_SIZE - 2; size <= HEART_CAUSE_SIZE; size++) {
        char words[HEART_CAUSE_SIZE + 2];
        memset(words, 'x', size);
        words[size] = '\0';
        describe(SIGABRT, words, false);
        ck_assert_uint_eq(strlen(death.cause),
                          size < HEART_CAUSE_SIZE ? size : HEART_CAUSE_SIZE - 1);
    }
}
END_TEST

UNIT_MAIN("gateway/heart_death", a_signal_is_named_with_its_usual_cause,
          a_kill_without_words_names_memory_and_for_certain_where_the_kernel_tells,
          an_exit_keeps_its_code, uptime_counts_from_when_it_served, the_first_words_are_the_cause,
          words_become_printable_and_bounded)
