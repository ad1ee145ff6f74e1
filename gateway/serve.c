// Start to stop of the gateway: main's part. Threads: one per scheduler (gateway/core.c), one of
// the control plane.
//
//   listen (unless a supervisor did) → cores open → threads start, rings open → barrier → control
//   plane → barrier → RUNNING → SIGTERM or SIGINT: DRAINING until the deadline → a second one:
//   STOPPING → cores have ended → control plane closes → barrier → rings close, threads end → cores
//   close
#include "gateway/serve.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <openssl/rand.h>

#include "gateway/control.h"
#include "gateway/control_link.h"
#include "io/features.h"
#include "sched/base/clock.h"

#define MESH_RING_CELLS 8192
#define POLL_NS (20 * NS_PER_MS)

struct serve {
    struct serve_shared shared;
    struct control_link link;
    struct control *control;
    const struct heart_child *child; // NULL: nobody supervises this process
    struct features features;
    uint64_t started_ns;
    struct sockets sockets;
    struct core *cores;
    uint32_t core_count;
};

_Static_assert(sizeof(((struct core *)0)->listen_fds) == sizeof(((struct sockets *)0)->data[0]),
               "a scheduler's sockets are one row");

static uint64_t random_u64(void) {
    uint64_t value = 0;
    CHECKF(RAND_bytes((unsigned char *)&value, sizeof(value)) == 1,
           "the system gives no randomness");
    return value;
}

// A supervisor has opened them already.
static bool open_sockets(struct serve *serve) {
    char error[SOCKETS_ERROR_SIZE];
    if (serve->child)
        serve->sockets = serve->child->orders.sockets;
    else if (!sockets_open(&serve->sockets, serve->shared.config, serve->core_count, error)) {
        fprintf(stderr, "fairlead serve: %s\n", error);
        return false;
    }
    for (uint32_t c = 0; c < serve->core_count; c++)
        memcpy(serve->cores[c].listen_fds, serve->sockets.data[c], sizeof(serve->sockets.data[c]));
    return true;
}

static bool open_cores(struct serve *serve) {
    struct mesh_config mesh = {
        .scheduler_count = serve->core_count, .outsider_count = 1, .ring_cells = MESH_RING_CELLS};
    int result = mesh_init(&serve->shared.mesh, &mesh);
    for (uint32_t i = 0; result == 0 && i < serve->core_count; i++) {
        serve->cores[i].rng_seed = random_u64();
        result = core_open(&serve->cores[i], &serve->shared, i);
    }
    if (result < 0)
        fprintf(stderr,
                "fairlead serve: the kernel refuses the address space for the slabs (%s). Lower "
                "--connections-max, or allow overcommit: sysctl -w vm.overcommit_memory=0\n",
                strerror(-result));
    return result == 0;
}

static void start_threads(struct serve *serve) {
    CHECK(pthread_barrier_init(&serve->shared.barrier, NULL, serve->core_count + 1) == 0);
    for (uint32_t i = 0; i < serve->core_count; i++) {
        char name[16];
        CHECK(pthread_create(&serve->cores[i].thread, NULL, core_run, &serve->cores[i]) == 0);
        snprintf(name, sizeof(name), "scheduler-%u", i % 1000);
        (void)pthread_setname_np(serve->cores[i].thread, name);
    }
    pthread_barrier_wait(&serve->shared.barrier); // every ring is open, or has an error
}

static bool cores_started(struct serve *serve) {
    for (uint32_t i = 0; i < serve->core_count; i++) {
        if (serve->cores[i].error[0]) {
            fprintf(stderr, "fairlead serve: %s\n", serve->cores[i].error);
            return false;
        }
    }
    return true;
}

