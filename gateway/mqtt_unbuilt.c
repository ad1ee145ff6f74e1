// What MQTT connections call and no other file defines yet: refusals, weak, so that each is
// replaced by the file that defines it and this one goes when all are there.
#include "gateway/mqtt_inbox.h"
#include "gateway/mqtt_outbox.h"
#include "gateway/mqtt_routes.h"

#define UNBUILT __attribute__((weak))

UNBUILT enum mqtt_reason mqtt_outbox_on_ack(struct gateway *gateway, uint32_t session,
                                            enum mqtt_type type, const struct mqtt_ack *ack) {
    return MQTT_PACKET_ID_NOT_FOUND;
}

UNBUILT void mqtt_outbox_push(struct gateway *gateway, uint32_t session,
                              const struct mqtt_delivery *delivery) {
}

UNBUILT void mqtt_outbox_flush(struct gateway *gateway, uint32_t session) {
}

UNBUILT void mqtt_outbox_resume(struct gateway *gateway, uint32_t session) {
}

UNBUILT void mqtt_outbox_on_offline(struct gateway *gateway, uint32_t session) {
}

UNBUILT void mqtt_outbox_release(struct gateway *gateway, uint32_t session) {
}

UNBUILT enum mqtt_inbox_result mqtt_inbox_begin(struct gateway *gateway, uint32_t session,
                                                uint16_t packet_id, uint8_t qos) {
    return MQTT_INBOX_MEMORY;
}

UNBUILT void mqtt_inbox_end(struct gateway *gateway, uint32_t session, uint16_t packet_id) {
}

UNBUILT bool mqtt_inbox_resolve_alias(struct gateway *gateway, uint32_t session,
                                      const struct mqtt_publish *publish, struct bytes *topic,
                                      enum mqtt_reason *reason) {
    *topic = publish->topic;
    return true;
}

UNBUILT bool mqtt_inbox_on_pubrel(struct gateway *gateway, uint32_t session, uint16_t packet_id) {
    return false;
}

UNBUILT void mqtt_inbox_on_offline(struct gateway *gateway, uint32_t session) {
}

UNBUILT void mqtt_inbox_release(struct gateway *gateway, uint32_t session) {
}
