#include "gateway/mqtt_will.h"

#include "gateway/limits.h"
#include "gateway/mqtt_routes.h"
#include "sched/base/clock.h"
#include "topics/topic_message.h"

struct will_block {
    uint64_t due_s; // once its connection has ended
    uint32_t delay_s;
    uint32_t expiry_s; // of the message, from its publication on; with has_expiry
    uint32_t body_size;
    uint32_t properties_size;
    uint16_t topic_size;
    uint8_t qos;
    uint8_t is_retained;
    uint8_t has_expiry;
    uint8_t bytes[]; // topic, properties with their length, body
};

static struct will_block *will_at(const struct gateway *gateway, uint32_t session) {
    uint32_t block = mqtt_session_at(gateway, session)->will;
    return block == BLOCK_NONE ? NULL : blocks_at(gateway->parts.blocks, block);
}

// What of a will's properties is its message's own: the same as travels with any publish
// (mqtt_format.h), in the order that they came in [MQTT-3.1.3-10].
static struct mqtt_properties of_message(const struct mqtt_will *will) {
    const uint64_t passed = 1ull << MQTT_PROPERTY_payload_format |
                            1ull << MQTT_PROPERTY_content_type |
                            1ull << MQTT_PROPERTY_response_topic |
                            1ull << MQTT_PROPERTY_correlation_data | 1ull << MQTT_PROPERTY_user;
    struct mqtt_properties properties = will->properties;
    properties.present &= passed;
    return properties;
}

bool mqtt_will_set(struct gateway *gateway, uint32_t session, const struct mqtt_will *will) {
    struct blocks *blocks = gateway->parts.blocks;
    const struct mqtt_properties properties = of_message(will);
    const struct bytes nothing = {0};
    size_t properties_size = mqtt_properties_size(&properties, nothing); // with its length
    size_t size = will->topic.size + properties_size + will->payload.size;
    uint32_t block = blocks_acquire(blocks, sizeof(struct will_block) + size);
    if (block == BLOCK_NONE)
        return false;
    struct will_block *copy = blocks_at(blocks, block);
    bool has_expiry = mqtt_properties_has(&will->properties, MQTT_PROPERTY_message_expiry_s);
    bool has_delay = mqtt_properties_has(&will->properties, MQTT_PROPERTY_will_delay_s);
    *copy = (struct will_block){
        .delay_s = has_delay ? will->properties.will_delay_s : 0,
        .expiry_s = has_expiry ? will->properties.message_expiry_s : 0,
        .body_size = (uint32_t)will->payload.size,
        .properties_size = (uint32_t)properties_size,
        .topic_size = (uint16_t)will->topic.size,
        .qos = will->qos,
        .is_retained = will->is_retained,
        .has_expiry = has_expiry,
    };
    struct writer w = writer_on(copy->bytes, size);
    writer_put(&w, will->topic);
    mqtt_properties_encode(&w, &properties, nothing);
    writer_put(&w, will->payload);
    CHECK(!w.overflow && w.size == size);
    mqtt_will_drop(gateway, session);
    mqtt_session_at(gateway, session)->will = block;
    return true;
}

void mqtt_will_drop(struct gateway *gateway, uint32_t session) {
    struct mqtt_session *slot = mqtt_session_at(gateway, session);
    if (slot->will != BLOCK_NONE)
        blocks_release(gateway->parts.blocks, slot->will);
    slot->will = BLOCK_NONE;
}

bool mqtt_will_is_set(const struct gateway *gateway, uint32_t session) {
    return mqtt_session_at(gateway, session)->will != BLOCK_NONE;
}

uint32_t mqtt_will_delay_s(const struct gateway *gateway, uint32_t session) {
    const struct will_block *will = will_at(gateway, session);
    return will ? will->delay_s : 0;
}

uint64_t mqtt_will_wait(struct gateway *gateway, uint32_t session) {
    struct will_block *will = will_at(gateway, session);
    if (!will)
        return UINT64_MAX;
    // Whole seconds, never early.
    will->due_s = gateway_now_ns(gateway) / NS_PER_S + will->delay_s + LIMITS_TIMER_SLACK_S;
    return will->due_s;
}

uint64_t mqtt_will_due_s(const struct gateway *gateway, uint32_t session) {
    const struct will_block *will = will_at(gateway, session);
    return will ? will->due_s : UINT64_MAX;
}

void mqtt_will_publish(struct gateway *gateway, uint32_t session) {
    const struct will_block *will = will_at(gateway, session);
    if (!will)
        return;
    const uint8_t *properties = will->bytes + will->topic_size;
    const uint8_t *body = properties + will->properties_size;
    struct mqtt_reader reader = mqtt_reader_on(bytes_of(properties, will->properties_size));
    (void)mqtt_read_variable(&reader); // its length: the block travels without
    // Its expiry counts from here on, not from the CONNECT (3.1.3.2.4).
    uint64_t expires_ns = gateway_now_ns(gateway) + (uint64_t)will->expiry_s * NS_PER_S;
    const struct topic_message message = {
        .topic = bytes_of(will->bytes, will->topic_size),
        .body = bytes_of(body, will->body_size),
        .properties = reader.left,
        .publisher = mqtt_session_pid(gateway, session),
        .expires_ns = will->has_expiry ? expires_ns : 0,
        .qos = will->qos,
        .is_retained = will->is_retained,
    };
    // Out of the session first: whatever the publication leads to, it is not published twice.
    uint32_t block = mqtt_session_at(gateway, session)->will;
    mqtt_session_at(gateway, session)->will = BLOCK_NONE;
    gateway_count(gateway, COUNTER_MQTT_WILLS);
    mqtt_routes_publish_message(gateway, &message);
    blocks_release(gateway->parts.blocks, block);
}