static bool open_control(struct serve *serve) {
    char error[CONTROL_ERROR_SIZE];
    uint32_t endpoint = serve->core_count;
    serve->shared.wake_targets[endpoint] = (struct ring_wake_target){
        .ring_fd = -1, .event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
    serve->link = (struct control_link){
        .shared = &serve->shared, .cores = serve->cores, .endpoint = endpoint};
    struct control_config config = {.config = serve->shared.config,
                                    .plan = serve->shared.plan,
                                    .gateway = &serve->link,
                                    .heart = serve->child ? &serve->child->orders.report : NULL,
                                    .features = &serve->features,
                                    .started_ns = serve->started_ns,
                                    .listen_fd = serve->sockets.control,
                                    .page_fd = serve->sockets.page};
    serve->sockets.control = serve->sockets.page = 0;
    serve->control = control_open(&config, error);
    if (!serve->control)
        fprintf(stderr, "fairlead serve: %s\n", error);
    return serve->control != NULL;
}

static void say_started(const struct serve *serve) {
    char text[1024];
    char address[CONFIG_ADDRESS_TEXT_SIZE];
    const struct config *config = serve->shared.config;
    host_plan_describe(serve->shared.plan, config, text, sizeof(text));
    log_line(LOG_INFO, "event=started version=%s %s", FAIRLEAD_VERSION, text);
    struct config_address page = config->control;
    page.port = control_bound_port(serve->control);
    log_line(LOG_INFO, "event=ready page=http://%s/", config_address_encode(&page, address));
    if (!serve->child)
        return;
    heart_child_say_up(serve->child);
    const struct heart_report *report = &serve->child->orders.report;
    if (report->restarts > 0)
        log_line(LOG_INFO, "event=restarted restarts=%u down_ms=%llu last_death=\"%s\"",
                 report->restarts, (clock_monotonic_ns() - report->last.died_ns) / NS_PER_MS,
                 report->last.reason);
}

static bool has_ended(const struct serve *serve) {
    for (uint32_t i = 0; i < serve->core_count; i++)
        if (!atomic_load_explicit(&serve->cores[i].has_ended, memory_order_acquire))
            return false;
    return true;
}

static void set_phase(struct serve *serve, enum serve_phase phase) {
    atomic_store_explicit(&serve->shared.phase, (int)phase, memory_order_release);
    for (uint32_t i = 0; i < serve->core_count; i++)
        wake_from_outside(serve->shared.wake_targets[i]);
}

// How often an end was asked for. A terminal or a service manager asks every process of ours at
// once, and the supervisor passes on what it got: each is counted by itself, or one Ctrl-C would
// be two.
struct asked {
    uint32_t by_supervisor;
    uint32_t by_others;
};

static bool is_asked_twice(const struct serve *serve, struct asked *asked, const siginfo_t *info) {
    bool by_supervisor =
        serve->child && info->si_code == SI_USER && info->si_pid == serve->child->orders.parent;
    return ++*(by_supervisor ? &asked->by_supervisor : &asked->by_others) > 1;
}

// Returns when every core has stopped.
static void wait_for_signals(struct serve *serve, const sigset_t *signals) {
    struct timespec poll = {.tv_nsec = POLL_NS};
    struct asked asked = {0};
    siginfo_t info;
    int signal_number;
    do
        signal_number = sigwaitinfo(signals, &info);
    while (signal_number < 0); // EINTR: stopped and continued
    (void)is_asked_twice(serve, &asked, &info);
    uint32_t drain_s = serve->shared.config->drain_timeout_s;
    serve->shared.drain_deadline_ns = clock_monotonic_ns() + drain_s * NS_PER_S;
    log_line(LOG_INFO, "event=draining signal=%d deadline_s=%u", signal_number, drain_s);
    set_phase(serve, SERVE_DRAINING);
    while (!has_ended(serve)) {
        if (sigtimedwait(signals, &info, &poll) > 0 && is_asked_twice(serve, &asked, &info)) {
            log_line(LOG_INFO, "event=stopping");
            set_phase(serve, SERVE_STOPPING);
        }
    }
}

static bool close_cores(struct serve *serve) {
    bool is_clean = true;
    for (uint32_t i = 0; i < serve->core_count; i++)
        pthread_join(serve->cores[i].thread, NULL);
    if (serve->link.shared) // else no control plane was opened
        control_link_drain(&serve->link);
    for (uint32_t i = 0; i < serve->core_count; i++)
        is_clean &= !serve->cores[i].has_leaked;
    for (uint32_t i = 0; is_clean && i < serve->core_count; i++)
        core_end_actors(&serve->cores[i]);
    for (uint32_t i = 0; i < serve->core_count; i++)
        is_clean &= core_is_clean(&serve->cores[i]);
    for (uint32_t i = 0; i < serve->core_count; i++)
        core_close(&serve->cores[i]);
    return is_clean;
}

static int run(struct serve *serve, const sigset_t *signals) {
    start_threads(serve);
    bool is_up = cores_started(serve) && open_control(serve);
    serve->shared.is_refused = !is_up;
    if (is_up)
        say_started(serve);
    pthread_barrier_wait(&serve->shared.barrier);
    if (is_up)
        wait_for_signals(serve, signals);
    if (serve->control)
        control_close(serve->control);
    pthread_barrier_wait(&serve->shared.barrier); // nobody wakes a core any more
    bool is_clean = close_cores(serve);
    if (is_up)
        log_line(LOG_INFO, "event=stopped clean=%s", is_clean ? "yes" : "no");
    return is_up && is_clean ? EXIT_SUCCESS : EXIT_FAILURE;
}

int serve_run(const struct config *config, const struct host_plan *plan,
              const struct heart_child *child) {
    struct serve serve = {.shared = {.config = config, .plan = plan, .seed = random_u64()},
                          .child = child,
                          .started_ns = clock_monotonic_ns(),
                          .core_count = plan->scheduler_count};
    _Static_assert(CONFIG_SCHEDULERS_MAX + 1 <= MESH_ENDPOINTS_MAX, "cores and the control plane");
    char error[CORE_ERROR_SIZE];
    features_probe(&serve.features);
    if (!features_is_usable(&serve.features, error, sizeof(error))) {
        fprintf(stderr, "fairlead serve: %s\n", error);
        return EXIT_FAILURE;
    }
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals, NULL); // inherited by every thread
    signal(SIGPIPE, SIG_IGN);
    size_t size = serve.core_count * sizeof(struct core);
    serve.cores = aligned_alloc(_Alignof(struct core), size);
    CHECK(serve.cores);
    memset(serve.cores, 0, size);
    int status = EXIT_FAILURE;
    if (open_sockets(&serve) && open_cores(&serve))
        status = run(&serve, &signals);
    sockets_close(&serve.sockets);
    mesh_fini(&serve.shared.mesh);
    free(serve.cores);
    return status;
}
