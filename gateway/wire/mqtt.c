#include "gateway/wire/mqtt.h"

#include "gateway/wire/utf8.h"

static enum mqtt_status fail(struct mqtt_error *error, enum mqtt_reason reason, const char *cause) {
    *error = (struct mqtt_error){reason, cause};
    return MQTT_BAD;
}

// --- fixed header --------------------------------------------------------------------------------

// 2.1.3, table 2-2. PUBLISH has flags of its own, looked at by its decoder.
static bool flags_are_right(enum mqtt_type type, uint8_t flags) {
    switch (type) {
    case MQTT_PUBLISH:
        return true;
    case MQTT_PUBREL:
    case MQTT_SUBSCRIBE:
    case MQTT_UNSUBSCRIBE:
        return flags == 2;
    case MQTT_CONNECT:
    case MQTT_CONNACK:
    case MQTT_PUBACK:
    case MQTT_PUBREC:
    case MQTT_PUBCOMP:
    case MQTT_SUBACK:
    case MQTT_UNSUBACK:
    case MQTT_PINGREQ:
    case MQTT_PINGRESP:
    case MQTT_DISCONNECT:
    case MQTT_AUTH:
        return flags == 0;
    }
    return false; // 0 is reserved
}

enum mqtt_status mqtt_decode_header(struct bytes input, uint32_t packet_bytes_max,
                                    struct mqtt_header *header, struct mqtt_error *error) {
    *header = (struct mqtt_header){0};
    if (input.size == 0)
        return MQTT_NEED_MORE;
    header->type = input.data[0] >> 4;
    header->flags = input.data[0] & 15;
    if (header->type == 0)
        return fail(error, MQTT_MALFORMED_PACKET, "packet type 0 is reserved (2.1.2)");
    if (!flags_are_right((enum mqtt_type)header->type, header->flags))
        return fail(error, MQTT_MALFORMED_PACKET, "reserved flags are set [MQTT-2.1.3-1]");
    uint32_t size = 0;
    for (uint32_t i = 0; i < 4; i++) {
        if (input.size < 2 + i)
            return MQTT_NEED_MORE;
        uint8_t byte = input.data[1 + i];
        size |= (uint32_t)(byte & 127) << (7 * i);
        if (byte & 128)
            continue;
        if (byte == 0 && i > 0)
            return fail(error, MQTT_MALFORMED_PACKET,
                        "the remaining length is longer than it must be [MQTT-1.5.5-1]");
        header->size = (uint8_t)(2 + i);
        header->remaining_size = size;
        if (packet_bytes_max > 0 && size + header->size > packet_bytes_max)
            return fail(error, MQTT_PACKET_TOO_LARGE,
                        "the packet is larger than the maximum packet size [MQTT-3.2.2-15]");
        return MQTT_OK;
    }
    return fail(error, MQTT_MALFORMED_PACKET, "the remaining length has more than four bytes");
}

void mqtt_encode_header(struct writer *w, enum mqtt_type type, uint8_t flags,
                        uint32_t remaining_size) {
    CHECK(remaining_size <= MQTT_REMAINING_SIZE_MAX && flags < 16);
    writer_put_byte(w, (uint8_t)(type << 4 | flags));
    mqtt_put_variable(w, remaining_size);
}

const char *mqtt_type_name(enum mqtt_type type) {
    static const char *const names[] = {"reserved",  "CONNECT",  "CONNACK",     "PUBLISH",
                                        "PUBACK",    "PUBREC",   "PUBREL",      "PUBCOMP",
                                        "SUBSCRIBE", "SUBACK",   "UNSUBSCRIBE", "UNSUBACK",
                                        "PINGREQ",   "PINGRESP", "DISCONNECT",  "AUTH"};
    return names[type & 15];
}

// --- reading -------------------------------------------------------------------------------------

void mqtt_reader_fail(struct mqtt_reader *reader, enum mqtt_reason reason, const char *cause) {
    reader->left.size = 0;
    if (reader->is_bad)
        return;
    reader->is_bad = true;
    reader->error = (struct mqtt_error){reason, cause};
}

