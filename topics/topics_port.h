// What topics calls upward: the gateway (or a test) defines these, the linker joins them. All are
// called on the core of the struct topics whose `port` they get, within a turn; none may call back
// into topics.
#ifndef FAIRLEAD_TOPICS_PORT_H
#define FAIRLEAD_TOPICS_PORT_H

#include <stdbool.h>
#include <stdint.h>

#include "topics/topic_message.h"

enum topics_refusal {
    TOPICS_OK,
    TOPICS_BUSY,   // a core does not keep up
    TOPICS_MEMORY, // memory, subscriptions or retained messages are at their limit
    TOPICS_LEVELS, // more than TOPICS_LEVELS_MAX
};

// A PUBLISH of QoS 0, without the retain flag, as those of this format want it: a parcel of class
// PARCEL_ROOM with one reference, which topics takes, or BLOCK_NONE when memory is out. Topics sets
// message_count 1 and leaves room SLAB_NONE: when it must be dropped no gap is told.
uint32_t topics_port_encode(void *port, uint32_t format, const struct topic_message *message);

// Queues it for a subscriber whose address has a shared format; keeps its own reference.
void topics_port_deliver(void *port, uint32_t address, uint32_t parcel);
void topics_port_prefetch(void *port, uint32_t address);

#define TOPICS_IDS_MAX 8 // subscription identifiers of one delivery

// One message for one owner whose address is ADDRESS_EACH, or whose message must carry the retain
// flag, or who is the member of a shared group whose turn it is (then the address may be a shared
// one); all its matching subscriptions that are not shared taken together.
struct topics_delivery {
    uint32_t owner;
    uint32_t address;
    uint8_t qos;      // the smaller of the message's and the subscriptions' highest
    bool is_retained; // the flag of the PUBLISH
    bool is_replay;   // of a retained message, because of a subscribe
    bool is_shared;
    uint32_t id_count;
    uint32_t ids[TOPICS_IDS_MAX]; // ascending by subscription slot; those beyond are left out
    uint64_t payload;             // the port may take a count (payload_ref)
    struct topic_message message; // views into it
};
// In the audit `due` counted it once (replays too): the port adds to exactly one of delivered,
// dropped or pending by what it does with it.
void topics_port_deliver_each(void *port, const struct topics_delivery *delivery);

// The subscription stands at every owner; or it failed, and its slot is released after the call.
void topics_port_subscribed(void *port, uint32_t owner, uint32_t subscription,
                            enum topics_refusal refusal);

// The owner core has accepted (or not) what message->publisher published with this note.
struct topics_published {
    uint64_t publisher;
    uint32_t note;
    bool has_subscribers; // some subscription matched
    enum topics_refusal refusal;
};
void topics_port_published(void *port, const struct topics_published *published);

// Settings that publishers of this message do not decide: false keeps a message from being
// delivered to an owner who published it himself (no-local) … counted as dropped{no_local}.
bool topics_port_is_publisher(void *port, uint32_t owner, uint64_t publisher);

// A member of a shared group whose address is ADDRESS_EACH: is it connected now? Those who are have
// their turn before those who are not.
bool topics_port_is_online(void *port, uint32_t owner);

#endif
