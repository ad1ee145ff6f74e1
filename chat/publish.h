// Publishes, joins and presence records as shared payloads: packed by one core, viewed by others.
#ifndef FAIRLEAD_CHAT_PUBLISH_H
#define FAIRLEAD_CHAT_PUBLISH_H

#include "chat/chat.h"

// One count for the caller; PAYLOAD_NONE when memory is out. ref and event are at most 255 bytes.
MUST_USE uint64_t publish_pack(struct scheduler *scheduler, const struct chat_publish *publish);

// Views into the payload.
struct chat_publish publish_view(const struct scheduler *scheduler, uint64_t payload);

// The bytes of the payload that publish_pack makes.
size_t publish_packed_size(const struct chat_publish *publish);

// One count of a payload that names its room: the same when it does, else a copy, of this core;
// PAYLOAD_NONE when memory is out.
MUST_USE uint64_t publish_name_room(struct scheduler *scheduler, uint64_t payload,
                                    struct bytes room);

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

// Answers a CHAT_PUBLISH_TO and gives its payload back; and CHAT_PUBLISHED_TO at its publisher's.
void publish_answer(struct chat *chat, const struct message *asked,
                    const struct chat_published_to *answer);
void publish_answered(struct chat *chat, const struct message *message);

// Gives back the payloads that a message of chat holds.
void publish_discard(struct scheduler *scheduler, const struct message *message);

#endif
