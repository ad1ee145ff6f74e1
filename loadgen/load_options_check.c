// What no single option can tell: texts with a grammar of their own are read, what contradicts
// itself is refused, what follows from several options is filled in. May be called again when an
// option has changed.
#include <string.h>

#include "gateway/wire/mqtt_topic.h"
#include "gateway/wire/utf8.h"
#include "loadgen/load_options.h"
#include "loadgen/mqtt_scan.h"
#include "sched/base/nearest.h"

#define TOPIC_PREFIX_BYTES_MAX 64
#define SHARED_GROUP_BYTES_MAX 32

static const char *scenario_of(const struct load_options *o) {
    return load_options_scenario_name(o->scenario);
}

// --- texts with a grammar ------------------------------------------------------------------------

static bool read_sizes(struct load_options *o, char *error) {
    o->sizes = (struct layout_sizes){.min = o->room_size, .max = o->room_size};
    if (o->room_sizes[0] == 0)
        return true;
    if (load_options_is_given(o, "room-size"))
        return option_row_fail(error, "--room-size and --room-sizes exclude each other");
    if (!layout_parse_sizes(&o->sizes, o->room_sizes))
        return option_row_fail(error, "--room-sizes wants %s, not '%s'", layout_sizes_wanted(),
                               o->room_sizes);
    if (o->sizes.max > o->connections)
        return option_row_fail(error,
                               "--room-sizes %s: its largest room wants %u members, "
                               "--connections is %u",
                               o->room_sizes, o->sizes.max, o->connections);
    return true;
}

static bool read_words(struct load_options *o, char *error) {
    o->is_poisson = strcmp(o->arrivals, "poisson") == 0;
    if (!o->is_poisson && strcmp(o->arrivals, "even") != 0)
        return option_row_fail(error, "--arrivals wants even or poisson, not '%s'", o->arrivals);
    if (!backoff_parse(&o->backoff, o->backoff_text))
        return option_row_fail(error, "--backoff wants %s, not '%s'", backoff_wanted(),
                               o->backoff_text);
    return true;
}

static bool read_expectations(struct load_options *o, char *error) {
    _Static_assert(EXPECT_ERROR_BYTES <= LOAD_OPTIONS_ERROR_BYTES, "its sentence fits");
    char p99[EXPECT_TEXT_BYTES];
    int size = snprintf(p99, sizeof(p99), "p99<=%.6f", o->expect_p99_ms);
    while (p99[size - 1] == '0' && p99[size - 2] != '.') // people read it in the verdict
        size--;
    snprintf(p99 + size, sizeof(p99) - (size_t)size, "ms");
    o->expect = (struct expect){0};
    return (o->expect_text[0] == 0 || expect_parse(&o->expect, o->expect_text, error)) &&
           (o->expect_p99_ms == 0 || expect_parse(&o->expect, p99, error));
}

static bool check_event(const struct load_options *o, char *error) {
    static const char *const reserved[] = {"gap", "heartbeat", "ping", "whisper"};
    if (o->event[0] == 0 || strlen(o->event) > 64 || strpbrk(o->event, "\"\\") != NULL)
        return option_row_fail(error, "--event wants 1 to 64 bytes without quotes or backslashes");
    bool is_reserved = strncmp(o->event, "phx_", 4) == 0 || strncmp(o->event, "presence_", 9) == 0;
    for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++)
        is_reserved |= strcmp(o->event, reserved[i]) == 0;
    if (is_reserved)
        return option_row_fail(
            error, "--event %s is reserved by the server; any other name will do", o->event);
    return true;
}

// --- what is spoken ------------------------------------------------------------------------------

// A name that begins with what was written is nearer than any other.
static uint32_t distance_of(const char *written, const char *name) {
    bool is_beginning = written[0] != 0 && strncmp(name, written, strlen(written)) == 0;
    return is_beginning ? 0 : nearest_distance(written, name);
}

