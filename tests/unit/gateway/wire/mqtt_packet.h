// For the tests of MQTT's packet families: a packet is written, its header taken off, and the body
// handed to the family's decoder; then every prefix of it, and the body with a byte too many.
#ifndef FAIRLEAD_TESTS_UNIT_MQTT_PACKET_H
#define FAIRLEAD_TESTS_UNIT_MQTT_PACKET_H

#include "gateway/wire/mqtt.h"
#include "tests/unit/unit.h"

#define BODY(...) bytes_of((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

struct packet {
    uint8_t bytes[4096];
    struct writer w;
    struct mqtt_header header;
    struct bytes body;
};

static inline struct writer *packet_begin(struct packet *p) {
    p->w = writer_on(p->bytes, sizeof(p->bytes));
    return &p->w;
}

// Checks that the remaining length is what was written.
static inline void packet_end(struct packet *p, enum mqtt_type type) {
    struct mqtt_error error;
    ck_assert(!p->w.overflow);
    ck_assert_int_eq(mqtt_decode_header(writer_bytes(&p->w), 0, &p->header, &error), MQTT_OK);
    ck_assert_uint_eq(p->header.type, type);
    ck_assert_uint_eq(p->header.size + p->header.remaining_size, p->w.size);
    p->body = bytes_skip(writer_bytes(&p->w), p->header.size);
}

#endif
