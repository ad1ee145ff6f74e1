#include "loadgen/split.h"

#include <math.h>

#define RATE_STEPS 1000.0 // of a rate of 1 a second

// The first room of part `index`: the one that begins nearest to its share of the connections.
static uint32_t cut_at(const struct layout *l, uint32_t index, uint32_t count) {
    if (index == 0)
        return 0;
    if (index == count)
        return l->room_count;
    uint64_t wanted = (uint64_t)l->connections * index / count;
    uint32_t low = 0, high = l->room_count - 1; // the last room that begins at or before it
    while (low < high) {
        uint32_t middle = low + (high - low + 1) / 2;
        if (layout_first(l, middle) <= wanted)
            low = middle;
        else
            high = middle - 1;
    }
    uint64_t before = wanted - layout_first(l, low);
    uint64_t after = layout_first(l, low) + (uint64_t)layout_size(l, low) - wanted;
    uint32_t room = after < before ? low + 1 : low;
    // One room for each part before this one, and one for each from here on.
    uint32_t least = index, most = l->room_count - (count - index);
    return room < least ? least : room > most ? most : room;
}

struct split_part split_layout(const struct layout *l, uint32_t index, uint32_t count) {
    CHECKF(index < count && count <= l->room_count, "part %u of %u, %u rooms", index, count,
           l->room_count);
    uint32_t first = cut_at(l, index, count), end = cut_at(l, index + 1, count);
    uint32_t first_connection = layout_first(l, first);
    uint32_t end_connection = end == l->room_count ? l->connections : layout_first(l, end);
    return (struct split_part){
        .index = index,
        .count = count,
        .first_room = first,
        .room_count = end - first,
        .first_connection = first_connection,
        .connections = end_connection - first_connection,
        .rooms_all = l->room_count,
        .connections_all = l->connections,
    };
}

uint64_t split_count(uint64_t all, const struct split_range *range) {
    unsigned __int128 wide = all;
    return (uint64_t)(wide * range->to / range->total) -
           (uint64_t)(wide * range->from / range->total);
}

double split_rate(double all, const struct split_range *range) {
    return (double)split_count((uint64_t)llround(all * RATE_STEPS), range) / RATE_STEPS;
}

static struct split_range by_rooms(const struct split_part *part) {
    return (struct split_range){part->first_room, part->first_room + part->room_count,
                                part->rooms_all};
}

static struct split_range by_connections(const struct split_part *part) {
    return (struct split_range){part->first_connection,
                                part->first_connection + (uint64_t)part->connections,
                                part->connections_all};
}

static void split_both(struct plan_rate *rate, const struct split_range *range) {
    rate->begin = split_rate(rate->begin, range);
    rate->end = split_rate(rate->end, range);
}

void split_plan(struct plan *plan, const struct split_part *part) {
    struct split_range rooms = by_rooms(part), connections = by_connections(part);
    for (uint32_t i = 0; i < plan->count; i++) {
        struct phase *phase = &plan->phases[i];
        split_both(&phase->publish, &rooms);
        split_both(&phase->ping, &connections);
        phase->churn_rate = split_rate(phase->churn_rate, &connections);
        phase->turnover_rate = split_rate(phase->turnover_rate, &connections);
    }
}

bool split_options(struct load_options *o, const struct split_part *part,
                   char error[LOAD_OPTIONS_ERROR_BYTES]) {
    struct split_range rooms = by_rooms(part), connections = by_connections(part);
    struct split_range even = {part->index, part->index + 1u, part->count};
    if (o->closed > 0 && o->closed < part->count)
        return option_row_fail(error,
                               "--closed %u cannot be split between %u agents: at least one "
                               "request under way each",
                               o->closed, part->count);
    bool publishes = load_options_publishes(o);
    o->sizes.whole_connections = part->connections_all;
    o->sizes.first_room = part->first_room;
    o->connections = part->connections;
    o->first_room += part->first_room;
    o->first_user += part->first_connection;
    o->rate = split_rate(o->rate, publishes ? &rooms : &connections);
    if (o->rate_end >= 0)
        o->rate_end = split_rate(o->rate_end, publishes ? &rooms : &connections);
    o->churn_rate = split_rate(o->churn_rate, &connections);
    o->connect_rate = split_rate(o->connect_rate, &connections);
    o->connect_rate = o->connect_rate > 0 ? o->connect_rate : 1 / RATE_STEPS;
    o->connecting_max = (uint32_t)split_count(o->connecting_max, &connections);
    o->connecting_max = o->connecting_max > 0 ? o->connecting_max : 1;
    o->closed = (uint32_t)split_count(o->closed, &even);
    o->has_flood &= part->index == 0;
    o->seed += part->index * 0x9e3779b9u; // independent arrivals add up to those of the whole
    return true;
}

bool split_run(struct load_options *o, struct plan *plan, uint32_t index, uint32_t count,
               char error[LOAD_OPTIONS_ERROR_BYTES]) {
    struct memory_ledger ledger = {0};
    struct layout layout;
    struct layout_config config = {.sizes = o->sizes, .connections = o->connections};
    uint32_t rooms = load_options_room_count(o);
    if (rooms < count)
        return option_row_fail(error, "%u rooms cannot be split between %u agents", rooms, count);
    if (layout_init(&layout, &ledger, &config) < 0) {
        memory_release_all(&ledger);
        return option_row_fail(error, "no memory for the rooms of %u connections", o->connections);
    }
    struct split_part part = split_layout(&layout, index, count);
    memory_release_all(&ledger);
    split_plan(plan, &part);
    return split_options(o, &part, error);
}
