#include "loadgen/flight.h"

#include <errno.h>

int flight_init(struct flight_table *table, struct memory_ledger *ledger, uint32_t room_count) {
    CHECKF(room_count > 0, "no rooms");
    uint32_t per_room = FLIGHT_PER_ROOM_MAX;
    while (per_room > FLIGHT_PER_ROOM_MIN && (uint64_t)per_room * room_count > FLIGHT_SLOTS_MAX)
        per_room /= 2;
    *table = (struct flight_table){.room_count = room_count, .per_room = per_room};
    size_t bytes = (size_t)per_room * room_count * sizeof(struct flight);
    table->flights = memory_reserve(ledger, "messages under way", bytes);
    return table->flights == NULL ? -ENOMEM : 0;
}

static struct flight *place_of(const struct flight_table *table, uint32_t room, uint32_t number) {
    CHECKF(room < table->room_count, "room %u of %u", room, table->room_count);
    return &table->flights[(size_t)room * table->per_room + (number & (table->per_room - 1))];
}

// Its members are counted, its place is free.
static void end(struct flight_table *table, struct flight *flight) {
    uint32_t missed = flight->due - flight->received;
    uint32_t missed_ppm = (uint32_t)((uint64_t)missed * 1000000 / flight->due);
    table->complete += missed == 0;
    table->incomplete += missed > 0;
    table->due += flight->due;
    table->received += flight->received;
    if (missed_ppm > table->missed_worst_ppm)
        table->missed_worst_ppm = missed_ppm;
    flight->number = 0;
}

void flight_begin(struct flight_table *table, const struct flight_publish *publish) {
    CHECKF(publish->due > 0 && publish->number > 0, "message %u due to %u", publish->number,
           publish->due);
    struct flight *flight = place_of(table, publish->room, publish->number);
    table->begun++;
    if (flight->number != 0)
        end(table, flight);
    *flight = (struct flight){.intended_ns = publish->intended_ns,
                              .number = publish->number,
                              .due = publish->due,
                              .is_measured = publish->is_measured};
}

static void record(const struct flight *flight, uint64_t now_ns, struct histogram *histogram) {
    if (flight->is_measured)
        histogram_record(histogram,
                         now_ns > flight->intended_ns ? now_ns - flight->intended_ns : 0);
}

enum flight_step flight_take(struct flight_table *table, const struct flight_receipt *receipt,
                             const struct flight_times *times) {
    struct flight *flight = place_of(table, receipt->room, receipt->number);
    if (receipt->number == 0 || flight->number != receipt->number)
        return FLIGHT_UNKNOWN;
    flight->received++;
    bool is_first = flight->received == 1, is_last = flight->received == flight->due;
    bool is_median = flight->received == (flight->due + 1) / 2;
    if (LIKELY(!is_first && !is_median && !is_last))
        return FLIGHT_BETWEEN;
    if (is_first)
        record(flight, receipt->now_ns, times->first);
    if (is_median)
        record(flight, receipt->now_ns, times->median);
    if (!is_last)
        return is_first ? FLIGHT_FIRST : FLIGHT_BETWEEN;
    record(flight, receipt->now_ns, times->last);
    end(table, flight);
    return FLIGHT_LAST;
}

void flight_forgive(struct flight_table *table, uint32_t room, uint32_t published) {
    uint32_t count = table->per_room < FLIGHT_FORGIVEN_MAX ? table->per_room : FLIGHT_FORGIVEN_MAX;
    for (uint32_t i = 0; i < count && i < published; i++) {
        struct flight *flight = place_of(table, room, published - i);
        if (flight->number != published - i)
            continue;
        flight->number = 0;
        table->begun--;
    }
}

void flight_finish(struct flight_table *table) {
    for (size_t i = 0; i < (size_t)table->per_room * table->room_count; i++)
        if (table->flights[i].number != 0)
            end(table, &table->flights[i]);
}
