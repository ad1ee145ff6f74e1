// A block: its head, then entries in the order of first delivery:
//
//     0 … head … resend … next … tail
//         │ sent   │ to be  │ waiting: no packet identifier yet
//         │        │ sent (again) on this connection
// Entries before `next` may be gone (acknowledged out of order, expired): the front is cut off as
// far as it is gone, the rest when the block is full.
//
//   appended                      mqtt_outbox_push
//   waiting → to be sent          admit: window and an identifier
//   to be sent → sent             send_next; blocked: the stream or memory has no room, a timer
//   sent → to be sent (again)     mqtt_outbox_on_offline
//   any → gone                    mqtt_outbox_on_ack, expired or too large in send_next,
//   drop_oldest
#include "gateway/mqtt_outbox.h"

#include "chat/message.h"
#include "gateway/mqtt_alias.h"
#include "gateway/mqtt_conn.h"
#include "gateway/mqtt_format.h"
#include "sched/payload.h"

#define PACKET_IDS 65535u
#define ALIASES_MAX 16u           // that we give to one client
#define ALIAS_TOPIC_BYTES_MAX 512 // longer topics get none
#define ACK_BYTES_MAX 16u
#define FRAME_BYTES_MAX 10u // a WebSocket's header

// A bit is set exactly when …
enum outbox_flag {
    QOS_2 = 1 << 0,
    RETAINED = 1 << 1,
    OF_ROOM = 1 << 2,
    ONE_ID = 1 << 3,   // … `ids` is the subscription identifier
    MANY_IDS = 1 << 4, // … `ids` is a block of them
    SENT = 1 << 5,     // … its PUBLISH was given to some connection: the next has DUP
    SETTLED = 1 << 6,  // … the audit does not count it as GATHERED any more
    IN_WINDOW = 1 << 7,
    RELEASED = 1 << 8, // … PUBREC came: no payload is held, PUBREL is what is sent again
    GONE = 1 << 9,
    COUNTED = 1 << 10, // … it is in waiting_bytes
    QOS_0 = 1 << 11,   // … it waits for its turn only: a room's messages keep their order
};

struct outbox_entry {
    uint64_t payload;
    uint64_t sequence;
    uint32_t ids;
    uint16_t packet_id; // 0: waits
    uint16_t flags;     // enum outbox_flag
};

_Static_assert(sizeof(struct outbox_entry) == 24, "memory of the header");

struct outbox {
    uint32_t head;
    uint32_t resend;
    uint32_t next;
    uint32_t tail;
    uint32_t gone;          // of head … next
    uint32_t waiting_bytes; // of next … tail
    uint32_t aliases;       // mqtt_alias.h: the client knows them
    uint16_t window_used;   // entries IN_WINDOW: PUBLISHes of this connection, not acknowledged
    uint16_t is_lapped;     // identifiers of head … next are not ascending
    struct outbox_entry entries[];
};

_Static_assert(sizeof(struct outbox) + sizeof(struct outbox_entry) + BLOCK_HEADER_BYTES ==
                   BLOCKS_SMALLEST_BYTES,
               "one message under way is the smallest block");

static struct outbox *outbox_at(const struct gateway *gateway, uint32_t session) {
    uint32_t block = mqtt_session_at(gateway, session)->outbox;
    return block == BLOCK_NONE ? NULL : blocks_at(gateway->parts.blocks, block);
}

static bool is_online(const struct gateway *gateway, uint32_t session) {
    return mqtt_session_at(gateway, session)->conn != SLAB_NONE;
}

static bool has(const struct outbox_entry *entry, uint32_t flags) {
    return entry->flags & flags;
}

static void mark(struct outbox_entry *entry, uint32_t flags) {
    entry->flags = (uint16_t)(entry->flags | flags);
}

static void unmark(struct outbox_entry *entry, uint32_t flags) {
    entry->flags = (uint16_t)(entry->flags & ~flags);
}

// --- entries -------------------------------------------------------------------------------------

struct outbox_ids {
    uint32_t count;
    uint32_t ids[];
};

