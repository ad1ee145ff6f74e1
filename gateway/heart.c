#include "gateway/heart.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gateway/heart_child.h"
#include "gateway/heart_policy.h"
#include "sched/base/clock.h"

#define EXIT_USAGE 2
#define ARGUMENTS_MAX 4096
#define WORDS_SIZE 2048
#define ORDERS_BUFFER_BYTES (4 * (int)sizeof(struct heart_orders)) // the kernel counts its own too

struct heart {
    char *const *argv;
    struct heart_policy policy;
    struct heart_orders orders; // of the next child
    sigset_t signals;           // that are waited for
    pid_t child;
    int words_fd; // our end
    uint64_t started_ns;
    uint64_t oom_kills; // when it started
    bool is_stopping;
};

enum heart_verdict {
    HEART_AGAIN,
    HEART_OVER,
};

// --- Birth ---

// In the child of the fork: no way back.
_Noreturn static void become_gateway(const struct heart *heart, int heart_fd) {
    static char title[] = "fairlead:gateway";
    static char *arguments[ARGUMENTS_MAX + 1];
    char number[16];
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != heart->orders.parent)
        _exit(EXIT_FAILURE); // it died before the line above
    for (size_t i = 1; i < ARGUMENTS_MAX && heart->argv[i]; i++)
        arguments[i] = heart->argv[i];
    arguments[0] = title;
    sockets_set_inherited(&heart->orders.sockets, true);
    fcntl(heart_fd, F_SETFD, 0);
    snprintf(number, sizeof(number), "%d", heart_fd);
    setenv(HEART_CHILD_ENVIRONMENT, number, 1);
    execv("/proc/self/exe", arguments);
    fprintf(stderr, "fairlead serve: cannot run /proc/self/exe again: %s; is /proc there?\n",
            strerror(errno));
    _exit(EXIT_FAILURE);
}

// The pair with the orders in it. Returns the child's end, or -errno.
static int write_orders(struct heart *heart) {
    int pair[2], bytes = ORDERS_BUFFER_BYTES;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return -errno;
    (void)setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
    ssize_t sent = send(pair[0], &heart->orders, sizeof(heart->orders), MSG_DONTWAIT);
    if (sent == (ssize_t)sizeof(heart->orders)) {
        heart->words_fd = pair[0];
        return pair[1];
    }
    int result = sent < 0 ? -errno : -EMSGSIZE;
    close(pair[0]);
    close(pair[1]);
    return result;
}

// Returns 0, or -errno: there is no child.
static int start(struct heart *heart) {
    heart->started_ns = clock_monotonic_ns();
    heart->oom_kills = heart_death_oom_kills();
    int heart_fd = write_orders(heart);
    if (heart_fd < 0)
        return heart_fd;
    pid_t child = fork();
    if (child == 0)
        become_gateway(heart, heart_fd);
    int result = child < 0 ? -errno : 0;
    close(heart_fd);
    if (result < 0)
        close(heart->words_fd);
    heart->child = result < 0 ? 0 : child;
    return result;
}

// --- Life ---

static void pass_on(struct heart *heart, int number) {
    heart->is_stopping = true;
    kill(heart->child, number);
}

// As PID 1 of a container the supervisor inherits orphans: they are taken and forgotten.
static bool take_child(const struct heart *heart, int *wait_status) {
    pid_t pid;
    while ((pid = waitpid(-1, wait_status, WNOHANG)) > 0)
        if (pid == heart->child)
            return true;
    return false;
}

static int wait_for_death(struct heart *heart) {
    int wait_status;
    for (;;) {
        int number = sigwaitinfo(&heart->signals, NULL);
        if (number == SIGTERM || number == SIGINT)
            pass_on(heart, number);
        if (number == SIGCHLD && take_child(heart, &wait_status))
            return wait_status;
    }
}

// --- Death ---

// Lines end in a newline each; what does not fit is not needed.
static void read_words(int fd, char *words) {
    size_t size = 0;
    ssize_t got = 1;
    while (got > 0 && size < WORDS_SIZE - 1) {
        got = recv(fd, words + size, WORDS_SIZE - 1 - size, MSG_DONTWAIT);
        size += got > 0 ? (size_t)got : 0;
    }
    words[size] = '\0';
    close(fd);
}

static void take_death(struct heart *heart, int wait_status, struct heart_death *death) {
    char words[WORDS_SIZE];
    read_words(heart->words_fd, words);
    heart->child = 0;
    struct heart_life life = {.started_ns = heart->started_ns,
                              .died_ns = clock_monotonic_ns(),
                              .died_s = clock_realtime_ns() / NS_PER_S,
                              .wait_status = wait_status,
                              .words = words,
                              .oom_killed = heart_death_oom_kills() > heart->oom_kills};
    heart_death_describe(death, &life);
}

static void log_death(const struct heart *heart, pid_t pid, const struct heart_death *death,
                      const char *next) {
    char fields[HEART_REASON_SIZE * 2];
    log_line(LOG_ERROR, "event=gateway_died pid=%d %s uptime_s=%.1f restarts=%u %s cause=\"%s\"",
             (int)pid, heart_death_fields(death, fields),
             (double)death->uptime_ns / (double)NS_PER_S, heart->orders.report.restarts, next,
             death->cause);
}

