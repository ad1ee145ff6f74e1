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
#include "sched/base/bytes.h"
#include "sched/base/counters.h"
#include "sched/base/memory.h"

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
    const char *presence; // static string: "list", "sampled", "counts", "off"
};

struct control_rooms {
    struct control_room *rooms; // the caller's, rooms_max of them
    uint32_t rooms_max;
    uint32_t room_count;   // filled in
    uint64_t rooms_total;  // on the cores that answered
    uint64_t cores_silent; // bit per core
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

enum control_answer control_port_room(void *gateway, struct bytes name, struct control_room *room);

#endif
