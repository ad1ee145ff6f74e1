#include "chat/publish.h"

struct publish_head {
    uint32_t body_size;
    uint8_t ref_size;
    uint8_t event_size;
    uint8_t flags;
    uint8_t qos;
    uint8_t bytes[];
};

_Static_assert(sizeof(struct publish_head) == 8,
               "all that a publish by a member adds to its bytes");

// Behind the bytes of the head, with FLAG_TAIL: what a publish by a member does not have.
struct publish_tail {
    uint64_t publisher;
    uint64_t expires_ns;
    uint32_t properties_size;
    uint32_t room_size;
    uint8_t bytes[];
};

#define FLAG_BINARY 1
#define FLAG_WHISPER 2
#define FLAG_WANTS_REPLY 4
#define FLAG_RETAINED 8
#define FLAG_TAIL 16

static bool has_tail(const struct chat_publish *publish) {
    return publish->room.size > 0 || publish->properties.size > 0 || publish->publisher ||
           publish->expires_ns;
}

static size_t tail_size(const struct chat_publish *publish) {
    return sizeof(struct publish_tail) + publish->properties.size + publish->room.size;
}

size_t publish_packed_size(const struct chat_publish *publish) {
    return sizeof(struct publish_head) + publish->ref.size + publish->event.size +
           publish->body.size + (has_tail(publish) ? tail_size(publish) : 0);
}

static void put_tail(struct writer *writer, const struct chat_publish *publish) {
    struct publish_tail tail = {.publisher = publish->publisher,
                                .expires_ns = publish->expires_ns,
                                .properties_size = (uint32_t)publish->properties.size,
                                .room_size = (uint32_t)publish->room.size};
    writer_put(writer, bytes_of((const uint8_t *)&tail, sizeof(tail)));
    writer_put(writer, publish->properties);
    writer_put(writer, publish->room);
}

uint64_t publish_pack(struct scheduler *scheduler, const struct chat_publish *publish) {
    CHECK(publish->ref.size <= UINT8_MAX && publish->event.size <= UINT8_MAX);
    bool is_tailed = has_tail(publish);
    size_t size = publish->ref.size + publish->event.size + publish->body.size;
    if (UNLIKELY(is_tailed))
        size += tail_size(publish);
    uint64_t payload = payload_acquire(scheduler, sizeof(struct publish_head) + size);
    if (payload == PAYLOAD_NONE)
        return PAYLOAD_NONE;
    struct publish_head *head = payload_data(scheduler, payload);
    head->body_size = (uint32_t)publish->body.size;
    head->ref_size = (uint8_t)publish->ref.size;
    head->event_size = (uint8_t)publish->event.size;
    head->flags =
        (uint8_t)((publish->is_binary ? FLAG_BINARY : 0) |
                  (publish->is_whisper ? FLAG_WHISPER : 0) |
                  (publish->wants_reply ? FLAG_WANTS_REPLY : 0) |
                  (publish->is_retained ? FLAG_RETAINED : 0) | (is_tailed ? FLAG_TAIL : 0));
    head->qos = publish->qos;
    struct writer writer = writer_on(head->bytes, size);
    writer_put(&writer, publish->ref);
    writer_put(&writer, publish->event);
    writer_put(&writer, publish->body);
    if (UNLIKELY(is_tailed))
        put_tail(&writer, publish);
    CHECK(!writer.overflow);
    return payload;
}

static void view_tail(struct chat_publish *publish, const uint8_t *data) {
    struct publish_tail tail; // it may stand anywhere
    memcpy(&tail, data, sizeof(tail));
    publish->publisher = tail.publisher;
    publish->expires_ns = tail.expires_ns;
    publish->properties = bytes_of(data + sizeof(tail), tail.properties_size);
    publish->room = bytes_of(data + sizeof(tail) + tail.properties_size, tail.room_size);
}

struct chat_publish publish_view(const struct scheduler *scheduler, uint64_t payload) {
    const struct publish_head *head = payload_data(scheduler, payload);
    const uint8_t *event = head->bytes + head->ref_size;
    const uint8_t *body = event + head->event_size;
    struct chat_publish publish = {
        .ref = bytes_of(head->bytes, head->ref_size),
        .event = bytes_of(event, head->event_size),
        .body = bytes_of(body, head->body_size),
        .qos = head->qos,
        .is_binary = head->flags & FLAG_BINARY,
        .is_whisper = head->flags & FLAG_WHISPER,
        .wants_reply = head->flags & FLAG_WANTS_REPLY,
        .is_retained = head->flags & FLAG_RETAINED,
    };
    if (UNLIKELY(head->flags & FLAG_TAIL))
        view_tail(&publish, body + head->body_size);
    return publish;
}

uint64_t publish_name_room(struct scheduler *scheduler, uint64_t payload, struct bytes room) {
    struct chat_publish publish = publish_view(scheduler, payload);
    if (publish.room.size > 0) {
        payload_ref(scheduler, payload, 1);
        return payload;
    }
    publish.room = room;
    return publish_pack(scheduler, &publish);
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

void publish_answered(struct chat *chat, const struct message *message) {
    struct chat_published_to published = {.publisher = message->words[0],
                                          .note = (uint32_t)message->words[1],
                                          .has_members = message->flags,
                                          .sequence = message->words[2],
                                          .refusal = (enum chat_refusal)message->small};
    CHECK(chat->publish_count > 0);
    chat->publish_count--;
    if (published.note)
        chat_port_published_to(chat->port, &published);
}

void publish_answer(struct chat *chat, const struct message *asked,
                    const struct chat_published_to *answer) {
    struct message reply = {.target = asked->sender,
                            .type = CHAT_PUBLISHED_TO,
                            .flags = answer->has_members,
                            .small = answer->refusal,
                            .words = {0, asked->words[1], answer->sequence}};
    reply.words[0] = publish_view(chat->scheduler, asked->words[0]).publisher;
    payload_unref(chat->scheduler, asked->words[0]);
    scheduler_send(chat->scheduler, &reply);
}

void publish_discard(struct scheduler *scheduler, const struct message *message) {
    switch (message->type) {
    case CHAT_JOIN:
    case CHAT_PUBLISH:
    case CHAT_RELAY:
    case CHAT_ACCEPTED:
    case CHAT_REFUSED:
    case CHAT_PUBLISH_TO:
    case CHAT_RETAINED:
    case CHAT_RESTORE:
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
