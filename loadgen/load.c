// fairlead-load: main. The loop is `drive`, one screen, the same turn as the gateway's workers; the
// phases of a run are in `step`:
//
//     connect → (warm-up) → measure → stragglers → done
//
// What the streams call upward (stream_port_*) goes to client.c and receive.c.
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "io/features.h"
#include "loadgen/agent.h"
#include "loadgen/client.h"
#include "loadgen/coordinator.h"
#include "loadgen/plan_file.h"
#include "loadgen/observe.h"
#include "loadgen/receive.h"
#include "loadgen/record.h"
#include "loadgen/report.h"
#include "loadgen/scenario.h"

#define PARCEL_BYTES_MAX ((size_t)1 << 30)
#define CONTROL_BYTES_MAX (4u << 20)   // a burst's publishes queue here
#define LOAD_DELAY_NS (50 * NS_PER_MS) // from connected to the first request
#define CLOSE_TIMEOUT_NS (3 * NS_PER_S)
#define TICK_NS NS_PER_S
#define STRAGGLER_FACTOR_MAX 10 // times --straggler-s, for a server that goes on delivering

// Ctrl-C: the first ends the run with the results so far, the second at once.
static volatile sig_atomic_t interrupts;

static void on_signal(int number) {
    if (++interrupts > 1)
        _exit(128 + number);
}

// --- what the streams call -----------------------------------------------------------------------

void stream_port_open(void *port, uint32_t index, const struct stream_opening *opening) {
    client_on_open(port, opening->owner, index);
}

void stream_port_data(void *port, uint32_t index, uint32_t owner, uint8_t *data, size_t size) {
    receive_data(port, owner, data, size);
}

void stream_port_writable(void *port, uint32_t index, uint32_t owner) {
    // Nothing waits for it: what cannot be queued is counted as not sent.
}

void stream_port_end(void *port, uint32_t index, uint32_t owner, enum stream_end reason) {
    const struct run *run = port;
    // A client that came back has another stream by now; what its old one does is its own affair.
    if (run->clients[owner].stream.index == index)
        client_on_end(port, owner, reason);
}

void stream_port_drops(void *port, uint32_t owner, uint32_t room) {
    (void)port, (void)owner, (void)room;
}

uint32_t stream_port_gap(void *port, uint32_t owner, uint32_t room, uint64_t from, uint64_t to) {
    UNREACHABLE(); // a client sends no room messages
}

void stream_port_move_ready(void *port, uint32_t index, uint32_t owner) {
    UNREACHABLE(); // a client's connections stay where they are
}

void stream_port_move_passed(void *port, uint32_t index, uint32_t owner, int error) {
    UNREACHABLE();
}

void stream_port_connect_failed(void *port, uint32_t owner, int error) {
    client_on_connect_failed(port, owner, error);
}

// --- start ---------------------------------------------------------------------------------------

static void print_replay(const struct run *run) {
    const struct load_options *o = &run->options;
    const struct shape *shape = &run->replay->shape;
    char text[256];
    replay_describe(run->replay, text, sizeof(text));
    fprintf(stderr, ", %.10g s of %s at %.10g times the speed: %llu publishes, %llu pings\n",
            shape->seconds, o->plan_file, o->speed,
            (unsigned long long)shape->sums[SHAPE_publishes],
            (unsigned long long)shape->sums[SHAPE_pings]);
    if (text[0])
        fprintf(stderr, "fairlead load: %s\n", text);
}

