// The client's half of MQTT below what packets mean: packets put together from reads, requests
// encoded, acknowledgements gathered. Over TCP, or as binary messages over WebSocket; which, the
// run's protocol says.
//
// Acknowledgements of one read leave together: mqtt_client_put_ack gathers, mqtt_client_flush
// sends. What a read left over is kept in a slot of its own (over WebSocket the frames' own cut is
// another one); what of a packet is beyond run->cut_bytes is counted and forgotten. The run's
// thread.
#ifndef FAIRLEAD_MQTT_CLIENT_H
#define FAIRLEAD_MQTT_CLIENT_H

#include "gateway/wire/mqtt_connect.h"
#include "gateway/wire/mqtt_publish.h"
#include "gateway/wire/mqtt_subscribe.h"
#include "loadgen/mqtt_flow.h"

#define MQTT_CLIENT_OUT_BYTES 4096u

struct run;

// Part of struct run: all that MQTT adds to it. Zero when another protocol is spoken.
struct mqtt_clients {
    struct mqtt_flows flows;
    struct slab cuts;
    uint32_t out_size;
    uint8_t out[MQTT_CLIENT_OUT_BYTES]; // acknowledgements of the client that is read
};

// Reserves for run->client_count clients. 0, or -ENOMEM.
MUST_USE int mqtt_client_init(struct run *run);

// The client's connection is over: forgets what was under way.
void mqtt_client_forget(struct run *run, uint32_t index);

struct mqtt_client_packet {
    struct mqtt_header header;
    struct bytes body; // valid during the call
    bool is_truncated; // more of the body came than is kept
};

struct mqtt_client_calls {
    void (*on_packet)(struct run *run, uint32_t index, const struct mqtt_client_packet *packet);
    // `head` is what came in place of a packet; nothing after it can be told apart.
    void (*on_garbage)(struct run *run, uint32_t index, struct bytes head,
                       const struct mqtt_error *error);
};

// After any of the calls the client may be gone, which is noticed here.
void mqtt_client_take(struct run *run, uint32_t index, struct bytes data,
                      const struct mqtt_client_calls *calls);

// What there is of a packet that was cut; empty when nothing is.
struct bytes mqtt_client_held(const struct run *run, uint32_t index);

// Sends encoded packets. False when the server does not read or the client is gone.
MUST_USE bool mqtt_client_try_send(struct run *run, uint32_t index, struct bytes packets);

MUST_USE bool mqtt_client_try_connect(struct run *run, uint32_t index);
MUST_USE bool mqtt_client_try_subscribe(struct run *run, uint32_t index, struct bytes filter,
                                        uint16_t packet_id);
MUST_USE bool mqtt_client_try_unsubscribe(struct run *run, uint32_t index, struct bytes filter,
                                          uint16_t packet_id);
MUST_USE bool mqtt_client_try_ping(struct run *run, uint32_t index);

// A PUBLISH whose payload is a stamp of payload_bytes. packet_id 0: QoS 0.
struct mqtt_client_message {
    struct bytes topic;
    const struct stamp *stamp;
    uint32_t payload_bytes;
    uint8_t qos;
    uint16_t packet_id;
};

MUST_USE bool mqtt_client_try_publish(struct run *run, uint32_t index,
                                      const struct mqtt_client_message *message);

void mqtt_client_put_ack(struct run *run, uint32_t index, enum mqtt_type type, uint16_t packet_id,
                         enum mqtt_reason reason);
void mqtt_client_flush(struct run *run, uint32_t index);

#endif
