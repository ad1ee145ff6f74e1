#include "loadgen/mqtt_scan.h"

#include <string.h>

#include "loadgen/scan.h"

// The user property `seq` up to its value's length: 0x26, 3, "seq", and the high byte of the
// length.
static const uint8_t SEQ[] = {MQTT_PROPERTY_user, 0, 3, 's', 'e', 'q', 0};

void mqtt_scan_expect(struct mqtt_scan_expected *expected, struct bytes topic) {
    CHECKF(topic.size <= MQTT_SCAN_TOPIC_BYTES_MAX, "topic of %zu bytes", topic.size);
    struct writer w = writer_on(expected->topic, sizeof(expected->topic));
    mqtt_put_binary(&w, topic);
    expected->size = (uint16_t)w.size;
}

bool mqtt_scan_is_topic(const struct mqtt_scan_expected *expected, struct bytes topic) {
    return bytes_equal(topic, bytes_of(expected->topic + 2, expected->size - 2u));
}

// Takes a block of properties off *rest that is empty or only `seq`.
static bool take_sequence(struct bytes *rest, uint64_t *sequence) {
    *sequence = 0;
    if (rest->size == 0)
        return false;
    size_t size = rest->data[0];
    if (size >= 128 || rest->size < 1 + size)
        return false;
    struct bytes block = bytes_of(rest->data + 1, size);
    *rest = bytes_skip(*rest, 1 + size);
    if (size == 0)
        return true;
    return size > sizeof(SEQ) + 1 && memcmp(block.data, SEQ, sizeof(SEQ)) == 0 &&
           block.data[sizeof(SEQ)] == size - sizeof(SEQ) - 1 &&
           scan_decimal(bytes_skip(block, sizeof(SEQ) + 1), sequence);
}

bool mqtt_scan_usual(const struct mqtt_scan_expected *expected, struct bytes body, uint8_t qos,
                     enum mqtt_version version, struct mqtt_scan_delivery *delivery) {
    size_t id_size = qos > 0 ? 2 : 0;
    if (qos > 2 || body.size < expected->size + id_size ||
        memcmp(body.data, expected->topic, expected->size) != 0)
        return false;
    struct bytes rest = bytes_skip(body, expected->size);
    delivery->packet_id = 0;
    if (qos > 0)
        delivery->packet_id = (uint16_t)(rest.data[0] << 8 | rest.data[1]);
    rest = bytes_skip(rest, id_size);
    delivery->sequence = 0;
    if (qos > 0 && delivery->packet_id == 0)
        return false;
    if (version == MQTT_5 && !take_sequence(&rest, &delivery->sequence))
        return false;
    delivery->payload = rest;
    return true;
}

// "12-34"
static bool read_gap(struct bytes text, struct mqtt_scan_said *said) {
    const uint8_t *dash = memchr(text.data, '-', text.size);
    if (dash == NULL)
        return false;
    size_t from_size = (size_t)(dash - text.data);
    return scan_decimal(bytes_of(text.data, from_size), &said->gap_from) &&
           scan_decimal(bytes_skip(text, from_size + 1), &said->gap_to);
}

void mqtt_scan_properties(const struct mqtt_properties *properties, struct mqtt_scan_said *said) {
    struct mqtt_pair pair;
    size_t at = 0;
    *said = (struct mqtt_scan_said){0};
    while (mqtt_properties_next_user(properties, &at, &pair)) {
        if (bytes_equal_string(pair.name, "seq") && !scan_decimal(pair.value, &said->sequence))
            said->sequence = 0;
        else if (bytes_equal_string(pair.name, "gap"))
            said->has_gap = read_gap(pair.value, said);
    }
}