// What is sent, and for how long.
static void print_load(const struct run *run) {
    const struct load_options *o = &run->options;
    struct plan_needs needs;
    plan_measure(run->plan, &needs);
    if (o->scenario == LOAD_OPTIONS_MIX) {
        fprintf(stderr, ", %u B, %u phases, %.10g s\n", o->payload_bytes, run->plan->count,
                needs.duration_s);
        return;
    }
    if (o->scenario != LOAD_OPTIONS_HOLD && o->is_closed)
        fprintf(stderr, ", closed loop");
    else if (o->scenario != LOAD_OPTIONS_HOLD)
        fprintf(stderr, ", %.10g/s", o->rate);
    if (o->rate_end >= 0)
        fprintf(stderr, " to %.10g/s", o->rate_end);
    if (needs.cuts)
        fprintf(stderr, ", %.10g %% cut", o->cut_percent);
    if (needs.slow_percent > 0)
        fprintf(stderr, ", %.10g %% read %u B/s", o->slow_percent, o->slow_bytes_per_s);
    if (needs.churn)
        fprintf(stderr, ", %.10g/s leave and join", o->churn_rate);
    if (o->scenario != LOAD_OPTIONS_HOLD)
        fprintf(stderr, ", %u B, warm-up %.10g s", o->payload_bytes, o->warmup_s);
    if (o->holds_until_signal)
        fprintf(stderr, ", until Ctrl-C\n");
    else
        fprintf(stderr, ", %.10g s\n", o->duration_s);
}

static void print_start(const struct run *run) {
    const struct load_options *o = &run->options;
    if (o->is_quiet)
        return;
    fprintf(stderr, "fairlead load: %s, %u connections to %s",
            load_options_scenario_name(o->scenario), o->connections, o->targets[0]);
    if (o->target_count > 1)
        fprintf(stderr, " and %u more", o->target_count - 1);
    if (!load_options_is_echo(o))
        fprintf(stderr, ", %u rooms of %s%u", load_options_room_count(o),
                o->sizes.min != o->sizes.max ? "up to " : "", o->sizes.max);
    if (run->replay) {
        print_replay(run);
        return;
    }
    print_load(run);
    if (run->targets->chose_sources)
        fprintf(stderr, "fairlead load: connecting from %u addresses 127.9.8.1 and up\n",
                run->targets->source_count);
    fprintf(stderr, "fairlead load: server: %s\n", run->environment->server);
    const char *sharing = environment_sharing(run->environment);
    if (sharing[0] != 0)
        fprintf(stderr, "fairlead load: %s\n", sharing);
}

// "1", "0-3" or "0,2". False with a sentence on stderr.
static bool pin(const char *list) {
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    for (const char *at = list; *at;) {
        char *end = NULL;
        long first = strtol(at, &end, 10), last = first;
        if (end != at && *end == '-')
            last = strtol(end + 1, &end, 10);
        if (end == at || first < 0 || last < first || last >= CPU_SETSIZE ||
            (*end != 0 && *end != ',')) {
            fprintf(stderr, "fairlead load: --cpus wants CPUs like 1 or 0-3, not '%s'\n", list);
            return false;
        }
        for (long cpu = first; cpu <= last; cpu++)
            CPU_SET((size_t)cpu, &cpus);
        at = *end ? end + 1 : end;
    }
    if (list[0] == 0 || sched_setaffinity(0, sizeof(cpus), &cpus) == 0)
        return true;
    fprintf(stderr, "fairlead load: --cpus %s: %s\n", list, strerror(errno));
    return false;
}

