#include "loadgen/environment.h"

#include <netinet/in.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "loadgen/control_client.h"

#define INFO_TIMEOUT_MS 1000

// The value of the first line "key : value" of a file like /proc/cpuinfo, "unknown" without.
static void read_line_value(char *text, size_t text_size, const char *path, const char *key) {
    char line[512];
    snprintf(text, text_size, "unknown");
    FILE *in = fopen(path, "re");
    if (in == NULL)
        return;
    while (fgets(line, sizeof(line), in) != NULL) {
        char *colon = strchr(line, ':');
        if (strncmp(line, key, strlen(key)) != 0 || colon == NULL)
            continue;
        colon[strcspn(colon, "\n")] = 0;
        snprintf(text, text_size, "%s", colon + 1 + strspn(colon + 1, " \t"));
        break;
    }
    fclose(in);
}

// "0-1,4" of a set.
static void print_cpus(char *text, size_t text_size, const cpu_set_t *cpus) {
    size_t size = 0;
    text[0] = 0;
    for (size_t first = 0; first < CPU_SETSIZE; first++) {
        if (!CPU_ISSET(first, cpus))
            continue;
        size_t last = first;
        while (last + 1 < CPU_SETSIZE && CPU_ISSET(last + 1, cpus))
            last++;
        snprintf(text + size, text_size - size, last > first ? "%s%zu-%zu" : "%s%zu",
                 size ? "," : "", first, last);
        size = strlen(text);
        first = last;
    }
}

static void read_machine(struct environment *e) {
    struct utsname name;
    if (uname(&name) == 0) {
        snprintf(e->host, sizeof(e->host), "%s", name.nodename);
        snprintf(e->kernel, sizeof(e->kernel), "%s %s %s", name.sysname, name.release,
                 name.machine);
    }
    read_line_value(e->cpu, sizeof(e->cpu), "/proc/cpuinfo", "model name");
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    e->cpu_count = online > 0 ? (uint32_t)online : 1;
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    if (sched_getaffinity(0, sizeof(cpus), &cpus) == 0)
        print_cpus(e->cpus_used, sizeof(e->cpus_used), &cpus);
    long pages = sysconf(_SC_PHYS_PAGES);
    e->memory_bytes = pages > 0 ? (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0)
        e->files_max = files.rlim_cur;
    FILE *in = fopen("/proc/sys/net/ipv4/ip_local_port_range", "re");
    if (in != NULL) {
        if (fscanf(in, "%u %u", &e->port_first, &e->port_last) != 2)
            e->port_first = e->port_last = 0;
        fclose(in);
    }
    features_probe(&e->features);
}

static void read_began(struct environment *e) {
    struct tm parts;
    time_t now = time(NULL);
    if (gmtime_r(&now, &parts) != NULL)
        strftime(e->began, sizeof(e->began), "%Y-%m-%d %H:%M:%S UTC", &parts);
}

// "127.0.0.1:8080" ends in ":8080".
static bool has_port(const char *address, uint16_t port) {
    char wanted[16];
    snprintf(wanted, sizeof(wanted), ":%u", port);
    size_t size = strlen(address), wanted_size = strlen(wanted);
    return size >= wanted_size && strcmp(address + size - wanted_size, wanted) == 0;
}

static bool listens_on(const json_t *info, uint16_t port) {
    size_t i;
    json_t *one;
    json_array_foreach(json_object_get(info, "listen"), i, one) {
        const char *address = json_string_value(json_object_get(one, "address"));
        if (address != NULL && has_port(address, port))
            return true;
    }
    return false;
}

static const char *text_of(const json_t *info, const char *key) {
    const char *text = json_string_value(json_object_get(info, key));
    return text != NULL ? text : "unknown";
}

bool environment_take_info(struct environment *e, json_t *info, uint16_t port, bool must_match) {
    if (must_match && !listens_on(info, port)) {
        snprintf(e->server, sizeof(e->server),
                 "unknown: the control plane at %s is of a server that does not listen on port %u "
                 "(--control URL names another)",
                 e->control, port);
        json_decref(info);
        return false;
    }
    json_int_t schedulers = json_integer_value(json_object_get(info, "schedulers"));
    e->server_info = info;
    e->server_pid = (pid_t)json_integer_value(json_object_get(info, "pid"));
    snprintf(e->server, sizeof(e->server),
             "%s %s (build %s), pid %d, started %s, %lld scheduler%s, Linux %s %s",
             text_of(info, "name"), text_of(info, "version"), text_of(info, "build"),
             (int)e->server_pid, text_of(info, "started"), (long long)schedulers,
             schedulers == 1 ? "" : "s", text_of(info, "kernel"), text_of(info, "machine"));
    return true;
}

