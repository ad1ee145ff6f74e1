// A block: its head, then packet identifiers beside what each waits for, in no order. They are
// looked for one by one: a client has few open at once, and 1,000 of 4 bytes are 63 cache lines.
//
//   (none) ──begin, QoS 1──▶ OPEN_1 ──end──▶ (none)
//   (none) ──begin, QoS 2──▶ OPEN_2 ──accept──▶ ACCEPTED ──PUBREL──▶ (none)
//                              └──end (refused), PUBREL──▶ (none)
// Offline: OPEN_1 → (none); the others stay.
#include "gateway/mqtt_inbox.h"

#include "gateway/mqtt_alias.h"

#define CAPACITY_FIRST 8u // with the head 48 B: of a block of 64

enum inbox_state {
    OPEN_1,
    OPEN_2,
    ACCEPTED,
};

struct inbox_id {
    uint16_t packet_id;
    uint16_t state; // enum inbox_state
};

struct inbox {
    uint32_t count;
    uint32_t capacity;
    uint32_t aliases; // mqtt_alias.h
    struct inbox_id ids[];
};

static struct inbox *inbox_at(const struct gateway *gateway, uint32_t session) {
    uint32_t block = mqtt_session_at(gateway, session)->inbox;
    return block == BLOCK_NONE ? NULL : blocks_at(gateway->parts.blocks, block);
}

static struct inbox_id *find(struct inbox *inbox, uint16_t packet_id) {
    for (uint32_t i = 0; inbox && i < inbox->count; i++)
        if (inbox->ids[i].packet_id == packet_id)
            return &inbox->ids[i];
    return NULL;
}

// With room for one more; NULL when memory is out.
static struct inbox *reserve(struct gateway *gateway, uint32_t session) {
    struct blocks *blocks = gateway->parts.blocks;
    struct inbox *before = inbox_at(gateway, session);
    if (before && before->count < before->capacity)
        return before;
    uint32_t capacity = before ? before->capacity * 2 : CAPACITY_FIRST;
    uint32_t block =
        blocks_acquire(blocks, sizeof(struct inbox) + capacity * sizeof(struct inbox_id));
    if (block == BLOCK_NONE)
        return NULL;
    struct inbox *after = blocks_at(blocks, block);
    *after = (struct inbox){.capacity = capacity, .aliases = BLOCK_NONE};
    struct mqtt_session *slot = mqtt_session_at(gateway, session);
    if (before) {
        after->count = before->count;
        after->aliases = before->aliases;
        memcpy(after->ids, before->ids, before->count * sizeof(struct inbox_id));
        blocks_release(blocks, slot->inbox);
    }
    slot->inbox = block;
    return after;
}

static void release_if_empty(struct gateway *gateway, uint32_t session) {
    const struct inbox *inbox = inbox_at(gateway, session);
    if (!inbox || inbox->count > 0 || inbox->aliases != BLOCK_NONE)
        return;
    struct mqtt_session *slot = mqtt_session_at(gateway, session);
    blocks_release(gateway->parts.blocks, slot->inbox);
    slot->inbox = BLOCK_NONE;
}

static void forget(struct gateway *gateway, uint32_t session, struct inbox_id *id) {
    struct inbox *inbox = inbox_at(gateway, session);
    *id = inbox->ids[--inbox->count];
    release_if_empty(gateway, session);
}

enum mqtt_inbox_result mqtt_inbox_begin(struct gateway *gateway, uint32_t session,
                                        uint16_t packet_id, uint8_t qos) {
    struct inbox *inbox = inbox_at(gateway, session);
    const struct inbox_id *id = find(inbox, packet_id);
    if (id && qos == 2 && id->state != OPEN_1)
        return MQTT_INBOX_DUPLICATE;
    if (id)
        return MQTT_INBOX_IN_USE;
    if (inbox && inbox->count >= gateway->parts.config->mqtt_receive_max)
        return MQTT_INBOX_FULL;
    inbox = reserve(gateway, session);
    if (!inbox)
        return MQTT_INBOX_MEMORY;
    inbox->ids[inbox->count++] =
        (struct inbox_id){.packet_id = packet_id, .state = qos == 2 ? OPEN_2 : OPEN_1};
    return MQTT_INBOX_NEW;
}

void mqtt_inbox_end(struct gateway *gateway, uint32_t session, uint16_t packet_id) {
    struct inbox_id *id = find(inbox_at(gateway, session), packet_id);
    if (id)
        forget(gateway, session, id);
}

bool mqtt_inbox_accept(struct gateway *gateway, uint32_t session, uint16_t packet_id) {
    struct inbox_id *id = find(inbox_at(gateway, session), packet_id);
    if (!id || id->state == OPEN_1)
        return false;
    id->state = ACCEPTED;
    return true;
}

bool mqtt_inbox_on_pubrel(struct gateway *gateway, uint32_t session, uint16_t packet_id) {
    struct inbox_id *id = find(inbox_at(gateway, session), packet_id);
    if (!id || id->state == OPEN_1)
        return false;
    forget(gateway, session, id);
    return true;
}

bool mqtt_inbox_has(const struct gateway *gateway, uint32_t session, uint16_t packet_id) {
    const struct inbox_id *id = find(inbox_at(gateway, session), packet_id);
    return id && id->state == ACCEPTED;
}

bool mqtt_inbox_resolve_alias(struct gateway *gateway, uint32_t session,
                              const struct mqtt_publish *publish, struct bytes *topic,
                              enum mqtt_reason *reason) {
    struct blocks *blocks = gateway->parts.blocks;
    uint32_t max = gateway->parts.config->mqtt_topic_alias_max;
    uint16_t alias = publish->properties.topic_alias;
    *topic = publish->topic;
    if (!mqtt_properties_has(&publish->properties, MQTT_PROPERTY_topic_alias))
        return true;
    *reason = MQTT_TOPIC_ALIAS_INVALID; // [MQTT-3.3.2-8] [MQTT-3.3.2-9]
    if (alias == 0 || alias > max)
        return false;
    if (publish->topic.size > 0) {
        *reason = MQTT_IMPLEMENTATION_SPECIFIC_ERROR; // memory is out
        struct inbox *inbox = inbox_at(gateway, session);
        if (!inbox)
            inbox = reserve(gateway, session);
        bool is_set =
            inbox && mqtt_alias_set(blocks, &inbox->aliases, alias, (uint16_t)max, publish->topic);
        if (!is_set)
            release_if_empty(gateway, session);
        return is_set;
    }
    const struct inbox *inbox = inbox_at(gateway, session);
    if (inbox)
        *topic = mqtt_alias_topic(blocks, inbox->aliases, alias);
    *reason = MQTT_PROTOCOL_ERROR; // 3.3.4: no topic, and no alias that was set
    return topic->size > 0;
}

void mqtt_inbox_on_offline(struct gateway *gateway, uint32_t session) {
    struct inbox *inbox = inbox_at(gateway, session);
    if (!inbox)
        return;
    mqtt_alias_release(gateway->parts.blocks, &inbox->aliases);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < inbox->count; i++)
        if (inbox->ids[i].state != OPEN_1)
            inbox->ids[kept++] = inbox->ids[i];
    inbox->count = kept;
    release_if_empty(gateway, session);
}

void mqtt_inbox_release(struct gateway *gateway, uint32_t session) {
    struct inbox *inbox = inbox_at(gateway, session);
    if (!inbox)
        return;
    mqtt_alias_release(gateway->parts.blocks, &inbox->aliases);
    inbox->count = 0;
    release_if_empty(gateway, session);
}
