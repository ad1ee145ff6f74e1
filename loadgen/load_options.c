#include "loadgen/load_options.h"

#include <stdlib.h>
#include <string.h>

#include "loadgen/option_row.h"
#include "loadgen/plan.h"
#include "loadgen/schedule.h"
#include "loadgen/wills.h"
#include "sched/base/nearest.h"

#define OPTION_ROW_OPTIONS load_options

// Rows of our own.
enum own_option {
    OWN_TARGET, // repeatable
    OWN_CLOSED, // a count that also chooses the closed loop
};

#define ROW_GROUP_HERE(title)                                                                      \
    { .name = NULL, .help = title, .stays = true }

#define DAY_S 86400.0

static const struct option_row ROWS[] = {
    ROW_GROUP("Where to"),
    {.name = "target",
     .argument = "URL",
     .type = OPTION_ROW_OWN,
     .own = OWN_TARGET,
     .help = "ws://host:port/path, mqtt://host:port or tcp://host:port; repeatable, connections "
             "take turns (default " LOAD_OPTIONS_TARGET_DEFAULT "; ws-echo: path /echo; mqtt: "
             "mqtt://127.0.0.1:8080; mqtt-ws: path /mqtt)"},
    ROW_TEXT("protocol", protocol_name, "NAME", "",
             "what is spoken there: phoenix (the default for ws://), ws-echo, mqtt (for mqtt://), "
             "mqtt-ws, tcp-echo (for tcp://)"),
    ROW_COUNT("spread-destinations", spread_destinations, "N", "0", 0, 254,
              "connect to 127.0.0.1 … 127.0.0.N in turn: the server must listen on all of them"),
    ROW_GROUP("Connections"),
    ROW_COUNT("connections", connections, "N", "200", 1, LOAD_OPTIONS_CONNECTIONS_MAX,
              "how many to open"),
    ROW_NUMBER("connect-rate", connect_rate, "N", "2000", 0.1, 1e6, "new ones a second"),
    ROW_COUNT("connecting-max", connecting_max, "N", "1024", 1, 65536,
              "handshakes and joins under way at once"),
    ROW_NUMBER("connect-timeout-s", connect_timeout_s, "S", "10", 0.1, 600,
               "until connected and joined"),
    ROW_NUMBER("heartbeat-s", heartbeat_s, "S", "30", 0, 86400, "between heartbeats; 0: none"),
    ROW_COUNT("park-after-s", park_after_s, "S", "2", 1, 100,
              "a connection that is quiet so long gives 608 B back to the kernel; to read it then "
              "costs more CPU"),
    ROW_COUNT("first-user", first_user, "N", "0", 0, 9999999,
              "users are u0000000 and up from here: tell several load tools apart"),
    ROW_COUNT("first-room", first_room, "N", "0", 0, 9999999, "rooms are bench-0 and up from here"),
    ROW_GROUP("Load"),
    ROW_NUMBER("rate", rate, "N", "200", 0, SCHEDULE_RATE_MAX,
               "open loop: requests (echo) or publishes (rooms) a second in total; 0: closed loop"),
    {.name = "closed",
     .argument = "N",
     .type = OPTION_ROW_OWN,
     .own = OWN_CLOSED,
     .min = 1,
     .max = 1e6,
     .help = "closed loop: N requests in flight; the next is sent when one is answered"},
    ROW_COUNT("room-size", room_size, "N", "50", 1, LOAD_OPTIONS_CONNECTIONS_MAX,
              "members of a room"),
    ROW_COUNT("talkers", talkers, "N", "1", 1, 1000000, "members of each room who publish"),
    ROW_COUNT("burst", burst, "N", "1", 1, 100000,
              "rooms: publish N back to back at each arrival (arrivals are then rate/N)"),
    ROW_COUNT("payload-bytes", payload_bytes, "N", "64", LOAD_OPTIONS_PAYLOAD_BYTES_MIN,
              LOAD_OPTIONS_PAYLOAD_BYTES_MAX, "JSON of exactly this size"),
    ROW_TEXT("event", event, "NAME", "msg", "event name of publishes"),
    ROW_TEXT("room-sizes", room_sizes, "MIX", "",
             "in place of one size: zipf:S:MIN-MAX, sizes fall from MAX to MIN as 1/rank^S"),
    ROW_NUMBER("rate-end", rate_end, "N", NULL, 0, SCHEDULE_RATE_MAX,
               "the rate moves to this in a straight line over the measured time"),
    ROW_TEXT("arrivals", arrivals, "HOW", "even",
             "open loop: even, or poisson: as of many independent users"),
    ROW_COUNT("seed", seed, "N", "1", 0, UINT32_MAX,
              "of everything random (poisson, jitter): the same number, the same run"),
    ROW_FLAG("raw-echo", is_raw_echo, "another word for --protocol ws-echo"),
    ROW_FLAG("flood", has_flood,
             "one more connection sends `ping` as fast as it can, beside the measured ones"),
    ROW_COUNT("flood-unanswered-max", flood_unanswered_max, "N", "1024", 64, 1000000000,
              "pings of the flood under way at once"),
    ROW_GROUP("MQTT"),
    ROW_TEXT("mqtt-version", mqtt_version_text, "V", "5", "5 or 3.1.1"),
    ROW_COUNT("qos", qos, "N", "0", 0, 2, "of publishes and subscriptions: 0, 1 or 2"),
    ROW_TEXT("topic-prefix", topic_prefix, "TEXT", "room/",
             "topics are this and bench-0 and up: room/ makes rooms of them, bench/ plain topics"),
    ROW_TEXT("shared-group", shared_group, "NAME", "",
             "the members of a room subscribe to $share/NAME/…: each message is for one of them"),
    ROW_FLAG(
        "will", has_will,
        "each connection carries a will; who ends without a word (storm, mix) is to be told of "
        "exactly once"),
    ROW_TEXT("will-topic", will_topic, "TOPIC", "bench/wills", "of all wills"),
    ROW_COUNT("will-watchers", will_watchers, "N", "1", 1, WILLS_WATCHERS_MAX,
              "further connections that are subscribed to it and count"),
    ROW_GROUP("Churn, storms, slow readers, phases"),
    ROW_NUMBER("churn-rate", churn_rate, "N", "0", 0, PLAN_CHURN_RATE_MAX,
               "members a second, in all rooms, who leave and join again"),
    ROW_NUMBER("churn-percent", churn_percent, "P", "10", 0.001, 100,
               "of each room's members are those who do; the others are counted on"),
    ROW_NUMBER("cut-percent", cut_percent, "P", "50", 0.001, 100,
               "storm: of the connections are reset at once"),
    ROW_TEXT("backoff", backoff_text, "HOW", "phoenix",
             "when they come back: phoenix (as phoenix.js), fixed:MS, or exponential:MIN-MAX "
             "with full jitter"),
    ROW_FLAG("reconnect", reconnects,
             "those that the server drops come back, too (else they stay away)"),
    ROW_NUMBER("slow-percent", slow_percent, "P", "10", 0.001, 100,
               "slow: of each room's members read slowly"),
    ROW_COUNT("slow-bytes-per-s", slow_bytes_per_s, "N", "1000", 1, PLAN_SLOW_BYTES_PER_S_MAX,
              "and so fast they read"),
    ROW_NUMBER(
        "speed", speed, "X", "1", 0.001, 1e6,
        "mix, replay: time passes so many times as fast (mix: rates stay; replay: they grow)"),
    ROW_GROUP("Time"),
    ROW_NUMBER("warmup-s", warmup_s, "S", "1", 0, DAY_S, "load before the measured window"),
    ROW_NUMBER("duration-s", duration_s, "S", "10", 0.1, DAY_S,
               "the measured window; hold: after all are connected"),
    ROW_NUMBER("straggler-s", straggler_s, "S", "2", 0, 600,
               "at the end, wait until nothing has come for this long (ten times that at most)"),
    ROW_FLAG("hold-until-signal", holds_until_signal, "hold: until Ctrl-C instead of duration-s"),
    ROW_NUMBER("send-lag-max-ms", send_lag_max_ms, "MS", "10", 0.1, 1e5,
               "the client was the limit when p99 of its own lateness is above"),
    ROW_GROUP_HERE("Result"),
    ROW_TEXT("json", json_file, "FILE", "", "write the result as JSON too (- for stdout)"),
    ROW_TEXT("html", html_file, "FILE", "",
             "write a page with plots: one file, nothing else needed"),
    ROW_TEXT("csv", csv_file, "FILE", "",
             "write a row for each second: rates, percentiles, CPU, memory"),
    ROW_TEXT("hgrm", histogram_file, "FILE", "",
             "write the latency distribution (HdrHistogram's text form)"),
    ROW_TEXT("histogram", histogram_file, "FILE", "", "another word for --hgrm"),
    ROW_FLAG("quiet", is_quiet, "no progress"),
    ROW_TEXT("expect", expect_text, "LIST", "",
             "exit 1 unless all of it holds: 'p99<50ms, last.p99<=80ms, loss=0, reach>=99.99%, "
             "rate>=1000'"),
    ROW_NUMBER("expect-p99-ms", expect_p99_ms, "MS", "0", 0, 3.6e6,
               "another word for --expect 'p99<=MSms' (0: no expectation)"),
    ROW_FLAG("fail-on-gap", fails_on_gap, "exit 1 when the server announced lost messages, too"),
    ROW_GROUP_HERE("The server's process, and this machine"),
    ROW_TEXT(
        "control", control, "URL", "",
        "the server's control plane, to ask what it is (GET /info): by default port 8081 of the "
        "target's host; none: do not ask"),
    ROW_COUNT("server-pid", server_pid, "PID", "0", 0, 4194304,
              "watch the CPU and memory of this process (0: ask the control plane, or look who "
              "listens on the target's port)"),
    ROW_TEXT("cpus", cpus, "LIST", "", "pin to these CPUs: 1 or 0-3"),
    ROW_TEXT("sources", sources, "LIST", "",
             "local addresses to connect from: 10.0.0.1,10.0.0.9 or 127.9.8.1-127.9.8.20"),
    ROW_GROUP_HERE("Several machines"),
    ROW_TEXT("agents", agents, "LIST", "",
             "the run is spread over these: host:port,host:port, each a `fairlead load agent`"),
    ROW_TEXT("listen", listen, "ADDRESS:PORT", "127.0.0.1:9700", "agent: wait here"),
    ROW_FLAG("allow-remote", allows_remote,
             "agent: listen on addresses that other machines reach, too: whoever reaches it can "
             "make this machine send load"),
};

