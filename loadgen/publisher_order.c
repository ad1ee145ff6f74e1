#include "loadgen/publisher_order.h"

#include <errno.h>

#include "loadgen/run.h"

int publisher_order_init(struct run *run) {
    uint64_t count = (uint64_t)run->options.connections * run->options.talkers;
    if (run->options.talkers == 1 || count > PUBLISHER_ORDER_MAX ||
        !load_options_publishes(&run->options))
        return 0;
    run->order.highest = memory_reserve(&run->ledger, "order", count * sizeof(uint32_t));
    return run->order.highest != NULL ? 0 : -ENOMEM;
}

// Which of the room's talkers has this position among its plain members (the other way round:
// scenario.c); SLAB_NONE for one who is none.
static uint32_t talker_at(uint32_t position, uint32_t talkers, uint32_t plain) {
    if (position >= plain)
        return SLAB_NONE;
    uint64_t talker = ((uint64_t)position * talkers + plain - 1) / plain;
    return talker < talkers && talker * plain / talkers == position ? (uint32_t)talker : SLAB_NONE;
}

bool publisher_order_take(struct run *run, uint32_t index, const struct stamp *stamp) {
    uint32_t room = run_room_of(run, index);
    uint32_t plain = layout_parts_of(&run->layout, room).plain_count;
    uint32_t talkers = run->options.talkers < plain ? run->options.talkers : plain;
    uint32_t position =
        stamp->publisher - run->options.first_user - layout_first(&run->layout, room);
    uint32_t talker = talker_at(position, talkers, plain);
    if (talker == SLAB_NONE)
        return true;
    uint32_t *highest = &run->order.highest[(size_t)index * run->options.talkers + talker];
    if (stamp->number < *highest)
        return false;
    *highest = stamp->number;
    return true;
}
