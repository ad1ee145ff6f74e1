// Does each member get the messages of each publisher in the order in which they were sent? For
// rooms of several talkers whose server numbers nothing: the tool's own numbers rise with each
// publisher, though not over all of them.
//
// A member keeps the highest number it has of each talker of its room. Who stands in for a talker
// that is away is not looked at. Memory: 4 B for each member and talker, touched where something
// comes; none with one talker (verify.h tells then), nor beyond PUBLISHER_ORDER_MAX of them, where
// order stays unchecked. The run's thread.
#ifndef FAIRLEAD_PUBLISHER_ORDER_H
#define FAIRLEAD_PUBLISHER_ORDER_H

#include <stdbool.h>
#include <stdint.h>

#include "loadgen/stamp.h"
#include "sched/base/check.h"

#define PUBLISHER_ORDER_MAX (64u << 20) // members × talkers

struct run;

struct publisher_order {
    uint32_t *highest; // by member and talker; NULL: not looked at
};

// Reserves where there are several talkers. 0, or -ENOMEM.
MUST_USE int publisher_order_init(struct run *run);

static inline bool publisher_order_is_on(const struct publisher_order *order) {
    return order->highest != NULL;
}

// A member has a message, for the first time. False when it has a later one of that publisher's.
MUST_USE bool publisher_order_take(struct run *run, uint32_t index, const struct stamp *stamp);

#endif