#define ROW_TOTAL (sizeof(ROWS) / sizeof(ROWS[0]))

_Static_assert(ROW_TOTAL <= LOAD_OPTIONS_COUNT_MAX, "a bit for each row");

static const char *const SCENARIOS[] = {"hold", "echo", "rooms", "storm", "slow", "mix", "replay"};

#define SCENARIO_TOTAL (sizeof(SCENARIOS) / sizeof(SCENARIOS[0]))

const char *load_options_scenario_name(enum load_scenario scenario) {
    return SCENARIOS[scenario];
}

uint32_t load_options_room_count(const struct load_options *o) {
    return layout_count_rooms(&o->sizes, o->connections);
}

static void note_given(struct load_options *o, const struct option_row *row) {
    size_t index = (size_t)(row - ROWS);
    o->given[index / 64] |= 1ull << index % 64;
}

static bool is_given(const struct load_options *o, const struct option_row *row) {
    size_t index = (size_t)(row - ROWS);
    return o->given[index / 64] >> index % 64 & 1;
}

static bool add_target(struct load_options *o, const char *text, char *error) {
    if (o->target_count == LOAD_OPTIONS_TARGETS_MAX)
        return option_row_fail(error, "more than %d targets", LOAD_OPTIONS_TARGETS_MAX);
    o->targets[o->target_count++] = text;
    return true;
}

