#include "gateway/presence_json.h"

#include "chat/message.h"
#include "gateway/wire/json.h"
#include "sched/base/check.h"

// ,:{"metas":[]} around a user; {"phx_ref":"4294967295"}, around a meta.
#define USER_BYTES_MAX 16
#define META_BYTES_MAX 28
#define FRAME_BYTES_MAX 32 // {"joins":{},"leaves":{}}

struct entry {
    struct presence_record record;
    struct bytes user;
    struct bytes meta;
};

// Takes the next record; false at the end.
static bool take(struct bytes *records, struct entry *entry) {
    if (records->size == 0)
        return false;
    CHECK(records->size >= sizeof(entry->record));
    memcpy(&entry->record, records->data, sizeof(entry->record));
    *records = bytes_skip(*records, sizeof(entry->record));
    size_t size = (size_t)entry->record.user_size + entry->record.meta_size;
    CHECK(records->size >= size);
    entry->user = bytes_of(records->data, entry->record.user_size);
    entry->meta = bytes_of(records->data + entry->record.user_size, entry->record.meta_size);
    *records = bytes_skip(*records, size);
    return true;
}

size_t presence_json_size_max(struct bytes records) {
    size_t size = FRAME_BYTES_MAX;
    struct entry entry;
    while (take(&records, &entry))
        size += json_encoded_string_size(entry.user) + entry.meta.size + USER_BYTES_MAX +
                META_BYTES_MAX;
    return size;
}

static void put_meta(struct writer *w, const struct entry *entry) {
    struct bytes meta = entry->meta;
    while (meta.size > 0 && meta.data[meta.size - 1] != '}')
        meta.size--;
    size_t inner = meta.size > 0 ? meta.size - 1 : 0; // without the closing brace
    bool is_empty = inner == 0 || json_skip_whitespace(bytes_of(meta.data, inner), 1) == inner;
    if (is_empty) {
        writer_put_byte(w, '{');
    } else {
        writer_put(w, bytes_of(meta.data, inner));
        writer_put_byte(w, ',');
    }
    writer_put_string(w, "\"phx_ref\":\"");
    writer_put_u64(w, entry->record.ref);
    writer_put_string(w, "\"}");
}

// The records of one kind of change, those of one user together, as {"user":{"metas":[…]}, …}.
static void put_users(struct writer *w, struct bytes records, enum presence_change change) {
    struct bytes user = {0};
    struct entry entry;
    writer_put_byte(w, '{');
    while (take(&records, &entry)) {
        if (entry.record.change != change)
            continue;
        if (user.data && bytes_equal(user, entry.user)) {
            writer_put_byte(w, ',');
        } else {
            if (user.data)
                writer_put_string(w, "]},");
            json_encode_string(w, entry.user);
            writer_put_string(w, ":{\"metas\":[");
            user = entry.user;
        }
        put_meta(w, &entry);
    }
    if (user.data)
        writer_put_string(w, "]}");
    writer_put_byte(w, '}');
}

void presence_json_encode(struct writer *w, struct bytes records, bool is_state) {
    if (is_state) {
        put_users(w, records, PRESENCE_IS);
        return;
    }
    writer_put_string(w, "{\"joins\":");
    put_users(w, records, PRESENCE_JOINS);
    writer_put_string(w, ",\"leaves\":");
    put_users(w, records, PRESENCE_LEAVES);
    writer_put_byte(w, '}');
}

void presence_json_encode_count(struct writer *w, uint32_t users, uint32_t connections) {
    writer_put_string(w, "{\"users\":");
    writer_put_u64(w, users);
    writer_put_string(w, ",\"connections\":");
    writer_put_u64(w, connections);
    writer_put_byte(w, '}');
}
