// What `fairlead load` is asked to do: one table holds every option with its type, default, bounds
// and help; parsing, --help and the nearest-name hint are made from it.
//
//     fairlead load [hold|echo|rooms|storm|slow] [ws://host:port/path ...] [--option value |
//     --option=value]...
//     fairlead load mix FILE.yaml [...]
//     fairlead load replay SHAPE.json [...]
//     fairlead load agent [--listen ADDRESS:PORT]
//
// Pure but for name resolution, which is target.h's. Views point into argv, those of a plan's file
// into the struct that they were set in: copies borrow from it. Errors: one sentence that says what
// is wrong and what would be right.
#ifndef FAIRLEAD_LOAD_OPTIONS_H
#define FAIRLEAD_LOAD_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "loadgen/backoff.h"
#include "loadgen/expect.h"
#include "loadgen/layout.h"
#include "loadgen/option_row.h"
#include "loadgen/protocol.h"
#include "sched/base/check.h"

#define LOAD_OPTIONS_TARGETS_MAX 64
#define LOAD_OPTIONS_SOURCES_MAX 1024
#define LOAD_OPTIONS_ERROR_BYTES OPTION_ROW_ERROR_BYTES
#define LOAD_OPTIONS_TARGET_DEFAULT "ws://127.0.0.1:8080/socket/websocket"

// The fixed fields of a payload take 55 bytes (stamp.h).
#define LOAD_OPTIONS_PAYLOAD_BYTES_MIN 55
#define LOAD_OPTIONS_PAYLOAD_BYTES_MAX (1u << 20)
#define LOAD_OPTIONS_CONNECTIONS_MAX 4000000u
#define LOAD_OPTIONS_COUNT_MAX 128
#define LOAD_OPTIONS_TEXTS_BYTES 8192 // of a plan's file

enum load_scenario {
    LOAD_OPTIONS_HOLD,
    LOAD_OPTIONS_ECHO,
    LOAD_OPTIONS_ROOMS,
    LOAD_OPTIONS_STORM,
    LOAD_OPTIONS_SLOW,
    LOAD_OPTIONS_MIX,    // phases of plan_file
    LOAD_OPTIONS_REPLAY, // a recorded shape in plan_file
};

enum load_options_outcome {
    LOAD_OPTIONS_RUN,
    LOAD_OPTIONS_HELP,
    LOAD_OPTIONS_VERSION,
    LOAD_OPTIONS_BAD, // `error` says why; exit code 2
};

