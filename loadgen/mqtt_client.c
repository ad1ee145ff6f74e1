#include "loadgen/mqtt_client.h"

#include <errno.h>
#include <math.h>

#include "loadgen/client.h"
#include "loadgen/ws_client.h"

// MQTT 5.0 3.1.2.10: the server waits one and a half times as long. Ours stop for one period at a
// run's end (scenario.c), so two is what it is told.
#define KEEP_ALIVE_FACTOR 2
#define ACK_BYTES_MAX 8
#define REQUEST_BYTES_MAX 512 // of everything but PUBLISH

struct mqtt_cut {
    uint32_t slab_word;
    uint32_t size;       // kept
    uint32_t left;       // of the packet: still to come, once the header is whole
    uint8_t header_size; // 0: the header is not whole
    bool is_truncated;
    uint8_t bytes[];
};

int mqtt_client_init(struct run *run) {
    if (wills_init(run) < 0)
        return -ENOMEM;
    uint32_t slot_size = (uint32_t)(sizeof(struct mqtt_cut) + run->cut_bytes + 7) & ~7u;
    int status = mqtt_flow_init(&run->mqtt.flows, &run->ledger, run->client_count);
    if (status == 0)
        status =
            slab_init(&run->mqtt.cuts, &run->ledger, "cut packets", slot_size, run->client_count);
    return status;
}

// --- packets -------------------------------------------------------------------------------------

static uint32_t *cut_of(const struct run *run, uint32_t index) {
    return &run->mqtt.flows.flows[index].cut;
}

static void release_cut(struct run *run, uint32_t index) {
    uint32_t *cut = cut_of(run, index);
    if (*cut != SLAB_NONE)
        slab_release(&run->mqtt.cuts, *cut);
    *cut = SLAB_NONE;
}

void mqtt_client_forget(struct run *run, uint32_t index) {
    wills_end(run, index, run->mqtt.flows.flows[index].window > 0);
    mqtt_flow_reset(&run->mqtt.flows, index);
    release_cut(run, index);
    run->mqtt.out_size = 0; // only the client that is read has any
}

static struct mqtt_cut *get_cut(struct run *run, uint32_t index) {
    uint32_t *cut = cut_of(run, index);
    if (*cut != SLAB_NONE)
        return slab_get(&run->mqtt.cuts, *cut);
    // Unfilled: zeroing kilobytes would be most of the cost of a cut.
    struct mqtt_cut *fresh = slab_acquire_unfilled(&run->mqtt.cuts, cut);
    CHECKF(fresh != NULL, "one cut packet per client, %u", run->client_count);
    fresh->size = fresh->left = fresh->header_size = 0;
    fresh->is_truncated = false;
    return fresh;
}

struct bytes mqtt_client_held(const struct run *run, uint32_t index) {
    uint32_t cut = *cut_of(run, index);
    if (cut == SLAB_NONE)
        return bytes_of(NULL, 0);
    const struct mqtt_cut *held = slab_get(&run->mqtt.cuts, cut);
    return bytes_of(held->bytes, held->size);
}

// Takes what is missing of the header, byte by byte: five at most. False when it needs more, or is
// none.
static bool take_header(struct run *run, uint32_t index, struct bytes *data,
                        const struct mqtt_client_calls *calls) {
    struct mqtt_cut *cut = get_cut(run, index);
    struct mqtt_header header;
    struct mqtt_error error;
    while (data->size > 0) {
        cut->bytes[cut->size++] = data->data[0];
        *data = bytes_skip(*data, 1);
        switch (mqtt_decode_header(bytes_of(cut->bytes, cut->size), 0, &header, &error)) {
        case MQTT_NEED_MORE:
            continue;
        case MQTT_BAD:
            calls->on_garbage(run, index, bytes_of(cut->bytes, cut->size), &error);
            return false;
        case MQTT_OK:
            cut->header_size = header.size;
            cut->left = header.remaining_size;
            return true;
        }
        UNREACHABLE();
    }
    return false;
}

