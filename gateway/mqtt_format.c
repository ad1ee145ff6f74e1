// A packet is first a `struct packet`, views all of it, whose size is known before a byte is
// written: parcels have the right size at once, and nothing is copied twice. Presence alone is made
// in a block of its own first, since its JSON's size is known only afterwards.
#include "gateway/mqtt_format.h"

#include "chat/publish.h"
#include "gateway/mqtt_conn.h"
#include "gateway/presence_json.h"
#include "gateway/wire/wire_limits.h"
#include "sched/base/clock.h"
#include "topics/topic_message.h"

#define USER_PROPERTY_BYTES 5u // identifier and two lengths
#define U64_BYTES 20u

// Expiry, alias, subscription identifiers, seq, event (one byte tells its size).
#define OWN_BYTES_MAX                                                                              \
    (5u + 3u + 5u * TOPICS_IDS_MAX + (USER_PROPERTY_BYTES + 3u + U64_BYTES) +                      \
     (USER_PROPERTY_BYTES + 5u + UINT8_MAX))

// What all receivers of a message are given.
struct content {
    struct bytes prefix; // of the topic
    struct bytes topic;
    struct bytes suffix;
    struct bytes block; // properties, as published
    struct bytes body;
    struct bytes event; // of a room's message
    uint64_t sequence;  // 0: none
    uint64_t expires_ns;
};

// How one packet says it.
struct packet {
    const struct content *content;
    struct bytes own; // further properties
    uint32_t format;
    uint16_t packet_id;
    uint8_t qos;
    bool is_duplicate;
    bool is_retained;
    bool has_topic;
    enum parcel_class parcel_class;
};

// --- packets -------------------------------------------------------------------------------------

static size_t topic_size(const struct packet *packet) {
    const struct content *content = packet->content;
    return packet->has_topic ? content->prefix.size + content->topic.size + content->suffix.size
                             : 0;
}

static size_t properties_size(const struct packet *packet) {
    return packet->content->block.size + packet->own.size;
}

static uint32_t remaining_size(const struct packet *packet) {
    size_t size = 2 + topic_size(packet) + (packet->qos > 0 ? 2 : 0) + packet->content->body.size;
    if (mqtt_format_is_5(packet->format)) {
        size_t properties = properties_size(packet);
        size += mqtt_variable_size((uint32_t)properties) + properties;
    }
    CHECKF(size <= MQTT_REMAINING_SIZE_MAX, "a PUBLISH of %zu bytes", size);
    return (uint32_t)size;
}

static size_t packet_size(const struct packet *packet) {
    uint32_t remaining = remaining_size(packet);
    return 1 + mqtt_variable_size(remaining) + remaining;
}

static uint8_t flags_of(const struct packet *packet) { // 3.3.1
    return (uint8_t)((packet->is_duplicate ? 8 : 0) | packet->qos << 1 |
                     (packet->is_retained ? 1 : 0));
}

static uint32_t encode(struct gateway *gateway, const struct packet *packet) {
    const struct content *content = packet->content;
    struct writer w;
    uint32_t parcel = mqtt_conn_parcel(gateway->parts.blocks, mqtt_format_is_ws(packet->format),
                                       packet_size(packet), packet->parcel_class, &w);
    if (parcel == BLOCK_NONE)
        return BLOCK_NONE;
    mqtt_encode_header(&w, MQTT_PUBLISH, flags_of(packet), remaining_size(packet));
    mqtt_put_u16(&w, (uint16_t)topic_size(packet));
    if (packet->has_topic) {
        writer_put(&w, content->prefix);
        writer_put(&w, content->topic);
        writer_put(&w, content->suffix);
    }
    if (packet->qos > 0)
        mqtt_put_u16(&w, packet->packet_id);
    if (mqtt_format_is_5(packet->format)) {
        mqtt_put_variable(&w, (uint32_t)properties_size(packet));
        writer_put(&w, content->block); // first: the publisher's order is kept [MQTT-3.3.2-18]
        writer_put(&w, packet->own);
    }
    writer_put(&w, content->body);
    CHECK(!w.overflow);
    return parcel;
}

