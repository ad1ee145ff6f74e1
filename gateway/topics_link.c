// Defines topics/topics_port.h: messages outside rooms as MQTT. Owners are sessions; an address
// with a shared format is a stream's index, as in chat_link.c.
#include "topics/topics_port.h"

#include "chat/chat_port.h"
#include "gateway/mqtt_filters.h"
#include "gateway/mqtt_format.h"

static uint32_t session_of(uint32_t owner) {
    CHECKF(mqtt_is_owner(owner), "subscriber %u is no session", owner);
    return owner & ~MQTT_OWNER;
}

uint32_t topics_port_encode(void *port, uint32_t format, const struct topic_message *message) {
    return mqtt_format_topic_message(port, format, message);
}

void topics_port_deliver(void *port, uint32_t address, uint32_t parcel) {
    chat_port_deliver(port, address, parcel);
}

void topics_port_prefetch(void *port, uint32_t address) {
    chat_port_prefetch(port, address);
}

void topics_port_deliver_each(void *port, const struct topics_delivery *delivery) {
    struct gateway *gateway = port;
    const struct topic_message *message = &delivery->message;
    if (message->expires_ns && gateway_now_ns(gateway) > message->expires_ns) {
        gateway_count(gateway, COUNTER_DROPPED_EXPIRED); // [MQTT-3.3.2-5]
        return;
    }
    const struct mqtt_delivery one = {.source = MQTT_FROM_TOPIC,
                                      .payload = delivery->payload,
                                      .qos = delivery->qos,
                                      .is_retained = delivery->is_retained,
                                      .id_count = delivery->id_count,
                                      .ids = delivery->ids};
    mqtt_outbox_push(gateway, session_of(delivery->owner), &one);
}

void topics_port_subscribed(void *port, uint32_t owner, uint32_t subscription,
                            enum topics_refusal refusal) {
    mqtt_filters_on_subscribed(port, session_of(owner), subscription, refusal);
}

void topics_port_published(void *port, const struct topics_published *published) {
    mqtt_routes_on_topic_published(port, published);
}

bool topics_port_is_publisher(void *port, uint32_t owner, uint64_t publisher) {
    return publisher == mqtt_session_pid(port, session_of(owner));
}

bool topics_port_is_online(void *port, uint32_t owner) {
    return mqtt_session_at(port, session_of(owner))->conn != SLAB_NONE;
}
