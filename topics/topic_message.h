// A published message, as views: into a shared payload (topic_message_view), or into the caller's
// memory. Packed once by the publisher's core.
#ifndef FAIRLEAD_TOPIC_MESSAGE_H
#define FAIRLEAD_TOPIC_MESSAGE_H

#include "sched/base/bytes.h"
#include "sched/payload.h"

struct topic_message {
    struct bytes topic;
    struct bytes body;
    struct bytes properties; // opaque: the program's, passed on as they are
    uint64_t publisher;      // the program's name of who published; 0: nobody
    uint64_t expires_ns;     // by the scheduler's clock; 0: never
    uint8_t qos;
    bool is_retained; // published with the retain flag
};

// One count for the caller; PAYLOAD_NONE when memory is out.
MUST_USE uint64_t topic_message_pack(struct scheduler *scheduler,
                                     const struct topic_message *message);
struct topic_message topic_message_view(const struct scheduler *scheduler, uint64_t payload);

#endif
