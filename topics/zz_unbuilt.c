// What of topics.h no other file defines yet: refusals, weak, until topics.c is there.
#include "topics/topics.h"

#define UNBUILT __attribute__((weak))

UNBUILT uint32_t topics_subscribe(struct topics *topics, const struct topics_request *request,
                                  enum topics_refusal *refusal) {
    *refusal = TOPICS_BUSY;
    return SLAB_NONE;
}

UNBUILT void topics_change(struct topics *topics, uint32_t subscription,
                           const struct topics_request *request) {
}

UNBUILT void topics_unsubscribe(struct topics *topics, uint32_t subscription) {
}

UNBUILT void topics_readdress(struct topics *topics, uint32_t subscription, uint32_t address) {
}

UNBUILT struct topics_subscription *topics_subscription(const struct topics *topics,
                                                        uint32_t subscription) {
    UNREACHABLE();
}

UNBUILT void topics_encode_filter(const struct topics *topics, uint32_t subscription,
                                  struct writer *w) {
}

UNBUILT bool topics_publish(struct topics *topics, const struct topic_message *message,
                            uint32_t note, enum topics_refusal *refusal) {
    *refusal = TOPICS_BUSY;
    return false;
}

UNBUILT struct topic_message topic_message_view(const struct scheduler *scheduler,
                                                uint64_t payload) {
    return (struct topic_message){0};
}