static bool set_own(void *options, const struct option_row *row, const char *text, char *error) {
    struct load_options *o = options;
    double number = 0;
    switch ((enum own_option)row->own) {
    case OWN_TARGET:
        return add_target(o, text, error);
    case OWN_CLOSED:
        o->is_closed = true;
        if (!option_row_parse_number(row, text, &number, error))
            return false;
        o->closed = (uint32_t)number;
        return true;
    }
    UNREACHABLE();
}

static const struct option_table TABLE = {ROWS, ROW_TOTAL, set_own};

static const struct option_row *lookup_row(const char *name) {
    return option_row_lookup(&TABLE, name, strlen(name));
}

// Texts of a file outlive it here. NULL when there is no space.
static const char *keep_text(struct load_options *o, const char *text) {
    size_t size = strlen(text) + 1;
    char *kept = o->texts + o->texts_size;
    if (size > sizeof(o->texts) - o->texts_size)
        return NULL;
    memcpy(kept, text, size);
    o->texts_size += (uint32_t)size;
    return kept;
}

bool load_options_set(struct load_options *o, const char *name, const char *text,
                      char error[LOAD_OPTIONS_ERROR_BYTES]) {
    const struct option_row *row = lookup_row(name);
    if (row == NULL)
        return option_row_refuse(&TABLE, name, error);
    bool is_true = strcmp(text, "true") == 0;
    if (row->type == OPTION_ROW_FLAG && !is_true && strcmp(text, "false") != 0)
        return option_row_fail(error, "--%s wants true or false, not '%s'", name, text);
    if (is_given(o, row) || (row->type == OPTION_ROW_FLAG && !is_true))
        return true;
    const char *kept = keep_text(o, text);
    if (kept == NULL)
        return option_row_fail(error, "options of more than %d bytes", LOAD_OPTIONS_TEXTS_BYTES);
    if (row->type == OPTION_ROW_OWN && row->own == OWN_TARGET && o->has_default_target) {
        o->target_count = 0;
        o->has_default_target = false;
    }
    note_given(o, row);
    return option_row_set(&TABLE, o, row, kept, error);
}

