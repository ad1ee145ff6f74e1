#include "gateway/heart_child.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sched/base/clock.h"

#define WORDS_SIZE 128
#define THREAD_NAME_SIZE 16 // prctl(2)

static const int faults[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};
#define FAULT_COUNT (sizeof(faults) / sizeof(faults[0]))

// A signal handler has no other way to its surroundings. Written once, before threads.
static struct {
    int heart_fd;
    struct sigaction before[FAULT_COUNT]; // a sanitizer's, or the default
} witness;

// --- Words of a dying process: nothing but what is safe in a signal handler (signal-safety(7)) ---

struct words {
    char text[WORDS_SIZE];
    size_t size;
};

static void put_text(struct words *words, const char *text) {
    while (*text && words->size < WORDS_SIZE)
        words->text[words->size++] = *text++;
}

static void put_number(struct words *words, uint64_t number, uint32_t base) {
    char digits[24];
    size_t at = sizeof(digits);
    digits[--at] = '\0';
    do
        digits[--at] = "0123456789abcdef"[number % base];
    while ((number /= base) > 0);
    put_text(words, digits + at);
}

static void on_fault(int number, siginfo_t *info, void *context) {
    int code = errno;
    char thread[THREAD_NAME_SIZE + 1] = "";
    struct words words = {.size = 0};
    const char *name = sigabbrev_np(number);
    bool was_sent = info->si_code <= 0; // kill, tgkill, sigqueue
    (void)prctl(PR_GET_NAME, thread);
    put_text(&words, "SIG");
    put_text(&words, name ? name : "?");
    if (was_sent && info->si_pid != getpid()) {
        put_text(&words, " sent by process ");
        put_number(&words, (uint64_t)info->si_pid, 10);
    } else if (!was_sent) {
        put_text(&words, " at address 0x");
        put_number(&words, (uintptr_t)info->si_addr, 16);
    }
    put_text(&words, " in thread ");
    put_text(&words, thread);
    put_text(&words, "\n");
    // After a failed CHECK its sentence went before, and is what counts.
    (void)send(witness.heart_fd, words.text, words.size, MSG_DONTWAIT | MSG_NOSIGNAL);
    for (size_t i = 0; i < FAULT_COUNT; i++)
        if (faults[i] == number)
            sigaction(number, &witness.before[i], NULL);
    if (was_sent)
        raise(number); // delivered at the return; a fault comes again by itself, where it was
    errno = code;
}

static void witness_open(int heart_fd) {
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
    sigemptyset(&action.sa_mask);
    witness.heart_fd = heart_fd;
    for (size_t i = 0; i < FAULT_COUNT; i++)
        sigaction(faults[i], &action, &witness.before[i]);
    check_set_witness(heart_fd);
}

// --- Birth ---

bool heart_child_is(void) {
    return getenv(HEART_CHILD_ENVIRONMENT) != NULL;
}

static bool take_orders(struct heart_child *child) {
    const char *text = getenv(HEART_CHILD_ENVIRONMENT);
    char *end;
    errno = 0;
    long fd = strtol(text, &end, 10);
    if (errno != 0 || *text < '0' || *text > '9' || *end || fd > INT32_MAX)
        return false;
    child->heart_fd = (int)fd;
    ssize_t size = recv(child->heart_fd, &child->orders, sizeof(child->orders), MSG_DONTWAIT);
    return size == (ssize_t)sizeof(child->orders) &&
           strncmp(child->orders.version, FAIRLEAD_VERSION, HEART_CHILD_VERSION_SIZE) == 0 &&
           child->orders.parent == getppid();
}

bool heart_child_open(struct heart_child *child, char *error) {
    bool is_good = take_orders(child);
    unsetenv(HEART_CHILD_ENVIRONMENT);
    if (!is_good) {
        snprintf(error, HEART_CHILD_ERROR_SIZE,
                 HEART_CHILD_ENVIRONMENT " is set, but no supervisor of this version started this "
                                         "process; unset it (it is not for use by hand)");
        return false;
    }
    prctl(PR_SET_NAME, "fairlead"); // an exec of /proc/self/exe calls it "exe"
    fcntl(child->heart_fd, F_SETFD, FD_CLOEXEC);
    sockets_set_inherited(&child->orders.sockets, false);
    sigset_t signals; // the supervisor's, but not for its child
    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD);
    sigprocmask(SIG_UNBLOCK, &signals, NULL);
    witness_open(child->heart_fd);
    return true;
}

void heart_child_say_up(const struct heart_child *child) {
    char line[32];
    int size = snprintf(line, sizeof(line), "up %" PRIu64 "\n", clock_monotonic_ns());
    (void)send(child->heart_fd, line, (size_t)size, MSG_DONTWAIT | MSG_NOSIGNAL);
}
