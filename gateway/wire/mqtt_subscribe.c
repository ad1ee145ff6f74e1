#include "gateway/wire/mqtt_subscribe.h"

#include "gateway/wire/mqtt_topic.h"

// 3.8.3.1
enum subscribe_option {
    OPTION_QOS = 3,
    OPTION_NO_LOCAL = 1 << 2,
    OPTION_AS_PUBLISHED = 1 << 3,
    OPTION_RETAIN_SHIFT = 4,
    OPTION_RESERVED = 3 << 6,
};

static const struct bytes no_more = {0};

// --- SUBSCRIBE, UNSUBSCRIBE ----------------------------------------------------------------------

static bool is_valid(struct bytes text) {
    struct bytes group, behind;
    switch (mqtt_topic_split_shared(text, &group, &behind)) {
    case MQTT_TOPIC_SHARED:
        return true;
    case MQTT_TOPIC_SHARED_BAD:
        return false;
    case MQTT_TOPIC_NOT_SHARED:
        return mqtt_topic_is_filter(text);
    }
    UNREACHABLE();
}

static void read_options(struct mqtt_reader *reader, enum mqtt_version version,
                         struct mqtt_filter *filter) {
    uint8_t options = mqtt_read_u8(reader);
    filter->qos = options & OPTION_QOS;
    filter->is_no_local = (options & OPTION_NO_LOCAL) != 0;
    filter->retains_as_published = (options & OPTION_AS_PUBLISHED) != 0;
    filter->retain_handling = options >> OPTION_RETAIN_SHIFT & 3;
    uint8_t allowed = version == MQTT_5 ? (uint8_t)~OPTION_RESERVED : OPTION_QOS;
    if (options & ~allowed)
        mqtt_reader_fail(reader, MQTT_MALFORMED_PACKET,
                         "reserved bits of a subscription are set [MQTT-3.8.3-5]");
    if (filter->qos == 3)
        mqtt_reader_fail(reader, MQTT_PROTOCOL_ERROR, "a subscription of QoS 3 (3.8.3.1)");
    if (filter->retain_handling == 3)
        mqtt_reader_fail(reader, MQTT_PROTOCOL_ERROR, "retain handling 3 (3.8.3.1)");
    if (filter->is_no_local && bytes_starts_with(filter->text, BYTES_LITERAL("$share/")))
        mqtt_reader_fail(reader, MQTT_PROTOCOL_ERROR,
                         "no-local on a shared subscription [MQTT-3.8.3-4]");
}

static void read_filter(struct mqtt_reader *reader, enum mqtt_version version, bool has_options,
                        struct mqtt_filter *filter) {
    *filter = (struct mqtt_filter){.text = mqtt_read_string(reader)};
    if (has_options)
        read_options(reader, version, filter);
    filter->is_valid = is_valid(filter->text);
}

static enum mqtt_status decode(struct bytes body, enum mqtt_version version, bool has_options,
                               struct mqtt_subscribe *subscribe, struct mqtt_error *error) {
    *subscribe = (struct mqtt_subscribe){.version = (uint8_t)version, .has_options = has_options};
    struct mqtt_reader reader = mqtt_reader_on(body);
    subscribe->packet_id = mqtt_read_packet_id(&reader);
    if (version == MQTT_5)
        mqtt_properties_decode(&reader, MQTT_IN(has_options ? MQTT_SUBSCRIBE : MQTT_UNSUBSCRIBE),
                               &subscribe->properties);
    subscribe->filters = reader.left;
    struct mqtt_filter filter;
    while (reader.left.size > 0) {
        read_filter(&reader, version, has_options, &filter);
        subscribe->filter_count++;
    }
    if (subscribe->filter_count == 0)
        mqtt_reader_fail(&reader, MQTT_PROTOCOL_ERROR,
                         "no topic filter [MQTT-3.8.3-2], [MQTT-3.10.3-2]");
    return mqtt_reader_end(&reader, error);
}

enum mqtt_status mqtt_decode_subscribe(struct bytes body, enum mqtt_version version,
                                       struct mqtt_subscribe *subscribe, struct mqtt_error *error) {
    return decode(body, version, true, subscribe, error);
}

enum mqtt_status mqtt_decode_unsubscribe(struct bytes body, enum mqtt_version version,
                                         struct mqtt_subscribe *unsubscribe,
                                         struct mqtt_error *error) {
    return decode(body, version, false, unsubscribe, error);
}

bool mqtt_subscribe_next(const struct mqtt_subscribe *subscribe, struct bytes *left,
                         struct mqtt_filter *filter) {
    if (left->size == 0)
        return false;
    struct mqtt_reader reader = mqtt_reader_on(*left);
    read_filter(&reader, (enum mqtt_version)subscribe->version, subscribe->has_options, filter);
    CHECK(!reader.is_bad); // the decoder has been here
    *left = reader.left;
    return true;
}

