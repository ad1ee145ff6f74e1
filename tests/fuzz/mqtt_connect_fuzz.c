// Goal: what is decoded of CONNECT, CONNACK, DISCONNECT and AUTH comes back the same from what is
// encoded. Method: the first byte chooses packet and version; decode, encode, decode, encode.
#include "gateway/wire/mqtt_connect.h"
#include "tests/fuzz/mqtt_fuzz.h"

static bool encode(struct writer *w, uint8_t which, enum mqtt_version version, struct bytes body) {
    struct mqtt_error error = {0};
    struct mqtt_connect connect;
    struct mqtt_connack connack;
    struct mqtt_farewell farewell;
    switch (which & 3) {
    case 0:
        if (!mqtt_fuzz_is_ok(mqtt_decode_connect(body, &connect, &error), &error))
            return false;
        mqtt_encode_connect(w, &connect);
        return true;
    case 1:
        if (!mqtt_fuzz_is_ok(mqtt_decode_connack(body, version, &connack, &error), &error))
            return false;
        mqtt_encode_connack(w, &connack);
        return true;
    case 2:
        if (!mqtt_fuzz_is_ok(mqtt_decode_disconnect(body, version, &farewell, &error), &error))
            return false;
        mqtt_encode_farewell(w, MQTT_DISCONNECT, version, &farewell);
        return true;
    default:
        if (!mqtt_fuzz_is_ok(mqtt_decode_auth(body, &farewell, &error), &error))
            return false;
        mqtt_encode_farewell(w, MQTT_AUTH, MQTT_5, &farewell);
        return true;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    return mqtt_fuzz_round_trip(bytes_of(data, size), encode);
}