static void say_given_up(const struct heart *heart, const struct heart_death *death) {
    fprintf(stderr,
            "fairlead serve: the gateway died %u times within %u s, at last by %s: %s. Starting it "
            "again does not help: look at what the log says of each death (event=gateway_died) and "
            "mend that; --restart-intensity and --restart-period-s allow more\n",
            heart->policy.intensity + 1, heart->policy.period_s, death->reason, death->cause);
}

// Waits before the next child. false: a signal says to end instead.
static bool wait_out(const struct heart *heart, uint64_t delay_ns) {
    uint64_t end_ns = clock_monotonic_ns() + delay_ns;
    for (;;) {
        uint64_t now_ns = clock_monotonic_ns();
        uint64_t left_ns = end_ns > now_ns ? end_ns - now_ns : 0;
        struct timespec left = {.tv_sec = (time_t)(left_ns / NS_PER_S),
                                .tv_nsec = (long)(left_ns % NS_PER_S)};
        int number = sigtimedwait(&heart->signals, NULL, &left);
        if (number == SIGTERM || number == SIGINT)
            return false;
        if (number < 0 && errno == EAGAIN)
            return true;
    }
}

// What follows a death that nobody asked for.
static enum heart_verdict judge(struct heart *heart, pid_t pid, const struct heart_death *death,
                                int *status) {
    char next[48];
    uint64_t delay_ns;
    bool is_refusal = heart->policy.death_count == 0 && !death->was_up;
    *status = death->exit_code > 0 ? death->exit_code : EXIT_FAILURE;
    if (is_refusal || death->exit_code == EXIT_USAGE) {
        if (death->exit_code < 0) // else it has said why
            log_death(heart, pid, death, "restart=no");
        return HEART_OVER;
    }
    *status = EXIT_FAILURE;
    if (!heart_policy_on_death(&heart->policy, death->uptime_ns, death->died_ns, &delay_ns)) {
        log_death(heart, pid, death, "restart=no");
        say_given_up(heart, death);
        return HEART_OVER;
    }
    snprintf(next, sizeof(next), "restart_in_ms=%llu", (unsigned long long)(delay_ns / NS_PER_MS));
    log_death(heart, pid, death, next);
    heart->orders.report.restarts++;
    heart->orders.report.last = *death;
    *status = EXIT_SUCCESS;
    return wait_out(heart, delay_ns) ? HEART_AGAIN : HEART_OVER;
}

static void describe_no_child(const struct heart *heart, int code, struct heart_death *death) {
    *death = (struct heart_death){.exit_code = EXIT_FAILURE,
                                  .died_ns = heart->started_ns,
                                  .died_s = clock_realtime_ns() / NS_PER_S};
    snprintf(death->reason, sizeof(death->reason), "exit %d", EXIT_FAILURE);
    snprintf(death->cause, sizeof(death->cause), "no process can be started: %s", strerror(code));
}

// One child, from its start to what follows its death.
static enum heart_verdict live(struct heart *heart, int *status) {
    struct heart_death death;
    int result = start(heart);
    pid_t pid = heart->child;
    if (result < 0) {
        describe_no_child(heart, -result, &death);
        if (heart->policy.death_count == 0)
            fprintf(stderr, "fairlead serve: %s\n", death.cause);
        return judge(heart, 0, &death, status);
    }
    take_death(heart, wait_for_death(heart), &death);
    if (!heart->is_stopping)
        return judge(heart, pid, &death, status);
    *status = death.exit_code >= 0 ? death.exit_code : EXIT_FAILURE;
    if (death.exit_code < 0)
        log_death(heart, pid, &death, "restart=no");
    return HEART_OVER;
}

static void block_signals(struct heart *heart) {
    sigemptyset(&heart->signals);
    sigaddset(&heart->signals, SIGTERM);
    sigaddset(&heart->signals, SIGINT);
    sigaddset(&heart->signals, SIGCHLD);
    sigprocmask(SIG_BLOCK, &heart->signals, NULL); // a child's too: what comes early waits for it
    signal(SIGCHLD, SIG_DFL);                      // ignored by whoever started us, none would come
}

int heart_run(const struct config *config, const struct host_plan *plan, char *const *argv) {
    static struct heart heart; // its orders are too large for the stack
    char error[SOCKETS_ERROR_SIZE];
    int status = EXIT_FAILURE;
    heart.argv = argv;
    heart.orders = (struct heart_orders){
        .version = FAIRLEAD_VERSION, .parent = getpid(), .config = *config, .plan = *plan};
    heart_policy_init(&heart.policy, config->restart_intensity, config->restart_period_s);
    if (!sockets_open(&heart.orders.sockets, config, plan->scheduler_count, error)) {
        fprintf(stderr, "fairlead serve: %s\n", error);
        return EXIT_FAILURE;
    }
    block_signals(&heart);
    log_line(LOG_INFO, "event=supervising pid=%d restart_intensity=%u restart_period_s=%u",
             (int)getpid(), config->restart_intensity, config->restart_period_s);
    while (live(&heart, &status) == HEART_AGAIN) {
    }
    sockets_close(&heart.orders.sockets);
    return status;
}
