// What the control plane asks of the running gateway; the gateway defines these (gateway/serve*.c),
// tests define them again, the linker joins them. The control plane's thread calls them, and no
// other: it is one outsider endpoint of the mesh.
//
// Counters are single-writer and read relaxed, at any time. What must be consistent is asked of the
// schedulers, who answer at the end of a turn; a core that did not answer within CONTROL_ANSWER_MS
// is reported by name, and the answer comes without it.
#ifndef FAIRLEAD_CONTROL_PORT_H
#define FAIRLEAD_CONTROL_PORT_H

#include <stdbool.h>

#include "gateway/config.h"
#include "gateway/traffic.h"
#include "sched/base/bytes.h"
#include "sched/base/counters.h"
#include "sched/base/memory.h"
#include "sched/recorder.h"
#include "sched/trace.h"

#define CONTROL_ANSWER_MS 250
#define CONTROL_SLABS_MAX 48
#define CONTROL_ROOM_NAME_SIZE_MAX 128

struct control_slab {
    const char *name; // static string
    uint32_t slot_size;
    uint32_t slots_max;
    uint32_t used_count;
    uint32_t used_high_water;
    uint32_t touched_count;
};

// One core at the end of one of its turns.
struct control_snapshot {
    bool answered; // false: everything else is zero
    uint64_t due;  // the audit: due + moved in = delivered + dropped + pending + moved out
    uint64_t moved_in;
    uint64_t moved_out;
    uint64_t delivered;
    uint64_t dropped; // all reasons
    uint64_t pending;
    uint32_t slab_count;
    struct control_slab slabs[CONTROL_SLABS_MAX];
    uint64_t blocks_bytes_used;
    uint64_t blocks_bytes_high_water;
    uint64_t blocks_bytes_max;
};

struct control_room {
    uint8_t name[CONTROL_ROOM_NAME_SIZE_MAX];
    uint32_t name_size;
    uint32_t home_core;
    uint64_t epoch;
    uint64_t sequence; // of the latest message
    uint64_t relayed;  // messages handed to leaves
    uint64_t lost;     // messages that a full mesh or mailbox kept from a leaf
    uint32_t users;
    uint32_t connections;
    bool is_retained;     // it retains a message
    const char *presence; // static string: "list", "sampled", "counts", "off"
};

struct control_rooms {
    struct control_room *rooms; // the caller's, rooms_max of them
    uint32_t rooms_max;
    uint32_t room_count;   // filled in
    uint64_t rooms_total;  // on the cores that answered
    uint64_t cores_silent; // bit per core
};

#define CONTROL_SCAN_MS 2000 // for an answer that takes a walk over all connections, in slices
#define CONTROL_LIVES_MAX 1000
#define CONTROL_USER_SIZE_MAX 64
#define CONTROL_LIFE_ROOMS_MAX 16

// Whose lives are asked for: all that is given must fit.
struct control_who {
    uint64_t pid; // PID_NONE: any
    uint8_t user[CONTROL_USER_SIZE_MAX];
    uint32_t user_size; // 0: any
    bool has_address;
    uint8_t address[16];
};

struct control_name {
    uint8_t size; // 0: not known
    uint8_t bytes[CONTROL_ROOM_NAME_SIZE_MAX];
};

// One connection or room, dead or alive. Times are those of clock_monotonic_ns.
struct control_life {
    struct recorder_obituary record; // of the living: `reason` means nothing, time_ns is now
    struct control_name mark_rooms[RECORDER_MARKS_MAX]; // where a mark's detail is a room's tag
    uint32_t state;                                     // the rest: of the living alone
    bool is_paused_queue;
    bool is_paused_busy;
    bool is_stale;
    bool is_doomed;
    uint8_t mqtt_version; // 4: 3.1.1, 5: 5.0; 0: before its CONNECT, or not MQTT
    bool is_mqtt;
    bool is_mqtt_ws;
    struct control_name client_id; // of MQTT, as much as fits
    uint32_t silent_s;
    uint32_t room_queue_bytes;
    uint32_t control_queue_bytes;
    uint32_t room_count;
    struct control_name rooms[CONTROL_LIFE_ROOMS_MAX]; // the first of them
};

struct control_lives {
    struct control_life *lives; // the caller's, lives_max for each core
    uint32_t lives_max;         // of one core
    uint32_t life_count;        // filled in
    uint64_t total; // obituaries ever written, or connections open, on the cores that answered
    uint64_t cores_silent; // bit per core
};

// The actors of one kind on one core.
struct control_kind {
    const char *name; // static string
    uint32_t core;
    uint8_t kind;
    uint8_t version;
    uint32_t slot_size;
    uint32_t count;
    uint32_t high_water;
    uint32_t slots_max;
    uint32_t mailbox_fullest;
    uint32_t mailbox_max;
    uint64_t mailbox_total; // messages that wait
};

