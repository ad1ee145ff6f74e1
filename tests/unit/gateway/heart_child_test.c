// Goal: only its own supervisor's orders are taken, and a dying gateway leaves words. Method: both
// ends of the pair in one process; deaths in forks.
#include "gateway/heart_child.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/unit.h"

static struct heart_child child;
static struct heart_orders orders;
static char error[HEART_CHILD_ERROR_SIZE];
static int pair[2];

static void make_orders(void) {
    orders = (struct heart_orders){.version = FAIRLEAD_VERSION, .parent = getppid()};
    orders.plan.scheduler_count = 7;
    orders.report.restarts = 3;
}

// Sends the first `size` bytes of the orders and names the child's end in the environment.
static void hand_over(size_t size) {
    char number[16];
    int bytes = 4 * (int)sizeof(orders);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    ck_assert_int_eq(setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes)), 0);
    if (size > 0)
        ck_assert_int_eq(send(pair[0], &orders, size, MSG_DONTWAIT), size);
    snprintf(number, sizeof(number), "%d", pair[1]);
    setenv(HEART_CHILD_ENVIRONMENT, number, 1);
}

static void let_go(void) {
    close(pair[0]);
    close(pair[1]);
}

static void is_refused(void) {
    ck_assert(heart_child_is());
    ck_assert(!heart_child_open(&child, error));
    ck_assert_ptr_nonnull(strstr(error, HEART_CHILD_ENVIRONMENT));
    ck_assert(!heart_child_is()); // for what this process may run
}

START_TEST(a_variable_that_is_there_by_mistake_is_refused) {
    static const char *const values[] = {
        "", "x", "-1", " 5", "5x", "0", "1023", "99999999999", "99999999999999999999999"};
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        setenv(HEART_CHILD_ENVIRONMENT, values[i], 1);
        is_refused();
    }
}
END_TEST

START_TEST(orders_of_somebody_else_are_refused) {
    make_orders();
    size_t sizes[] = {0, 1, sizeof(orders) - 1};
    for (size_t i = 0; i < 3; i++) {
        hand_over(sizes[i]);
        is_refused();
        let_go();
    }
    orders.parent = getpid();
    hand_over(sizeof(orders));
    is_refused();
    let_go();
    make_orders();
    orders.version[0] ^= 1;
    hand_over(sizeof(orders));
    is_refused();
    let_go();
}
END_TEST

// Runs `die` in a gateway of its own, and returns what it said and how it ended.
static const char *words_of(void (*die)(void), int *wait_status) {
    static char words[2048];
    make_orders();
    orders.parent = getpid();
    hand_over(sizeof(orders));
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        if (!freopen("/dev/null", "w", stderr) || !heart_child_open(&child, error))
            _exit(99);
        heart_child_say_up(&child);
        die();
        _exit(98);
    }
    ck_assert_int_eq(waitpid(pid, wait_status, 0), pid);
    size_t size = 0;
    ssize_t got;
    close(pair[1]);
    while ((got = recv(pair[0], words + size, sizeof(words) - 1 - size, MSG_DONTWAIT)) > 0)
        size += (size_t)got;
    words[size] = '\0';
    close(pair[0]);
    unsetenv(HEART_CHILD_ENVIRONMENT);
    const char *rest = strchr(words, '\n');
    ck_assert_msg(strncmp(words, "up ", 3) == 0 && rest, "%s", words);
    return rest + 1;
}

static void die_of_check(void) {
    uint32_t slot = 7;
    CHECKF(slot == 8, "slab %s: slot %u", "rooms", slot);
}

static volatile uint8_t *forbidden; // a page that may not be touched

static void die_of_fault(void) {
    forbidden[0x10] = 1;
}

static void die_of_signal(void) {
    kill(getpid(), SIGBUS);
    pause();
}

static void die_without_a_word(void) {
    kill(getpid(), SIGKILL);
    pause();
}

static void survive_orders(void) {
    _exit(child.orders.plan.scheduler_count == 7 && child.orders.report.restarts == 3 ? 0 : 97);
}

START_TEST(the_orders_arrive_as_they_were) {
    int status;
    ck_assert_str_eq(words_of(survive_orders, &status), "");
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 0);
}
END_TEST

START_TEST(a_failed_check_tells_its_sentence_first) {
    int status;
    const char *words = words_of(die_of_check, &status);
    ck_assert_msg(strncmp(words, "fairlead: bug: tests/unit/gateway/heart_child_test.c:", 53) ==
                          0 &&
                      strstr(words, "CHECK(slot == 8) slab rooms: slot 7\n"),
                  "%s", words);
    ck_assert(WIFSIGNALED(status));
    ck_assert_int_eq(WTERMSIG(status), SIGABRT);
}
END_TEST

START_TEST(a_kill_leaves_no_words) {
    int status;
    ck_assert_str_eq(words_of(die_without_a_word, &status), "");
    ck_assert_int_eq(WTERMSIG(status), SIGKILL);
}
END_TEST

// How it ends is a sanitizer's to say where one is at work: its handler comes after ours.
START_TEST(a_fault_tells_address_and_thread) {
    int status;
    char wanted[80];
    forbidden = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    snprintf(wanted, sizeof(wanted), "SIGSEGV at address %p in thread fairlead\n",
             (void *)(uintptr_t)(forbidden + 0x10));
    ck_assert_str_eq(words_of(die_of_fault, &status), wanted);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    ck_assert(WIFSIGNALED(status));
    ck_assert_int_eq(WTERMSIG(status), SIGSEGV);
#endif
}
END_TEST

START_TEST(a_signal_that_was_sent_ends_the_process_all_the_same) {
    int status;
    const char *words = words_of(die_of_signal, &status);
    ck_assert_str_eq(words, "SIGBUS in thread fairlead\n");
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    ck_assert(WIFSIGNALED(status));
    ck_assert_int_eq(WTERMSIG(status), SIGBUS);
#endif
}
END_TEST

UNIT_MAIN("gateway/heart_child", a_variable_that_is_there_by_mistake_is_refused,
          orders_of_somebody_else_are_refused, the_orders_arrive_as_they_were,
          a_failed_check_tells_its_sentence_first, a_kill_leaves_no_words,
          a_fault_tells_address_and_thread, a_signal_that_was_sent_ends_the_process_all_the_same)
