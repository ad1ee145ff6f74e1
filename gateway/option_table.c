#include "gateway/option_table.h"

#include "gateway/heart_policy.h"

#include <string.h>

#define KIB 1024ull
#define MIB (1024 * KIB)
#define DAY_S 86400

#define FIELD(member)                                                                              \
    .field_offset = offsetof(struct config, member),                                               \
    .field_size = sizeof(((struct config *)0)->member)
#define LIST(member, count, limit)                                                                 \
    FIELD(member), .count_offset = offsetof(struct config, count), .max = (limit)

const struct option_spec option_table[] = {
    {.name = "listen",
     .type = OPTION_ADDRESSES,
     .section = OPTION_LISTENING,
     LIST(listen, listen_count, CONFIG_LISTEN_MAX),
     .fallback = "127.0.0.1:8080",
     .value_name = "HOST:PORT",
     .help = "where clients connect; an IP address or localhost, IPv6 in brackets"},
    {.name = "listen-mqtt",
     .type = OPTION_ADDRESSES,
     .section = OPTION_LISTENING,
     LIST(listen_mqtt, listen_mqtt_count, CONFIG_LISTEN_MAX),
     .value_name = "HOST:PORT",
     .help = "speak MQTT alone here, 127.0.0.1:1883 (--listen speaks it beside WebSocket)"},
    {.name = "control",
     .type = OPTION_ADDRESS,
     .section = OPTION_LISTENING,
     FIELD(control),
     .fallback = "127.0.0.1:8081",
     .value_name = "HOST:PORT",
     .help = "the page, /healthz, /readyz, /rooms and /metrics"},
    {.name = "page",
     .type = OPTION_ADDRESS,
     .section = OPTION_LISTENING,
     FIELD(page),
     .fallback = "off",
     .automatic = "off",
     .value_name = "HOST:PORT",
     .help = "serve the page alone here too, without /metrics and /rooms (to try a phone)"},
    {.name = "allow-anonymous",
     .type = OPTION_BOOL,
     .section = OPTION_LISTENING,
     FIELD(allow_anonymous),
     .fallback = "false",
     .help = "listen beyond loopback although anybody may then join as anybody"},

    {.name = "schedulers",
     .type = OPTION_NUMBER,
     .section = OPTION_SIZE_OF_HOST,
     FIELD(schedulers),
     .min = 1,
     .max = CONFIG_SCHEDULERS_MAX,
     .fallback = "auto",
     .automatic = "auto",
     .value_name = "N",
     .help = "scheduler threads; auto: one per CPU that the process may use"},
    {.name = "cpus",
     .type = OPTION_CPUS,
     .section = OPTION_SIZE_OF_HOST,
     LIST(cpus, cpu_count, CONFIG_CPUS_MAX),
     .fallback = "auto",
     .automatic = "auto",
     .value_name = "LIST",
     .help = "CPUs to pin the schedulers to, in this order: 0-3,8"},
    {.name = "balance",
     .type = OPTION_BOOL,
     .section = OPTION_SIZE_OF_HOST,
     FIELD(balance),
     .fallback = "false",
     .help = "move connections from the busiest scheduler to the idlest"},
    {.name = "connections-max",
     .type = OPTION_NUMBER,
     .section = OPTION_SIZE_OF_HOST,
     FIELD(connections_max),
     .min = 1,
     .max = 100000000,
     .fallback = "auto",
     .automatic = "auto",
     .value_name = "N",
     .help = "open connections; auto: what this machine fits. Beyond it: 503 with Retry-After"},
    {.name = "rooms-max",
     .type = OPTION_NUMBER,
     .section = OPTION_SIZE_OF_HOST,
     FIELD(rooms_max),
     .min = 1,
     .max = (1 << 28) - 1, // a pid names its slot in 28 bits
     .fallback = "1000000",
     .value_name = "N",
     .help = "rooms at once; a join beyond it is refused"},

    {.name = "origins",
     .type = OPTION_ORIGINS,
     .section = OPTION_CLIENTS,
     LIST(origins, origin_count, CONFIG_ORIGINS_MAX),
     .value_name = "ORIGIN",
     .help = "web pages of other hosts that may connect: https://chat.example.org; * for all"},
    {.name = "trusted-proxies",
     .type = OPTION_NETWORKS,
     .section = OPTION_CLIENTS,
     LIST(trusted_proxies, trusted_proxy_count, CONFIG_PROXIES_MAX),
     .value_name = "CIDR",
     .help = "proxies whose X-Forwarded-Host counts in place of Host: 10.0.0.0/8"},
    {.name = "peer-addresses",
     .type = OPTION_BOOL,
     .section = OPTION_CLIENTS,
     FIELD(peer_addresses),
     .fallback = "false",
     .help = "keep the address of each client, for /obituaries and /connections"},
    {.name = "echo",
     .type = OPTION_BOOL,
     .section = OPTION_CLIENTS,
     FIELD(echo),
     .fallback = "false",
     .help = "offer /echo, which returns every WebSocket message (for tests and load tools)"},
    {.name = "strict-phoenix",
     .type = OPTION_BOOL,
     .section = OPTION_CLIENTS,
     FIELD(strict_phoenix),
     .fallback = "false",
     .help = "leave the sequence number out of broadcasts: five elements, as Phoenix sends"},

    {.name = "idle-timeout-s",
     .type = OPTION_NUMBER,
     .section = OPTION_TIME,
     FIELD(idle_timeout_s),
     .min = 1,
     .max = DAY_S,
     .fallback = "60",
     .value_name = "SECONDS",
     .help = "close a connection that sent nothing for so long (clients beat every 30 s)"},
    {.name = "handshake-timeout-s",
     .type = OPTION_NUMBER,
     .section = OPTION_TIME,
     FIELD(handshake_timeout_s),
     .min = 1,
     .max = 3600,
     .fallback = "10",
     .value_name = "SECONDS",
     .help = "close a connection that has not upgraded by then"},
    {.name = "drain-timeout-s",
     .type = OPTION_NUMBER,
     .section = OPTION_TIME,
     FIELD(drain_timeout_s),
     .min = 0,
     .max = 3600,
     .fallback = "30",
     .value_name = "SECONDS",
     .help = "after SIGTERM, pace the closing of all connections over at most this"},

    {.name = "message-bytes-max",
     .type = OPTION_BYTES,
     .section = OPTION_BUDGETS,
     FIELD(message_bytes_max),
     .min = KIB,
     .max = 64 * MIB,
     .fallback = "64KiB",
     .value_name = "BYTES",
     .help = "largest message from a client; beyond it: close 1009"},
    {.name = "out-queue-bytes-max",
     .type = OPTION_BYTES,
     .section = OPTION_BUDGETS,
     FIELD(out_queue_bytes_max),
     .min = KIB,
     .max = 64 * MIB,
     .fallback = "64KiB",
     .value_name = "BYTES",
     .help = "room messages that may wait for one slow reader; beyond it: --room-policy"},
    {.name = "send-buffer-bytes",
     .type = OPTION_BYTES,
     .section = OPTION_BUDGETS,
     FIELD(send_buffer_bytes),
     .min = 4 * KIB,
     .max = 16 * MIB,
     .fallback = "64KiB",
     .value_name = "BYTES",
     .help = "the kernel's send buffer per connection"},
    {.name = "channels-per-socket-max",
     .type = OPTION_NUMBER,
     .section = OPTION_BUDGETS,
     FIELD(channels_per_socket_max),
     .min = 1,
     .max = 10000,
     .fallback = "100",
     .value_name = "N",
     .help = "rooms that one connection may be in"},

    {.name = "min-wait-us",
     .type = OPTION_NUMBER,
     .section = OPTION_TUNING,
     FIELD(min_wait_us),
     .min = 0,
     .max = 10000,
     .fallback = "100",
     .value_name = "US",
     .help =
         "a busy scheduler gathers work for so long: fewer wakes, so much latency (Linux 6.12)"},
    {.name = "park-after-s",
     .type = OPTION_NUMBER,
     .section = OPTION_TUNING,
     FIELD(park_after_s),
     .min = 1,
     .max = 100,
     .fallback = "2",
     .value_name = "SECONDS",
     .help = "a connection that is quiet so long keeps a poll (256 B) and no receive (608 B)"},
    {.name = "recv-buffers",
     .type = OPTION_NUMBER,
     .section = OPTION_TUNING,
     FIELD(recv_buffers),
     .min = 16,
     .max = 1024,
     .fallback = "512",
     .value_name = "N",
     .help = "receive buffers of a scheduler's first lane, rounded down to a power of two"},
    {.name = "recv-buffer-bytes",
     .type = OPTION_BYTES,
     .section = OPTION_TUNING,
     FIELD(recv_buffer_bytes),
     .min = KIB,
     .max = 64 * KIB,
     .fallback = "4KiB",
     .value_name = "BYTES",
     .help = "size of each; what a peer sent beyond it comes in several receives"},

    {.name = "presence",
     .type = OPTION_CHOICE,
     .section = OPTION_ROOMS,
     FIELD(room.presence),
     .choices = {"list", "counts", "off"},
     .fallback = "list",
     .per_room = true,
     .value_name = "MODE",
     .help = "who is here: every user, the numbers only, or nothing"},
    {.name = "presence-list-max",
     .type = OPTION_NUMBER,
     .section = OPTION_ROOMS,
     FIELD(room.presence_list_max),
     .min = 1,
     .max = 100000,
     .fallback = "1000",
     .per_room = true,
     .value_name = "USERS",
     .help = "a room of more users shows a sample and exact counts instead of the list"},
    {.name = "room-policy",
     .type = OPTION_CHOICE,
     .section = OPTION_ROOMS,
     FIELD(room.policy),
     .choices = {"drop_oldest", "close"},
     .fallback = "drop_oldest",
     .per_room = true,
     .value_name = "POLICY",
     .help = "a slow reader loses the oldest messages and is told which, or is closed (1008)"},

    {.name = "mqtt-receive-max",
     .type = OPTION_NUMBER,
     .section = OPTION_MQTT,
     FIELD(mqtt_receive_max),
     .min = 1,
     .max = 65535,
     .fallback = "1000",
     .value_name = "N",
     .help = "QoS 1 and 2 messages that a client may have unanswered; beyond it: 0x93"},
    {.name = "mqtt-inflight-max",
     .type = OPTION_NUMBER,
     .section = OPTION_MQTT,
     FIELD(mqtt_inflight_max),
     .min = 1,
     .max = 65535,
     .fallback = "64",
     .value_name = "N",
     .help = "QoS 1 and 2 messages under way to a client at once (its own maximum may be less)"},
    {.name = "mqtt-session-queue-max",
     .type = OPTION_NUMBER,
     .section = OPTION_MQTT,
     FIELD(mqtt_session_queue_max),
     .min = 1,
     .max = 1000000,
     .fallback = "1000",
     .value_name = "N",
     .help = "QoS 1 and 2 messages that wait for one session; beyond it the oldest is dropped"},
    {.name = "mqtt-session-queue-bytes-max",
     .type = OPTION_BYTES,
     .section = OPTION_MQTT,
     FIELD(mqtt_session_queue_bytes_max),
     .min = KIB,
     .max = 1024 * MIB,
     .fallback = "1MiB",
     .value_name = "BYTES",
     .help = "the same in bytes; shared ones count in full"},
    {.name = "mqtt-session-expiry-max-s",
     .type = OPTION_NUMBER,
     .section = OPTION_MQTT,
     FIELD(mqtt_session_expiry_max_s),
     .min = 0,
     .max = 365 * DAY_S,
     .fallback = "86400",
     .value_name = "SECONDS",
     .help = "longest life of a session without connection; what 3.1.1 clients get"},
    {.name = "mqtt-sessions-max",
     .type = OPTION_NUMBER,
     .section = OPTION_MQTT,
     FIELD(mqtt_sessions_max),
     .min = 1,
     .max = 200000000,
     .fallback = "auto",
     .automatic = "auto",
     .value_name = "N",
     .help = "sessions, with and without connection; auto: twice --connections-max"},
    {.name = "mqtt-subscriptions-max",
     .type = OPTION_NUMBER,
     .section = OPTION_MQTT,
     FIELD(mqtt_subscriptions_max),
     .min = 1,
     .max = 65535,
     .fallback = "1000",
     .value_name = "N",
     .help = "subscriptions of one session; beyond it: 0x97"},
    {.name = "mqtt-topic-alias-max",
     .type = OPTION_NUMBER,
     .section = OPTION_MQTT,
     FIELD(mqtt_topic_alias_max),
     .min = 0,
     .max = 1000,
     .fallback = "16",
     .value_name = "N",
     .help = "topic aliases that a client may set; 0: none"},
    {.name = "mqtt-keep-alive-max-s",
     .type = OPTION_NUMBER,
     .section = OPTION_MQTT,
     FIELD(mqtt_keep_alive_max_s),
     .min = 1,
     .max = 65535,
     .fallback = "3600",
     .value_name = "SECONDS",
     .help = "5.0 clients that ask for a longer keep-alive, or none, are given this"},
    {.name = "mqtt-retained-max",
     .type = OPTION_NUMBER,
     .section = OPTION_MQTT,
     FIELD(mqtt_retained_max),
     .min = 0,
     .max = 100000000,
     .fallback = "1000000",
     .value_name = "N",
     .help = "retained messages outside rooms; beyond it: 0x97"},
    {.name = "mqtt-retained-bytes-max",
     .type = OPTION_BYTES,
     .section = OPTION_MQTT,
     FIELD(mqtt_retained_bytes_max),
     .min = KIB,
     .max = 1024 * 1024 * MIB,
     .fallback = "256MiB",
     .value_name = "BYTES",
     .help = "their topics and payloads together; as much again for those that rooms retain"},

    {.name = "recorder-mib",
     .type = OPTION_NUMBER,
     .section = OPTION_PROCESS,
     FIELD(recorder_mib),
     .min = 0,
     .max = 1024,
     .fallback = "4",
     .value_name = "MIB",
     .help = "flight recorder per scheduler, 65,536 events a MiB (a power of two); 0: off"},
    {.name = "obituaries",
     .type = OPTION_NUMBER,
     .section = OPTION_PROCESS,
     FIELD(obituaries),
     .min = 0,
     .max = 1000000,
     .fallback = "1024",
     .value_name = "N",
     .help = "ended connections and rooms that each scheduler remembers (424 B each)"},
    {.name = "log-level",
     .type = OPTION_CHOICE,
     .section = OPTION_PROCESS,
     FIELD(log_level),
     .choices = {"error", "warn", "info", "debug"},
     .fallback = "info",
     .value_name = "LEVEL",
     .help = "least important lines to write on stderr"},
    {.name = "supervised",
     .type = OPTION_BOOL,
     .section = OPTION_PROCESS,
     FIELD(supervised),
     .fallback = "false",
     .help = "a parent process holds the listening sockets and starts a gateway that died again"},
    {.name = "restart-intensity",
     .type = OPTION_NUMBER,
     .section = OPTION_PROCESS,
     FIELD(restart_intensity),
     .min = 0,
     .max = HEART_POLICY_INTENSITY_MAX,
     .fallback = "5",
     .value_name = "N",
     .help = "deaths within --restart-period-s that a restart may follow; at one more: give up"},
    {.name = "restart-period-s",
     .type = OPTION_NUMBER,
     .section = OPTION_PROCESS,
     FIELD(restart_period_s),
     .min = 1,
     .max = DAY_S,
     .fallback = "60",
     .value_name = "SECONDS",
     .help = "the time over which --restart-intensity counts"},
    {.name = "config",
     .type = OPTION_FILE,
     .section = OPTION_PROCESS,
     .value_name = "FILE",
     .help = "read these options from a YAML file first; flags override it"},
    {.name = "check-config",
     .type = OPTION_ACTION,
     .section = OPTION_PROCESS,
     .action = OPTION_ACTION_CHECK_CONFIG,
     .help = "say whether the settings are good and fit this machine, then stop"},
    {.name = "print-config",
     .type = OPTION_ACTION,
     .section = OPTION_PROCESS,
     .action = OPTION_ACTION_PRINT_CONFIG,
     .help = "print the settings as a YAML file with comments, then stop"},
    {.name = "print-memory",
     .type = OPTION_ACTION,
     .section = OPTION_PROCESS,
     .action = OPTION_ACTION_PRINT_MEMORY,
     .help = "print the memory ledger and the bytes per idle connection, then stop"},
    {.name = "version",
     .type = OPTION_ACTION,
     .section = OPTION_PROCESS,
     .action = OPTION_ACTION_VERSION,
     .help = "print the version and what this kernel offers, then stop"},
    {.name = "help",
     .type = OPTION_ACTION,
     .section = OPTION_PROCESS,
     .action = OPTION_ACTION_HELP,
     .help = "print this text, then stop"},
};

