// The rig's encoders: a struct record in a parcel. Included by chat_rig.h.
#ifndef FAIRLEAD_TESTS_CHAT_RIG_ENCODE_H
#define FAIRLEAD_TESTS_CHAT_RIG_ENCODE_H

static bool has_no_memory(void *port, uint32_t format) {
    const struct world *world = ((struct core *)port)->world;
    ck_assert_uint_lt(format, ADDRESS_FORMATS);
    return world->has_no_memory || world->formats_out >> format & 1;
}

static uint32_t encode(void *port, struct record record, enum parcel_class parcel_class) {
    if (has_no_memory(port, record.format))
        return BLOCK_NONE;
    uint32_t id = parcel_acquire(port_blocks(port), sizeof(record), parcel_class);
    if (id != BLOCK_NONE)
        memcpy(parcel_at(port_blocks(port), id)->data, &record, sizeof(record));
    return id;
}

static uint64_t body_of(const struct chat_publish *publish) {
    uint64_t body = 0;
    if (publish->body.size == 0 && publish->is_retained) // ends what was retained
        return body;
    ck_assert_uint_eq(publish->body.size, sizeof(body));
    memcpy(&body, publish->body.data, sizeof(body));
    return body;
}

uint32_t chat_port_encode_message(void *port, uint32_t format, struct bytes room,
                                  const struct chat_publish *publish, uint64_t sequence) {
    ck_assert_uint_gt(room.size, 0);
    ck_assert(bytes_equal(publish->room, room));
    ((struct core *)port)->world->encode_counts[format]++;
    return encode(port, (struct record){RECORD_MESSAGE, format, sequence, 0, body_of(publish)},
                  PARCEL_ROOM);
}

uint32_t chat_port_encode_whisper(void *port, uint32_t format, struct bytes room,
                                  const struct chat_publish *publish) {
    if (format != FORMAT_PLAIN)
        return CHAT_NOT_SENT;
    return encode(port, (struct record){RECORD_WHISPER, format, 0, 0, body_of(publish)},
                  PARCEL_WHISPER);
}

uint32_t chat_port_encode_gap(void *port, uint32_t format, struct bytes room, uint64_t from,
                              uint64_t to) {
    if (format == FORMAT_WITHOUT_GAPS)
        return CHAT_NOT_SENT;
    if (((struct core *)port)->world->has_no_gap_memory)
        return BLOCK_NONE;
    return encode(port, (struct record){RECORD_GAP, format, from, to, 0}, PARCEL_CONTROL);
}

uint32_t chat_port_encode_presence(void *port, uint32_t format, struct bytes room,
                                   struct bytes records, bool is_state) {
    if (has_no_memory(port, format))
        return BLOCK_NONE;
    uint32_t id =
        parcel_acquire(port_blocks(port), sizeof(struct record) + records.size, PARCEL_STATE);
    if (id == BLOCK_NONE)
        return id;
    struct record record = {is_state ? RECORD_STATE : RECORD_DIFF, format, 0, 0, records.size};
    uint8_t *data = parcel_at(port_blocks(port), id)->data;
    memcpy(data, &record, sizeof(record));
    memcpy(data + sizeof(record), records.data, records.size);
    return id;
}

uint32_t chat_port_encode_count(void *port, uint32_t format, struct bytes room, uint32_t users,
                                uint32_t connections) {
    return encode(port, (struct record){RECORD_COUNT, format, users, connections, 0}, PARCEL_STATE);
}

uint32_t chat_port_encode_ended(void *port, uint32_t format, struct bytes room) {
    if (format != FORMAT_PLAIN)
        return CHAT_NOT_SENT;
    return encode(port, (struct record){.kind = RECORD_ENDED, .format = format}, PARCEL_CONTROL);
}

#endif
