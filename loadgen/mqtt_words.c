#include "loadgen/mqtt_words.h"

#include <stddef.h>

#include "gateway/wire/mqtt.h"

// Table 2-6 of MQTT 5.0, what is refused and how connections end.
static const char *const REASONS[256] = {
    [MQTT_SUCCESS] = "success",
    [MQTT_DISCONNECT_WITH_WILL] = "disconnect with will",
    [MQTT_NO_MATCHING_SUBSCRIBERS] = "no matching subscribers",
    [MQTT_NO_SUBSCRIPTION_EXISTED] = "no subscription existed",
    [MQTT_CONTINUE_AUTHENTICATION] = "continue authentication",
    [MQTT_REAUTHENTICATE] = "re-authenticate",
    [MQTT_UNSPECIFIED_ERROR] = "unspecified error",
    [MQTT_MALFORMED_PACKET] = "malformed packet",
    [MQTT_PROTOCOL_ERROR] = "protocol error",
    [MQTT_IMPLEMENTATION_SPECIFIC_ERROR] = "implementation specific error",
    [MQTT_UNSUPPORTED_PROTOCOL_VERSION] = "unsupported protocol version",
    [MQTT_CLIENT_ID_NOT_VALID] = "client identifier not valid",
    [MQTT_BAD_USER_NAME_OR_PASSWORD] = "bad user name or password",
    [MQTT_NOT_AUTHORIZED] = "not authorized",
    [MQTT_SERVER_UNAVAILABLE] = "server unavailable",
    [MQTT_SERVER_BUSY] = "server busy",
    [MQTT_BANNED] = "banned",
    [MQTT_SERVER_SHUTTING_DOWN] = "server shutting down",
    [MQTT_BAD_AUTHENTICATION_METHOD] = "bad authentication method",
    [MQTT_KEEP_ALIVE_TIMEOUT] = "keep alive timeout",
    [MQTT_SESSION_TAKEN_OVER] = "session taken over",
    [MQTT_TOPIC_FILTER_INVALID] = "topic filter invalid",
    [MQTT_TOPIC_NAME_INVALID] = "topic name invalid",
    [MQTT_PACKET_ID_IN_USE] = "packet identifier in use",
    [MQTT_PACKET_ID_NOT_FOUND] = "packet identifier not found",
    [MQTT_RECEIVE_MAXIMUM_EXCEEDED] = "receive maximum exceeded",
    [MQTT_TOPIC_ALIAS_INVALID] = "topic alias invalid",
    [MQTT_PACKET_TOO_LARGE] = "packet too large",
    [MQTT_MESSAGE_RATE_TOO_HIGH] = "message rate too high",
    [MQTT_QUOTA_EXCEEDED] = "quota exceeded",
    [MQTT_ADMINISTRATIVE_ACTION] = "administrative action",
    [MQTT_PAYLOAD_FORMAT_INVALID] = "payload format invalid",
    [MQTT_RETAIN_NOT_SUPPORTED] = "retain not supported",
    [MQTT_QOS_NOT_SUPPORTED] = "QoS not supported",
    [MQTT_USE_ANOTHER_SERVER] = "use another server",
    [MQTT_SERVER_MOVED] = "server moved",
    [MQTT_SHARED_SUBSCRIPTIONS_NOT_SUPPORTED] = "shared subscriptions not supported",
    [MQTT_CONNECTION_RATE_EXCEEDED] = "connection rate exceeded",
    [MQTT_MAXIMUM_CONNECT_TIME] = "maximum connect time",
    [MQTT_SUBSCRIPTION_IDS_NOT_SUPPORTED] = "subscription identifiers not supported",
    [MQTT_WILDCARDS_NOT_SUPPORTED] = "wildcard subscriptions not supported",
};

const char *mqtt_words_reason(uint8_t reason) {
    return REASONS[reason] != NULL ? REASONS[reason] : "an unknown reason";
}

const char *mqtt_words_connack_3_1_1(uint8_t code) {
    static const char *const codes[] = {
        "accepted",           "unacceptable protocol version", "identifier rejected",
        "server unavailable", "bad user name or password",     "not authorized",
    };
    return code < sizeof(codes) / sizeof(codes[0]) ? codes[code] : "an unknown code";
}
