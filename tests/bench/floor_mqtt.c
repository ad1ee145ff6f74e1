// The floor's MQTT: a canned CONNACK and SUBACK, a PUBLISH handed on as it came, a PUBACK for one
// of QoS 1. What a broker must do at least, and nothing of what it must check; see floor.h.
#include "tests/bench/floor.h"

#include <string.h>

// Bytes of the arena that stay until the flush.
static uint8_t *reserve(struct floor *floor, size_t size) {
    if (floor->arena_used + size > FLOOR_ARENA_SIZE) {
        floor_flush(floor);
        floor->arena_used = 0;
    }
    uint8_t *at = floor->arena + floor->arena_used;
    floor->arena_used += (size + 15) & ~(size_t)15;
    return at;
}

static void answer(struct floor *floor, uint32_t slot, const uint8_t *bytes, size_t size) {
    floor_send(floor, slot, memcpy(reserve(floor, size), bytes, size), size);
}

static bool on_connect(struct floor *floor, uint32_t slot, const uint8_t *body, size_t size) {
    if (size < 10)
        return false;
    floor->conns[slot].is_mqtt_5 = body[6] == 5;
    if (body[6] == 5)
        answer(floor, slot, (const uint8_t[]){0x20, 3, 0, 0, 0}, 5);
    else
        answer(floor, slot, (const uint8_t[]){0x20, 2, 0, 0}, 4);
    return true;
}

// SUBSCRIBE or UNSUBSCRIBE of one filter; properties of fewer than 128 bytes are skipped.
static bool on_subscribe(struct floor *floor, uint32_t slot, uint8_t type, const uint8_t *body,
                         size_t size) {
    bool is_5 = floor->conns[slot].is_mqtt_5;
    size_t at = 2;
    if (is_5 && size > 2)
        at += 1u + body[2];
    if (size < at + 3)
        return false;
    size_t name_size = (size_t)body[at] << 8 | body[at + 1];
    if (name_size == 0 || name_size >= FLOOR_NAME_SIZE_MAX || size < at + 2 + name_size)
        return false;
    uint8_t ack[6] = {type == 8 ? 0x90 : 0xb0, 2, body[0], body[1]};
    size_t ack_size = 4;
    if (is_5)
        ack[ack_size++] = 0;
    if (type == 8) {
        if (!floor_room_join(floor, slot, (const char *)body + at + 2, name_size))
            return false;
        ack[ack_size++] = body[at + 2 + name_size] & 3;
    } else if (is_5) {
        ack[ack_size++] = 0;
    }
    ack[1] = (uint8_t)(ack_size - 2);
    answer(floor, slot, ack, ack_size);
    return true;
}

// To every subscriber of its topic, byte for byte (QoS 1 is acknowledged, and handed on to nobody).
static bool on_publish(struct floor *floor, uint32_t slot, const uint8_t *packet, size_t head_size,
                       size_t size) {
    const uint8_t *body = packet + head_size;
    if (size < 2)
        return false;
    size_t name_size = (size_t)body[0] << 8 | body[1];
    if (size < 4 + name_size)
        return false;
    if (packet[0] & 6) {
        answer(floor, slot, (const uint8_t[]){0x40, 2, body[2 + name_size], body[3 + name_size]},
               4);
        floor->counters.echoes++;
        return true;
    }
    const struct floor_room *room = floor_room_lookup(floor, (const char *)body + 2, name_size);
    if (!room)
        return true;
    size_t packet_size = head_size + size;
    const uint8_t *copy = memcpy(reserve(floor, packet_size), packet, packet_size);
    for (uint32_t i = 0; i < room->member_count; i++)
        floor_send(floor, room->members[i], copy, packet_size);
    floor->counters.publishes++;
    floor->counters.deliveries += room->member_count;
    return true;
}

ssize_t floor_mqtt_take(struct floor *floor, uint32_t slot, const uint8_t *data, size_t size) {
    size_t remaining = 0, head_size = 1;
    do {
        if (head_size == size || head_size == 5)
            return head_size == 5 ? -1 : 0;
        remaining |= (size_t)(data[head_size] & 0x7f) << 7 * (head_size - 1);
    } while (data[head_size++] & 0x80);
    if (head_size + remaining > FLOOR_FRAME_SIZE_MAX)
        return -1;
    if (size < head_size + remaining)
        return 0;
    const uint8_t *body = data + head_size;
    bool is_good = true;
    uint8_t type = data[0] >> 4;
    if (type == 1)
        is_good = on_connect(floor, slot, body, remaining);
    else if (type == 3)
        is_good = on_publish(floor, slot, data, head_size, remaining);
    else if (type == 8 || type == 10)
        is_good = on_subscribe(floor, slot, type, body, remaining);
    else if (type == 12)
        answer(floor, slot, (const uint8_t[]){0xd0, 0}, 2);
    else if (type == 14)
        return -1;
    return is_good ? (ssize_t)(head_size + remaining) : -1;
}