const size_t option_table_count = sizeof(option_table) / sizeof(option_table[0]);
_Static_assert(sizeof(option_table) / sizeof(option_table[0]) <= OPTION_COUNT_MAX,
               "option_file.c sizes its arrays by OPTION_COUNT_MAX");

const struct option_spec *option_table_lookup(const char *name) {
    for (size_t i = 0; i < option_table_count; i++)
        if (strcmp(option_table[i].name, name) == 0)
            return &option_table[i];
    return NULL;
}

#define NAME_SIZE_MAX 48

// Insertions, deletions, replacements and swaps of neighbours (optimal string alignment); of a
// longer name only the beginning counts.
static uint32_t edit_distance(const char *a, const char *b) {
    size_t a_size = strnlen(a, NAME_SIZE_MAX), b_size = strnlen(b, NAME_SIZE_MAX);
    uint32_t rows[3][NAME_SIZE_MAX + 1];
    uint32_t *before = rows[0], *above = rows[1], *row = rows[2];
    for (uint32_t j = 0; j <= b_size; j++)
        above[j] = j;
    for (size_t i = 1; i <= a_size; i++) {
        row[0] = (uint32_t)i;
        for (size_t j = 1; j <= b_size; j++) {
            uint32_t best = above[j - 1] + (a[i - 1] != b[j - 1]);
            best = above[j] + 1 < best ? above[j] + 1 : best;
            best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                best = before[j - 2] + 1 < best ? before[j - 2] + 1 : best;
            row[j] = best;
        }
        uint32_t *oldest = before;
        before = above;
        above = row;
        row = oldest;
    }
    return above[b_size];
}

