#include "topics/topic_message.h"

struct message_head {
    uint64_t publisher;
    uint64_t expires_ns;
    uint32_t body_size;
    uint32_t properties_size;
    uint16_t topic_size;
    uint8_t qos;
    uint8_t is_retained;
    uint8_t bytes[];
};

uint64_t topic_message_pack(struct scheduler *scheduler, const struct topic_message *message) {
    CHECK(message->topic.size <= UINT16_MAX && message->body.size <= UINT32_MAX &&
          message->properties.size <= UINT32_MAX);
    size_t size = message->topic.size + message->properties.size + message->body.size;
    uint64_t payload = payload_acquire(scheduler, sizeof(struct message_head) + size);
    if (payload == PAYLOAD_NONE)
        return PAYLOAD_NONE;
    struct message_head *head = payload_data(scheduler, payload);
    head->publisher = message->publisher;
    head->expires_ns = message->expires_ns;
    head->body_size = (uint32_t)message->body.size;
    head->properties_size = (uint32_t)message->properties.size;
    head->topic_size = (uint16_t)message->topic.size;
    head->qos = message->qos;
    head->is_retained = message->is_retained;
    struct writer writer = writer_on(head->bytes, size);
    writer_put(&writer, message->topic);
    writer_put(&writer, message->properties);
    writer_put(&writer, message->body);
    CHECK(!writer.overflow);
    return payload;
}

struct topic_message topic_message_view(const struct scheduler *scheduler, uint64_t payload) {
    const struct message_head *head = payload_data(scheduler, payload);
    const uint8_t *properties = head->bytes + head->topic_size;
    return (struct topic_message){
        .topic = bytes_of(head->bytes, head->topic_size),
        .body = bytes_of(properties + head->properties_size, head->body_size),
        .properties = bytes_of(properties, head->properties_size),
        .publisher = head->publisher,
        .expires_ns = head->expires_ns,
        .qos = head->qos,
        .is_retained = head->is_retained,
    };
}
