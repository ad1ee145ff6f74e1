// Goal: any stream of bytes is a sequence of packets that are taken or refused with a reason, the
// same whether it comes at once or byte by byte; and every filter in it matches the topics in it
// as a slower way does. Method: the first byte chooses the version and the maximum packet size; the
// rest is read as a connection reads it.
#include "gateway/wire/mqtt_connect.h"
#include "gateway/wire/mqtt_publish.h"
#include "gateway/wire/mqtt_subscribe.h"
#include "gateway/wire/mqtt_topic.h"
#include "tests/fuzz/mqtt_fuzz.h"

#define KEPT_MAX 8u

struct seen {
    struct bytes names[KEPT_MAX];
    struct bytes filters[KEPT_MAX];
    uint32_t name_count;
    uint32_t filter_count;
};

static void keep(struct bytes *list, uint32_t *count, struct bytes text) {
    if (*count < KEPT_MAX)
        list[(*count)++] = text;
}

static bool take_filters(struct bytes body, enum mqtt_type type, enum mqtt_version version,
                         struct seen *seen, struct mqtt_error *error) {
    struct mqtt_subscribe subscribe;
    enum mqtt_status status = type == MQTT_SUBSCRIBE
                                  ? mqtt_decode_subscribe(body, version, &subscribe, error)
                                  : mqtt_decode_unsubscribe(body, version, &subscribe, error);
    if (!mqtt_fuzz_is_ok(status, error))
        return false;
    struct mqtt_filter filter;
    struct bytes left = subscribe.filters, group, behind;
    while (mqtt_subscribe_next(&subscribe, &left, &filter)) {
        enum mqtt_topic_shared shared = mqtt_topic_split_shared(filter.text, &group, &behind);
        CHECK(filter.is_valid == (shared == MQTT_TOPIC_SHARED || (shared == MQTT_TOPIC_NOT_SHARED &&
                                                                  mqtt_topic_is_filter(behind))));
        if (filter.is_valid)
            keep(seen->filters, &seen->filter_count, behind);
    }
    return true;
}

static bool take_publish(struct bytes body, uint8_t flags, enum mqtt_version version,
                         struct seen *seen, struct mqtt_error *error) {
    struct mqtt_publish publish;
    if (!mqtt_fuzz_is_ok(mqtt_decode_publish(body, flags, version, &publish, error), error))
        return false;
    if (publish.topic.size > 0)
        keep(seen->names, &seen->name_count, publish.topic);
    return true;
}

// False: refused.
static bool take(const struct mqtt_header *header, struct bytes body, enum mqtt_version version,
                 struct seen *seen) {
    enum mqtt_type type = (enum mqtt_type)header->type;
    struct mqtt_error error = {0};
    struct mqtt_connect connect;
    struct mqtt_connack connack;
    struct mqtt_ack ack;
    struct mqtt_suback suback;
    struct mqtt_farewell farewell;
    switch (type) {
    case MQTT_CONNECT:
        return mqtt_fuzz_is_ok(mqtt_decode_connect(body, &connect, &error), &error);
    case MQTT_CONNACK:
        return mqtt_fuzz_is_ok(mqtt_decode_connack(body, version, &connack, &error), &error);
    case MQTT_PUBLISH:
        return take_publish(body, header->flags, version, seen, &error);
    case MQTT_PUBACK:
    case MQTT_PUBREC:
    case MQTT_PUBREL:
    case MQTT_PUBCOMP:
        return mqtt_fuzz_is_ok(mqtt_decode_ack(body, type, version, &ack, &error), &error);
    case MQTT_SUBSCRIBE:
    case MQTT_UNSUBSCRIBE:
        return take_filters(body, type, version, seen, &error);
    case MQTT_SUBACK:
    case MQTT_UNSUBACK:
        return mqtt_fuzz_is_ok(mqtt_decode_suback(body, type, version, &suback, &error), &error);
    case MQTT_PINGREQ:
    case MQTT_PINGRESP:
        return body.size == 0;
    case MQTT_DISCONNECT:
        return mqtt_fuzz_is_ok(mqtt_decode_disconnect(body, version, &farewell, &error), &error);
    case MQTT_AUTH:
        return mqtt_fuzz_is_ok(mqtt_decode_auth(body, &farewell, &error), &error);
    }
    UNREACHABLE();
}

// Level by level, by comparing characters; the matcher under test walks both at once.
static bool matches_slowly(struct bytes filter, struct bytes name) {
    size_t f = 0, n = 0;
    if (name.data[0] == '$' && (filter.data[0] == '#' || filter.data[0] == '+'))
        return false;
    while (f < filter.size) {
        if (filter.data[f] == '#')
            return true;
        if (filter.data[f] == '+') {
            while (n < name.size && name.data[n] != '/')
                n++;
            f++;
        } else if (n < name.size && filter.data[f] == name.data[n]) {
            f++, n++;
        } else {
            return n == name.size && filter.size - f == 2 && filter.data[f] == '/' &&
                   filter.data[f + 1] == '#';
        }
    }
    return n == name.size;
}

static void compare(const struct seen *seen) {
    for (uint32_t f = 0; f < seen->filter_count; f++)
        for (uint32_t n = 0; n < seen->name_count; n++)
            CHECK(mqtt_topic_matches(seen->filters[f], seen->names[n]) ==
                  matches_slowly(seen->filters[f], seen->names[n]));
}

// Every shorter piece wants more, or is refused for what stands in it already.
static void check_prefixes(struct bytes input, const struct mqtt_header *whole, uint32_t max) {
    struct mqtt_header header;
    struct mqtt_error error;
    for (size_t size = 0; size < whole->size; size++)
        CHECK(mqtt_decode_header(bytes_of(input.data, size), max, &header, &error) ==
              MQTT_NEED_MORE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0)
        return 0;
    enum mqtt_version version = data[0] & 1 ? MQTT_5 : MQTT_3_1_1;
    uint32_t max = data[0] & 2 ? 64 : 0;
    uint8_t *copy = fuzz_copy(bytes_of(data + 1, size - 1));
    struct bytes input = bytes_of(copy, size - 1);
    struct mqtt_header header;
    struct mqtt_error error = {0};
    struct seen seen = {0};
    for (;;) {
        enum mqtt_status status = mqtt_decode_header(input, max, &header, &error);
        CHECK(status != MQTT_BAD || (error.reason >= 0x80 && error.cause != NULL));
        if (status != MQTT_OK)
            break;
        check_prefixes(input, &header, max);
        CHECK(max == 0 || header.size + header.remaining_size <= max);
        if (header.remaining_size > input.size - header.size ||
            !take(&header, bytes_of(input.data + header.size, header.remaining_size), version,
                  &seen))
            break;
        input = bytes_skip(input, header.size + header.remaining_size);
    }
    compare(&seen);
    free(copy);
    return 0;
}