// --- properties of ours --------------------------------------------------------------------------

// Whole seconds have passed or not: the interval less what the message waited [MQTT-3.3.2-6].
static void put_expiry(struct writer *w, const struct gateway *gateway, uint64_t expires_ns) {
    if (expires_ns == 0)
        return;
    uint64_t now_ns = gateway_now_ns(gateway);
    uint64_t left_s = expires_ns > now_ns ? (expires_ns - now_ns + NS_PER_S - 1) / NS_PER_S : 0;
    writer_put_byte(w, MQTT_PROPERTY_message_expiry_s);
    mqtt_put_u32(w, left_s > UINT32_MAX ? UINT32_MAX : (uint32_t)left_s);
}

static void put_sequence(struct writer *w, uint64_t sequence) {
    if (sequence == 0)
        return;
    uint8_t text[U64_BYTES];
    struct writer digits = writer_on(text, sizeof(text));
    writer_put_u64(&digits, sequence);
    mqtt_properties_put_user(w, BYTES_LITERAL("seq"), writer_bytes(&digits));
}

static void put_event(struct writer *w, struct bytes event) {
    if (event.size > 0 && !bytes_equal(event, BYTES_LITERAL(MQTT_FORMAT_SHOUT)))
        mqtt_properties_put_user(w, BYTES_LITERAL("event"), event);
}

static void put_own(struct writer *w, const struct gateway *gateway,
                    const struct content *content) {
    put_expiry(w, gateway, content->expires_ns);
    put_sequence(w, content->sequence);
    put_event(w, content->event);
}

// --- contents ------------------------------------------------------------------------------------

static struct content of_room(struct bytes room, const struct chat_publish *publish,
                              uint64_t sequence) {
    return (struct content){.prefix = BYTES_LITERAL(MQTT_FORMAT_ROOM_PREFIX),
                            .topic = room,
                            .block = publish->properties,
                            .body = publish->body,
                            .event = publish->event,
                            .sequence = sequence,
                            .expires_ns = publish->expires_ns};
}

static struct content of_topic(const struct topic_message *message) {
    return (struct content){.topic = message->topic,
                            .block = message->properties,
                            .body = message->body,
                            .expires_ns = message->expires_ns};
}

static struct content of_delivery(const struct gateway *gateway,
                                  const struct mqtt_delivery *delivery) {
    const struct scheduler *scheduler = gateway->parts.scheduler;
    if (delivery->source == MQTT_FROM_TOPIC) {
        struct topic_message message = topic_message_view(scheduler, delivery->payload);
        return of_topic(&message);
    }
    struct chat_publish publish = publish_view(scheduler, delivery->payload);
    return of_room(publish.room, &publish, delivery->sequence);
}

// --- shared formats ------------------------------------------------------------------------------

static uint32_t encode_shared(struct gateway *gateway, uint32_t format,
                              const struct content *content) {
    uint8_t own[OWN_BYTES_MAX];
    struct writer w = writer_on(own, sizeof(own));
    if (mqtt_format_is_5(format))
        put_own(&w, gateway, content);
    CHECK(!w.overflow);
    const struct packet packet = {.content = content,
                                  .own = writer_bytes(&w),
                                  .format = format,
                                  .has_topic = true,
                                  .parcel_class = PARCEL_ROOM};
    return encode(gateway, &packet);
}

uint32_t mqtt_format_room_message(struct gateway *gateway, uint32_t format, struct bytes room,
                                  const struct chat_publish *publish, uint64_t sequence) {
    struct content content = of_room(room, publish, sequence);
    return encode_shared(gateway, format, &content);
}

uint32_t mqtt_format_topic_message(struct gateway *gateway, uint32_t format,
                                   const struct topic_message *message) {
    struct content content = of_topic(message);
    return encode_shared(gateway, format, &content);
}

