// Topics on one core: publish/subscribe by topic name and filter, outside rooms. What the gateway
// calls; what it must define stands in topics_port.h.
//
//   publisher --topics_publish--> the topic's owner: hash(first level) mod cores
//   owner: keeps the retained message, knows which cores have matching filters
//   owner --TOPICS_RELAY--> each of those --trie--> subscribers (sliced, turn by turn)
//
// A filter that begins with a wildcard is known to every owner. A shared subscription's message
// goes from the owner to one core, in turn and weighted by its members there, and to one member
// there in turn. Order: what one publisher sends to one topic reaches each subscriber in that
// order. A subscription that was confirmed (topics_port_subscribed) gets every message that was
// accepted after.
//
// Bounds: subscriptions_max, nodes of the tries with them; retained_max messages and
// retained_bytes_max bytes at this core as owner; jobs_max messages under way on this core, past
// which relays wait in the mailbox and publishes are refused as busy. Cost of a publish: the levels
// of its topic and what matches, independent of the subscriptions that do not.
// Owned by the core's thread; no call may come from within topics_port_….
#ifndef FAIRLEAD_TOPICS_H
#define FAIRLEAD_TOPICS_H

#include "sched/base/address.h"
#include "sched/scheduler.h"
#include "topics/topic_levels.h"
#include "topics/topics_port.h"

#define KIND_TOPICS 7 // one per core: the service that owners and cores with subscribers talk to

struct topics_config {
    uint32_t core_count;
    uint32_t subscriptions_max; // on this core
    uint32_t retained_max;      // messages
    size_t retained_bytes_max;  // of topics, bodies and properties
    // All cores' counters, by core: retained_… bound all owners together (what is retained may all
    // lie below one first level). Races let in one more per core. NULL: this core alone.
    const struct counters *const *core_counters;
    uint32_t turn_deliveries_max; // in one topics_flush; 0: 16384
    uint32_t jobs_max;            // 0: 4096
    uint32_t
        publishes_max; // of this core with a note, and its subscribes, that wait for an answer:
                       // 0: 65536 / core_count. Message cells are needed for all cores' together
    uint64_t seed;     // the same on all cores
};

struct topics;

// Registers KIND_TOPICS with the scheduler; its supervisor starts the service. Returns 0, -ENOMEM.
MUST_USE int topics_init(struct topics *topics, const struct topics_config *config,
                         struct scheduler *scheduler, struct memory_ledger *ledger, void *port);

// Every subscription is gone by now; what is retained and what is under way is given up.
void topics_fini(struct topics *topics);

struct topics_request {
    uint32_t owner; // the program's: who holds the subscription (the gateway: an MQTT session)
    uint32_t address;
    struct bytes filter; // valid, without $share/…/
    struct bytes group;  // of a shared subscription; no bytes: not shared
    uint8_t qos;
    bool is_no_local;
    bool retains_as_published;
    bool wants_retained;      // replay what is retained and matches, before topics_port_subscribed
    uint32_t subscription_id; // MQTT 5, 0: none
};

// Returns the subscription's slot, which the owner keeps until topics_unsubscribe or
// topics_port_subscribed with an error; or SLAB_NONE with *refusal. topics_port_subscribed always
// comes, later. An owner must not hold two with the same filter and group: see topics_change.
MUST_USE uint32_t topics_subscribe(struct topics *topics, const struct topics_request *request,
                                   enum topics_refusal *refusal);

// New options of an existing subscription (the same filter and group): no message is lost or
// repeated. topics_port_subscribed comes again, later, after what is retained where wanted: once
// for each change. LIMITATION: at most 255 of them may wait, further ones are answered with those.
void topics_change(struct topics *topics, uint32_t subscription,
                   const struct topics_request *request);

// Ends it at once: nothing is delivered to it any more.
void topics_unsubscribe(struct topics *topics, uint32_t subscription);

// Its owner went offline, or came back, elsewhere. What is under way goes to the new address.
void topics_readdress(struct topics *topics, uint32_t subscription, uint32_t address);

// One subscription, 32 B: open to the program for its list and for walking it.
struct topics_subscription {
    uint32_t slab_word; // owner bits: TOPICS_*
    uint32_t owner;
    uint32_t next; // the program's: next subscription of the same owner
    uint32_t node; // of the trie on this core
    uint32_t position;
    uint32_t address;
    uint32_t subscription_id;
    uint8_t qos;
    uint8_t options; // TOPICS_OPTION_…
    uint8_t waiting; // owners whose answer is not here yet
    uint8_t changes; // topics_change since then
};

_Static_assert(sizeof(struct topics_subscription) == 32, "part of the budget of a connection");

#define TOPICS_OPTION_NO_LOCAL 1u
#define TOPICS_OPTION_AS_PUBLISHED 2u
#define TOPICS_OPTION_SHARED 4u

struct topics_subscription *topics_subscription(const struct topics *topics, uint32_t subscription);

// Where subscriptions of this filter and group (no bytes: not shared) stand on this core: `node` of
// each of them, with `is_shared` as their TOPICS_OPTION_SHARED. False: there are none. So that an
// owner finds his among many without comparing texts.
struct topics_place {
    uint32_t node;
    bool is_shared;
};
bool topics_lookup_place(struct topics *topics, struct bytes filter, struct bytes group,
                         struct topics_place *place);

// Publishes; the views are copied. False: refused at once with *refusal (busy, memory), nothing was
// sent. With note ≠ 0 topics_port_published answers, always later.
MUST_USE bool topics_publish(struct topics *topics, const struct topic_message *message,
                             uint32_t note, enum topics_refusal *refusal);

// True when this core knows of some subscriber, anywhere, of topics that begin with this level. For
// what is only made when somebody listens ($SYS). Only at the owner core of that level.
bool topics_has_interest(const struct topics *topics, struct bytes first_level);

// The core that owns topics of this first level. Any thread.
uint32_t topics_owner_core(const struct topics_config *config, struct bytes topic);

// At the end of each turn, before stream_flush_dirty: deliveries, in slices. True: work is left.
bool topics_flush(struct topics *topics);

// What is in use, for the control plane and $SYS.
struct topics_stats {
    uint32_t subscriptions;
    uint32_t nodes; // of the tries
    uint32_t retained;
    size_t retained_bytes;
    uint32_t jobs;
};
struct topics_stats topics_stats(const struct topics *topics);

// All invariants. Between turns; tests and debug builds.
void topics_validate(const struct topics *topics);

#include "topics/topics_state.h"

#endif
