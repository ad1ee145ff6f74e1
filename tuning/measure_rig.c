#include "tuning/measure_rig.h"

#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loadgen/control_client.h"
#include "sched/base/clock.h"

#define SAMPLE_MS 50
#define READY_TIMEOUT_NS (20 * NS_PER_S)
#define READY_ASK_MS 500
#define READY_PAUSE_MS 20
#define DRAIN_MS 150
#define ASK_TIMEOUT_MS 5000
#define STOP_TIMEOUT_MS 8000

static const char STOPPED[] = "stopped";

PRINTF_LIKE(2, 3)
static bool fail(char *error, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error, MEASURE_RIG_ERROR_BYTES, format, arguments);
    va_end(arguments);
    return false;
}

// --- the rig -------------------------------------------------------------------------------------

static void divide_cpus(struct measure_rig *rig) {
    cpu_set_t mine;
    int first = -1, last = 0;
    CPU_ZERO(&mine);
    CPU_ZERO(&rig->cpus_first);
    CPU_ZERO(&rig->cpus_last);
    if (sched_getaffinity(0, sizeof(mine), &mine) < 0)
        CPU_SET(0, &mine);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET((size_t)cpu, &mine)) {
            first = first < 0 ? cpu : first;
            last = cpu;
        }
    rig->cpu_count = (uint32_t)CPU_COUNT(&mine);
    CPU_SET((size_t)first, &rig->cpus_first);
    CPU_SET((size_t)last, &rig->cpus_last);
    rig->cpus_all = mine;
    if (rig->cpu_count >= MEASURE_RIG_CLIENT_OWN_MIN)
        CPU_CLR((size_t)last, &rig->cpus_all);
    rig->cpus_all_count = (uint32_t)CPU_COUNT(&rig->cpus_all);
}

bool measure_rig_open(struct measure_rig *rig, uint16_t port_first, bool is_quiet, char *error) {
    *rig = (struct measure_rig){.stop_fd = -1, .port_first = port_first, .is_quiet = is_quiet};
    if (!child_find("fairlead", rig->server_path, error) ||
        !child_find("fairlead-load", rig->client_path, error))
        return false;
    divide_cpus(rig);
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGHUP);
    sigprocmask(SIG_BLOCK, &signals, &rig->signals_before);
    rig->stop_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    if (rig->stop_fd < 0) {
        sigprocmask(SIG_SETMASK, &rig->signals_before, NULL);
        return fail(error, "no signalfd: %s", strerror(errno));
    }
    return true;
}

void measure_rig_close(struct measure_rig *rig) {
    if (rig->stop_fd < 0)
        return;
    struct signalfd_siginfo taken;
    // Taken here: whoever closes the rig has ended what was to be ended.
    while (read(rig->stop_fd, &taken, sizeof(taken)) > 0)
        continue;
    close(rig->stop_fd);
    rig->stop_fd = -1;
    sigprocmask(SIG_SETMASK, &rig->signals_before, NULL);
}

bool measure_rig_is_stopped(const struct measure_rig *rig) {
    return !measure_rig_sleep(rig, 0);
}

bool measure_rig_sleep(const struct measure_rig *rig, uint32_t ms) {
    struct pollfd fd = {rig->stop_fd, POLLIN, 0};
    return poll(&fd, 1, (int)ms) <= 0;
}

void measure_rig_say(const struct measure_rig *rig, const char *format, ...) {
    if (rig->is_quiet)
        return;
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
}

// --- servers -------------------------------------------------------------------------------------

static bool is_free(uint16_t port) {
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int yes = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    bool bound = bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
    close(fd);
    return bound;
}

// A ring is taken apart after its process is gone: the port of the server before is left alone.
static uint16_t take_port(struct measure_rig *rig) {
    for (uint32_t i = 0; i < MEASURE_RIG_PORTS / 2; i++) {
        uint16_t port =
            (uint16_t)(rig->port_first + 2 * (rig->port_step++ % (MEASURE_RIG_PORTS / 2)));
        if (is_free(port) && is_free(port + 1))
            return port;
    }
    return 0;
}

static void list_cpus(const cpu_set_t *cpus, char *text, size_t text_size) {
    size_t size = 0;
    text[0] = '\0';
    for (size_t cpu = 0; cpu < CPU_SETSIZE && size + 8 < text_size; cpu++)
        if (CPU_ISSET(cpu, cpus))
            size += (size_t)snprintf(text + size, text_size - size, "%s%zu", size ? "," : "", cpu);
}

static bool has_option(const struct child_arguments *more, const char *name) {
    size_t size = strlen(name);
    for (uint32_t i = 0; more != NULL && i < more->count; i++)
        if (strncmp(more->text[i], name, size) == 0 &&
            (more->text[i][size] == '\0' || more->text[i][size] == '='))
            return true;
    return false;
}

