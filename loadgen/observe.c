#include "loadgen/observe.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sched/base/clock.h"

int observe_begin(struct run *run, char *error) {
    const struct load_options *o = &run->options;
    const struct target *first = &run->targets->targets[0]; // zeroed: of no family
    const struct sockaddr *address = (const struct sockaddr *)&first->address;
    struct target_url url;
    if (!target_parse_url(&url, o->targets[0], error))
        return VERDICT_USAGE;
    const struct environment_asked asked = {
        .control = o->control,
        .host = url.name,
        .port = (uint16_t)strtoul(url.port, NULL, 10),
        .target = address,
    };
    int status = environment_read(run->environment, &asked, error, LOAD_OPTIONS_ERROR_BYTES);
    if (status != 0)
        return status;
    uint64_t now_ns = clock_monotonic_ns();
    const struct server_watch_asked server = {
        .option_pid = (pid_t)o->server_pid,
        .control_pid = run->environment->server_pid,
        .target = address,
        .proc = "/proc",
    };
    server_watch_init(&run->server, &server, now_ns);
    if (o->server_pid != 0 && run->server.source == SERVER_WATCH_NONE) {
        option_row_fail(error, "--server-pid %u: no such process, or it may not be read",
                        o->server_pid);
        return VERDICT_USAGE;
    }
    process_watch_init(&run->self, "/proc");
    if (!process_watch_add(&run->self, getpid(), now_ns))
        run->self.pid_count = 0; // no /proc: its own CPU is not known every second then
    return 0;
}

void observe_second(struct run *run, struct result_interval *row, uint64_t now_ns) {
    struct process_sample sample;
    if (process_watch_sample(&run->self, now_ns, &sample)) {
        row->client_cpu = sample.cpu;
        row->client_memory_bytes = sample.resident_bytes;
    }
    if (process_watch_sample(&run->server.processes, now_ns, &sample)) {
        row->server_cpu = sample.cpu;
        row->server_memory_bytes = sample.resident_bytes;
    }
}

int observe_publish(struct run *run, const struct verdict *v) {
    const struct report report = {
        .options = &run->options,
        .result = run->result,
        .verdict = v,
        .environment = run->environment,
        .server_source = run->server.source,
        .command = run->command,
    };
    live_clear(&run->live);
    return report_publish(&report);
}

const char *observe_join_command(char command[OBSERVE_COMMAND_BYTES], int argc, char *const *argv) {
    size_t size = (size_t)snprintf(command, OBSERVE_COMMAND_BYTES, "fairlead load");
    for (int i = 1; i < argc && size < OBSERVE_COMMAND_BYTES; i++) {
        const char *quote = argv[i][strcspn(argv[i], " <>|&;*?$()\"'")] || !argv[i][0] ? "'" : "";
        size += (size_t)snprintf(command + size, OBSERVE_COMMAND_BYTES - size, " %s%s%s", quote,
                                 argv[i], quote);
    }
    return command;
}