static struct mqtt_delivery delivery_of(const struct gateway *gateway,
                                        const struct outbox_entry *entry) {
    struct mqtt_delivery delivery = {
        .source = has(entry, OF_ROOM) ? MQTT_FROM_ROOM : MQTT_FROM_TOPIC,
        .payload = entry->payload,
        .sequence = entry->sequence,
        .qos = has(entry, QOS_2)   ? 2
               : has(entry, QOS_0) ? 0
                                   : 1,
        .is_retained = has(entry, RETAINED),
    };
    if (has(entry, ONE_ID)) {
        delivery.id_count = 1;
        delivery.ids = &entry->ids;
    } else if (has(entry, MANY_IDS)) {
        const struct outbox_ids *ids = blocks_at(gateway->parts.blocks, entry->ids);
        delivery.id_count = ids->count;
        delivery.ids = ids->ids;
    }
    return delivery;
}

// For the bound in bytes: the same at each call, whatever the client speaks.
static uint32_t bytes_of_entry(struct gateway *gateway, const struct outbox_entry *entry) {
    const struct mqtt_delivery delivery = delivery_of(gateway, entry);
    const struct mqtt_format_one one = {
        .delivery = &delivery, .format = FORMAT_MQTT_5, .packet_id = 1, .has_topic = true};
    return (uint32_t)mqtt_format_size(gateway, &one);
}

// What it holds of others' memory.
static void give_back(struct gateway *gateway, struct outbox_entry *entry) {
    if (has(entry, MANY_IDS))
        blocks_release(gateway->parts.blocks, entry->ids);
    if (entry->payload != PAYLOAD_NONE)
        payload_unref(gateway->parts.scheduler, entry->payload);
    entry->payload = PAYLOAD_NONE;
    unmark(entry, ONE_ID | MANY_IDS);
}

// In the audit it is dropped, if it was not settled before.
static void settle(struct gateway *gateway, struct outbox_entry *entry, enum counter dropped) {
    if (has(entry, SETTLED))
        return;
    counter_subtract(gateway->parts.counters, COUNTER_GATHERED, 1);
    gateway_count(gateway, dropped);
    mark(entry, SETTLED);
}

static void uncount(struct gateway *gateway, struct outbox *outbox, struct outbox_entry *entry) {
    if (has(entry, COUNTED))
        outbox->waiting_bytes -= bytes_of_entry(gateway, entry);
    unmark(entry, COUNTED);
}

// Ends an entry before `next`.
static void remove_entry(struct gateway *gateway, struct outbox *outbox, uint32_t at) {
    struct outbox_entry *entry = &outbox->entries[at];
    give_back(gateway, entry);
    if (has(entry, IN_WINDOW))
        outbox->window_used--;
    unmark(entry, IN_WINDOW);
    mark(entry, GONE);
    outbox->gone++;
    while (outbox->head < outbox->next && has(&outbox->entries[outbox->head], GONE)) {
        outbox->head++;
        outbox->gone--;
    }
    if (outbox->resend < outbox->head)
        outbox->resend = outbox->head;
    if (outbox->head == outbox->next)
        outbox->is_lapped = 0;
}

// --- the block -----------------------------------------------------------------------------------

static uint32_t capacity_of(const struct gateway *gateway, uint32_t session) {
    uint32_t block = mqtt_session_at(gateway, session)->outbox;
    return (uint32_t)((blocks_capacity(gateway->parts.blocks, block) - sizeof(struct outbox)) /
                      sizeof(struct outbox_entry));
}

static void release_if_empty(struct gateway *gateway, uint32_t session) {
    struct outbox *outbox = outbox_at(gateway, session);
    if (!outbox || outbox->head < outbox->tail)
        return;
    outbox->head = outbox->resend = outbox->next = outbox->tail = 0;
    if (outbox->aliases != BLOCK_NONE)
        return;
    struct mqtt_session *slot = mqtt_session_at(gateway, session);
    blocks_release(gateway->parts.blocks, slot->outbox);
    slot->outbox = BLOCK_NONE;
}

