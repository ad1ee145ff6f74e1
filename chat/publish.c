#include "chat/publish.h"

struct publish_head {
    uint32_t body_size;
    uint8_t ref_size;
    uint8_t event_size;
    uint8_t flags;
    uint8_t reserved;
    uint8_t bytes[];
};

#define FLAG_BINARY 1
#define FLAG_WHISPER 2
#define FLAG_WANTS_REPLY 4

uint64_t publish_pack(struct scheduler *scheduler, const struct chat_publish *publish) {
    CHECK(publish->ref.size <= UINT8_MAX && publish->event.size <= UINT8_MAX);
    size_t size = publish->ref.size + publish->event.size + publish->body.size;
    uint64_t payload = payload_acquire(scheduler, sizeof(struct publish_head) + size);
    if (payload == PAYLOAD_NONE)
        return PAYLOAD_NONE;
    struct publish_head *head = payload_data(scheduler, payload);
    head->body_size = (uint32_t)publish->body.size;
    head->ref_size = (uint8_t)publish->ref.size;
    head->event_size = (uint8_t)publish->event.size;
    head->flags = (uint8_t)((publish->is_binary ? FLAG_BINARY : 0) |
                            (publish->is_whisper ? FLAG_WHISPER : 0) |
                            (publish->wants_reply ? FLAG_WANTS_REPLY : 0));
    head->reserved = 0;
    struct writer writer = writer_on(head->bytes, size);
    writer_put(&writer, publish->ref);
    writer_put(&writer, publish->event);
    writer_put(&writer, publish->body);
    CHECK(!writer.overflow);
    return payload;
}

struct chat_publish publish_view(const struct scheduler *scheduler, uint64_t payload) {
    const struct publish_head *head = payload_data(scheduler, payload);
    const uint8_t *event = head->bytes + head->ref_size;
    return (struct chat_publish){
        .ref = bytes_of(head->bytes, head->ref_size),
        .event = bytes_of(event, head->event_size),
        .body = bytes_of(event + head->event_size, head->body_size),
        .is_binary = head->flags & FLAG_BINARY,
        .is_whisper = head->flags & FLAG_WHISPER,
        .wants_reply = head->flags & FLAG_WANTS_REPLY,
    };
}

struct join_head {
    uint16_t meta_size;
    uint8_t room_size;
    uint8_t user_size;
    uint8_t bytes[];
};

uint64_t join_pack(struct scheduler *scheduler, const struct chat_join_view *join) {
    CHECK(join->room.size <= CHAT_ROOM_BYTES_MAX && join->user.size <= CHAT_USER_BYTES_MAX &&
          join->meta.size <= CHAT_META_BYTES_MAX);
    size_t size = join->room.size + join->user.size + join->meta.size;
    uint64_t payload = payload_acquire(scheduler, sizeof(struct join_head) + size);
    if (payload == PAYLOAD_NONE)
        return PAYLOAD_NONE;
    struct join_head *head = payload_data(scheduler, payload);
    head->meta_size = (uint16_t)join->meta.size;
    head->room_size = (uint8_t)join->room.size;
    head->user_size = (uint8_t)join->user.size;
    struct writer writer = writer_on(head->bytes, size);
    writer_put(&writer, join->room);
    writer_put(&writer, join->user);
    writer_put(&writer, join->meta);
    CHECK(!writer.overflow);
    return payload;
}

struct chat_join_view join_view(const struct scheduler *scheduler, uint64_t payload) {
    const struct join_head *head = payload_data(scheduler, payload);
    const uint8_t *user = head->bytes + head->room_size;
    return (struct chat_join_view){.room = bytes_of(head->bytes, head->room_size),
                                   .user = bytes_of(user, head->user_size),
                                   .meta = bytes_of(user + head->user_size, head->meta_size)};
}

struct bytes records_view(const struct scheduler *scheduler, uint64_t payload) {
    const uint8_t *data = payload_data(scheduler, payload);
    uint64_t size;
    memcpy(&size, data, sizeof(size));
    return bytes_of(data + sizeof(size), size);
}

void publish_settle(struct chat *chat, const struct message *message) {
    bool is_relay = message->type == CHAT_RELAY;
    if (is_relay && message->words[1] > 0)
        counter_add(chat->scheduler->counters, COUNTER_RELAYS_TAKEN, 1);
    if (message->type == CHAT_REFUSED || message->type == CHAT_ACCEPTED ||
        (is_relay && message->small)) {
        CHECK(chat->publish_count > 0);
        chat->publish_count--;
    }
}

void publish_refused(struct chat *chat, const struct message *message) {
    publish_settle(chat, message);
    struct chat_publish publish = publish_view(chat->scheduler, message->words[0]);
    const struct member *member = slab_lookup(&chat->members, handle_unpack(message->words[2]));
    if (member && !(member->slab_word & MEMBER_ORPHAN) && publish.wants_reply)
        chat_port_refused(chat->port, member->owner, (uint32_t)message->words[2], &publish,
                          (enum chat_refusal)message->small);
    payload_unref(chat->scheduler, message->words[0]);
}

void publish_discard(struct scheduler *scheduler, const struct message *message) {
    switch (message->type) {
    case CHAT_JOIN:
    case CHAT_PUBLISH:
    case CHAT_RELAY:
    case CHAT_ACCEPTED:
    case CHAT_REFUSED:
        payload_unref(scheduler, message->words[0]);
        break;
    case CHAT_PRESENCE:
        for (uint32_t i = 0; i < 2; i++)
            if (message->words[i] != PAYLOAD_NONE)
                payload_unref(scheduler, message->words[i]);
        break;
    default:
        break;
    }
}
