#include "loadgen/churn.h"

#include "loadgen/client.h"

#define CHURNERS_TRIED_MAX 16 // some may be away

// The next churner at or after `index`, going round; SLAB_NONE when there are none.
static uint32_t next_churner(const struct run *run, uint32_t index) {
    const struct layout *l = &run->layout;
    uint32_t room = layout_room_of(l, index);
    for (uint32_t i = 0; i <= l->room_count; i++) {
        uint32_t end = layout_first(l, room) + layout_size(l, room);
        uint32_t first = end - layout_parts_of(l, room).churner_count;
        index = index > first ? index : first;
        if (index < end)
            return index;
        room = room + 1 < l->room_count ? room + 1 : 0;
        index = layout_first(l, room);
    }
    return SLAB_NONE;
}

void churn_step(struct run *run) {
    for (uint32_t i = 0; i < CHURNERS_TRIED_MAX; i++) {
        uint32_t index = next_churner(run, run->next_churner);
        if (index == SLAB_NONE)
            return;
        run->next_churner = index + 1 < run->options.connections ? index + 1 : 0;
        if (client_try_leave(run, index)) {
            run->result->churn_leaves++;
            return;
        }
    }
    run->result->churn_skipped++;
}

void churn_on_left(struct run *run, uint32_t index) {
    run->clients[index].connect_ns = clock_monotonic_ns();
    if (!client_try_join(run, index))
        run->result->churn_skipped++;
}

void churn_on_joined(struct run *run, uint32_t index, uint64_t now_ns) {
    uint64_t asked_ns = run->clients[index].connect_ns;
    run->result->churn_joins++;
    histogram_record(&run->result->rejoin, now_ns > asked_ns ? now_ns - asked_ns : 0);
}