// The entries that are not gone, from the front of `to`, which may be `from`.
static void pack(struct outbox *to, const struct outbox *from) {
    struct outbox head = *from;
    uint32_t count = 0;
    uint32_t resend = 0;
    uint32_t next = 0;
    for (uint32_t i = head.head; i < head.tail; i++) {
        resend = i == head.resend ? count : resend;
        next = i == head.next ? count : next;
        if (!has(&from->entries[i], GONE))
            to->entries[count++] = from->entries[i];
    }
    head.resend = head.resend == head.tail ? count : resend;
    head.next = head.next == head.tail ? count : next;
    head.head = 0;
    head.tail = count;
    head.gone = 0;
    memcpy(to, &head, sizeof(head));
}

// With a place behind `tail`; NULL when memory is out.
static struct outbox *reserve(struct gateway *gateway, uint32_t session) {
    struct blocks *blocks = gateway->parts.blocks;
    struct mqtt_session *slot = mqtt_session_at(gateway, session);
    struct outbox *before = outbox_at(gateway, session);
    uint32_t capacity = before ? capacity_of(gateway, session) : 0;
    if (before && before->tail < capacity)
        return before;
    if (before && (uint64_t)(before->head + before->gone) * 4 >= capacity) {
        pack(before, before);
        return before;
    }
    size_t entries = before ? (size_t)capacity * 2 : 1;
    uint32_t block =
        blocks_acquire(blocks, sizeof(struct outbox) + entries * sizeof(struct outbox_entry));
    if (block == BLOCK_NONE)
        return NULL;
    struct outbox *after = blocks_at(blocks, block);
    if (before) {
        pack(after, before);
        blocks_release(blocks, slot->outbox);
    } else {
        *after = (struct outbox){.aliases = BLOCK_NONE};
    }
    slot->outbox = block;
    return after;
}

// --- packet identifiers --------------------------------------------------------------------------

// The first free one behind `from`, by a map of all; there is one.
static uint16_t search_id(const struct outbox *outbox, uint16_t from) {
    uint64_t used[(PACKET_IDS + 1) / 64] = {1}; // 0 is none [MQTT-2.2.1-3]
    for (uint32_t i = outbox->head; i < outbox->next; i++)
        if (!has(&outbox->entries[i], GONE))
            used[outbox->entries[i].packet_id / 64] |= 1ull << outbox->entries[i].packet_id % 64;
    uint16_t id = from;
    while (used[id / 64] >> id % 64 & 1)
        id = (uint16_t)(id + 1);
    return id;
}

// [MQTT-2.2.1-4]: an identifier that is not in use; 0 when all are. Those under way are in
// ascending order until the count has gone round once, so that there is nothing to look for.
static uint16_t next_id(struct mqtt_session *session, struct outbox *outbox) {
    uint32_t live = outbox->next - outbox->head - outbox->gone;
    if (live >= PACKET_IDS)
        return 0;
    uint16_t id = (uint16_t)(session->packet_id + 1);
    if (id == 0) {
        id = 1;
        outbox->is_lapped = live > 0;
    }
    if (outbox->is_lapped) {
        bool is_ascending = true;
        uint16_t before = 0;
        for (uint32_t i = outbox->head; i < outbox->next; i++) {
            is_ascending &= outbox->entries[i].packet_id >= before;
            before = outbox->entries[i].packet_id;
        }
        id = search_id(outbox, id);
        outbox->is_lapped = !is_ascending || id < before;
    }
    session->packet_id = id;
    return id;
}

// The entry under way with this identifier, SLAB_NONE.
static uint32_t find(const struct outbox *outbox, uint16_t packet_id) {
    uint32_t low = outbox->head;
    uint32_t high = outbox->next;
    if (outbox->is_lapped) {
        while (low < high &&
               (outbox->entries[low].packet_id != packet_id || has(&outbox->entries[low], GONE)))
            low++;
        return low < high ? low : SLAB_NONE;
    }
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (outbox->entries[middle].packet_id < packet_id)
            low = middle + 1;
        else
            high = middle;
    }
    bool is_there = low < outbox->next && outbox->entries[low].packet_id == packet_id &&
                    !has(&outbox->entries[low], GONE);
    return is_there ? low : SLAB_NONE;
}