static void prepare_process(void) {
    struct sigaction action = {.sa_handler = on_signal}; // no SA_RESTART: the wait must return
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    // Waits end at most this late; the default of 50 us would show in every latency.
    prctl(PR_SET_TIMERSLACK, 1);
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

// Who comes back in a storm may be quicker than its old socket goes.
static uint32_t stream_slots(const struct run *run) {
    struct plan_needs needs;
    plan_measure(run->plan, &needs);
    bool returns = needs.returns || run->options.reconnects;
    return run->client_count + (returns ? run->client_count / 4 + 1024 : 0);
}

static int open_streams(struct run *run) {
    uint32_t per_lane = ring_descriptors_max();
    uint32_t lanes = stream_slots(run) / per_lane + 1;
    struct ring_config ring_config = {
        .lane_count = lanes < RING_LANES_MAX ? lanes : RING_LANES_MAX,
        .descriptors_per_lane = per_lane,
        .first = {.sq_entries = 4096,
                  .cq_entries = 32768,
                  .buffer_count = 1024,
                  .buffer_bytes = 4096},
        .child = {.sq_entries = 1024,
                  .cq_entries = 16384,
                  .buffer_count = 256,
                  .buffer_bytes = 4096},
        .counters = &run->counters,
    };
    int status = ring_open(&ring_config, &run->ledger, &run->ring);
    if (status < 0)
        return status;
    struct stream_config stream_config = {
        .connections_max = stream_slots(run),
        .control_bytes_max = CONTROL_BYTES_MAX,
        .park_after_s = run->options.park_after_s,
        .connects = true,
    };
    status = blocks_init(&run->blocks, &run->ledger, PARCEL_BYTES_MAX);
    if (status == 0)
        status = streams_init(&run->streams, &run->ledger, run->ring, &run->blocks, &run->counters,
                              &stream_config, run);
    return status;
}

static bool start(struct run *run) {
    char text[512];
    run->client_count =
        run->options.connections + run->options.has_flood + wills_watcher_count(run);
    int status = open_streams(run);
    if (status < 0) {
        features_error_text(status, text, sizeof(text));
        fprintf(stderr, "fairlead load: %s\n", text);
        return false;
    }
    uint64_t now_ns = clock_monotonic_ns();
    run->rng.state = now_ns;
    run->result->begin_ns = now_ns;
    run->result->wanted = run->client_count;
    if (client_init(run) < 0 || flight_init(&run->flights, &run->ledger, run->room_count) < 0 ||
        !scenario_init(run, now_ns)) {
        fprintf(stderr, "fairlead load: no memory for %u connections\n", run->options.connections);
        return false;
    }
    schedule_init(&run->connects, now_ns, run->options.connect_rate);
    return true;
}

// --- phases --------------------------------------------------------------------------------------

struct usage {
    uint64_t cpu_ns;
    uint64_t user_ns;
};

static struct usage usage_now(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    uint64_t user_ns =
        (uint64_t)usage.ru_utime.tv_sec * NS_PER_S + (uint64_t)usage.ru_utime.tv_usec * NS_PER_US;
    uint64_t system_ns =
        (uint64_t)usage.ru_stime.tv_sec * NS_PER_S + (uint64_t)usage.ru_stime.tv_usec * NS_PER_US;
    return (struct usage){user_ns + system_ns, user_ns};
}

// At the window's begin its sums are set to minus what was before, at its end the sum is added.
static void count_window(struct run *run, uint64_t sign) {
    struct result *r = run->result;
    struct usage usage = usage_now();
    r->window.cpu_ns += sign * usage.cpu_ns;
    r->window.user_ns += sign * usage.user_ns;
    r->window.syscalls += sign * counter_read(&run->counters, COUNTER_SYSCALLS);
    r->wait_ns += sign * process_watch_own_wait_ns();
    r->received += sign * r->received_all;
    r->bytes_in += sign * r->bytes_in_all;
    r->bytes_out += sign * r->bytes_out_all;
}

// For whoever measures the server: the same moments are in the JSON. People on a terminal see the
// phase in the progress line.
static void say_phase(struct run *run, const char *phase) {
    if (run->live.is_terminal && !run->options.is_quiet)
        return;
    fprintf(stderr, "phase=%s connections=%u monotonic_ns=%llu realtime_ns=%llu\n", phase,
            run->result->live, (unsigned long long)clock_monotonic_ns(),
            (unsigned long long)clock_realtime_ns());
    fflush(stderr);
}

static void begin_window(struct run *run) {
    struct result *r = run->result;
    r->phase = RESULT_MEASURE;
    say_phase(run, "measure_begin");
    r->window.begin_ns = clock_monotonic_ns();
    r->window.begin_wall_ns = clock_realtime_ns();
    count_window(run, (uint64_t)-1);
}

static void end_window(struct run *run) {
    struct result *r = run->result;
    count_window(run, 1);
    r->window.end_ns = clock_monotonic_ns();
    r->window.end_wall_ns = clock_realtime_ns();
    uint64_t until_ns =
        r->window.end_ns < run->measure_to_ns ? r->window.end_ns : run->measure_to_ns;
    r->offered = scenario_offered(run, until_ns);
    r->window.intended_from_ns = run->measure_from_ns;
    r->window.intended_to_ns = until_ns;
    run->straggle_from_ns = r->window.end_ns;
    r->phase = RESULT_STRAGGLERS;
    scenario_end(run, clock_monotonic_ns());
    say_phase(run, "measure_end");
}

static bool stragglers_are_over(const struct run *run, uint64_t now_ns) {
    uint64_t quiet_ns = (uint64_t)(run->options.straggler_s * (double)NS_PER_S);
    uint64_t since_ns = run->straggle_from_ns;
    if (run->result->received_last_ns > since_ns)
        since_ns = run->result->received_last_ns;
    return scenario_is_quiet(run) || now_ns >= since_ns + quiet_ns ||
           now_ns >= run->straggle_from_ns + STRAGGLER_FACTOR_MAX * quiet_ns;
}

// Ctrl-C: what is on its way is still waited for, it would count as lost otherwise.
static void stop(struct run *run) {
    struct result *r = run->result;
    run->is_stopping = true;
    r->was_interrupted = !run->options.holds_until_signal;
    if (r->phase == RESULT_MEASURE) {
        end_window(run);
        return;
    }
    scenario_end(run, clock_monotonic_ns());
    run->straggle_from_ns = clock_monotonic_ns();
    r->phase = RESULT_STRAGGLERS;
}

// One transition at most; false when the run is over.
static bool step(struct run *run, uint64_t now_ns) {
    struct result *r = run->result;
    bool is_told_to_stop = interrupts > 0 || (run->session && run->session->is_stopped);
    if (run->session)
        run->session->is_stopped_here |= interrupts > 0;
    if (is_told_to_stop && !run->is_stopping)
        stop(run);
    switch (r->phase) {
    case RESULT_CONNECT:
        if (!client_all_settled(run))
            return true;
        if (r->live == 0 && run->connect_count > 0) // none: they come in the course of the run
            return false;
        if (run->session && !session_may_begin(run->session, r->live))
            return true; // others still connect
        say_phase(run, "connected");
        r->phase = RESULT_WARMUP;
        run->load_from_ns = now_ns;
        scenario_begin(run, now_ns + LOAD_DELAY_NS);
        return true;
    case RESULT_WARMUP:
        if (now_ns >= run->measure_from_ns)
            begin_window(run);
        return true;
    case RESULT_MEASURE:
        if (now_ns >= run->measure_to_ns || scenario_is_deserted(run))
            end_window(run);
        return true;
    case RESULT_STRAGGLERS:
        return !stragglers_are_over(run, now_ns);
    case RESULT_DONE:
    case RESULT_PHASE_COUNT:
        return false;
    }
    UNREACHABLE();
}

// When the next phase may begin; in those that end by an event rather than by the clock, soon.
static uint64_t step_next_ns(const struct run *run, uint64_t now_ns) {
    switch (run->result->phase) {
    case RESULT_WARMUP:
        return run->measure_from_ns;
    case RESULT_MEASURE:
        return run->measure_to_ns;
    case RESULT_CONNECT:
    case RESULT_STRAGGLERS:
    case RESULT_DONE:
    case RESULT_PHASE_COUNT:
        break;
    }
    return now_ns + 10 * NS_PER_MS;
}

// --- the loop ------------------------------------------------------------------------------------

static uint64_t earlier(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

static void tick(struct run *run, uint64_t now_ns) {
    if (now_ns < run->next_tick_ns)
        return;
    run->next_tick_ns += TICK_NS;
    stream_tick(&run->streams, (uint32_t)(now_ns / NS_PER_S));
    client_expire(run, now_ns);
    scenario_tick(run, now_ns);
    if (run->session)
        run->session->second = run->result->interval;
    struct result_interval *row = result_snapshot(run->result, now_ns);
    if (row != NULL)
        observe_second(run, row, now_ns);
    if (run->session)
        session_send_snapshot(run->session, run->result);
    if (!run->options.is_quiet)
        live_draw(&run->live, &(const struct live_state){.options = &run->options,
                                                         .result = run->result,
                                                         .now_ns = now_ns,
                                                         .from_ns = run->load_from_ns,
                                                         .to_ns = run->measure_to_ns});
}

// One turn: everything that came is read before anything is sent.
static void turn(struct run *run, uint64_t until_ns) {
    uint64_t now_ns = clock_monotonic_ns();
    struct ring_completion completion;
    bool waits = until_ns > now_ns && !streams_wants_turn(&run->streams);
    ring_enter(run->ring, waits ? until_ns - now_ns : 0);
    while (ring_next(run->ring, &completion))
        stream_on_completion(&run->streams, &completion);
    stream_settle(&run->streams);
}

static void note_lateness(struct run *run, uint64_t until_ns, uint64_t now_ns) {
    struct result_window *window = &run->result->window;
    if (run->result->phase == RESULT_MEASURE && now_ns > until_ns + window->late_max_ns)
        window->late_max_ns = now_ns - until_ns;
}

static void drive(struct run *run) {
    uint64_t now_ns = clock_monotonic_ns();
    run->next_tick_ns = now_ns + TICK_NS;
    while (step(run, now_ns)) {
        uint64_t until_ns = earlier(earlier(run->next_tick_ns, step_next_ns(run, now_ns)),
                                    earlier(scenario_next_ns(run), client_next_connect_ns(run)));
        if (run->session)
            until_ns = earlier(until_ns, session_next_ns(run->session));
        until_ns = until_ns > now_ns ? until_ns : now_ns;
        turn(run, until_ns);
        now_ns = clock_monotonic_ns();
        note_lateness(run, until_ns, now_ns);
        tick(run, now_ns);
        client_connect_due(run, now_ns);
        scenario_turn(run, now_ns);
        stream_flush_dirty(&run->streams);
        if (run->session)
            session_turn(run->session, now_ns);
        if (run->session && run->session->is_gone)
            break;
    }
    run->result->phase = RESULT_DONE;
}

// Linger 0: every socket is reset, no port stays in TIME_WAIT for the next run.
static void close_all(struct run *run) {
    uint64_t until_ns = clock_monotonic_ns() + CLOSE_TIMEOUT_NS;
    run->is_closing = true;
    streams_close_all(&run->streams, STREAM_CLOSE_ABORT);
    while (streams_used_count(&run->streams) > 0 && clock_monotonic_ns() < until_ns) {
        stream_flush_dirty(&run->streams);
        turn(run, clock_monotonic_ns() + 10 * NS_PER_MS);
    }
    scenario_fini(run);
    ring_close(run->ring);
}

static int run_load(struct run *run, const struct load_options *options) {
    char error[LOAD_OPTIONS_ERROR_BYTES];
    run->options = *options;
    live_init(&run->live, stderr);
    int status = target_resolve(run->targets, options, error);
    if (status != 0) {
        fprintf(stderr, "fairlead load: %s\n", error);
        return status;
    }
    prepare_process();
    if (!pin(options->cpus))
        return VERDICT_USAGE;
    if (!report_can_write(options, error, sizeof(error))) {
        fprintf(stderr, "fairlead load: %s\n", error);
        return VERDICT_USAGE;
    }
    status = observe_begin(run, error);
    if (status != 0) {
        fprintf(stderr, "fairlead load: %s\n", error);
        return status;
    }
    print_start(run);
    if (!start(run))
        return VERDICT_CLIENT_LIMIT;
    drive(run);
    receive_finish(run);
    struct verdict verdict;
    verdict_decide(&verdict, options, run->result);
    status = verdict.code;
    if (run->session)
        session_send_result(run->session, run->result, &verdict, run->environment);
    else
        status = observe_publish(run, &verdict);
    close_all(run);
    return status;
}

// *replay stays NULL but for the scenario of that name.
static bool make_plan(struct plan *plan, struct load_options *options, struct replay **replay) {
    char error[LOAD_OPTIONS_ERROR_BYTES];
    struct plan_fault fault;
    if (options->scenario == LOAD_OPTIONS_REPLAY) {
        *replay = replay_read(plan, options, error);
        if (*replay == NULL)
            fprintf(stderr, "fairlead load: %s\n", error);
        return *replay != NULL;
    }
    if (options->scenario == LOAD_OPTIONS_MIX) {
        if (plan_file_read(plan, options, error))
            return true;
        fprintf(stderr, "fairlead load: %s\n", error);
        return false;
    }
    plan_from_options(plan, options);
    if (plan_check(plan, options, &fault))
        return true;
    fprintf(stderr, "fairlead load: %s: %s\n", plan_option_of(fault.key), fault.text);
    return false;
}

// --- several machines ----------------------------------------------------------------------------

static void show_second(void *context, const struct result *r) {
    struct run *run = context;
    if (!run->options.is_quiet)
        live_draw(&run->live, &(const struct live_state){.options = &run->options,
                                                         .result = r,
                                                         .now_ns = clock_monotonic_ns(),
                                                         .from_ns = run->load_from_ns,
                                                         .to_ns = run->measure_to_ns});
}

static void say_go(void *context, const struct result *r) {
    struct run *run = context;
    struct plan_needs needs;
    plan_measure(run->plan, &needs);
    run->result->live = r->live;
    run->load_from_ns = clock_monotonic_ns();
    run->measure_to_ns = run->load_from_ns + (uint64_t)(needs.duration_s * (double)NS_PER_S);
    say_phase(run, "connected");
    run->result->live = 0; // the agents' results add up here
}

// The run by agents, its report here.
static int run_by_agents(struct run *run, const struct load_options *options, int argc,
                         char *const *argv) {
    char error[COORDINATOR_ERROR_BYTES] = "";
    run->options = *options;
    live_init(&run->live, stderr);
    prepare_process();
    if (!report_can_write(options, error, sizeof(error))) {
        fprintf(stderr, "fairlead load: %s\n", error);
        return VERDICT_USAGE;
    }
    // A name that only the agents can resolve is no mistake here: the server is then unknown.
    if (target_resolve(run->targets, options, error) != 0)
        run->targets->target_count = 0;
    int status = observe_begin(run, error);
    if (status != 0) {
        fprintf(stderr, "fairlead load: %s\n", error);
        return status;
    }
    run->environment->is_here = run->environment->is_loopback; // until the agents tell
    print_start(run);
    struct coordinator_config config = {.options = options,
                                        .argc = argc,
                                        .argv = argv,
                                        .interrupts = &interrupts,
                                        .on_second = show_second,
                                        .on_go = say_go,
                                        .context = run};
    enum verdict_code code = coordinator_run(&config, run->result, error);
    if (code != VERDICT_OK) {
        live_clear(&run->live);
        fprintf(stderr, "fairlead load: %s\n", error);
        return code;
    }
    run->environment->is_here = false;
    for (uint32_t i = 0; i < run->result->part_count; i++)
        run->environment->is_here |= run->result->parts[i].is_here;
    struct verdict verdict;
    verdict_decide(&verdict, options, run->result);
    return observe_publish(run, &verdict);
}

// In an agent's child: the part that the coordinator ordered, in place of what main was given.
static bool read_order(struct session *s, struct load_options *options, struct plan *plan) {
    char error[LOAD_OPTIONS_ERROR_BYTES];
    const char *cpus = options->cpus, *sources = options->sources;
    char word[2][512];
    snprintf(word[0], sizeof(word[0]), "--cpus=%s", cpus);
    snprintf(word[1], sizeof(word[1]), "--sources=%s", sources);
    if (!session_add_word(s, word[0]) || !session_add_word(s, word[1]) ||
        !session_add_word(s, "--quiet")) {
        fprintf(stderr, "fairlead load: no memory for the order\n");
        return false;
    }
    enum load_options_outcome outcome = load_options_parse(options, s->argc, s->argv, error);
    if (outcome != LOAD_OPTIONS_RUN) {
        fprintf(stderr, "fairlead load: %s\n",
                outcome == LOAD_OPTIONS_BAD ? error : "the order asks for no run");
        return false;
    }
    options->clients = s->parts;
    if (options->plan_file != NULL && strncmp(options->plan_file, "/proc/self/fd/", 14) != 0) {
        fprintf(stderr, "fairlead load: the order names a file of this machine\n");
        return false;
    }
    struct replay *none = NULL; // load_options_check: no replay by agents
    if (!make_plan(plan, options, &none))
        return false;
    if (split_run(options, plan, s->part, s->parts, error))
        return true;
    fprintf(stderr, "fairlead load: %s\n", error);
    return false;
}

// --- main ----------------------------------------------------------------------------------------

// What is run, and by whose order (NULL: this command line's); takes `replay`.
struct task {
    const struct plan *plan;
    struct replay *replay;
    struct session *session;
};

static int run_here(struct load_options *options, const struct task *task, int argc,
                    char *const *argv) {
    struct run *run = calloc(1, sizeof(*run));
    struct result *result = calloc(1, sizeof(*result));
    struct target_set *targets = calloc(1, sizeof(*targets));
    struct environment environment = {0};
    char command[OBSERVE_COMMAND_BYTES];
    int code = VERDICT_CLIENT_LIMIT;
    if (run == NULL || result == NULL || targets == NULL) {
        fprintf(stderr, "fairlead load: no memory\n");
    } else {
        result_init(result);
        run->result = result;
        run->targets = targets;
        run->plan = task->plan;
        run->replay = task->replay;
        run->session = task->session;
        run->environment = &environment;
        run->command = observe_join_command(command, argc, argv);
        code =
            options->agents[0] ? run_by_agents(run, options, argc, argv) : run_load(run, options);
        environment_fini(&environment);
        memory_release_all(&run->ledger);
        result_fini(result);
    }
    free(targets);
    free(result);
    free(run);
    if (task->replay)
        replay_close(task->replay);
    return code;
}

static int be_agent(struct load_options *options, struct plan *plan) {
    static struct session session; // too large for a stack frame
    int code = agent_wait(options, &session);
    if (code != AGENT_RUN)
        return code;
    const struct task task = {.plan = plan, .session = &session};
    code = read_order(&session, options, plan) ? run_here(options, &task, 0, NULL) : VERDICT_USAGE;
    if (!session.has_ended)
        agent_fail(&session, (enum verdict_code)code);
    session_close(&session);
    return code;
}

int main(int argc, char **argv) {
    static struct load_options options; // these, too
    static struct plan plan;
    char error[LOAD_OPTIONS_ERROR_BYTES];
    if (argc > 1 && strcmp(argv[1], "record") == 0) {
        prepare_process();
        return record_main(argc - 1, argv + 1, &interrupts);
    }
    switch (load_options_parse(&options, argc, argv, error)) {
    case LOAD_OPTIONS_HELP:
        load_options_print_help(stdout);
        return VERDICT_OK;
    case LOAD_OPTIONS_VERSION:
        printf("fairlead-load %s\n", FAIRLEAD_VERSION);
        return VERDICT_OK;
    case LOAD_OPTIONS_BAD:
        fprintf(stderr, "fairlead load: %s\n", error);
        return VERDICT_USAGE;
    case LOAD_OPTIONS_RUN:
        break;
    }
    if (options.is_agent)
        return be_agent(&options, &plan);
    struct task task = {.plan = &plan};
    if (!make_plan(&plan, &options, &task.replay))
        return VERDICT_USAGE;
    return run_here(&options, &task, argc, argv);
}