static bool refuse_protocol(const struct load_options *o, char *error) {
    const char *nearest = protocol_at(0)->name;
    char names[160] = "";
    size_t size = 0;
    for (size_t i = 0; protocol_at(i) != NULL; i++) {
        const char *name = protocol_at(i)->name;
        if (distance_of(o->protocol_name, name) < distance_of(o->protocol_name, nearest))
            nearest = name;
        size += (size_t)snprintf(names + size, sizeof(names) - size, "%s%s", i ? ", " : "", name);
    }
    return option_row_fail(error, "no protocol '%s'; did you mean %s? (%s)", o->protocol_name,
                           nearest, names);
}

// By its name, by --raw-echo, or by the first URL.
static bool choose_protocol(struct load_options *o, char *error) {
    o->protocol = o->is_raw_echo ? &PROTOCOL_WS_ECHO : protocol_of_url(o->targets[0]);
    if (o->protocol_name[0] != 0)
        o->protocol = protocol_lookup(o->protocol_name);
    if (o->protocol == NULL && o->protocol_name[0] != 0)
        return refuse_protocol(o, error);
    if (o->protocol == NULL) // target.h tells what is wrong with the URL
        o->protocol = &PROTOCOL_PHOENIX;
    if (o->is_raw_echo && o->protocol != &PROTOCOL_WS_ECHO)
        return option_row_fail(error, "--raw-echo means --protocol ws-echo, and --protocol is %s",
                               o->protocol->name);
    o->is_raw_echo = o->protocol == &PROTOCOL_WS_ECHO;
    if (o->has_default_target && o->protocol->default_target != NULL)
        o->targets[0] = o->protocol->default_target;
    if (o->has_default_target && !protocol_takes_url(o->protocol, o->targets[0]))
        return option_row_fail(error, "the protocol %s wants a target: %s://host:port",
                               o->protocol->name, o->protocol->scheme);
    return true;
}

static bool check_protocol(const struct load_options *o, char *error) {
    const struct protocol *p = o->protocol;
    bool wants_rooms = o->scenario >= LOAD_OPTIONS_ROOMS && o->scenario != LOAD_OPTIONS_MIX;
    for (uint32_t i = 0; i < o->target_count; i++)
        if (!protocol_takes_url(p, o->targets[i]) && protocol_of_url(o->targets[i]) != NULL)
            return option_row_fail(error, "the protocol %s wants %s:// URLs, not %.200s", p->name,
                                   p->scheme, o->targets[i]);
    if (wants_rooms && !p->has_rooms)
        return option_row_fail(error, "the protocol %s has no rooms; say echo, or hold", p->name);
    if (o->scenario == LOAD_OPTIONS_ECHO && !p->has_requests)
        return option_row_fail(error, "the protocol %s has no requests to echo", p->name);
    if (o->has_flood && p->encode_flood == NULL)
        return option_row_fail(error, "--flood sends Phoenix pings, which %s has none of", p->name);
    return true;
}

static bool check_mqtt_topics(const struct load_options *o, char *error) {
    _Static_assert(TOPIC_PREFIX_BYTES_MAX + sizeof("bench-4294967295") <= MQTT_SCAN_TOPIC_BYTES_MAX,
                   "a room's topic fits");
    struct bytes prefix = bytes_from_string(o->topic_prefix);
    struct bytes group = bytes_from_string(o->shared_group);
    if (prefix.size > TOPIC_PREFIX_BYTES_MAX || !utf8_is_valid(prefix) ||
        mqtt_topic_has_wildcard(prefix) || (prefix.size > 0 && prefix.data[0] == '$'))
        return option_row_fail(error,
                               "--topic-prefix wants at most %d bytes of UTF-8 without + and #, "
                               "and not $ at their beginning",
                               TOPIC_PREFIX_BYTES_MAX);
    if (group.size > SHARED_GROUP_BYTES_MAX || !utf8_is_valid(group) ||
        strpbrk(o->shared_group, "/+#") != NULL)
        return option_row_fail(error,
                               "--shared-group wants a name of at most %d bytes of UTF-8 without "
                               "/, + and #",
                               SHARED_GROUP_BYTES_MAX);
    // Who goes takes messages along that are then for nobody else, and nobody can tell which.
    bool stays = o->scenario <= LOAD_OPTIONS_ROOMS && o->churn_rate == 0 && !o->reconnects;
    if (group.size > 0 && !stays)
        return option_row_fail(error,
                               "--shared-group belongs to rooms, echo and hold in which everybody "
                               "stays, not to %s",
                               o->churn_rate > 0 ? "--churn-rate"
                               : o->reconnects   ? "--reconnect"
                                                 : scenario_of(o));
    return true;
}

