// What is under way between an MQTT client of the load tool and its server: messages that wait for
// their acknowledgements, those that wait until the server takes one more, pings without an answer,
// and QoS 2 deliveries that were not released yet.
//
//     mqtt_flow_open ─▶ OPEN ──(QoS 2: mqtt_flow_release)──▶ RELEASED ──mqtt_flow_close──▶ gone
//     mqtt_flow_queue ─▶ waits for its turn ──mqtt_flow_open_next──▶ OPEN
//     mqtt_flow_take ─▶ taken, not released ──mqtt_flow_forget──▶ gone
//
// Each list is a ring through the slots of one slab, named by its last slot, so that a client at
// rest costs four bytes for each. Looking up begins with the oldest, which is nearly always the one
// that is acknowledged. Packet identifiers count up, 1 to MQTT_FLOW_ID_MAX, past those in use.
//
// Memory: 24 B per client, 40 B for each message under way, MQTT_FLOW_ENTRIES_MAX of them in all
// clients together. Pure but for that; owned by one thread. Sources: MQTT 5.0 and 3.1.1, 4.3, 4.9.
#ifndef FAIRLEAD_MQTT_FLOW_H
#define FAIRLEAD_MQTT_FLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "loadgen/stamp.h"
#include "sched/base/slab.h"

#define MQTT_FLOW_ID_MAX 65000u // those above are for whoever needs one without a message
#define MQTT_FLOW_WINDOW_MAX 1024u
#define MQTT_FLOW_QUEUE_MAX 65535u // of one client
#define MQTT_FLOW_ENTRIES_MAX (1u << 22)

enum mqtt_flow_kind {
    MQTT_FLOW_PUBLISH,
    MQTT_FLOW_REQUEST,
    MQTT_FLOW_PING,
};

// One that was sent, or is to be.
struct mqtt_flow_entry {
    uint32_t slab_word;
    uint32_t next; // of the ring
    struct stamp stamp;
    uint32_t payload_bytes;
    uint16_t packet_id; // 0: a ping
    uint8_t kind;       // enum mqtt_flow_kind
    bool is_released;   // QoS 2: PUBREC has come, PUBREL was sent
};

_Static_assert(sizeof(struct mqtt_flow_entry) == 40, "the memory that the header promises");

struct mqtt_flow {
    uint32_t open;  // last of the ring, SLAB_NONE: empty; in the order of sending
    uint32_t queue; // the same of those that wait
    uint32_t taken; // the same of QoS 2 deliveries
    uint32_t cut;   // the owner's: what a read left over
    uint16_t last_id;
    uint16_t window;     // so many may be open; 0: not connected yet
    uint16_t open_count; // without pings
    uint16_t queue_count;
};

_Static_assert(sizeof(struct mqtt_flow) == 24, "the memory that the header promises");

struct mqtt_flows {
    struct mqtt_flow *flows; // by client
    struct slab entries;
};

// Reserves for so many clients. 0, or -ENOMEM.
MUST_USE int mqtt_flow_init(struct mqtt_flows *flows, struct memory_ledger *ledger,
                            uint32_t client_count);

// Forgets everything of this client.
void mqtt_flow_reset(struct mqtt_flows *flows, uint32_t client);

// The server takes `receive_max` messages at once that it has not acknowledged.
void mqtt_flow_set_window(struct mqtt_flows *flows, uint32_t client, uint32_t receive_max);

// One more may be sent now, and nobody waits.
bool mqtt_flow_may_open(const struct mqtt_flows *flows, uint32_t client);

// What is to be sent: kind, stamp and payload_bytes of an entry.
struct mqtt_flow_message {
    enum mqtt_flow_kind kind;
    uint32_t payload_bytes;
    struct stamp stamp;
};

// One that is sent now: the entry with its packet identifier, or NULL when memory is out. The other
// waits for its turn; false when too many do.
struct mqtt_flow_entry *mqtt_flow_open(struct mqtt_flows *flows, uint32_t client,
                                       const struct mqtt_flow_message *message);
MUST_USE bool mqtt_flow_queue(struct mqtt_flows *flows, uint32_t client,
                              const struct mqtt_flow_message *message);

// The one that waited longest is open from now on; NULL when none waits or the window is full.
struct mqtt_flow_entry *mqtt_flow_open_next(struct mqtt_flows *flows, uint32_t client);

// NULL when no open message has this identifier.
struct mqtt_flow_entry *mqtt_flow_lookup(const struct mqtt_flows *flows, uint32_t client,
                                         uint16_t packet_id);

// Takes one out: the message of this identifier, the oldest ping. False when there is none.
MUST_USE bool mqtt_flow_close(struct mqtt_flows *flows, uint32_t client, uint16_t packet_id,
                              struct mqtt_flow_entry *closed);
MUST_USE bool mqtt_flow_close_ping(struct mqtt_flows *flows, uint32_t client,
                                   struct mqtt_flow_entry *closed);

enum mqtt_flow_taking {
    MQTT_FLOW_NEW,
    MQTT_FLOW_AGAIN, // it was taken, and is not released
    MQTT_FLOW_NO_MEMORY,
};

// A QoS 2 delivery of this identifier has come.
enum mqtt_flow_taking mqtt_flow_take(struct mqtt_flows *flows, uint32_t client, uint16_t packet_id);

// PUBREL has come for it. False when it was not taken.
MUST_USE bool mqtt_flow_forget(struct mqtt_flows *flows, uint32_t client, uint16_t packet_id);

#endif