struct load_options {
    enum load_scenario scenario;
    const char *targets[LOAD_OPTIONS_TARGETS_MAX]; // as written
    uint32_t target_count;                         // at least 1
    const char *sources;                           // list of local addresses, "" when none
    const char *cpus;                              // list of CPUs, "" when not pinned
    const char *agents;                            // that the run is spread over, "" when none
    uint32_t clients;   // processes that share the run, at least 1; an agent's is set with its part
    const char *listen; // where an agent waits
    bool is_agent;      // waits for coordinators
    bool allows_remote;
    const char *event; // of publishes
    const char *mqtt_version_text;
    uint32_t mqtt_version;    // enum mqtt_version: the same, read
    uint32_t qos;             // MQTT: of publishes and subscriptions
    const char *topic_prefix; // MQTT: of the rooms' topics
    const char *shared_group; // MQTT: members subscribe as this group; "": each for itself
    bool has_will;            // MQTT: connections carry one
    const char *will_topic;   // of all of them
    uint32_t will_watchers;   // connections that are subscribed to it
    const char *json_file;    // "" when none
    const char *histogram_file;
    const char *csv_file;
    const char *html_file;
    const char *control; // the server's control plane: a URL, "none", "" for the target's host
    uint32_t server_pid; // 0: found out
    uint32_t spread_destinations; // 0: targets as they are
    uint32_t connections;
    uint32_t connecting_max; // handshakes under way at once
    double connect_rate;     // a second
    double connect_timeout_s;
    double rate;                     // a second, all connections together; 0: closed loop
    uint32_t closed;                 // requests in flight, 0: one per connection that sends
    bool is_closed;                  // --closed given, or --rate 0
    bool is_raw_echo;                // another word for --protocol ws-echo
    const char *protocol_name;       // "": chosen by the URLs
    const struct protocol *protocol; // what is spoken: set by load_options_check
    bool has_default_target;
    bool has_flood;
    uint32_t flood_unanswered_max; // at least one parcel of 64
    bool is_quiet;
    bool fails_on_gap;
    bool holds_until_signal;
    bool is_example; // no arguments at all
    uint32_t room_size;
    const char *room_sizes;    // "": all of room_size
    struct layout_sizes sizes; // either of them, read
    uint32_t talkers;
    uint32_t burst;
    uint32_t payload_bytes;
    uint32_t first_user;
    uint32_t first_room;
    const char *arrivals; // even, poisson
    bool is_poisson;
    double rate_end; // < 0: the rate stays
    uint32_t seed;   // of everything random that a run does
    double churn_rate;
    double churn_percent; // of each room's members
    double cut_percent;   // storm
    const char *backoff_text;
    struct backoff backoff;
    bool reconnects; // also those that the server dropped
    double slow_percent;
    uint32_t slow_bytes_per_s;
    const char *plan_file; // mix
    double speed;
    double duration_s;
    double warmup_s;
    double straggler_s;
    double heartbeat_s;
    uint32_t park_after_s;
    double send_lag_max_ms;
    double expect_p99_ms; // 0: nothing expected
    const char *expect_text;
    struct expect expect;                        // both of them, read
    uint64_t given[LOAD_OPTIONS_COUNT_MAX / 64]; // rows of the table that argv or a file has set
    uint32_t texts_size;
    char texts[LOAD_OPTIONS_TEXTS_BYTES];
};

// argv[0] is skipped. BAD: error holds a sentence.
MUST_USE enum load_options_outcome load_options_parse(struct load_options *o, int argc,
                                                      char *const *argv,
                                                      char error[LOAD_OPTIONS_ERROR_BYTES]);

// What stands under `options:` in a plan's file: sets the option unless argv did. A flag takes true
// or false. False with a sentence. After the last of them comes load_options_check.
MUST_USE bool load_options_set(struct load_options *o, const char *name, const char *text,
                               char error[LOAD_OPTIONS_ERROR_BYTES]);

// What no single option can tell; fills in what follows from several (load_options_check.c).
MUST_USE bool load_options_check(struct load_options *o, char error[LOAD_OPTIONS_ERROR_BYTES]);

// True when argv or a plan's file names this option.
bool load_options_is_given(const struct load_options *o, const char *name);

// True when this word of a command line, "--name" or "--name=value", is of the machine where it is
// typed: it is not passed on to agents, and they refuse it.
bool load_options_stays(const char *word);

// The first option given that does not stay; NULL when there is none.
const char *load_options_first_travelling(const struct load_options *o);

// The words of a good command line that are passed on to agents, as --name=value, --flag or words;
// they are the caller's to free. How many; -1 when memory is out or there are more than `max`.
int load_options_list_travelling(int argc, char *const *argv, char **words, int max);

void load_options_print_help(FILE *out);

const char *load_options_scenario_name(enum load_scenario scenario);

// True when something may be published and what arrives is checked: rooms, storm, slow, mix.
static inline bool load_options_publishes(const struct load_options *o) {
    return o->scenario >= LOAD_OPTIONS_ROOMS && o->protocol->has_rooms;
}

// True when what comes back are replies to requests: echo, and phases for a protocol without rooms.
static inline bool load_options_is_echo(const struct load_options *o) {
    return o->scenario == LOAD_OPTIONS_ECHO ||
           (o->scenario == LOAD_OPTIONS_MIX && !o->protocol->has_rooms);
}

// How many rooms the run fills. Of a mix of sizes: O(rooms).
uint32_t load_options_room_count(const struct load_options *o);

#endif
