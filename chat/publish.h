// Publishes, joins and presence records as shared payloads: packed by one core, viewed by others.
#ifndef FAIRLEAD_CHAT_PUBLISH_H
#define FAIRLEAD_CHAT_PUBLISH_H

#include "chat/chat.h"

// One count for the caller; PAYLOAD_NONE when memory is out. ref and event are at most 255 bytes.
MUST_USE uint64_t publish_pack(struct scheduler *scheduler, const struct chat_publish *publish);

// Views into the payload.
struct chat_publish publish_view(const struct scheduler *scheduler, uint64_t payload);

struct chat_join_view {
    struct bytes room;
    struct bytes user;
    struct bytes meta;
};

MUST_USE uint64_t join_pack(struct scheduler *scheduler, const struct chat_join_view *join);
struct chat_join_view join_view(const struct scheduler *scheduler, uint64_t payload);

// struct presence_record after struct presence_record, as presence.c packed them.
struct bytes records_view(const struct scheduler *scheduler, uint64_t payload);

// What a message to a leaf settles, also to one that is gone: a relay is taken, a publish answered.
void publish_settle(struct chat *chat, const struct message *message);

// CHAT_REFUSED: settles it, tells the publisher if it is still a member, gives the payload back.
void publish_refused(struct chat *chat, const struct message *message);

// Gives back the payloads that a message of chat holds.
void publish_discard(struct scheduler *scheduler, const struct message *message);

#endif