static void serve_arguments(struct measure_rig *rig, const struct measure_server *server,
                            const struct child_arguments *more, uint16_t port,
                            struct child_arguments *arguments) {
    char cpus[CHILD_ARGUMENT_BYTES];
    list_cpus(&server->cpus, cpus, sizeof(cpus));
    child_argument(arguments, "serve");
    child_pair(arguments, "listen", "127.0.0.1:%u", port);
    child_pair(arguments, "control", "127.0.0.1:%u", port + 1);
    if (!has_option(more, "--log-level"))
        child_pair(arguments, "log-level", "warn");
    if (!has_option(more, "--schedulers"))
        child_pair(arguments, "schedulers", "%u", server->schedulers);
    if (!has_option(more, "--cpus"))
        child_pair(arguments, "cpus", "%s", cpus);
    for (uint32_t i = 0; more != NULL && i < more->count; i++)
        child_argument(arguments, "%s", more->text[i]);
}

// "fairlead serve: " in front of a sentence says nothing here.
static const char *plain(const char *line) {
    static const char *const prefixes[] = {"fairlead serve: ", "fairlead load: ", "fairlead: "};
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
        if (strncmp(line, prefixes[i], strlen(prefixes[i])) == 0)
            return line + strlen(prefixes[i]);
    return line;
}

static bool is_ready(const struct measure_server *server) {
    char ignored[CONTROL_CLIENT_ERROR_BYTES];
    struct control_client_answer answer;
    struct control_client_request request = {
        .url = server->control, .path = "/readyz", .timeout_ms = READY_ASK_MS};
    bool is_good = control_client_ask(&request, &answer, ignored) == CONTROL_CLIENT_OK;
    control_client_answer_fini(&answer);
    return is_good;
}

static bool until_ready(struct measure_rig *rig, struct measure_server *server, char *error) {
    char line[CHILD_ERROR_BYTES];
    uint64_t deadline_ns = clock_monotonic_ns() + READY_TIMEOUT_NS;
    while (!is_ready(server)) {
        if (child_poll(&server->child, rig->stop_fd, READY_PAUSE_MS)) {
            child_last_line(&server->child, line);
            rig->ended_code = server->child.exit_code;
            return fail(error, "fairlead serve did not start: %s",
                        line[0] ? plain(line) : "it said nothing");
        }
        if (measure_rig_is_stopped(rig))
            return fail(error, "%s", STOPPED);
        if (clock_monotonic_ns() > deadline_ns)
            return fail(error, "fairlead serve was not ready within %llu s",
                        (unsigned long long)(READY_TIMEOUT_NS / NS_PER_S));
    }
    return true;
}

bool measure_server_start(struct measure_rig *rig, const struct measure_server_order *order,
                          struct measure_server *server, char *error) {
    *server = (struct measure_server){0};
    server->cpus = order->has_all_cpus ? rig->cpus_all : rig->cpus_first;
    server->cpu_count = (uint32_t)CPU_COUNT(&server->cpus);
    server->schedulers = server->cpu_count;
    cpu_set_t both;
    CPU_AND(&both, &server->cpus, &rig->cpus_last);
    server->shares_cpu = CPU_COUNT(&both) > 0;
    uint16_t port = take_port(rig);
    if (port == 0)
        return fail(error, "no two free ports in a row from %u to %u: choose others with --port",
                    rig->port_first, rig->port_first + MEASURE_RIG_PORTS - 1);
    snprintf(server->target, sizeof(server->target), "ws://127.0.0.1:%u/socket/websocket", port);
    snprintf(server->control, sizeof(server->control), "http://127.0.0.1:%u", port + 1);
    struct child_arguments *arguments = calloc(1, sizeof(*arguments));
    if (arguments == NULL)
        return fail(error, "no memory");
    serve_arguments(rig, server, order->more, port, arguments);
    struct child_order child = {
        .program = rig->server_path, .arguments = arguments, .cpus = &server->cpus};
    bool is_started = child_start(&server->child, &child, error);
    free(arguments);
    if (is_started && until_ready(rig, server, error))
        return true;
    measure_server_stop(server);
    return false;
}

