#include "gateway/gateway.h"

#include <errno.h>

#include "gateway/conn.h"
#include "gateway/conn_move.h"
#include "gateway/limits.h"
#include "gateway/mqtt_rooms.h"
#include "gateway/mqtt_sys.h"
#include "gateway/mqtt_session.h"
#include "gateway/reader.h"
#include "sched/base/clock.h"

// Connections that are told of the drain in one turn.
#define DRAIN_SLICE 4096

// Few connections need no long drain.
#define DRAIN_NS_PER_CONNECTION (1 * NS_PER_MS)

int gateway_init(struct gateway *gateway, const struct gateway_parts *parts) {
    *gateway = (struct gateway){.parts = *parts,
                                .rng = {parts->rng_seed},
                                .mqtt_chores = BLOCK_NONE,
                                .left_leaf = SLAB_NONE};
    CHECK(parts->control_bytes_max > 2 * LIMITS_CLOSE_BYTES);
    uint32_t slots = parts->connections_max + parts->connections_spare;
    int result =
        slab_init(&gateway->readers, parts->ledger, "readers", sizeof(struct reader), slots);
    if (result == 0)
        result = texts_init(&gateway->users, parts->ledger, slots);
    if (result == 0)
        result = texts_init(&gateway->refs, parts->ledger, slots);
    if (result == 0)
        result = scheduler_register(parts->scheduler, &conn_behaviour, gateway, slots);
    if (result == 0 && (parts->config->peer_addresses || parts->config->trusted_proxy_count > 0))
        result = addresses_init(&gateway->addresses, parts->ledger, slots);
    if (result == 0)
        result = conn_move_open(gateway);
    if (result == 0)
        result = mqtt_session_open(gateway);
    if (result == 0)
        result = traffic_init(&gateway->traffic, parts->ledger);
    if (result == 0)
        result = recorder_track(&parts->scheduler->recorder, parts->ledger, KIND_CONNECTION, slots);
    return result;
}

static const struct slab *connections(const struct gateway *gateway) {
    return &gateway->parts.scheduler->kinds[KIND_CONNECTION].slab;
}

void gateway_fini(struct gateway *gateway) {
    mqtt_rooms_close(gateway);
    slab_check_empty(connections(gateway));
    slab_check_empty(&gateway->readers);
    slab_check_empty(&gateway->moves);
    mqtt_session_close(gateway);
    for (uint32_t i = 0; i < TEXT_CLASS_COUNT; i++) {
        slab_check_empty(&gateway->users.classes[i]);
        slab_check_empty(&gateway->refs.classes[i]);
    }
}

bool gateway_is_empty(const struct gateway *gateway) {
    const struct slab *sessions = &gateway->parts.scheduler->kinds[KIND_MQTT_SESSION].slab;
    return connections(gateway)->used_count == 0 && gateway->moves.used_count == 0 &&
           sessions->used_count == 0;
}

// Spread evenly by slot: the n-th of all slots closes at n / count of the window.
static bool drain(struct gateway *gateway) {
    const struct slab *slab = connections(gateway);
    if (gateway->drain_cursor == slab->touched_count)
        return mqtt_session_drain(gateway);
    uint32_t end = slab->touched_count;
    if (end - gateway->drain_cursor > DRAIN_SLICE)
        end = gateway->drain_cursor + DRAIN_SLICE;
    for (; gateway->drain_cursor < end; gateway->drain_cursor++) {
        uint64_t share = gateway->drain_window_ns / slab->touched_count;
        if (slab_is_used(slab, gateway->drain_cursor))
            conn_drain_at(gateway, gateway->drain_cursor,
                          gateway->drain_begin_ns + share * gateway->drain_cursor);
    }
    return gateway->drain_cursor < slab->touched_count;
}

bool gateway_turn_end(struct gateway *gateway) {
    if (UNLIKELY(gateway->moves.used_count > 0))
        conn_move_turn_end(gateway);
    bool has_work = UNLIKELY(gateway->mqtt_chores != BLOCK_NONE) && mqtt_rooms_turn_end(gateway);
    mqtt_sys_turn_end(gateway);
    if (UNLIKELY(gateway->drain_begin_ns))
        has_work |= drain(gateway);
    return has_work;
}

void gateway_drain_begin(struct gateway *gateway, uint64_t deadline_ns) {
    uint64_t now_ns = gateway_now_ns(gateway);
    if (gateway->drain_begin_ns)
        return;
    gateway->drain_begin_ns = now_ns > 0 ? now_ns : 1;
    uint64_t most_ns = deadline_ns > now_ns ? (deadline_ns - now_ns) / 4 * 3 : 0;
    uint64_t enough_ns = connections(gateway)->used_count * DRAIN_NS_PER_CONNECTION;
    gateway->drain_window_ns = enough_ns < most_ns ? enough_ns : most_ns;
}

// Streams too that have no connection any more: a peer that closed its side and does not read.
void gateway_stop(struct gateway *gateway) {
    const struct slab *slab = connections(gateway);
    for (uint32_t i = 0; i < slab->touched_count; i++)
        if (slab_is_used(slab, i))
            gateway_record(gateway, i, RECORDER_CUT, 0);
    streams_close_all(gateway->parts.streams, STREAM_CLOSE_ABORT);
}