// --- sending -------------------------------------------------------------------------------------

static void send_pubrel(struct gateway *gateway, uint32_t session, uint16_t packet_id,
                        enum mqtt_reason reason) {
    const struct mqtt_session *slot = mqtt_session_at(gateway, session);
    uint8_t bytes[ACK_BYTES_MAX];
    struct writer w = writer_on(bytes, sizeof(bytes));
    const struct mqtt_ack ack = {
        .version = mqtt_session_has(slot, MQTT_SESSION_5) ? MQTT_5 : MQTT_3_1_1,
        .reason = (uint8_t)reason,
        .packet_id = packet_id,
    };
    mqtt_encode_ack(&w, MQTT_PUBREL, &ack);
    CHECK(!w.overflow);
    mqtt_conn_send(gateway, slot->conn, writer_bytes(&w));
}

static bool is_expired(struct gateway *gateway, const struct mqtt_delivery *delivery) {
    uint64_t expires_ns = mqtt_format_expires_ns(gateway, delivery);
    return expires_ns != 0 && gateway_now_ns(gateway) >= expires_ns;
}

static bool is_too_large(const struct mqtt_session *slot, size_t size) {
    return slot->packet_bytes_max > 0 && size > slot->packet_bytes_max;
}

// What the stream would not take whole must not be given to it.
static bool has_room(const struct gateway *gateway, uint32_t stream, size_t size) {
    const struct streams *streams = gateway->parts.streams;
    uint32_t queued = stream_room_bytes(streams, stream);
    return queued == 0 ||
           queued + size + FRAME_BYTES_MAX <= gateway->parts.config->out_queue_bytes_max;
}

// An alias that stands for the topic already, or that may stand for it from now on.
static void choose_alias(struct gateway *gateway, uint32_t session, struct outbox *outbox,
                         struct mqtt_format_one *one, struct writer *topic) {
    uint32_t max = mqtt_session_at(gateway, session)->alias_max;
    max = max < ALIASES_MAX ? max : ALIASES_MAX;
    one->has_topic = true;
    if (max == 0)
        return;
    mqtt_format_topic(gateway, one->delivery, topic);
    if (topic->overflow)
        return;
    const struct blocks *blocks = gateway->parts.blocks;
    one->topic_alias = mqtt_alias_of(blocks, outbox->aliases, writer_bytes(topic));
    one->has_topic = one->topic_alias == 0;
    if (!one->has_topic)
        return;
    uint32_t free = mqtt_alias_free(blocks, outbox->aliases, (uint16_t)max);
    one->topic_alias = free <= max ? (uint16_t)free : 0;
}

// The client has the alias from this packet on; without memory we do not, and give it anew.
static void keep_alias(struct gateway *gateway, struct outbox *outbox,
                       const struct mqtt_format_one *one, const struct writer *topic) {
    if (one->topic_alias == 0 || !one->has_topic)
        return;
    if (!mqtt_alias_set(gateway->parts.blocks, &outbox->aliases, one->topic_alias, ALIASES_MAX,
                        writer_bytes(topic)))
        return;
}

// Gives the parcel to the stream, and the reference away.
static enum stream_push_result push(struct gateway *gateway, uint32_t stream, uint32_t parcel) {
    struct streams *streams = gateway->parts.streams;
    enum stream_push_result result = stream_push(streams, stream_handle(streams, stream), parcel);
    parcel_unref(gateway->parts.blocks, parcel);
    if (result == STREAM_PUSH_OK)
        gateway_count(gateway, COUNTER_MQTT_PUBLISHES_OUT);
    return result;
}

enum sending {
    SENDING_GOES_ON,
    SENDING_FULL,    // of the window, or the stream is going: an ack or a resume will go on
    SENDING_BLOCKED, // the stream or memory has no room
};

