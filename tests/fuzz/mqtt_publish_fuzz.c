// Goal: what is decoded of PUBLISH and its acknowledgements comes back the same from what is
// encoded; walks over properties end. Method: the first byte chooses packet, version and flags.
#include "gateway/wire/mqtt_publish.h"
#include "gateway/wire/mqtt_topic.h"
#include "tests/fuzz/mqtt_fuzz.h"

static void walk(const struct mqtt_properties *p) {
    struct mqtt_pair pair;
    uint32_t id, count = 0;
    for (size_t at = 0; mqtt_properties_next_user(p, &at, &pair);)
        count++;
    CHECK(count == p->user_count);
    for (size_t at = 0; mqtt_properties_next_subscription_id(p, &at, &id);)
        CHECK(id > 0 && id <= MQTT_PROPERTIES_SUBSCRIPTION_ID_MAX);
}

static bool encode_publish(struct writer *w, uint8_t flags, enum mqtt_version version,
                           struct bytes body) {
    struct mqtt_error error = {0};
    struct mqtt_publish publish;
    if (!mqtt_fuzz_is_ok(mqtt_decode_publish(body, flags, version, &publish, &error), &error))
        return false;
    CHECK(publish.topic.size == 0 || mqtt_topic_is_name(publish.topic));
    CHECK((publish.packet_id != 0) == (publish.qos > 0));
    walk(&publish.properties);
    mqtt_encode_publish_head(w, &publish, (struct bytes){0});
    CHECK(w->overflow || w->size == mqtt_publish_head_size(&publish, (struct bytes){0}));
    writer_put(w, publish.payload);
    return true;
}

// Bits 3 to 7 are PUBLISH's flags, and 31 stands for an acknowledgement.
static bool encode(struct writer *w, uint8_t which, enum mqtt_version version, struct bytes body) {
    static const enum mqtt_type types[] = {MQTT_PUBACK, MQTT_PUBREC, MQTT_PUBREL, MQTT_PUBCOMP};
    if (which >> 3 != 31)
        return encode_publish(w, which >> 3 & 15, version, body);
    struct mqtt_error error = {0};
    struct mqtt_ack ack;
    enum mqtt_type type = types[which & 3];
    if (!mqtt_fuzz_is_ok(mqtt_decode_ack(body, type, version, &ack, &error), &error))
        return false;
    mqtt_encode_ack(w, type, &ack);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    return mqtt_fuzz_round_trip(bytes_of(data, size), encode);
}