uint32_t mqtt_format_gap(struct gateway *gateway, uint32_t format, struct bytes room, uint64_t from,
                         uint64_t to) {
    CHECK(mqtt_format_is_5(format));
    uint8_t text[2 * U64_BYTES + 1], own[OWN_BYTES_MAX];
    struct writer range = writer_on(text, sizeof(text));
    writer_put_u64(&range, from);
    writer_put_byte(&range, '-');
    writer_put_u64(&range, to);
    struct writer w = writer_on(own, sizeof(own));
    mqtt_properties_put_user(&w, BYTES_LITERAL("gap"), writer_bytes(&range));
    CHECK(!range.overflow && !w.overflow);
    const struct content content = {.prefix = BYTES_LITERAL(MQTT_FORMAT_ROOM_PREFIX),
                                    .topic = room};
    const struct packet packet = {.content = &content,
                                  .own = writer_bytes(&w),
                                  .format = format,
                                  .has_topic = true,
                                  .parcel_class = PARCEL_CONTROL};
    return encode(gateway, &packet);
}

static uint32_t encode_presence(struct gateway *gateway, const struct mqtt_format_presence *how,
                                struct bytes json, bool is_state) {
    uint8_t own[OWN_BYTES_MAX];
    struct writer w = writer_on(own, sizeof(own));
    if (mqtt_format_is_5(how->format) && how->subscription_id > 0)
        mqtt_properties_put_subscription_id(&w, how->subscription_id);
    const struct content content = {.prefix = BYTES_LITERAL(MQTT_FORMAT_ROOM_PREFIX),
                                    .topic = how->room,
                                    .suffix = BYTES_LITERAL(MQTT_FORMAT_PRESENCE_SUFFIX),
                                    .body = json};
    const struct packet packet = {.content = &content,
                                  .own = writer_bytes(&w),
                                  .format = how->format,
                                  .is_retained = is_state,
                                  .has_topic = true,
                                  .parcel_class = PARCEL_STATE};
    return encode(gateway, &packet);
}

uint32_t mqtt_format_presence(struct gateway *gateway, const struct mqtt_format_presence *how,
                              struct bytes records, bool is_state) {
    const struct bytes head = BYTES_LITERAL("{\"state\":");
    struct blocks *blocks = gateway->parts.blocks;
    size_t size_max = head.size + presence_json_size_max(records) + 1;
    uint32_t block = blocks_acquire(blocks, size_max);
    if (block == BLOCK_NONE)
        return BLOCK_NONE;
    struct writer w = writer_on(blocks_at(blocks, block), size_max);
    if (is_state)
        writer_put(&w, head);
    presence_json_encode(&w, records, is_state);
    if (is_state)
        writer_put_byte(&w, '}');
    CHECK(!w.overflow);
    uint32_t parcel = encode_presence(gateway, how, writer_bytes(&w), is_state);
    blocks_release(blocks, block);
    return parcel;
}

uint32_t mqtt_format_count(struct gateway *gateway, const struct mqtt_format_presence *how,
                           uint32_t users, uint32_t connections) {
    uint8_t text[PRESENCE_JSON_COUNT_BYTES_MAX];
    struct writer w = writer_on(text, sizeof(text));
    presence_json_encode_count(&w, users, connections);
    CHECK(!w.overflow);
    return encode_presence(gateway, how, writer_bytes(&w), false);
}

size_t mqtt_format_packet_size(uint32_t format, size_t parcel_size) {
    if (!mqtt_format_is_ws(format))
        return parcel_size;
    static const size_t headers[] = {2, 4, 10}; // RFC 6455 5.2, of a server
    uint32_t which = 0;
    while (websocket_header_size(parcel_size - headers[which]) != headers[which])
        which++;
    return parcel_size - headers[which];
}

// --- for one client ------------------------------------------------------------------------------