static enum sending resend_pubrel(struct gateway *gateway, uint32_t session,
                                  const struct outbox_entry *entry) {
    uint32_t stream = conn_at(gateway, mqtt_session_at(gateway, session)->conn)->stream;
    if (stream_control_bytes(gateway->parts.streams, stream) > gateway->parts.control_bytes_max / 2)
        return SENDING_BLOCKED;
    send_pubrel(gateway, session, entry->packet_id, MQTT_SUCCESS);
    return SENDING_GOES_ON;
}

// The PUBLISH of an entry, `size` of which the stream has room for.
static enum sending send_publish(struct gateway *gateway, uint32_t session,
                                 struct outbox_entry *entry, const struct mqtt_format_one *one) {
    uint32_t stream = conn_at(gateway, mqtt_session_at(gateway, session)->conn)->stream;
    uint32_t parcel = mqtt_format_encode(gateway, one);
    if (parcel == BLOCK_NONE)
        return SENDING_BLOCKED;
    struct parcel *head = parcel_at(gateway->parts.blocks, parcel);
    head->is_moved = 1;
    head->message_count = has(entry, SETTLED) ? 0 : 1;
    if (!has(entry, SETTLED)) // the stream counts it from here on, whatever it says
        counter_subtract(gateway->parts.counters, COUNTER_GATHERED, 1);
    mark(entry, SETTLED);
    enum stream_push_result result = push(gateway, stream, parcel);
    if (result != STREAM_PUSH_OK)
        return result == STREAM_PUSH_NO_MEMORY ? SENDING_BLOCKED : SENDING_FULL;
    if (one->is_duplicate)
        gateway_count(gateway, COUNTER_MQTT_REDELIVERED);
    mark(entry, SENT | IN_WINDOW);
    return SENDING_GOES_ON;
}

// The entry at `resend`: PUBLISH, PUBREL or nothing any more.
static enum sending send_next(struct gateway *gateway, uint32_t session, struct outbox *outbox) {
    const struct mqtt_session *slot = mqtt_session_at(gateway, session);
    uint32_t at = outbox->resend;
    struct outbox_entry *entry = &outbox->entries[at];
    enum sending sending = SENDING_GOES_ON;
    if (has(entry, RELEASED))
        sending = resend_pubrel(gateway, session, entry);
    if (has(entry, RELEASED | GONE)) {
        outbox->resend += sending == SENDING_GOES_ON;
        return sending;
    }
    bool is_once = has(entry, QOS_0);
    const struct mqtt_delivery delivery = delivery_of(gateway, entry);
    if (!has(entry, SENT) && is_expired(gateway, &delivery)) { // [MQTT-3.3.2-5]
        settle(gateway, entry, COUNTER_DROPPED_EXPIRED);
        outbox->resend++;
        remove_entry(gateway, outbox, at);
        return SENDING_GOES_ON;
    }
    if (!is_once && outbox->window_used >= mqtt_session_window(gateway, session))
        return SENDING_FULL; // [MQTT-4.9.0-1]
    struct mqtt_format_one one = {.delivery = &delivery,
                                  .format = mqtt_session_format(gateway, session),
                                  .packet_id = is_once ? 0 : entry->packet_id,
                                  .is_duplicate = has(entry, SENT), // [MQTT-3.3.1-1]
                                  .parcel_class = PARCEL_ROOM};
    uint8_t text[ALIAS_TOPIC_BYTES_MAX];
    struct writer topic = writer_on(text, sizeof(text));
    choose_alias(gateway, session, outbox, &one, &topic);
    size_t size = mqtt_format_size(gateway, &one);
    if (is_too_large(slot, size)) { // [MQTT-3.1.2-24] [MQTT-3.1.2-25]
        settle(gateway, entry, COUNTER_DROPPED_TOO_LARGE);
        outbox->resend++;
        remove_entry(gateway, outbox, at);
        return SENDING_GOES_ON;
    }
    if (!has_room(gateway, conn_at(gateway, slot->conn)->stream, size))
        return SENDING_BLOCKED;
    sending = send_publish(gateway, session, entry, &one);
    if (sending == SENDING_GOES_ON) {
        outbox->window_used++;
        outbox->resend++;
        keep_alias(gateway, outbox, &one, &topic);
        if (is_once) // nobody acknowledges it
            remove_entry(gateway, outbox, at);
    }
    return sending;
}