static void consider(const char *candidate, const char *name, const char **best, uint32_t *least) {
    uint32_t distance = edit_distance(candidate, name);
    if (distance < *least) {
        *least = distance;
        *best = candidate;
    }
}

const char *option_table_nearest(const char *name, bool in_file) {
    const char *best = NULL;
    uint32_t least = UINT32_MAX;
    for (size_t i = 0; i < option_table_count; i++)
        if (!in_file || option_spec_is_in_file(&option_table[i]))
            consider(option_table[i].name, name, &best, &least);
    if (in_file)
        consider("rooms", name, &best, &least);
    return best;
}

const char *option_table_nearest_in_rule(const char *name) {
    const char *best = NULL;
    uint32_t least = UINT32_MAX;
    consider("match", name, &best, &least);
    for (size_t i = 0; i < option_table_count; i++)
        if (option_table[i].per_room)
            consider(option_table[i].name, name, &best, &least);
    return best;
}

bool option_spec_is_list(const struct option_spec *spec) {
    return spec->type == OPTION_ADDRESSES || spec->type == OPTION_ORIGINS ||
           spec->type == OPTION_NETWORKS;
}

bool option_spec_is_in_file(const struct option_spec *spec) {
    return spec->type != OPTION_FILE && spec->type != OPTION_ACTION;
}

const char *option_section_title(enum option_section section) {
    static const char *const titles[OPTION_SECTION_COUNT] = {
        [OPTION_LISTENING] = "Listening",  [OPTION_SIZE_OF_HOST] = "Size",
        [OPTION_CLIENTS] = "Clients",      [OPTION_TIME] = "Time",
        [OPTION_BUDGETS] = "Budgets",      [OPTION_TUNING] = "Tuning",
        [OPTION_ROOMS] = "Rooms",          [OPTION_MQTT] = "MQTT",
        [OPTION_PROCESS] = "This process",
    };
    return titles[section];
}