bool load_options_is_given(const struct load_options *o, const char *name) {
    const struct option_row *row = lookup_row(name);
    CHECKF(row != NULL, "no option %s", name);
    return is_given(o, row);
}

// The title of a row's group says whether it stays.
static bool row_stays(const struct option_row *row) {
    while (row->name != NULL)
        row--;
    return row->stays;
}

static const struct option_row *row_of_word(const char *word) {
    if (strncmp(word, "--", 2) != 0)
        return NULL;
    return option_row_lookup(&TABLE, word + 2, strcspn(word + 2, "="));
}

bool load_options_stays(const char *word) {
    const struct option_row *row = row_of_word(word);
    return (row != NULL && row_stays(row)) || strcmp(word, "agent") == 0;
}

const char *load_options_first_travelling(const struct load_options *o) {
    for (size_t i = 0; i < ROW_TOTAL; i++)
        if (ROWS[i].name != NULL && is_given(o, &ROWS[i]) && !row_stays(&ROWS[i]))
            return ROWS[i].name;
    return NULL;
}

int load_options_list_travelling(int argc, char *const *argv, char **words, int max) {
    int count = 0;
    for (int at = 1; at < argc; at++) {
        const struct option_row *row = row_of_word(argv[at]);
        bool has_value_behind =
            row != NULL && row->type != OPTION_ROW_FLAG && strchr(argv[at], '=') == NULL;
        const char *value = has_value_behind && at + 1 < argc ? argv[++at] : NULL;
        const char *name = argv[value ? at - 1 : at];
        if (row != NULL && row_stays(row))
            continue;
        size_t size = strlen(name) + (value ? strlen(value) + 1 : 0) + 1;
        char *word = count < max ? malloc(size) : NULL;
        if (word == NULL) {
            while (count > 0)
                free(words[--count]);
            return -1;
        }
        snprintf(word, size, "%s%s%s", name, value ? "=" : "", value ? value : "");
        words[count++] = word;
    }
    return count;
}