// For an entry that has no identifier of its own: that before it, so that all ascend.
static uint16_t neighbour_id(const struct outbox *outbox, uint32_t at) {
    return at > outbox->head ? outbox->entries[at - 1].packet_id : 0;
}

// The oldest that waits gets an identifier. False: the window is full.
static bool admit(struct gateway *gateway, uint32_t session, struct outbox *outbox) {
    struct outbox_entry *entry = &outbox->entries[outbox->next];
    uint16_t id = neighbour_id(outbox, outbox->next);
    if (!has(entry, QOS_0)) {
        if (outbox->window_used >= mqtt_session_window(gateway, session))
            return false;
        id = next_id(mqtt_session_at(gateway, session), outbox);
        if (id == 0)
            return false;
    }
    uncount(gateway, outbox, entry);
    entry->packet_id = id;
    outbox->next++;
    return true;
}

void mqtt_outbox_flush(struct gateway *gateway, uint32_t session) {
    struct outbox *outbox = outbox_at(gateway, session);
    if (!outbox || !is_online(gateway, session) ||
        mqtt_session_has(mqtt_session_at(gateway, session), MQTT_SESSION_BLOCKED))
        return;
    enum sending sending = SENDING_GOES_ON;
    while (sending == SENDING_GOES_ON && outbox->resend < outbox->tail) {
        if (outbox->resend == outbox->next && !admit(gateway, session, outbox))
            break;
        sending = send_next(gateway, session, outbox);
    }
    if (sending == SENDING_BLOCKED)
        mqtt_session_block(gateway, session);
    release_if_empty(gateway, session);
}

// --- what comes ----------------------------------------------------------------------------------

static void push_at_once(struct gateway *gateway, uint32_t session,
                         const struct mqtt_delivery *delivery) {
    const struct mqtt_session *slot = mqtt_session_at(gateway, session);
    const struct mqtt_format_one one = {.delivery = delivery,
                                        .format = mqtt_session_format(gateway, session),
                                        .has_topic = true,
                                        .parcel_class = PARCEL_ROOM};
    enum counter dropped = COUNTER_DROPPED_OFFLINE;
    uint32_t parcel = BLOCK_NONE;
    if (slot->conn != SLAB_NONE) {
        dropped = COUNTER_DROPPED_MEMORY;
        if (is_expired(gateway, delivery))
            dropped = COUNTER_DROPPED_EXPIRED;
        else if (slot->packet_bytes_max > 0 && is_too_large(slot, mqtt_format_size(gateway, &one)))
            dropped = COUNTER_DROPPED_TOO_LARGE;
        else
            parcel = mqtt_format_encode(gateway, &one);
    }
    if (parcel == BLOCK_NONE) {
        gateway_count(gateway, dropped);
        return;
    }
    parcel_at(gateway->parts.blocks, parcel)->message_count = 1;
    (void)push(gateway, conn_at(gateway, slot->conn)->stream, parcel); // which settles it
}

// False: memory is out.
static bool take_ids(struct gateway *gateway, struct outbox_entry *entry,
                     const struct mqtt_delivery *delivery) {
    if (delivery->id_count == 1) {
        entry->ids = delivery->ids[0];
        mark(entry, ONE_ID);
    }
    if (delivery->id_count <= 1)
        return true;
    size_t size = delivery->id_count * sizeof(uint32_t);
    entry->ids = blocks_acquire(gateway->parts.blocks, sizeof(struct outbox_ids) + size);
    if (entry->ids == BLOCK_NONE)
        return false;
    struct outbox_ids *ids = blocks_at(gateway->parts.blocks, entry->ids);
    ids->count = delivery->id_count;
    memcpy(ids->ids, delivery->ids, size);
    mark(entry, MANY_IDS);
    return true;
}