static bool check_mqtt(struct load_options *o, char *error) {
    static const char *const of_mqtt[] = {"mqtt-version", "qos",  "topic-prefix",
                                          "shared-group", "will", "will-topic",
                                          "will-watchers"};
    for (size_t i = 0; i < sizeof(of_mqtt) / sizeof(of_mqtt[0]); i++)
        if (load_options_is_given(o, of_mqtt[i]) && !o->protocol->is_mqtt)
            return option_row_fail(error,
                                   "--%s belongs to the protocols mqtt and mqtt-ws, not "
                                   "to %s",
                                   of_mqtt[i], o->protocol->name);
    if (o->protocol->is_mqtt && load_options_is_given(o, "event"))
        return option_row_fail(error, "--event is Phoenix's: MQTT messages have no event");
    bool is_5 = strcmp(o->mqtt_version_text, "5") == 0 || strcmp(o->mqtt_version_text, "5.0") == 0;
    o->mqtt_version = is_5 ? MQTT_5 : MQTT_3_1_1;
    if (!is_5 && strcmp(o->mqtt_version_text, "3.1.1") != 0)
        return option_row_fail(error, "--mqtt-version wants 5 or 3.1.1, not '%s'",
                               o->mqtt_version_text);
    struct bytes will_topic = bytes_from_string(o->will_topic);
    if (will_topic.size > MQTT_SCAN_TOPIC_BYTES_MAX || !utf8_is_valid(will_topic) ||
        !mqtt_topic_is_name(will_topic))
        return option_row_fail(error, "--will-topic wants 1 to %d bytes of UTF-8 without + and #",
                               MQTT_SCAN_TOPIC_BYTES_MAX);
    if (!o->has_will &&
        (load_options_is_given(o, "will-topic") || load_options_is_given(o, "will-watchers")))
        return option_row_fail(error, "--will-topic and --will-watchers belong to --will");
    return check_mqtt_topics(o, error);
}

// --- what belongs to which scenario --------------------------------------------------------------

#define IN(scenario) (1u << LOAD_OPTIONS_##scenario)

struct belonging {
    const char *option;
    uint32_t scenarios;
    const char *text;
};

static const struct belonging BELONGINGS[] = {
    {"hold-until-signal", IN(HOLD), "the scenario hold"},
    {"cut-percent", IN(STORM), "the scenario storm (mix: cut_percent of a phase)"},
    {"slow-percent", IN(SLOW), "the scenario slow (mix: slow_percent of a phase)"},
    {"slow-bytes-per-s", IN(SLOW), "the scenario slow (mix: slow_bytes_per_s of a phase)"},
    {"churn-rate", IN(ROOMS) | IN(STORM) | IN(SLOW),
     "the scenarios rooms, storm and slow (mix: churn_rate of a phase)"},
    {"rate-end", IN(ECHO) | IN(ROOMS) | IN(STORM) | IN(SLOW),
     "the scenarios echo, rooms, storm and slow (mix: publish_rate_end of a phase)"},
    {"speed", IN(MIX) | IN(REPLAY), "the scenarios mix and replay"},
    {"agents", ~IN(REPLAY), "every scenario but replay, which one process plays"},
    {"rate", ~IN(REPLAY), "every scenario but replay, whose rates are the recorded ones"},
    {"closed", IN(ECHO) | IN(ROOMS), "the scenarios echo and rooms"},
};