static void keep(const struct run *run, struct mqtt_cut *cut, struct bytes part) {
    size_t space = run->cut_bytes - cut->size;
    size_t size = part.size < space ? part.size : space;
    cut->is_truncated |= size < part.size;
    if (size > 0)
        memcpy(cut->bytes + cut->size, part.data, size);
    cut->size += (uint32_t)size;
}

// Goes on with the packet that was cut, or begins one that will be.
static void take_cut(struct run *run, uint32_t index, struct bytes *data,
                     const struct mqtt_client_calls *calls) {
    struct mqtt_cut *cut = get_cut(run, index);
    if (cut->header_size == 0 && !take_header(run, index, data, calls))
        return;
    struct bytes part = bytes_of(data->data, data->size < cut->left ? data->size : cut->left);
    keep(run, cut, part);
    cut->left -= (uint32_t)part.size;
    *data = bytes_skip(*data, part.size);
    if (cut->left > 0)
        return;
    struct mqtt_client_packet packet = {.is_truncated = cut->is_truncated};
    struct mqtt_error error;
    struct bytes bytes = bytes_of(cut->bytes, cut->size);
    CHECK(mqtt_decode_header(bytes, 0, &packet.header, &error) == MQTT_OK);
    packet.body = bytes_skip(bytes, packet.header.size);
    calls->on_packet(run, index, &packet);
    release_cut(run, index);
}

void mqtt_client_take(struct run *run, uint32_t index, struct bytes data,
                      const struct mqtt_client_calls *calls) {
    const struct client *client = &run->clients[index];
    struct mqtt_client_packet packet = {.is_truncated = false};
    struct mqtt_error error;
    while (data.size > 0 && client->state != CLIENT_GONE) {
        enum mqtt_status status = MQTT_NEED_MORE;
        if (LIKELY(*cut_of(run, index) == SLAB_NONE))
            status = mqtt_decode_header(data, 0, &packet.header, &error);
        if (UNLIKELY(status == MQTT_BAD)) {
            calls->on_garbage(run, index, data, &error);
            return;
        }
        size_t size = status == MQTT_OK ? (size_t)packet.header.size + packet.header.remaining_size
                                        : SIZE_MAX;
        if (UNLIKELY(data.size < size)) {
            take_cut(run, index, &data, calls);
            continue;
        }
        packet.body = bytes_of(data.data + packet.header.size, packet.header.remaining_size);
        data = bytes_skip(data, size);
        calls->on_packet(run, index, &packet);
    }
}

// --- sending -------------------------------------------------------------------------------------

bool mqtt_client_try_send(struct run *run, uint32_t index, struct bytes packets) {
    if (run->protocol == &PROTOCOL_MQTT_WS) // MQTT-6.0.0-1: binary frames
        return ws_client_try_send(run, index, WEBSOCKET_BINARY, packets);
    return client_try_send(run, index, packets);
}

static uint16_t keep_alive_s(const struct load_options *o) {
    double seconds = ceil(o->heartbeat_s * KEEP_ALIVE_FACTOR);
    return seconds < UINT16_MAX ? (uint16_t)seconds : UINT16_MAX;
}

bool mqtt_client_try_connect(struct run *run, uint32_t index) {
    const struct load_options *o = &run->options;
    bool is_watcher = index >= o->connections;
    char client_id[RUN_USER_BYTES_MAX];
    uint8_t bytes[REQUEST_BYTES_MAX], will[WILLS_PAYLOAD_BYTES];
    int size = is_watcher ? snprintf(client_id, sizeof(client_id), "w%07u-%u", o->first_user,
                                     index - o->connections)
                          : snprintf(client_id, sizeof(client_id), "u%07u", o->first_user + index);
    struct mqtt_connect connect = {.version = (uint8_t)run->options.mqtt_version,
                                   .is_clean = true,
                                   .keep_alive_s = keep_alive_s(o),
                                   .client_id = bytes_of(client_id, (size_t)size)};
    if (wills_has(&run->wills) && !is_watcher) {
        struct stamp stamp;
        wills_begin(run, index, &stamp);
        stamp_encode(will, sizeof(will), &stamp);
        connect.has_will = true;
        connect.will = (struct mqtt_will){.topic = bytes_from_string(o->will_topic),
                                          .payload = bytes_of(will, sizeof(will)),
                                          .qos = (uint8_t)o->qos};
    }
    struct writer w = writer_on(bytes, sizeof(bytes));
    mqtt_encode_connect(&w, &connect);
    CHECK(!w.overflow);
    return mqtt_client_try_send(run, index, writer_bytes(&w));
}