static int ask_server(struct environment *e, const struct environment_asked *asked, char *error,
                      size_t error_size) {
    bool is_guess = asked->control[0] == 0;
    if (strcmp(asked->control, "none") == 0) {
        snprintf(e->server, sizeof(e->server), "unknown: not asked (--control none)");
        return 0;
    }
    if (is_guess)
        snprintf(e->control, sizeof(e->control),
                 strchr(asked->host, ':') ? "http://[%s]:%d" : "http://%s:%d", asked->host,
                 ENVIRONMENT_CONTROL_PORT);
    else
        snprintf(e->control, sizeof(e->control), "%s", asked->control);
    char why[CONTROL_CLIENT_ERROR_BYTES] = "";
    json_t *info = control_client_info(e->control, INFO_TIMEOUT_MS, why);
    if (info == NULL && !is_guess) {
        snprintf(error, error_size, "--control: %s", why);
        return 4;
    }
    if (info == NULL) {
        snprintf(e->server, sizeof(e->server),
                 "unknown: no Fairlead control plane at %s (--control URL names it)", e->control);
        return 0;
    }
    environment_take_info(e, info, asked->port, is_guess);
    return 0;
}

int environment_read(struct environment *e, const struct environment_asked *asked, char *error,
                     size_t error_size) {
    *e = (struct environment){0};
    snprintf(e->tool, sizeof(e->tool), "fairlead-load %s (build %s)", FAIRLEAD_VERSION,
             FAIRLEAD_BUILD_ID);
    read_began(e);
    read_machine(e);
    e->is_here = server_watch_is_here(asked->target);
    e->is_loopback = server_watch_is_loopback(asked->target);
    return ask_server(e, asked, error, error_size);
}

void environment_fini(struct environment *e) {
    json_decref(e->server_info);
    e->server_info = NULL;
}

const char *environment_sharing(const struct environment *e) {
    if (e->is_loopback)
        return "client and server share this machine, over loopback: neither side's CPU figure is "
               "its own alone";
    if (e->is_here)
        return "client and server share this machine: they compete for its CPUs and memory";
    return "";
}

static void print_features(const struct features *features, char *text, size_t text_size) {
    const struct {
        const char *name;
        bool works;
    } all[] = {
#define X(name, required, purpose) {#name, features->name},
        FEATURES(X)
#undef X
    };
    char with[280] = "", without[280] = "";
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        char *list = all[i].works ? with : without;
        size_t size = strlen(list);
        snprintf(list + size, sizeof(with) - size, "%s%s", size ? ", " : "", all[i].name);
    }
    snprintf(text, text_size, "%s%s%s", with, without[0] ? "; without " : "", without);
}

struct row_list {
    struct environment_row *rows;
    uint32_t count;
};

static void add_row(struct row_list *list, const char *name, const char *format, ...)
    PRINTF_LIKE(3, 4);
static void add_row(struct row_list *list, const char *name, const char *format, ...) {
    CHECK(list->count < ENVIRONMENT_ROWS_MAX);
    struct environment_row *row = &list->rows[list->count++];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(row->value, sizeof(row->value), format, arguments);
    va_end(arguments);
    row->name = name;
}

uint32_t environment_rows(const struct environment *e,
                          struct environment_row rows[ENVIRONMENT_ROWS_MAX]) {
    struct row_list list = {.rows = rows};
    char features[600];
    print_features(&e->features, features, sizeof(features));
    add_row(&list, "began", "%s", e->began);
    add_row(&list, "tool", "%s", e->tool);
    add_row(&list, "machine", "%s: %u CPUs (%s), %.1f GiB", e->host, e->cpu_count, e->cpu,
            (double)e->memory_bytes / (double)(1u << 30));
    add_row(&list, "kernel", "%s", e->kernel);
    add_row(&list, "tool runs on", "CPU %s", e->cpus_used);
    add_row(&list, "limits", "%llu open files, local ports %u-%u", (unsigned long long)e->files_max,
            e->port_first, e->port_last);
    add_row(&list, "io_uring", "%s", features);
    add_row(&list, "server", "%s", e->server);
    add_row(&list, "path to it", "%s",
            e->is_loopback ? "loopback"
            : e->is_here   ? "this machine, not over loopback"
                           : "network");
    return list.count;
}

json_t *environment_json(const struct environment *e) {
    json_t *features = json_object();
#define X(name, required, purpose)                                                                 \
    json_object_set_new(features, #name, json_boolean(e->features.name));
    FEATURES(X)
#undef X
    json_t *all = json_object();
    const struct {
        const char *name;
        const char *value;
    } texts[] = {{"tool", e->tool},     {"began", e->began},    {"host", e->host},
                 {"kernel", e->kernel}, {"cpu", e->cpu},        {"cpus_used", e->cpus_used},
                 {"server", e->server}, {"control", e->control}};
    const struct {
        const char *name;
        uint64_t value;
    } numbers[] = {{"cpus", e->cpu_count},
                   {"memory_bytes", e->memory_bytes},
                   {"files_max", e->files_max},
                   {"port_first", e->port_first},
                   {"port_last", e->port_last}};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        json_object_set_new(all, texts[i].name, json_string(texts[i].value));
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        json_object_set_new(all, numbers[i].name, json_integer((json_int_t)numbers[i].value));
    json_object_set_new(all, "loopback", json_boolean(e->is_loopback));
    json_object_set_new(all, "same_machine", json_boolean(e->is_here));
    json_object_set_new(all, "io_uring", features);
    if (e->server_info != NULL)
        json_object_set(all, "server_info", e->server_info);
    else
        json_object_set_new(all, "server_info", json_null());
    return all;
}
