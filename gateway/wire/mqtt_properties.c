#include "gateway/wire/mqtt_properties.h"

enum property_type {
    TYPE_NONE,
    TYPE_BOOL,
    TYPE_U16,
    TYPE_POSITIVE_U16,
    TYPE_U32,
    TYPE_POSITIVE_U32,
    TYPE_VARIABLE,
    TYPE_STRING,
    TYPE_BINARY,
    TYPE_PAIR,
};

struct property {
    uint8_t type; // enum property_type; NONE: no such property
    uint32_t packets;
    size_t offset; // of its field
};

#define OFFSET_BOOL(field) offsetof(struct mqtt_properties, field)
#define OFFSET_U16 OFFSET_BOOL
#define OFFSET_POSITIVE_U16 OFFSET_BOOL
#define OFFSET_U32 OFFSET_BOOL
#define OFFSET_POSITIVE_U32 OFFSET_BOOL
#define OFFSET_VARIABLE OFFSET_BOOL
#define OFFSET_STRING OFFSET_BOOL
#define OFFSET_BINARY OFFSET_BOOL
#define OFFSET_PAIR(field) offsetof(struct mqtt_properties, field##_count)

static const struct property table[MQTT_PROPERTY_COUNT] = {
#define X(id, field, type, packets) [id] = {TYPE_##type, (packets), OFFSET_##type(field)},
    MQTT_PROPERTIES(X)
#undef X
};

// --- decoding ------------------------------------------------------------------------------------

// One property's value, stored; of a PAIR and of an id that may repeat, the walks find it again.
static void read_value(struct mqtt_reader *reader, const struct property *property,
                       struct mqtt_properties *p) {
    uint8_t *field = (uint8_t *)p + property->offset;
    switch ((enum property_type)property->type) {
    case TYPE_BOOL:
        *field = mqtt_read_u8(reader);
        if (*field > 1)
            mqtt_reader_fail(reader, MQTT_PROTOCOL_ERROR, "a property wants 0 or 1 (2.2.2.2)");
        return;
    case TYPE_U16:
    case TYPE_POSITIVE_U16: {
        uint16_t value = mqtt_read_u16(reader);
        memcpy(field, &value, sizeof(value));
        if (value == 0 && property->type == TYPE_POSITIVE_U16)
            mqtt_reader_fail(reader, MQTT_PROTOCOL_ERROR, "a receive maximum of 0 (3.1.2.11.3)");
        return;
    }
    case TYPE_U32:
    case TYPE_POSITIVE_U32: {
        uint32_t value = mqtt_read_u32(reader);
        memcpy(field, &value, sizeof(value));
        if (value == 0 && property->type == TYPE_POSITIVE_U32)
            mqtt_reader_fail(reader, MQTT_PROTOCOL_ERROR, "a packet size of 0 (3.1.2.11.4)");
        return;
    }
    case TYPE_VARIABLE: {
        uint32_t value = mqtt_read_variable(reader);
        memcpy(field, &value, sizeof(value));
        if (value == 0)
            mqtt_reader_fail(reader, MQTT_PROTOCOL_ERROR, "subscription identifier 0 (3.8.2.1.2)");
        return;
    }
    case TYPE_STRING:
    case TYPE_BINARY: {
        struct bytes value =
            property->type == TYPE_STRING ? mqtt_read_string(reader) : mqtt_read_binary(reader);
        memcpy(field, &value, sizeof(value));
        return;
    }
    case TYPE_PAIR:
        (void)mqtt_read_string(reader);
        (void)mqtt_read_string(reader);
        p->user_count++;
        return;
    case TYPE_NONE:
        break;
    }
    UNREACHABLE();
}

static bool may_repeat(uint32_t id, uint32_t packet) {
    return id == MQTT_PROPERTY_user ||
           (id == MQTT_PROPERTY_subscription_id && packet == MQTT_IN(MQTT_PUBLISH));
}

void mqtt_properties_decode(struct mqtt_reader *reader, uint32_t packet,
                            struct mqtt_properties *properties) {
    *properties = (struct mqtt_properties){0};
    uint32_t size = mqtt_read_variable(reader);
    struct mqtt_reader block = mqtt_reader_on(mqtt_read_bytes(reader, size));
    properties->raw = block.left;
    while (!reader->is_bad && block.left.size > 0) {
        uint32_t id = mqtt_read_variable(&block);
        if (id >= MQTT_PROPERTY_COUNT || table[id].type == TYPE_NONE ||
            !(table[id].packets & packet)) {
            mqtt_reader_fail(&block, MQTT_MALFORMED_PACKET,
                             "a property that this packet cannot have (2.2.2.2)");
        } else if (properties->present >> id & 1 && !may_repeat(id, packet)) {
            mqtt_reader_fail(&block, MQTT_PROTOCOL_ERROR, "a property is there twice (2.2.2.2)");
        } else {
            read_value(&block, &table[id], properties);
            properties->present |= 1ull << id;
        }
        if (block.is_bad)
            mqtt_reader_fail(reader, block.error.reason, block.error.cause);
    }
}

