// What a connection takes along to another core, as payloads that both cores hold: who it is, with
// the names of its memberships (struct conn_bundle_who), and, at the end, its state with what is
// half received and what is not sent yet (struct conn_bundle_state).
//
// Made on the core that it leaves, read on both; never from a wire, so a bundle that does not fit
// its sizes is our own bug. Bounds: 72 + 64 B and 208 B per membership; the reader's and the
// stream's own bounds. Owned by the core's thread until sent, immutable then.
#ifndef FAIRLEAD_CONN_BUNDLE_H
#define FAIRLEAD_CONN_BUNDLE_H

#include "gateway/conn.h"
#include "gateway/ref_tag.h"

struct conn_bundle_member {
    uint64_t member; // handle in chat's slab, on the core that it leaves
    uint8_t room_size;
    uint8_t ref_size; // of the join_ref
    bool has_ref;
    uint8_t room[CHAT_ROOM_BYTES_MAX];
    uint8_t ref[TEXT_BYTES_MAX];
};

struct conn_bundle_who {
    uint16_t member_count;
    uint8_t state; // enum conn_state that it goes on in
    uint8_t user_size;
    bool has_user;
    bool has_ip;
    uint16_t marks; // CONN_TRUSTED, CONN_MQTT, CONN_MQTT_WS
    uint8_t ip[16];
    uint8_t user[CHAT_USER_BYTES_MAX];
    struct conn_bundle_member members[];
};

struct conn_bundle_state {
    uint32_t heard_s;
    uint32_t flags; // CONN_PAUSED_QUEUE, CONN_PAUSED_BUSY
    uint32_t held_size;
    uint32_t waiting_size;
    uint32_t export_size;
    bool has_reader;
    struct websocket_decoder decoder;
    uint8_t control[WIRE_CONTROL_BYTES_MAX];
    uint8_t bytes[]; // held, waiting, export
};

// A payload with one count, or PAYLOAD_NONE when memory is out.
MUST_USE uint64_t conn_bundle_pack_who(struct gateway *gateway, uint32_t index);

static inline struct bytes conn_bundle_room(const struct conn_bundle_member *member) {
    return bytes_of(member->room, member->room_size);
}

// The join_ref, data NULL for null.
static inline struct bytes conn_bundle_ref(const struct conn_bundle_member *member) {
    return member->has_ref ? bytes_of(member->ref, member->ref_size) : (struct bytes){0};
}

// A payload with one count, the stream exported into it; or PAYLOAD_NONE, and nothing has happened
// (perhaps that the connection was doomed: a gap that could not be told).
MUST_USE uint64_t conn_bundle_pack_state(struct gateway *gateway, uint32_t index);

// Puts the state into an arrived connection that is open now, and lets its stream go on. False:
// memory is out, the connection is to be closed.
MUST_USE bool conn_bundle_land(struct gateway *gateway, uint32_t index,
                               const struct conn_bundle_state *state);

#endif