static void drop_oldest(struct gateway *gateway, struct outbox *outbox) {
    uint32_t at = outbox->next;
    uncount(gateway, outbox, &outbox->entries[at]);
    settle(gateway, &outbox->entries[at], COUNTER_DROPPED_SLOW);
    outbox->entries[at].packet_id = neighbour_id(outbox, at);
    outbox->next++;
    if (outbox->resend == at)
        outbox->resend++;
    remove_entry(gateway, outbox, at);
}

// After the newest came: no more waits than may. Any one message may.
static void keep_bounds(struct gateway *gateway, uint32_t session) {
    const struct config *config = gateway->parts.config;
    struct outbox *outbox = outbox_at(gateway, session);
    if (!outbox || outbox->next == outbox->tail)
        return;
    struct outbox_entry *newest = &outbox->entries[outbox->tail - 1];
    if (!has(newest, COUNTED)) {
        mark(newest, COUNTED);
        outbox->waiting_bytes += bytes_of_entry(gateway, newest);
    }
    while (outbox->tail - outbox->next > config->mqtt_session_queue_max ||
           (outbox->waiting_bytes > config->mqtt_session_queue_bytes_max &&
            outbox->tail - outbox->next > 1))
        drop_oldest(gateway, outbox);
}

static bool has_unsent(const struct gateway *gateway, uint32_t session) {
    const struct outbox *outbox = outbox_at(gateway, session);
    return outbox && outbox->resend < outbox->tail;
}

void mqtt_outbox_push(struct gateway *gateway, uint32_t session,
                      const struct mqtt_delivery *delivery) {
    bool waits =
        delivery->is_in_turn && is_online(gateway, session) && has_unsent(gateway, session);
    if (delivery->qos == 0 && !waits) {
        push_at_once(gateway, session, delivery);
        return;
    }
    struct outbox *outbox = reserve(gateway, session);
    struct outbox_entry entry = {.payload = delivery->payload, .sequence = delivery->sequence};
    if (!outbox || !take_ids(gateway, &entry, delivery)) {
        gateway_count(gateway, COUNTER_DROPPED_MEMORY);
        release_if_empty(gateway, session);
        return;
    }
    mark(&entry, (delivery->qos == 2   ? QOS_2
                  : delivery->qos == 0 ? QOS_0
                                       : 0) |
                     (delivery->is_retained ? RETAINED : 0) |
                     (delivery->source == MQTT_FROM_ROOM ? OF_ROOM : 0));
    payload_ref(gateway->parts.scheduler, entry.payload, 1);
    counter_add(gateway->parts.counters, COUNTER_GATHERED, 1);
    outbox->entries[outbox->tail++] = entry;
    mqtt_outbox_flush(gateway, session);
    keep_bounds(gateway, session);
}

// PUBREC of a QoS 2 that is under way.
static enum mqtt_reason on_pubrec(struct gateway *gateway, uint32_t session, struct outbox *outbox,
                                  uint32_t at, const struct mqtt_ack *ack) {
    struct outbox_entry *entry = &outbox->entries[at];
    if (ack->reason >= MQTT_UNSPECIFIED_ERROR && !has(entry, RELEASED)) {
        remove_entry(gateway, outbox, at); // the client has refused it: no PUBREL (4.3.3)
        return MQTT_SUCCESS;
    }
    give_back(gateway, entry);
    mark(entry, RELEASED); // from here on never the PUBLISH again [MQTT-4.3.3-6]
    send_pubrel(gateway, session, ack->packet_id, MQTT_SUCCESS);
    return MQTT_SUCCESS;
}