// Skips to the next property `wanted` in `raw`, which was decoded before and is therefore sound.
static bool next_of(const struct mqtt_properties *p, size_t *at, uint32_t wanted,
                    struct mqtt_reader *value) {
    struct mqtt_properties ignored = {0};
    struct mqtt_reader block = mqtt_reader_on(bytes_skip(p->raw, *at));
    while (block.left.size > 0) {
        uint32_t id = mqtt_read_variable(&block);
        *value = block;
        CHECK(id < MQTT_PROPERTY_COUNT && table[id].type != TYPE_NONE);
        read_value(&block, &table[id], &ignored);
        *at = p->raw.size - block.left.size;
        if (id == wanted)
            return true;
    }
    return false;
}

bool mqtt_properties_next_user(const struct mqtt_properties *p, size_t *at,
                               struct mqtt_pair *pair) {
    struct mqtt_reader value;
    if (!next_of(p, at, MQTT_PROPERTY_user, &value))
        return false;
    pair->name = mqtt_read_binary(&value);
    pair->value = mqtt_read_binary(&value);
    return true;
}

bool mqtt_properties_next_subscription_id(const struct mqtt_properties *p, size_t *at,
                                          uint32_t *id) {
    struct mqtt_reader value;
    if (!next_of(p, at, MQTT_PROPERTY_subscription_id, &value))
        return false;
    *id = mqtt_read_variable(&value);
    return true;
}

// --- encoding ------------------------------------------------------------------------------------

void mqtt_properties_put_user(struct writer *w, struct bytes name, struct bytes value) {
    writer_put_byte(w, MQTT_PROPERTY_user);
    mqtt_put_binary(w, name);
    mqtt_put_binary(w, value);
}

void mqtt_properties_put_subscription_id(struct writer *w, uint32_t id) {
    writer_put_byte(w, MQTT_PROPERTY_subscription_id);
    mqtt_put_variable(w, id);
}

static void put_value(struct writer *w, uint32_t id, const struct mqtt_properties *p) {
    const uint8_t *field = (const uint8_t *)p + table[id].offset;
    uint16_t u16;
    uint32_t u32;
    struct bytes view;
    switch ((enum property_type)table[id].type) {
    case TYPE_BOOL:
        writer_put_byte(w, *field);
        return;
    case TYPE_U16:
    case TYPE_POSITIVE_U16:
        memcpy(&u16, field, sizeof(u16));
        mqtt_put_u16(w, u16);
        return;
    case TYPE_U32:
    case TYPE_POSITIVE_U32:
        memcpy(&u32, field, sizeof(u32));
        mqtt_put_u32(w, u32);
        return;
    case TYPE_VARIABLE:
        memcpy(&u32, field, sizeof(u32));
        mqtt_put_variable(w, u32);
        return;
    case TYPE_STRING:
    case TYPE_BINARY:
        memcpy(&view, field, sizeof(view));
        mqtt_put_binary(w, view);
        return;
    case TYPE_PAIR:
    case TYPE_NONE:
        break;
    }
    UNREACHABLE();
}

static size_t value_size(uint32_t id, const struct mqtt_properties *p) {
    const uint8_t *field = (const uint8_t *)p + table[id].offset;
    uint32_t u32;
    struct bytes view;
    switch ((enum property_type)table[id].type) {
    case TYPE_BOOL:
        return 1;
    case TYPE_U16:
    case TYPE_POSITIVE_U16:
        return 2;
    case TYPE_U32:
    case TYPE_POSITIVE_U32:
        return 4;
    case TYPE_VARIABLE:
        memcpy(&u32, field, sizeof(u32));
        return mqtt_variable_size(u32);
    case TYPE_STRING:
    case TYPE_BINARY:
        memcpy(&view, field, sizeof(view));
        return 2 + view.size;
    case TYPE_PAIR:
    case TYPE_NONE:
        break;
    }
    UNREACHABLE();
}

// Those present and not walked for, lowest first.
static uint64_t scalars_of(const struct mqtt_properties *p) {
    return p->present & ~(1ull << MQTT_PROPERTY_user);
}

static size_t block_size(const struct mqtt_properties *p, struct bytes more) {
    size_t size = more.size;
    for (uint64_t left = scalars_of(p); left != 0; left &= left - 1)
        size += 1 + value_size((uint32_t)__builtin_ctzll(left), p);
    struct mqtt_pair pair;
    for (size_t at = 0; p->user_count > 0 && mqtt_properties_next_user(p, &at, &pair);)
        size += 5 + pair.name.size + pair.value.size;
    return size;
}

size_t mqtt_properties_size(const struct mqtt_properties *p, struct bytes more) {
    size_t size = block_size(p, more);
    return size + mqtt_variable_size((uint32_t)size);
}

void mqtt_properties_encode(struct writer *w, const struct mqtt_properties *p, struct bytes more) {
    mqtt_put_variable(w, (uint32_t)block_size(p, more));
    for (uint64_t left = scalars_of(p); left != 0; left &= left - 1) {
        uint32_t id = (uint32_t)__builtin_ctzll(left);
        writer_put_byte(w, (uint8_t)id);
        put_value(w, id, p);
    }
    struct mqtt_pair pair;
    for (size_t at = 0; p->user_count > 0 && mqtt_properties_next_user(p, &at, &pair);)
        mqtt_properties_put_user(w, pair.name, pair.value);
    writer_put(w, more);
}