void mqtt_encode_subscribe(struct writer *w, enum mqtt_type type,
                           const struct mqtt_subscribe *subscribe,
                           const struct mqtt_filter *filters) {
    bool is_5 = subscribe->version == MQTT_5, has_options = type == MQTT_SUBSCRIBE;
    size_t size = 2 + (is_5 ? mqtt_properties_size(&subscribe->properties, no_more) : 0);
    for (uint32_t i = 0; i < subscribe->filter_count; i++)
        size += 2 + filters[i].text.size + has_options;
    mqtt_encode_header(w, type, 2, (uint32_t)size);
    mqtt_put_u16(w, subscribe->packet_id);
    if (is_5)
        mqtt_properties_encode(w, &subscribe->properties, no_more);
    for (uint32_t i = 0; i < subscribe->filter_count; i++) {
        const struct mqtt_filter *filter = &filters[i];
        mqtt_put_binary(w, filter->text);
        if (has_options)
            writer_put_byte(w, (uint8_t)(filter->qos | (filter->is_no_local ? OPTION_NO_LOCAL : 0) |
                                         (filter->retains_as_published ? OPTION_AS_PUBLISHED : 0) |
                                         filter->retain_handling << OPTION_RETAIN_SHIFT));
    }
}

// --- SUBACK, UNSUBACK ----------------------------------------------------------------------------

// 3.9.3 and 3.11.3; 3.1.1: 3.9.3.
static bool may_say(enum mqtt_type type, enum mqtt_version version, uint8_t code) {
    static const uint8_t of_suback[] = {
        MQTT_SUCCESS,
        MQTT_GRANTED_QOS_1,
        MQTT_GRANTED_QOS_2,
        MQTT_UNSPECIFIED_ERROR, // the last that 3.1.1 knows
        MQTT_IMPLEMENTATION_SPECIFIC_ERROR,
        MQTT_NOT_AUTHORIZED,
        MQTT_TOPIC_FILTER_INVALID,
        MQTT_PACKET_ID_IN_USE,
        MQTT_QUOTA_EXCEEDED,
        MQTT_SHARED_SUBSCRIPTIONS_NOT_SUPPORTED,
        MQTT_SUBSCRIPTION_IDS_NOT_SUPPORTED,
        MQTT_WILDCARDS_NOT_SUPPORTED,
    };
    static const uint8_t of_unsuback[] = {
        MQTT_SUCCESS,           MQTT_NO_SUBSCRIPTION_EXISTED,
        MQTT_UNSPECIFIED_ERROR, MQTT_IMPLEMENTATION_SPECIFIC_ERROR,
        MQTT_NOT_AUTHORIZED,    MQTT_TOPIC_FILTER_INVALID,
        MQTT_PACKET_ID_IN_USE,
    };
    if (type == MQTT_UNSUBACK)
        return memchr(of_unsuback, code, sizeof(of_unsuback)) != NULL;
    return memchr(of_suback, code, version == MQTT_5 ? sizeof(of_suback) : 4) != NULL;
}

static void check_codes(struct mqtt_reader *reader, enum mqtt_type type, enum mqtt_version version,
                        struct bytes codes) {
    for (size_t i = 0; i < codes.size; i++)
        if (!may_say(type, version, codes.data[i]))
            mqtt_reader_fail(reader, MQTT_PROTOCOL_ERROR,
                             "a reason code that this packet cannot have [MQTT-3.9.3-2]");
}

enum mqtt_status mqtt_decode_suback(struct bytes body, enum mqtt_type type,
                                    enum mqtt_version version, struct mqtt_suback *suback,
                                    struct mqtt_error *error) {
    *suback = (struct mqtt_suback){.version = (uint8_t)version};
    struct mqtt_reader reader = mqtt_reader_on(body);
    suback->packet_id = mqtt_read_packet_id(&reader);
    if (version == MQTT_5)
        mqtt_properties_decode(&reader, MQTT_IN(type), &suback->properties);
    bool has_codes = type == MQTT_SUBACK || version == MQTT_5;
    if (has_codes && reader.left.size == 0)
        mqtt_reader_fail(&reader, MQTT_PROTOCOL_ERROR, "no reason code [MQTT-3.9.3-1]");
    if (has_codes)
        suback->codes = mqtt_read_bytes(&reader, reader.left.size);
    check_codes(&reader, type, version, suback->codes);
    return mqtt_reader_end(&reader, error);
}

void mqtt_encode_suback(struct writer *w, enum mqtt_type type, const struct mqtt_suback *suback) {
    bool is_5 = suback->version == MQTT_5;
    struct bytes codes = type == MQTT_SUBACK || is_5 ? suback->codes : no_more;
    size_t size = 2 + (is_5 ? mqtt_properties_size(&suback->properties, no_more) : 0);
    mqtt_encode_header(w, type, 0, (uint32_t)(size + codes.size));
    mqtt_put_u16(w, suback->packet_id);
    if (is_5)
        mqtt_properties_encode(w, &suback->properties, no_more);
    writer_put(w, codes);
}