struct control_kinds {
    struct control_kind kinds[CONFIG_SCHEDULERS_MAX * ACTOR_KINDS_MAX];
    uint32_t kind_count;
    uint64_t cores_silent;
};

// Whom to trace: `room`, or else who.pid, or else who.user.
struct control_trace_order {
    struct control_who who;
    struct control_name room;
    uint64_t until_ns; // of clock_monotonic_ns
};

struct control_trace_event {
    struct trace_event event;
    uint64_t sequence; // on its core
    uint32_t core;
    const char *kind;    // static strings
    const char *message; // NULL: it is about none, or about one without a name
};

struct control_trace {
    struct control_trace_event *events; // the caller's, events_max for each core
    uint32_t events_max;                // of one core
    uint32_t event_count;               // filled in
    uint32_t kept;                      // on all cores
    uint32_t actor_count;
    uint64_t lost; // overwritten
    bool is_on;
    uint64_t cores_silent;
};

struct control_traffic_order {
    uint64_t begin_ns; // of clock_monotonic_ns
    uint64_t until_ns;
};

struct control_traffic {
    uint64_t begin_ns; // 0: nothing was ever recorded
    uint64_t until_ns;
    bool is_on;
    uint32_t second_count; // that have begun
    uint64_t cores_silent;
    struct traffic_shape shape; // of all cores that answered
};

struct control_actor_info {
    uint64_t pid; // asked for; in the answer never an alias
    uint32_t core;
    const char *name; // of its kind; static string
    uint8_t version;
    uint32_t mailbox_count;
    uint32_t link_count;
    uint32_t monitor_count;
    uint32_t monitored_count;
    uint32_t timed_count;
    uint64_t supervisor; // 0: none
    bool is_ready;
    bool is_paused;
    bool is_doomed;
    bool is_moving;
};

enum control_answer {
    CONTROL_FOUND,
    CONTROL_NOT_FOUND,
    CONTROL_SILENT, // the home core did not answer; room->home_core says which
};

uint32_t control_port_core_count(void *gateway);
const struct counters *control_port_counters(void *gateway, uint32_t core);

// Written before the control plane starts, constant afterwards.
const struct memory_ledger *control_port_ledger(void *gateway, uint32_t core);

bool control_port_is_draining(void *gateway);

// One snapshot per core.
void control_port_snapshot(void *gateway, struct control_snapshot *snapshots);

// Some rooms, in no order, and how many there are.
void control_port_rooms(void *gateway, struct control_rooms *rooms);

// Of every core the newest that fit, the newest first within a core.
void control_port_obituaries(void *gateway, const struct control_who *who,
                             struct control_lives *lives);

// Connections that are open.
void control_port_connections(void *gateway, const struct control_who *who,
                              struct control_lives *lives);

void control_port_actors(void *gateway, struct control_kinds *kinds);

// Begins to move connections to a core.
struct control_move {
    struct control_who who;
    uint32_t to_core;
    uint32_t found; // filled in: those that fit, on other cores
    uint32_t begun; // … of these, that can move now
    uint32_t mqtt;  // … of these, that stay: their session's home is where they are
    uint64_t cores_silent;
};

void control_port_move(void *gateway, struct control_move *move);

// How many actors are traced now; the trace before has ended in any case.
uint32_t control_port_trace_begin(void *gateway, const struct control_trace_order *order,
                                  uint64_t *cores_silent);
void control_port_trace_end(void *gateway, uint64_t *cores_silent);
void control_port_trace(void *gateway, struct control_trace *trace);

// Begins to record the traffic's shape on all cores; the recording before is forgotten.
void control_port_traffic_begin(void *gateway, const struct control_traffic_order *order,
                                uint64_t *cores_silent);
void control_port_traffic_end(void *gateway, uint64_t *cores_silent);
void control_port_traffic(void *gateway, struct control_traffic *traffic);

// The supervisors of one core as text; false: it did not answer. What does not fit is left out.
#define CONTROL_TREE_SIZE 8192
MUST_USE bool control_port_tree(void *gateway, uint32_t core, char text[CONTROL_TREE_SIZE]);

enum control_answer control_port_room(void *gateway, struct bytes name, struct control_room *room);

// Ends a room's life: its members are told and may join the next. `room` is how it was before.
enum control_answer control_port_room_end(void *gateway, struct bytes name,
                                          struct control_room *room);

// One actor; `is_end`: kills it, `actor` is how it was before.
enum control_answer control_port_actor(void *gateway, struct control_actor_info *actor,
                                       bool is_end);

#endif