int measure_server_ask(const struct measure_rig *rig, const struct child_arguments *arguments,
                       char *line) {
    struct child child;
    struct child_order order = {.program = rig->server_path, .arguments = arguments};
    if (!child_start(&child, &order, line))
        return -1;
    uint64_t until_ns = clock_monotonic_ns() + ASK_TIMEOUT_MS * NS_PER_MS;
    while (!child_poll(&child, rig->stop_fd, READY_PAUSE_MS) && clock_monotonic_ns() < until_ns)
        if (measure_rig_is_stopped(rig))
            break;
    char whole[CHILD_ERROR_BYTES];
    child_last_line(&child, whole);
    snprintf(line, CHILD_ERROR_BYTES, "%s", plain(whole));
    int code = child.has_ended ? child.exit_code : -1;
    child_fini(&child);
    return code;
}

void measure_server_foreign(struct measure_server *server, const char *target,
                            const char *control) {
    *server = (struct measure_server){0};
    snprintf(server->target, sizeof(server->target), "%s", target);
    snprintf(server->control, sizeof(server->control), "%s", control);
}

// The first signal drains, the second cuts who is left.
void measure_server_stop(struct measure_server *server) {
    if (server->child.pid == 0)
        return;
    child_signal(&server->child, SIGTERM);
    uint64_t begin_ns = clock_monotonic_ns();
    bool has_ended = child_poll(&server->child, -1, DRAIN_MS);
    child_signal(&server->child, SIGTERM);
    while (!has_ended && clock_monotonic_ns() < begin_ns + STOP_TIMEOUT_MS * NS_PER_MS)
        has_ended = child_poll(&server->child, -1, DRAIN_MS);
    child_fini(&server->child);
}

// The sum over cores of a metric, with labels that contain `label`.
static double metric(const char *text, const char *name, const char *label) {
    double sum = 0;
    size_t name_size = strlen(name);
    for (const char *line = text; line != NULL && *line != '\0';) {
        size_t size = strcspn(line, "\n");
        const char *value = memrchr(line, ' ', size);
        const char *found = strstr(line, label);
        if (strncmp(line, name, name_size) == 0 &&
            (line[name_size] == '{' || line[name_size] == ' ') && value != NULL && found != NULL &&
            found < line + size)
            sum += strtod(value, NULL);
        line = line[size] ? line + size + 1 : NULL;
    }
    return sum;
}

void measure_server_counters(const struct measure_server *server,
                             struct measure_counters *counters) {
    char ignored[CONTROL_CLIENT_ERROR_BYTES];
    struct control_client_answer answer;
    struct control_client_request request = {.url = server->control, .path = "/metrics"};
    *counters = (struct measure_counters){0};
    if (server->control[0] == '\0')
        return;
    if (control_client_ask(&request, &answer, ignored) == CONTROL_CLIENT_OK &&
        strstr(answer.text, "fairlead_") != NULL) {
        const char *text = answer.text;
        *counters = (struct measure_counters){
            .is_known = true,
            .dropped = metric(text, "fairlead_audit_dropped_total", "reason=\"slow\"") +
                       metric(text, "fairlead_audit_dropped_total", "reason=\"memory\""),
            .overflows = metric(text, "fairlead_ring_cq_overflows_total", ""),
            .busy = metric(text, "fairlead_publishes_busy_total", ""),
            .members = metric(text, "fairlead_members", ""),
            .delivered = metric(text, "fairlead_audit_delivered_total", ""),
            .enters = metric(text, "fairlead_ring_enters_total", ""),
            .sends = metric(text, "fairlead_sends_total", "")};
    }
    control_client_answer_fini(&answer);
}

// --- clients -------------------------------------------------------------------------------------

// "phase=connected connections=N monotonic_ns=T ..."
static void on_line(void *context, const char *line) {
    struct measure_client *client = context;
    const char *time = strstr(line, "monotonic_ns=");
    if (strncmp(line, "phase=connected ", 16) == 0 && time != NULL)
        client->connected_ns = strtoull(time + strlen("monotonic_ns="), NULL, 10);
    client->has_begun |= strncmp(line, "phase=measure_begin ", 20) == 0;
    client->has_finished |= strncmp(line, "phase=measure_end ", 18) == 0;
}

bool measure_client_start(struct measure_rig *rig, const struct measure_server *server,
                          const struct child_arguments *arguments, struct measure_client *client,
                          char *error) {
    *client = (struct measure_client){.started_ns = clock_monotonic_ns()};
    struct child_arguments *all = malloc(sizeof(*all));
    if (all == NULL)
        return fail(error, "no memory");
    *all = *arguments;
    if (server->target[0] != '\0')
        child_pair(all, "target", "%s", server->target);
    child_pair(all, "json", "-");
    child_argument(all, "--quiet");
    struct child_order order = {.program = rig->client_path,
                                .arguments = all,
                                .cpus = &rig->cpus_last,
                                .on_line = on_line,
                                .context = client};
    bool is_started = child_start(&client->child, &order, error);
    free(all);
    return is_started;
}

