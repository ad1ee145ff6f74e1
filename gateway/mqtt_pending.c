// Answers come mostly in the order of the filters, so `first` remembers where those that wait
// begin; a session has at most --mqtt-subscriptions-max of them.
#include "gateway/mqtt_pending.h"

#include "gateway/mqtt_conn.h"
#include "gateway/wire/mqtt_subscribe.h"

#define KIND_BIT 0x80000000u
#define SUBACK_BYTES_AROUND 16u // header, packet id, no properties
#define SMALL_BYTES 256u

struct record {
    uint32_t next;   // BLOCK_NONE: the last
    uint32_t count;  // filters of the packet
    uint32_t filled; // of them seen
    uint32_t waiting;
    uint32_t first; // no filter before it waits
    uint16_t packet_id;
    bool is_sealed;
    uint32_t waits[]; // slot and KIND_BIT, SLAB_NONE: answered; then `count` codes of one byte
};

static struct record *record_at(const struct gateway *gateway, uint32_t block) {
    return blocks_at(gateway->parts.blocks, block);
}

static uint8_t *codes_of(struct record *record) {
    return (uint8_t *)(record->waits + record->count);
}

static uint32_t key_of(enum mqtt_pending_kind kind, uint32_t slot) {
    CHECK(slot < KIND_BIT - 1);
    return slot | (kind == MQTT_PENDING_ROOM ? KIND_BIT : 0);
}

uint32_t mqtt_pending_count(const struct gateway *gateway, uint32_t session) {
    uint32_t count = 0;
    for (uint32_t at = mqtt_session_at(gateway, session)->pending; at != BLOCK_NONE;
         at = record_at(gateway, at)->next)
        count++;
    return count;
}

uint32_t mqtt_pending_open(struct gateway *gateway, uint32_t session, uint16_t packet_id,
                           uint32_t filter_count) {
    size_t size = sizeof(struct record) + (size_t)filter_count * (sizeof(uint32_t) + 1);
    uint32_t block = blocks_acquire(gateway->parts.blocks, size);
    if (block == BLOCK_NONE)
        return BLOCK_NONE;
    *record_at(gateway, block) =
        (struct record){.next = BLOCK_NONE, .count = filter_count, .packet_id = packet_id};
    uint32_t *link = &mqtt_session_at(gateway, session)->pending;
    while (*link != BLOCK_NONE)
        link = &record_at(gateway, *link)->next;
    *link = block;
    return block;
}

static void unlink_record(struct gateway *gateway, uint32_t session, uint32_t block) {
    uint32_t *link = &mqtt_session_at(gateway, session)->pending;
    while (*link != block) {
        CHECKF(*link != BLOCK_NONE, "SUBSCRIBE %u is not of session %u", block, session);
        link = &record_at(gateway, *link)->next;
    }
    *link = record_at(gateway, block)->next;
    blocks_release(gateway->parts.blocks, block);
}

static void fill(struct record *record, uint32_t key, enum mqtt_reason code) {
    CHECK(record->filled < record->count && !record->is_sealed);
    record->waits[record->filled] = key;
    codes_of(record)[record->filled++] = (uint8_t)code;
}

void mqtt_pending_answer(struct gateway *gateway, uint32_t record, enum mqtt_reason code) {
    fill(record_at(gateway, record), SLAB_NONE, code);
}

void mqtt_pending_wait(struct gateway *gateway, uint32_t record, enum mqtt_pending_kind kind,
                       uint32_t slot, enum mqtt_reason code) {
    record_at(gateway, record)->waiting++;
    fill(record_at(gateway, record), key_of(kind, slot), code);
}

// --- SUBACK --------------------------------------------------------------------------------------

// 3.1.1 has one code for every failure (3.9.3).
static void flatten(struct record *record) {
    uint8_t *codes = codes_of(record);
    for (uint32_t i = 0; i < record->count; i++)
        if (codes[i] >= MQTT_UNSPECIFIED_ERROR)
            codes[i] = MQTT_UNSPECIFIED_ERROR;
}