enum mqtt_reason mqtt_outbox_on_ack(struct gateway *gateway, uint32_t session, enum mqtt_type type,
                                    const struct mqtt_ack *ack) {
    struct outbox *outbox = outbox_at(gateway, session);
    uint32_t at = outbox ? find(outbox, ack->packet_id) : SLAB_NONE;
    if (at == SLAB_NONE || !has(&outbox->entries[at], SENT)) {
        if (type == MQTT_PUBREC)
            send_pubrel(gateway, session, ack->packet_id, MQTT_PACKET_ID_NOT_FOUND);
        return MQTT_PACKET_ID_NOT_FOUND;
    }
    const struct outbox_entry *entry = &outbox->entries[at];
    if (has(entry, QOS_2) != (type != MQTT_PUBACK) ||
        (type == MQTT_PUBCOMP && !has(entry, RELEASED)))
        return MQTT_PROTOCOL_ERROR;
    enum mqtt_reason reason = MQTT_SUCCESS;
    if (type == MQTT_PUBREC)
        reason = on_pubrec(gateway, session, outbox, at, ack);
    else
        remove_entry(gateway, outbox, at);
    // It takes what it is sent: a blocked stream has room again once this turn has settled what the
    // last one sent, which its actor's next go comes after.
    if (mqtt_session_has(mqtt_session_at(gateway, session), MQTT_SESSION_BLOCKED))
        scheduler_continue(gateway->parts.scheduler, KIND_MQTT_SESSION, session);
    mqtt_outbox_flush(gateway, session);
    release_if_empty(gateway, session);
    return reason;
}

void mqtt_outbox_resume(struct gateway *gateway, uint32_t session) {
    mqtt_outbox_flush(gateway, session);
}

void mqtt_outbox_on_offline(struct gateway *gateway, uint32_t session) {
    struct outbox *outbox = outbox_at(gateway, session);
    if (!outbox)
        return;
    for (uint32_t i = outbox->head; i < outbox->next; i++)
        unmark(&outbox->entries[i], IN_WINDOW);
    outbox->window_used = 0;
    outbox->resend = outbox->head;
    mqtt_alias_release(gateway->parts.blocks, &outbox->aliases);
    release_if_empty(gateway, session);
}

void mqtt_outbox_release(struct gateway *gateway, uint32_t session) {
    struct outbox *outbox = outbox_at(gateway, session);
    if (!outbox)
        return;
    for (uint32_t i = outbox->head; i < outbox->tail; i++) {
        if (has(&outbox->entries[i], GONE))
            continue;
        settle(gateway, &outbox->entries[i], COUNTER_DROPPED_CLOSED);
        give_back(gateway, &outbox->entries[i]);
    }
    mqtt_alias_release(gateway->parts.blocks, &outbox->aliases);
    outbox->head = outbox->tail;
    release_if_empty(gateway, session);
}

uint32_t mqtt_outbox_count(const struct gateway *gateway, uint32_t session) {
    const struct outbox *outbox = outbox_at(gateway, session);
    return outbox ? outbox->tail - outbox->head - outbox->gone : 0;
}

void mqtt_outbox_validate(struct gateway *gateway, uint32_t session) {
    const struct outbox *outbox = outbox_at(gateway, session);
    if (!outbox)
        return;
    uint32_t gone = 0;
    uint32_t window = 0;
    uint32_t bytes = 0;
    CHECK(outbox->head <= outbox->resend && outbox->resend <= outbox->next &&
          outbox->next <= outbox->tail && outbox->tail <= capacity_of(gateway, session));
    for (uint32_t i = outbox->head; i < outbox->tail; i++) {
        const struct outbox_entry *entry = &outbox->entries[i];
        bool waits = i >= outbox->next;
        bool is_gone = has(entry, GONE);
        gone += is_gone;
        window += has(entry, IN_WINDOW);
        bytes += has(entry, COUNTED) ? bytes_of_entry(gateway, entry) : 0;
        CHECKF(is_gone || has(entry, RELEASED) || entry->payload != PAYLOAD_NONE, "entry %u", i);
        CHECKF(!waits || (!is_gone && entry->packet_id == 0 && !has(entry, SENT)), "entry %u", i);
        CHECKF(waits || is_gone || has(entry, QOS_0) || find(outbox, entry->packet_id) == i,
               "entry %u: id %u", i, entry->packet_id);
    }
    CHECKF(gone == outbox->gone && window == outbox->window_used && bytes == outbox->waiting_bytes,
           "session %u: its outbox counts %u, %u, %u, has %u, %u, %u", session, outbox->gone,
           outbox->window_used, outbox->waiting_bytes, gone, window, bytes);
}
