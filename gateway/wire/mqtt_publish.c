#include "gateway/wire/mqtt_publish.h"

#include "gateway/wire/mqtt_topic.h"

// 3.3.1
enum publish_flag {
    FLAG_RETAIN = 1 << 0,
    FLAG_QOS_SHIFT = 1,
    FLAG_DUPLICATE = 1 << 3,
};

// --- PUBLISH -------------------------------------------------------------------------------------

static void check_topic(struct mqtt_reader *reader, const struct mqtt_publish *publish) {
    bool has_alias = mqtt_properties_has(&publish->properties, MQTT_PROPERTY_topic_alias);
    if (has_alias && publish->properties.topic_alias == 0)
        mqtt_reader_fail(reader, MQTT_TOPIC_ALIAS_INVALID, "topic alias 0 [MQTT-3.3.2-8]");
    if (publish->topic.size == 0 && !has_alias)
        mqtt_reader_fail(reader,
                         publish->version == MQTT_5 ? MQTT_PROTOCOL_ERROR : MQTT_MALFORMED_PACKET,
                         "neither a topic nor an alias (3.3.2.1)");
    else if (publish->topic.size > 0 && !mqtt_topic_is_name(publish->topic))
        mqtt_reader_fail(reader, MQTT_TOPIC_NAME_INVALID,
                         "a topic name with a wildcard [MQTT-3.3.2-2]");
    const struct mqtt_properties *p = &publish->properties;
    if (mqtt_properties_has(p, MQTT_PROPERTY_response_topic) &&
        !mqtt_topic_is_name(p->response_topic))
        mqtt_reader_fail(reader, MQTT_PROTOCOL_ERROR,
                         "a response topic with a wildcard [MQTT-3.3.2-14]");
}

enum mqtt_status mqtt_decode_publish(struct bytes body, uint8_t flags, enum mqtt_version version,
                                     struct mqtt_publish *publish, struct mqtt_error *error) {
    *publish = (struct mqtt_publish){.version = (uint8_t)version,
                                     .qos = flags >> FLAG_QOS_SHIFT & 3,
                                     .is_duplicate = (flags & FLAG_DUPLICATE) != 0,
                                     .is_retained = (flags & FLAG_RETAIN) != 0};
    struct mqtt_reader reader = mqtt_reader_on(body);
    if (publish->qos == 3)
        mqtt_reader_fail(&reader, MQTT_MALFORMED_PACKET, "QoS 3 [MQTT-3.3.1-4]");
    if (publish->qos == 0 && publish->is_duplicate)
        mqtt_reader_fail(&reader, MQTT_MALFORMED_PACKET, "DUP with QoS 0 [MQTT-3.3.1-2]");
    publish->topic = mqtt_read_string(&reader);
    if (publish->qos > 0)
        publish->packet_id = mqtt_read_packet_id(&reader);
    if (version == MQTT_5)
        mqtt_properties_decode(&reader, MQTT_IN(MQTT_PUBLISH), &publish->properties);
    if (!reader.is_bad)
        check_topic(&reader, publish);
    publish->payload = mqtt_read_bytes(&reader, reader.left.size);
    return mqtt_reader_end(&reader, error);
}

static size_t variable_size(const struct mqtt_publish *publish, struct bytes more) {
    size_t size = 2 + publish->topic.size + (publish->qos > 0 ? 2 : 0);
    return size +
           (publish->version == MQTT_5 ? mqtt_properties_size(&publish->properties, more) : 0);
}

size_t mqtt_publish_head_size(const struct mqtt_publish *publish, struct bytes more) {
    size_t size = variable_size(publish, more);
    return 1 + mqtt_variable_size((uint32_t)(size + publish->payload.size)) + size;
}

void mqtt_encode_publish_head(struct writer *w, const struct mqtt_publish *publish,
                              struct bytes more) {
    uint8_t flags =
        (uint8_t)((publish->is_retained ? FLAG_RETAIN : 0) | publish->qos << FLAG_QOS_SHIFT |
                  (publish->is_duplicate ? FLAG_DUPLICATE : 0));
    size_t size = variable_size(publish, more) + publish->payload.size;
    mqtt_encode_header(w, MQTT_PUBLISH, flags, (uint32_t)size);
    mqtt_put_binary(w, publish->topic);
    if (publish->qos > 0)
        mqtt_put_u16(w, publish->packet_id);
    if (publish->version == MQTT_5)
        mqtt_properties_encode(w, &publish->properties, more);
}

// --- PUBACK, PUBREC, PUBREL, PUBCOMP -------------------------------------------------------------

// 3.4.2.1, 3.5.2.1, 3.6.2.1, 3.7.2.1.
static bool ack_may_say(enum mqtt_type type, uint8_t reason) {
    static const uint8_t of_publish[] = {
        MQTT_SUCCESS,
        MQTT_NO_MATCHING_SUBSCRIBERS,
        MQTT_UNSPECIFIED_ERROR,
        MQTT_NOT_AUTHORIZED,
        MQTT_IMPLEMENTATION_SPECIFIC_ERROR,
        MQTT_TOPIC_NAME_INVALID,
        MQTT_PACKET_ID_IN_USE,
        MQTT_QUOTA_EXCEEDED,
        MQTT_PAYLOAD_FORMAT_INVALID,
    };
    if (type == MQTT_PUBREL || type == MQTT_PUBCOMP)
        return reason == MQTT_SUCCESS || reason == MQTT_PACKET_ID_NOT_FOUND;
    return memchr(of_publish, reason, sizeof(of_publish)) != NULL;
}

enum mqtt_status mqtt_decode_ack(struct bytes body, enum mqtt_type type, enum mqtt_version version,
                                 struct mqtt_ack *ack, struct mqtt_error *error) {
    *ack = (struct mqtt_ack){.version = (uint8_t)version};
    struct mqtt_reader reader = mqtt_reader_on(body);
    ack->packet_id = mqtt_read_packet_id(&reader);
    if (version == MQTT_5 && reader.left.size > 0) // 3.4.2.1: left out, it is 0
        ack->reason = mqtt_read_u8(&reader);
    if (version == MQTT_5 && reader.left.size > 0)
        mqtt_properties_decode(&reader, MQTT_IN(type), &ack->properties);
    if (!reader.is_bad && !ack_may_say(type, ack->reason))
        mqtt_reader_fail(&reader, MQTT_PROTOCOL_ERROR,
                         "a reason code that this packet cannot have (2.4)");
    return mqtt_reader_end(&reader, error);
}

void mqtt_encode_ack(struct writer *w, enum mqtt_type type, const struct mqtt_ack *ack) {
    static const struct bytes no_more = {0};
    bool has_properties = ack->version == MQTT_5 && ack->properties.present != 0;
    bool has_reason = ack->version == MQTT_5 && (ack->reason != 0 || has_properties);
    size_t size =
        2u + has_reason + (has_properties ? mqtt_properties_size(&ack->properties, no_more) : 0);
    mqtt_encode_header(w, type, type == MQTT_PUBREL ? 2 : 0, (uint32_t)size);
    mqtt_put_u16(w, ack->packet_id);
    if (has_reason)
        writer_put_byte(w, ack->reason);
    if (has_properties)
        mqtt_properties_encode(w, &ack->properties, no_more);
}