static void encode(struct gateway *gateway, uint32_t session, struct record *record,
                   struct writer *w) {
    bool is_5 = mqtt_session_has(mqtt_session_at(gateway, session), MQTT_SESSION_5);
    if (!is_5)
        flatten(record);
    const struct mqtt_suback suback = {.version = is_5 ? MQTT_5 : MQTT_3_1_1,
                                       .packet_id = record->packet_id,
                                       .codes = bytes_of(codes_of(record), record->count)};
    mqtt_encode_suback(w, MQTT_SUBACK, &suback);
    CHECK(!w->overflow);
}

static void send_large(struct gateway *gateway, uint32_t session, struct record *record) {
    struct blocks *blocks = gateway->parts.blocks;
    uint32_t conn = mqtt_session_at(gateway, session)->conn;
    size_t size = SUBACK_BYTES_AROUND + record->count;
    uint32_t block = blocks_acquire(blocks, size);
    if (block == BLOCK_NONE) { // a client without its SUBACK must not go on
        conn_doom(gateway, conn, true);
        return;
    }
    struct writer w = writer_on(blocks_at(blocks, block), size);
    encode(gateway, session, record, &w);
    mqtt_conn_send(gateway, conn, writer_bytes(&w));
    blocks_release(blocks, block);
}

static void send_suback(struct gateway *gateway, uint32_t session, struct record *record) {
    uint32_t conn = mqtt_session_at(gateway, session)->conn;
    if (conn == SLAB_NONE)
        return;
    if (UNLIKELY(record->count > SMALL_BYTES)) {
        send_large(gateway, session, record);
        return;
    }
    uint8_t bytes[SUBACK_BYTES_AROUND + SMALL_BYTES];
    struct writer w = writer_on(bytes, sizeof(bytes));
    encode(gateway, session, record, &w);
    mqtt_conn_send(gateway, conn, writer_bytes(&w));
}

static void finish_if_complete(struct gateway *gateway, uint32_t session, uint32_t block) {
    struct record *record = record_at(gateway, block);
    if (!record->is_sealed || record->waiting > 0)
        return;
    send_suback(gateway, session, record);
    unlink_record(gateway, session, block);
    uint32_t conn = mqtt_session_at(gateway, session)->conn;
    if (conn != SLAB_NONE) // a further SUBSCRIBE may wait for the place
        conn_look_again(gateway, conn);
}

void mqtt_pending_seal(struct gateway *gateway, uint32_t session, uint32_t record) {
    struct record *slot = record_at(gateway, record);
    CHECK(slot->filled == slot->count);
    slot->is_sealed = true;
    finish_if_complete(gateway, session, record);
}

static bool settle_record(struct record *record, uint32_t key, enum mqtt_reason failure) {
    uint32_t waited = record->waiting;
    for (uint32_t i = record->first; i < record->filled && record->waiting > 0; i++) {
        if (record->waits[i] == key) {
            record->waits[i] = SLAB_NONE;
            record->waiting--;
            if (failure != MQTT_SUCCESS)
                codes_of(record)[i] = (uint8_t)failure;
        }
        if (record->waits[i] == SLAB_NONE && i == record->first)
            record->first++;
    }
    return record->waiting < waited;
}

bool mqtt_pending_settle(struct gateway *gateway, uint32_t session, enum mqtt_pending_kind kind,
                         uint32_t slot, enum mqtt_reason failure) {
    bool has_waited = false;
    uint32_t at = mqtt_session_at(gateway, session)->pending;
    while (at != BLOCK_NONE) {
        uint32_t next = record_at(gateway, at)->next;
        has_waited |= settle_record(record_at(gateway, at), key_of(kind, slot), failure);
        finish_if_complete(gateway, session, at);
        at = next;
    }
    return has_waited;
}

void mqtt_pending_drop(struct gateway *gateway, uint32_t session, uint32_t record) {
    unlink_record(gateway, session, record);
}

void mqtt_pending_release(struct gateway *gateway, uint32_t session) {
    while (mqtt_session_at(gateway, session)->pending != BLOCK_NONE)
        unlink_record(gateway, session, mqtt_session_at(gateway, session)->pending);
}
