// Topic aliases of one direction of one connection (MQTT 5.0 3.3.2.3.4): numbers 1 … n, each with
// its topic. One block for the table, one for each topic; nothing while none is set.
//
// Bounds: the caller's `max`; a topic's own size. Owned by the core's thread.
#ifndef FAIRLEAD_MQTT_ALIAS_H
#define FAIRLEAD_MQTT_ALIAS_H

#include "sched/base/blocks.h"
#include "sched/base/bytes.h"

// Sets or replaces what `alias` (1 … max) stands for. *table is the block, BLOCK_NONE before the
// first. False: memory is out, and nothing has changed.
MUST_USE bool mqtt_alias_set(struct blocks *blocks, uint32_t *table, uint16_t alias, uint16_t max,
                             struct bytes topic);

// Borrowed until it is set again; of no bytes when it is not set.
struct bytes mqtt_alias_topic(const struct blocks *blocks, uint32_t table, uint16_t alias);

// The alias of a topic, 0: it has none. Cost: a look at each that is set.
uint16_t mqtt_alias_of(const struct blocks *blocks, uint32_t table, struct bytes topic);

// The lowest that was never set; max + 1 when all are.
uint32_t mqtt_alias_free(const struct blocks *blocks, uint32_t table, uint16_t max);

// Forgets all.
void mqtt_alias_release(struct blocks *blocks, uint32_t *table);

#endif
