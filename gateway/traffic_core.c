#include "gateway/traffic_core.h"

#define ROOMS_SLICE 4096 // looked at in one go

// The next slice of rooms by their members; true: those were the last. The cursor holds one more
// than chat's.
static bool put_rooms(const struct core *core, struct traffic_histogram *rooms, uint64_t *cursor) {
    struct chat_room_info info;
    uint32_t at = (uint32_t)(*cursor - 1);
    for (uint32_t left = ROOMS_SLICE; left > 0; left--) {
        if (!chat_room_next(&core->chat, &at, &info))
            return true;
        if (info.connections > 0)
            traffic_histogram_add(rooms, info.connections);
    }
    *cursor = (uint64_t)at + 1;
    return false;
}

bool traffic_core_begin(struct core *core, const struct control_traffic_order *order,
                        uint64_t *cursor) {
    struct traffic *traffic = &core->gateway.traffic;
    if (*cursor == 0) {
        traffic_begin(traffic, order->begin_ns, order->until_ns);
        traffic->shape->connections = counter_read(&core->counters, COUNTER_CONNECTIONS);
        traffic->shape->members = counter_read(&core->counters, COUNTER_MEMBERS);
        core->chat.is_watched = true;
        *cursor = 1;
    }
    return put_rooms(core, &traffic->shape->rooms_begin, cursor);
}

void traffic_core_end(struct core *core) {
    traffic_end(&core->gateway.traffic, core->scheduler.now_ns);
    core->chat.is_watched = false;
}

bool traffic_core_read(struct core *core, struct control_traffic *traffic, uint64_t *cursor) {
    const struct traffic *own = &core->gateway.traffic;
    uint64_t now_ns = core->scheduler.now_ns;
    if (own->begin_ns == 0)
        return true;
    if (*cursor == 0) {
        memset(&own->shape->rooms_end, 0, sizeof(own->shape->rooms_end));
        *cursor = 1;
    }
    if (!put_rooms(core, &own->shape->rooms_end, cursor))
        return false;
    traffic->begin_ns = own->begin_ns;
    traffic->until_ns = own->until_ns;
    traffic->is_on = own->is_on && now_ns < own->until_ns;
    traffic->second_count = traffic_seconds(own->begin_ns, own->until_ns, now_ns);
    traffic_add(&traffic->shape, own->shape, traffic->second_count);
    return true;
}