struct bytes mqtt_read_bytes(struct mqtt_reader *reader, size_t size) {
    if (size > reader->left.size) {
        mqtt_reader_fail(reader, MQTT_MALFORMED_PACKET, "a field ends beyond its packet");
        return (struct bytes){0};
    }
    struct bytes field = bytes_of(reader->left.data, size);
    reader->left = bytes_skip(reader->left, size);
    return field;
}

uint8_t mqtt_read_u8(struct mqtt_reader *reader) {
    struct bytes field = mqtt_read_bytes(reader, 1);
    return field.size == 1 ? field.data[0] : 0;
}

uint16_t mqtt_read_u16(struct mqtt_reader *reader) {
    struct bytes field = mqtt_read_bytes(reader, 2);
    if (field.size != 2)
        return 0;
    return (uint16_t)(field.data[0] << 8 | field.data[1]);
}

uint32_t mqtt_read_u32(struct mqtt_reader *reader) {
    uint32_t high = mqtt_read_u16(reader);
    return high << 16 | mqtt_read_u16(reader);
}

uint32_t mqtt_read_variable(struct mqtt_reader *reader) {
    uint32_t value = 0;
    for (uint32_t i = 0; i < 4; i++) {
        uint8_t byte = mqtt_read_u8(reader);
        value |= (uint32_t)(byte & 127) << (7 * i);
        if (byte & 128)
            continue;
        if (byte == 0 && i > 0)
            break;
        return reader->is_bad ? 0 : value;
    }
    mqtt_reader_fail(reader, MQTT_MALFORMED_PACKET,
                     "a variable byte integer is not in its shortest form [MQTT-1.5.5-1]");
    return 0;
}

struct bytes mqtt_read_binary(struct mqtt_reader *reader) {
    uint16_t size = mqtt_read_u16(reader);
    return mqtt_read_bytes(reader, size);
}

struct bytes mqtt_read_string(struct mqtt_reader *reader) {
    struct bytes text = mqtt_read_binary(reader);
    if (!utf8_is_valid(text))
        mqtt_reader_fail(reader, MQTT_MALFORMED_PACKET, "a string is no UTF-8 [MQTT-1.5.4-1]");
    else if (text.size > 0 && memchr(text.data, 0, text.size) != NULL)
        mqtt_reader_fail(reader, MQTT_MALFORMED_PACKET, "a string has U+0000 [MQTT-1.5.4-2]");
    return reader->is_bad ? (struct bytes){0} : text;
}

uint16_t mqtt_read_packet_id(struct mqtt_reader *reader) {
    uint16_t id = mqtt_read_u16(reader);
    if (id == 0)
        mqtt_reader_fail(reader, MQTT_PROTOCOL_ERROR, "packet identifier 0 [MQTT-2.2.1-3]");
    return id;
}

enum mqtt_status mqtt_reader_end(struct mqtt_reader *reader, struct mqtt_error *error) {
    if (!reader->is_bad && reader->left.size > 0)
        mqtt_reader_fail(reader, MQTT_MALFORMED_PACKET, "bytes are left after the last field");
    if (!reader->is_bad)
        return MQTT_OK;
    *error = reader->error;
    return MQTT_BAD;
}

// --- writing -------------------------------------------------------------------------------------

void mqtt_put_u16(struct writer *w, uint16_t value) {
    const uint8_t field[2] = {(uint8_t)(value >> 8), (uint8_t)value};
    writer_put(w, bytes_of(field, 2));
}

void mqtt_put_u32(struct writer *w, uint32_t value) {
    const uint8_t field[4] = {(uint8_t)(value >> 24), (uint8_t)(value >> 16), (uint8_t)(value >> 8),
                              (uint8_t)value};
    writer_put(w, bytes_of(field, 4));
}

void mqtt_put_variable(struct writer *w, uint32_t value) {
    CHECK(value <= MQTT_REMAINING_SIZE_MAX);
    uint8_t field[4];
    uint32_t size = 0;
    do {
        field[size] = (uint8_t)(value & 127);
        value >>= 7;
        if (value > 0)
            field[size] |= 128;
        size++;
    } while (value > 0);
    writer_put(w, bytes_of(field, size));
}

void mqtt_put_binary(struct writer *w, struct bytes value) {
    CHECK(value.size <= MQTT_STRING_BYTES_MAX);
    mqtt_put_u16(w, (uint16_t)value.size);
    writer_put(w, value);
}
