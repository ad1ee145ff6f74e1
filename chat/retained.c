#include "chat/retained.h"

#include "chat/publish.h"

static struct chat_publish view(const struct chat *chat, const struct room *room) {
    return publish_view(chat->scheduler, room->retained);
}

void retained_clear(struct chat *chat, struct room *room) {
    if (room->retained == PAYLOAD_NONE)
        return;
    struct chat_publish publish = view(chat, room);
    chat->retained_bytes -= publish_packed_size(&publish);
    chat->retained_count--;
    payload_unref(chat->scheduler, room->retained);
    room->retained = PAYLOAD_NONE;
}

bool retained_put(struct chat *chat, struct room *room, uint64_t payload) {
    struct chat_publish publish = publish_view(chat->scheduler, payload);
    size_t size = publish_packed_size(&publish);
    size_t size_before = 0;
    if (room->retained != PAYLOAD_NONE) {
        struct chat_publish before = view(chat, room);
        size_before = publish_packed_size(&before);
    }
    bool is_end = publish.body.size == 0;
    // It keeps its room for ever: the other half is for who comes to stay.
    if (!is_end && room->retained == PAYLOAD_NONE &&
        chat->retained_count >= (chat->config.rooms_max + 1) / 2)
        return false;
    if (!is_end && chat->retained_bytes - size_before + size > chat->config.retained_bytes_max)
        return false;
    retained_clear(chat, room);
    room->has_retained = true;
    if (is_end)
        return true;
    payload_ref(chat->scheduler, payload, 1);
    room->retained = payload;
    chat->retained_bytes += size;
    chat->retained_count++;
    return true;
}

uint64_t retained_expires_ns(const struct chat *chat, const struct room *room) {
    uint64_t expires_ns = room->retained == PAYLOAD_NONE ? 0 : view(chat, room).expires_ns;
    return expires_ns ? expires_ns : UINT64_MAX;
}

bool retained_is_live(const struct chat *chat, const struct room *room) {
    return room->retained != PAYLOAD_NONE &&
           retained_expires_ns(chat, room) > chat->scheduler->now_ns;
}

void retained_send(struct chat *chat, const struct room *room, uint64_t leaf, uint64_t member) {
    if (!retained_is_live(chat, room))
        return;
    struct message message = {.target = leaf,
                              .sender = room->pid,
                              .type = CHAT_RETAINED,
                              .words = {room->retained, member}};
    payload_ref(chat->scheduler, room->retained, 1);
    scheduler_send(chat->scheduler, &message);
}