static bool check_belongings(const struct load_options *o, char *error) {
    for (size_t i = 0; i < sizeof(BELONGINGS) / sizeof(BELONGINGS[0]); i++) {
        const struct belonging *b = &BELONGINGS[i];
        if (load_options_is_given(o, b->option) && !(b->scenarios >> o->scenario & 1))
            return option_row_fail(error, "--%s belongs to %s, not to %s", b->option, b->text,
                                   scenario_of(o));
    }
    if (o->burst > 1 && (!load_options_publishes(o) || o->is_closed))
        return option_row_fail(error, "--burst belongs to the open loop of the scenario rooms");
    if (o->scenario == LOAD_OPTIONS_MIX && o->plan_file == NULL)
        return option_row_fail(error, "mix wants a file of phases: fairlead load mix day.yaml");
    if (o->scenario == LOAD_OPTIONS_REPLAY && o->plan_file == NULL)
        return option_row_fail(error, "replay wants a recorded shape: fairlead load record "
                                      "http://HOST:8081 --out day.json, and then fairlead load "
                                      "replay day.json");
    return true;
}

static bool check_open_loop(const struct load_options *o, char *error) {
    if (!o->is_closed)
        return true;
    if (o->rate_end >= 0)
        return option_row_fail(error, "--rate-end belongs to the open loop: give --rate, too");
    if (o->is_poisson)
        return option_row_fail(error, "--arrivals poisson belongs to the open loop: a closed "
                                      "one sends when it is answered");
    if (o->churn_rate > 0)
        return option_row_fail(error, "--churn-rate belongs to the open loop: give --rate, too");
    return true;
}

// --- several machines ----------------------------------------------------------------------------

static void count_clients(struct load_options *o) {
    if (o->clients == 0 || o->agents[0] != 0)
        o->clients = 1;
    for (const char *at = o->agents; *at; at++)
        o->clients += *at == ',';
}

static bool check_agents(const struct load_options *o, char *error) {
    static const char *const of_one_machine[] = {"cpus", "sources"};
    const char *other = load_options_first_travelling(o);
    if (o->is_agent && other != NULL)
        return option_row_fail(error,
                               "--%s is for the run with --agents to give; an agent takes "
                               "--listen, --allow-remote, --cpus and --sources",
                               other);
    if (load_options_is_given(o, "agents") && o->agents[0] == 0)
        return option_row_fail(error, "--agents wants addresses: host:port,host:port");
    if (o->is_agent && o->agents[0] != 0)
        return option_row_fail(error, "an agent has no agents of its own: without --agents");
    if (!o->is_agent && (load_options_is_given(o, "listen") || o->allows_remote))
        return option_row_fail(error,
                               "--listen and --allow-remote belong to `fairlead load agent`");
    for (size_t i = 0; o->agents[0] != 0 && i < 2; i++)
        if (load_options_is_given(o, of_one_machine[i]))
            return option_row_fail(error, "--%s is of one machine: give it to each agent",
                                   of_one_machine[i]);
    return true;
}

bool load_options_check(struct load_options *o, char error[LOAD_OPTIONS_ERROR_BYTES]) {
    bool can_be_closed = o->scenario <= LOAD_OPTIONS_ROOMS;
    count_clients(o);
    o->is_closed |= o->rate == 0 && o->rate_end < 0 && can_be_closed;
    if (!choose_protocol(o, error) || !check_protocol(o, error) || !check_mqtt(o, error) ||
        !check_belongings(o, error) || !read_words(o, error) || !check_open_loop(o, error) ||
        !read_sizes(o, error) || !check_event(o, error) || !check_agents(o, error))
        return false;
    if (o->talkers > o->sizes.max)
        return option_row_fail(error, "--talkers %u is more than %s %u", o->talkers,
                               o->room_sizes[0] ? "the largest of --room-sizes," : "--room-size",
                               o->sizes.max);
    if (o->first_user + (uint64_t)o->connections > 10000000)
        return option_row_fail(error, "users are numbered below 10,000,000");
    if (o->spread_destinations > 0 && o->target_count > 1)
        return option_row_fail(error, "--spread-destinations is for one target, %u are given",
                               o->target_count);
    return read_expectations(o, error);
}