static bool parse_word(struct load_options *o, const char *word, char *error) {
    if (strcmp(word, "agent") == 0) {
        o->is_agent = true;
        return true;
    }
    if (strstr(word, "://")) {
        note_given(o, lookup_row("target"));
        return add_target(o, word, error);
    }
    if (o->scenario >= LOAD_OPTIONS_MIX && o->plan_file == NULL) {
        o->plan_file = word;
        return true;
    }
    uint32_t best = 0;
    for (uint32_t i = 0; i < SCENARIO_TOTAL; i++) {
        if (strcmp(word, SCENARIOS[i]) == 0) {
            o->scenario = (enum load_scenario)i;
            return true;
        }
        if (nearest_distance(word, SCENARIOS[i]) < nearest_distance(word, SCENARIOS[best]))
            best = i;
    }
    return option_row_fail(
        error, "no scenario '%s'; did you mean %s? (hold, echo, rooms, storm, slow, mix, replay)",
        word, SCENARIOS[best]);
}

enum load_options_outcome load_options_parse(struct load_options *o, int argc, char *const *argv,
                                             char error[LOAD_OPTIONS_ERROR_BYTES]) {
    *o = (struct load_options){
        .scenario = LOAD_OPTIONS_ROOMS, .is_example = argc <= 1, .rate_end = -1};
    error[0] = 0;
    option_row_init(&TABLE, o);
    for (int at = 1; at < argc; at++) {
        if (strcmp(argv[at], "--help") == 0 || strcmp(argv[at], "-h") == 0)
            return LOAD_OPTIONS_HELP;
        if (strcmp(argv[at], "--version") == 0)
            return LOAD_OPTIONS_VERSION;
        bool is_option = strncmp(argv[at], "--", 2) == 0;
        if (argv[at][0] == '-' && !is_option) {
            option_row_fail(error, "no option %s; options begin with --, see --help", argv[at]);
            return LOAD_OPTIONS_BAD;
        }
        if (!is_option && !parse_word(o, argv[at], error))
            return LOAD_OPTIONS_BAD;
        const struct option_row *row =
            is_option ? option_row_take(&TABLE, o, argc, argv, &at, error) : NULL;
        if (is_option && row == NULL)
            return LOAD_OPTIONS_BAD;
        if (is_option)
            note_given(o, row);
    }
    o->has_default_target = o->target_count == 0;
    if (o->has_default_target)
        o->targets[o->target_count++] = LOAD_OPTIONS_TARGET_DEFAULT;
    return load_options_check(o, error) ? LOAD_OPTIONS_RUN : LOAD_OPTIONS_BAD;
}

void load_options_print_help(FILE *out) {
    fputs("usage: fairlead load [hold|echo|rooms|storm|slow] [URL ...] [options]\n"
          "       fairlead load record [http://host:port] --out SHAPE.json (record --help)\n"
          "       fairlead load replay SHAPE.json [ws://host:port/path ...] [options]\n"
          "       fairlead load mix FILE.yaml [URL ...] [options]\n"
          "       fairlead load agent [--listen ADDRESS:PORT] [--cpus LIST] [--sources LIST]\n\n"
          "Drives a server with many connections and tells what they saw. Without arguments: a\n"
          "10-second example against " LOAD_OPTIONS_TARGET_DEFAULT ".\n\n"
          "  rooms  fan-out: rooms of --room-size, some members publish, all check what arrives\n"
          "  echo   request and reply: Phoenix `ping`, or what any echo server sends back\n"
          "  hold   connect, join, keep alive with heartbeats\n"
          "  storm  rooms; --cut-percent of the connections are reset at once and come back\n"
          "  slow   rooms; --slow-percent of the members read at --slow-bytes-per-s\n"
          "  mix    phases with rates, ramps, churn, cuts, slow readers from a YAML file\n"
          "  replay the traffic that `fairlead load record` saw, at --speed\n"
          "  agent  waits for a run with --agents and takes its part of it\n",
          out);
    option_row_print(&TABLE, out, 26, 98);
    fputs("\n--help, --version.\nExit: 0 ok · 1 a verdict failed (loss, order, expectation) · 2 "
          "usage ·\n"
          "      3 the client was the limit · 4 target unreachable or refused\n",
          out);
}