// One round of waiting; true: it has ended.
static bool watch(const struct measure_rig *rig, const struct measure_server *server,
                  struct measure_client *client, struct measure_samples *samples) {
    bool has_ended = child_poll(&client->child, rig->stop_fd, SAMPLE_MS);
    uint64_t now_ns = clock_monotonic_ns();
    bool is_due = samples != NULL &&
                  (samples->count == 0 ||
                   now_ns >= samples->all[samples->count - 1].at_ns + SAMPLE_MS * NS_PER_MS / 2);
    if (is_due && !has_ended)
        measure_samples_take(samples, &server->cpus, server->child.pid, client->child.pid);
    return has_ended;
}

static bool client_ended(struct measure_rig *rig, struct measure_client *client, char *error) {
    char line[CHILD_ERROR_BYTES];
    rig->ended_code = client->child.exit_code;
    child_last_line(&client->child, line);
    return fail(error, "fairlead load ended with exit code %d: %s", client->child.exit_code,
                line[0] ? plain(line) : "it said nothing");
}

bool measure_client_connected(struct measure_rig *rig, const struct measure_server *server,
                              struct measure_client *client, struct measure_samples *samples,
                              char *error) {
    while (client->connected_ns == 0) {
        if (watch(rig, server, client, samples))
            return client_ended(rig, client, error);
        if (measure_rig_is_stopped(rig))
            return fail(error, "%s", STOPPED);
    }
    return true;
}

void measure_client_stop(struct measure_client *client) {
    child_fini(&client->child);
}

// CPU of the server from the client's start to its last join, per connection.
static double connect_cost(const struct measure_samples *samples,
                           const struct measure_server *server, const struct measure_client *client,
                           double joined) {
    struct measure_usage usage;
    uint64_t begin_ns = samples->count > 0 ? samples->all[0].at_ns : 0;
    if (client->connected_ns == 0 || joined <= 0 ||
        !measure_samples_cut(samples, begin_ns, client->connected_ns, server->cpu_count, &usage))
        return NAN;
    return usage.server_ns / joined;
}

static struct measure_counters added(const struct measure_counters *before,
                                     const struct measure_counters *after) {
    return (struct measure_counters){.is_known = before->is_known && after->is_known,
                                     .dropped = after->dropped - before->dropped,
                                     .overflows = after->overflows - before->overflows,
                                     .busy = after->busy - before->busy,
                                     .members = after->members,
                                     .delivered = after->delivered - before->delivered,
                                     .enters = after->enters - before->enters,
                                     .sends = after->sends - before->sends};
}

// Counters of the server at four moments of a run.
struct moments {
    struct measure_counters start, begin, finish, end;
};

// The client says when its window begins and ends; a moment later is early enough.
static void note_window(const struct measure_server *server, const struct measure_client *client,
                        struct moments *moments) {
    if (client->has_begun && !moments->begin.is_known && !client->has_finished)
        measure_server_counters(server, &moments->begin);
    if (client->has_finished && moments->begin.is_known && !moments->finish.is_known)
        measure_server_counters(server, &moments->finish);
}

bool measure_rig_run(struct measure_rig *rig, const struct measure_server *server,
                     const struct child_arguments *arguments, struct measure_run *run,
                     char *error) {
    struct measure_client client;
    struct moments moments = {0};
    memset(run, 0, sizeof(*run));
    measure_server_counters(server, &moments.start);
    measure_samples_take(&run->samples, &server->cpus, server->child.pid, 0);
    if (!measure_client_start(rig, server, arguments, &client, error))
        return false;
    bool is_stopped = false;
    while (!is_stopped && !watch(rig, server, &client, &run->samples)) {
        note_window(server, &client, &moments);
        is_stopped = measure_rig_is_stopped(rig);
    }
    measure_samples_take(&run->samples, &server->cpus, server->child.pid, 0);
    run->has_load = !is_stopped && measure_load_decode(client.child.output, &run->load, error);
    if (is_stopped)
        fail(error, "%s", STOPPED);
    else if (!run->has_load)
        client_ended(rig, &client, error);
    if (run->has_load) {
        run->has_usage = server->child.pid > 0 &&
                         measure_samples_cut(&run->samples, run->load.begin_ns, run->load.end_ns,
                                             server->cpu_count, &run->usage);
        run->connect_ns = server->child.pid > 0
                              ? connect_cost(&run->samples, server, &client, run->load.joined)
                              : NAN;
        measure_server_counters(server, &moments.end);
        run->counters = added(&moments.start, &moments.end);
        run->has_counters = run->counters.is_known;
        run->window = added(&moments.begin, &moments.finish);
        run->has_window = run->window.is_known;
    }
    measure_client_stop(&client);
    return run->has_load;
}