// `own` is scratch that the packet points into.
static struct packet packet_of(const struct gateway *gateway, const struct mqtt_format_one *one,
                               const struct content *content, uint8_t own[OWN_BYTES_MAX]) {
    const struct mqtt_delivery *delivery = one->delivery;
    struct writer w = writer_on(own, OWN_BYTES_MAX);
    if (mqtt_format_is_5(one->format)) {
        put_own(&w, gateway, content);
        if (one->topic_alias > 0) {
            writer_put_byte(&w, MQTT_PROPERTY_topic_alias);
            mqtt_put_u16(&w, one->topic_alias);
        }
        for (uint32_t i = 0; i < delivery->id_count; i++)
            mqtt_properties_put_subscription_id(&w, delivery->ids[i]);
    }
    CHECK(!w.overflow);
    return (struct packet){.content = content,
                           .own = writer_bytes(&w),
                           .format = one->format,
                           .packet_id = one->packet_id,
                           .qos = delivery->qos,
                           .is_duplicate = one->is_duplicate,
                           .is_retained = delivery->is_retained,
                           .has_topic = one->has_topic || !mqtt_format_is_5(one->format),
                           .parcel_class = one->parcel_class};
}

size_t mqtt_format_size(struct gateway *gateway, const struct mqtt_format_one *one) {
    uint8_t own[OWN_BYTES_MAX];
    struct content content = of_delivery(gateway, one->delivery);
    struct packet packet = packet_of(gateway, one, &content, own);
    return packet_size(&packet);
}

uint32_t mqtt_format_encode(struct gateway *gateway, const struct mqtt_format_one *one) {
    uint8_t own[OWN_BYTES_MAX];
    struct content content = of_delivery(gateway, one->delivery);
    struct packet packet = packet_of(gateway, one, &content, own);
    return encode(gateway, &packet);
}

uint64_t mqtt_format_expires_ns(struct gateway *gateway, const struct mqtt_delivery *delivery) {
    return of_delivery(gateway, delivery).expires_ns;
}

void mqtt_format_topic(struct gateway *gateway, const struct mqtt_delivery *delivery,
                       struct writer *w) {
    struct content content = of_delivery(gateway, delivery);
    writer_put(w, content.prefix);
    writer_put(w, content.topic);
}

// --- what came in --------------------------------------------------------------------------------

// Those that are the message's, not the connection's, the subscription's or the will's.
#define KEPT                                                                                       \
    (1ull << MQTT_PROPERTY_payload_format | 1ull << MQTT_PROPERTY_content_type |                   \
     1ull << MQTT_PROPERTY_response_topic | 1ull << MQTT_PROPERTY_correlation_data |               \
     1ull << MQTT_PROPERTY_user)

bool mqtt_format_block_take(struct gateway *gateway, const struct mqtt_properties *properties,
                            struct mqtt_format_block *block) {
    struct blocks *blocks = gateway->parts.blocks;
    *block = (struct mqtt_format_block){.block = BLOCK_NONE};
    if ((properties->present & ~KEPT) == 0) {
        block->bytes = properties->raw;
        return true;
    }
    struct mqtt_properties kept = *properties;
    kept.present &= KEPT;
    if (kept.present == 0)
        return true;
    size_t size = mqtt_properties_size(&kept, (struct bytes){0});
    block->block = blocks_acquire(blocks, size);
    if (block->block == BLOCK_NONE)
        return false;
    struct writer w = writer_on(blocks_at(blocks, block->block), size);
    mqtt_properties_encode(&w, &kept, (struct bytes){0});
    CHECK(!w.overflow);
    struct mqtt_reader reader = mqtt_reader_on(writer_bytes(&w));
    (void)mqtt_read_variable(&reader); // the length, which is another one's for each receiver
    block->bytes = reader.left;
    return true;
}

void mqtt_format_block_release(struct gateway *gateway, struct mqtt_format_block *block) {
    if (block->block != BLOCK_NONE)
        blocks_release(gateway->parts.blocks, block->block);
    *block = (struct mqtt_format_block){.block = BLOCK_NONE};
}