static bool try_filter(struct run *run, uint32_t index, enum mqtt_type type,
                       const struct mqtt_filter *filter, uint16_t packet_id) {
    uint8_t bytes[REQUEST_BYTES_MAX];
    struct mqtt_subscribe subscribe = {.version = (uint8_t)run->options.mqtt_version,
                                       .has_options = type == MQTT_SUBSCRIBE,
                                       .packet_id = packet_id,
                                       .filter_count = 1};
    struct writer w = writer_on(bytes, sizeof(bytes));
    mqtt_encode_subscribe(&w, type, &subscribe, filter);
    CHECK(!w.overflow);
    return mqtt_client_try_send(run, index, writer_bytes(&w));
}

bool mqtt_client_try_subscribe(struct run *run, uint32_t index, struct bytes filter,
                               uint16_t packet_id) {
    bool is_5 = run->options.mqtt_version == MQTT_5;
    struct mqtt_filter asked = {.text = filter,
                                .qos = (uint8_t)run->options.qos,
                                // Older messages are nothing to us.
                                .retain_handling = is_5 ? MQTT_RETAIN_NEVER : MQTT_RETAIN_ALWAYS};
    return try_filter(run, index, MQTT_SUBSCRIBE, &asked, packet_id);
}

bool mqtt_client_try_unsubscribe(struct run *run, uint32_t index, struct bytes filter,
                                 uint16_t packet_id) {
    struct mqtt_filter asked = {.text = filter};
    return try_filter(run, index, MQTT_UNSUBSCRIBE, &asked, packet_id);
}

bool mqtt_client_try_ping(struct run *run, uint32_t index) {
    uint8_t bytes[2];
    struct writer w = writer_on(bytes, sizeof(bytes));
    mqtt_encode_header(&w, MQTT_PINGREQ, 0, 0);
    return mqtt_client_try_send(run, index, writer_bytes(&w));
}

bool mqtt_client_try_publish(struct run *run, uint32_t index,
                             const struct mqtt_client_message *message) {
    struct mqtt_publish publish = {.version = (uint8_t)run->options.mqtt_version,
                                   .qos = message->qos,
                                   .packet_id = message->packet_id,
                                   .topic = message->topic,
                                   .payload = {NULL, message->payload_bytes}};
    struct writer w = writer_on(run->scratch, run->scratch_size);
    mqtt_encode_publish_head(&w, &publish, bytes_of(NULL, 0));
    CHECK(!w.overflow && w.size + message->payload_bytes <= run->scratch_size);
    stamp_encode(run->scratch + w.size, message->payload_bytes, message->stamp);
    return mqtt_client_try_send(run, index,
                                bytes_of(run->scratch, w.size + message->payload_bytes));
}

// --- acknowledgements ----------------------------------------------------------------------------

void mqtt_client_flush(struct run *run, uint32_t index) {
    struct bytes packets = bytes_of(run->mqtt.out, run->mqtt.out_size);
    run->mqtt.out_size = 0;
    if (packets.size > 0 && !mqtt_client_try_send(run, index, packets))
        client_fail_local(run, index, ENOBUFS);
}

void mqtt_client_put_ack(struct run *run, uint32_t index, enum mqtt_type type, uint16_t packet_id,
                         enum mqtt_reason reason) {
    struct mqtt_ack ack = {.version = (uint8_t)run->options.mqtt_version,
                           .reason = (uint8_t)reason,
                           .packet_id = packet_id};
    if (run->mqtt.out_size + ACK_BYTES_MAX > sizeof(run->mqtt.out))
        mqtt_client_flush(run, index);
    struct writer w = writer_on(run->mqtt.out + run->mqtt.out_size, ACK_BYTES_MAX);
    mqtt_encode_ack(&w, type, &ack);
    CHECK(!w.overflow);
    run->mqtt.out_size += (uint32_t)w.size;
}
