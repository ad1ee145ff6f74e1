// Goal: what is decoded of SUBSCRIBE, UNSUBSCRIBE and their answers comes back the same from what
// is encoded. Method: the first byte chooses packet and version; filters are walked into a table.
#include "gateway/wire/mqtt_subscribe.h"
#include "gateway/wire/mqtt_topic.h"
#include "tests/fuzz/mqtt_fuzz.h"

static void encode_filters(struct writer *w, enum mqtt_type type,
                           const struct mqtt_subscribe *subscribe) {
    struct mqtt_filter *filters = calloc(subscribe->filter_count, sizeof(*filters));
    CHECK(filters != NULL);
    struct bytes left = subscribe->filters;
    uint32_t count = 0;
    while (mqtt_subscribe_next(subscribe, &left, &filters[count])) {
        CHECK(!filters[count].is_valid || filters[count].text.size > 0);
        if (++count == subscribe->filter_count)
            break;
    }
    CHECK(count == subscribe->filter_count && left.size == 0);
    mqtt_encode_subscribe(w, type, subscribe, filters);
    free(filters);
}

static bool encode(struct writer *w, uint8_t which, enum mqtt_version version, struct bytes body) {
    struct mqtt_error error = {0};
    struct mqtt_subscribe subscribe;
    struct mqtt_suback suback;
    enum mqtt_type type = which & 2 ? MQTT_SUBACK : MQTT_UNSUBACK;
    switch (which & 3) {
    case 0:
        if (!mqtt_fuzz_is_ok(mqtt_decode_subscribe(body, version, &subscribe, &error), &error))
            return false;
        encode_filters(w, MQTT_SUBSCRIBE, &subscribe);
        return true;
    case 2:
        if (!mqtt_fuzz_is_ok(mqtt_decode_unsubscribe(body, version, &subscribe, &error), &error))
            return false;
        encode_filters(w, MQTT_UNSUBSCRIBE, &subscribe);
        return true;
    default:
        if (!mqtt_fuzz_is_ok(mqtt_decode_suback(body, type, version, &suback, &error), &error))
            return false;
        mqtt_encode_suback(w, type, &suback);
        return true;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    return mqtt_fuzz_round_trip(bytes_of(data, size), encode);
}
