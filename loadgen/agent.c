#include "loadgen/agent.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "loadgen/address.h"
#include "sched/base/clock.h"

#define GRACE_MS 2000 // a run that is about to end lets the next one wait so long
#define SAID_BYTES_MAX 4096

struct agent {
    int listener;
    int signals;
    sigset_t signals_before;
    pid_t child; // 0: none
    char child_peer[ADDRESS_TEXT_BYTES];
    uint64_t child_since_ns;
    int child_stderr; // what it said, in memory
};

// --- listening -----------------------------------------------------------------------------------

static int open_listener(const struct load_options *o, struct address *address) {
    char error[ADDRESS_ERROR_BYTES];
    int code = address_parse(address, o->listen, strlen(o->listen), error);
    if (code != 0) {
        fprintf(stderr, "fairlead load: --listen %s\n", error);
        return -code;
    }
    if (!address_is_loopback(address) && !o->allows_remote) {
        fprintf(stderr,
                "fairlead load: --listen %s is reached by other machines, and whoever reaches it "
                "can make this one send load: add --allow-remote where the network is trusted\n",
                address->text);
        return -VERDICT_USAGE;
    }
    int on = 1, fd = socket(address->socket.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (fd >= 0 && bind(fd, (const struct sockaddr *)&address->socket, address->size) == 0 &&
        listen(fd, 16) == 0)
        return fd;
    fprintf(stderr, "fairlead load: --listen %s: %s%s\n", address->text, strerror(errno),
            errno == EADDRINUSE ? "; is an agent running there already?" : "");
    if (fd >= 0)
        close(fd);
    return -VERDICT_USAGE;
}

// --- children ------------------------------------------------------------------------------------

// What the child said, as far as it fits.
static ssize_t read_said(int fd, char said[SAID_BYTES_MAX]) {
    off_t size = lseek(fd, 0, SEEK_END);
    off_t from = size > SAID_BYTES_MAX - 1 ? size - (SAID_BYTES_MAX - 1) : 0;
    ssize_t n = pread(fd, said, SAID_BYTES_MAX - 1, from);
    said[n > 0 ? n : 0] = 0;
    return n;
}

// Waits up to timeout_ms for the child to end. True when there is none any more.
static bool reap(struct agent *a, int timeout_ms) {
    uint64_t until_ns = clock_monotonic_ns() + (uint64_t)timeout_ms * NS_PER_MS;
    int status = 0;
    pid_t pid = 0;
    while (a->child != 0) {
        pid = waitpid(a->child, &status, WNOHANG);
        if (pid != 0)
            break;
        if (clock_monotonic_ns() >= until_ns)
            return false;
        clock_sleep_ns(10 * NS_PER_MS);
    }
    if (a->child == 0)
        return true;
    double seconds = (double)(clock_monotonic_ns() - a->child_since_ns) / (double)NS_PER_S;
    char said[SAID_BYTES_MAX];
    if (pid > 0 && WIFSIGNALED(status)) {
        fprintf(stderr, "event=run_died coordinator=%s signal=%d seconds=%.1f\n", a->child_peer,
                WTERMSIG(status), seconds);
        if (read_said(a->child_stderr, said) > 0)
            fprintf(stderr, "%s\n", said);
    } else {
        fprintf(stderr, "event=run_ended coordinator=%s exit=%d seconds=%.1f\n", a->child_peer,
                pid > 0 ? WEXITSTATUS(status) : -1, seconds);
    }
    close(a->child_stderr);
    a->child = 0;
    return true;
}

static void refuse(const struct agent *a, int fd) {
    struct session s = {.channel.fd = -1};
    char sentence[160];
    snprintf(sentence, sizeof(sentence), "it is busy with a run of %s, for %.0f s now",
             a->child_peer, (double)(clock_monotonic_ns() - a->child_since_ns) / (double)NS_PER_S);
    channel_init(&s.channel, fd, SESSION_ORDER_BYTES_MAX);
    session_fail(&s, VERDICT_TARGET, sentence);
    session_close(&s);
}

// In the child: signals as they were, stderr in memory, dies with its parent.
static bool become_run(struct agent *a, pid_t parent) {
    sigprocmask(SIG_SETMASK, &a->signals_before, NULL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    close(a->listener);
    close(a->signals);
    return getppid() == parent && dup2(a->child_stderr, STDERR_FILENO) >= 0;
}

// The child's pid, 0 in the child.
static pid_t begin(struct agent *a, int fd) {
    pid_t parent = getpid();
    a->child_stderr = memfd_create("stderr of a run", MFD_CLOEXEC);
    a->child_since_ns = clock_monotonic_ns();
    pid_t pid = a->child_stderr < 0 ? -1 : fork();
    if (pid == 0) {
        if (!become_run(a, parent))
            _exit(VERDICT_CLIENT_LIMIT);
        return 0;
    }
    close(fd);
    if (pid < 0) {
        fprintf(stderr, "fairlead load: no process for a run: %s\n", strerror(errno));
        close(a->child_stderr);
        return pid;
    }
    a->child = pid;
    fprintf(stderr, "event=run_begins coordinator=%s\n", a->child_peer);
    return pid;
}

// --- waiting -------------------------------------------------------------------------------------

// A coordinator has connected. 0 in the child.
static pid_t on_coordinator(struct agent *a, int *fd) {
    struct sockaddr_storage peer;
    socklen_t peer_size = sizeof(peer);
    *fd = accept4(a->listener, (struct sockaddr *)&peer, &peer_size, SOCK_CLOEXEC);
    if (*fd < 0)
        return -1;
    if (!reap(a, GRACE_MS)) {
        refuse(a, *fd);
        return -1;
    }
    address_print(&peer, peer_size, a->child_peer);
    return begin(a, *fd);
}

// SIGCHLD: the child is reaped. Others end the agent, and its run with it.
static bool on_signals(struct agent *a) {
    struct signalfd_siginfo info;
    if (read(a->signals, &info, sizeof(info)) != (ssize_t)sizeof(info))
        return true;
    if (info.ssi_signo == SIGCHLD) {
        reap(a, 0);
        return true;
    }
    if (a->child != 0)
        kill(a->child, SIGTERM); // it tells the coordinator
    while (a->child != 0 && !reap(a, 1000))
        ;
    return false;
}

static bool catch_signals(struct agent *a) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    signal(SIGPIPE, SIG_IGN);
    sigprocmask(SIG_BLOCK, &set, &a->signals_before);
    a->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return a->signals >= 0;
}

int agent_wait(const struct load_options *o, struct session *s) {
    struct agent a = {0};
    struct address address;
    char error[LOAD_OPTIONS_ERROR_BYTES];
    a.listener = open_listener(o, &address);
    if (a.listener < 0)
        return -a.listener;
    if (!catch_signals(&a)) {
        fprintf(stderr, "fairlead load: signalfd: %s\n", strerror(errno));
        return VERDICT_CLIENT_LIMIT;
    }
    fprintf(stderr, "event=agent_listens address=%s version=%s\n", address.text, FAIRLEAD_VERSION);
    for (;;) {
        struct pollfd polled[] = {{.fd = a.signals, .events = POLLIN},
                                  {.fd = a.listener, .events = POLLIN}};
        int fd = -1;
        if (poll(polled, 2, -1) < 0)
            continue;
        if (polled[0].revents != 0 && !on_signals(&a))
            break;
        if (polled[1].revents == 0 || on_coordinator(&a, &fd) != 0)
            continue;
        if (session_open(s, fd, error))
            return AGENT_RUN;
        fprintf(stderr, "fairlead load: %s\n", error);
        session_close(s);
        return VERDICT_USAGE;
    }
    close(a.listener);
    close(a.signals);
    return VERDICT_OK;
}

void agent_fail(struct session *s, enum verdict_code code) {
    char said[SAID_BYTES_MAX];
    fflush(stderr);
    read_said(STDERR_FILENO, said);
    size_t size = strlen(said);
    while (size > 0 && said[size - 1] == '\n')
        said[--size] = 0;
    const char *line = strrchr(said, '\n');
    line = line ? line + 1 : said;
    static const char prefix[] = "fairlead load: ";
    if (strncmp(line, prefix, sizeof(prefix) - 1) == 0)
        line += sizeof(prefix) - 1;
    session_fail(s, code, line[0] ? line : "it ended without a word");
}
