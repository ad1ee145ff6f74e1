// Chat forbids its upcalls to call it back, so what they lead to (a room that ended is joined
// again, a probe leaves) is written down as a chore, done when the turn ends.
#include "gateway/mqtt_rooms.h"

#include "gateway/mqtt_conn.h"
#include "gateway/mqtt_format.h"
#include "gateway/mqtt_pending.h"
#include "gateway/presence_json.h"
#include "sched/base/clock.h"

#define CHORES_PER_TURN 512u
#define RETRY_S 1u

// Of a session at its limit of subscriptions that are all of rooms.
#define PROBES_SPARE 16u

// --- tags ----------------------------------------------------------------------------------------

// qos:2 | no-local:1 | retain as published:1 | subscription identifier:28. No QoS is 3: an
// observer, whose identifier is in the same place, or a probe.
#define TAG_QOS 3u
#define TAG_NOT_MESSAGES 3u
#define TAG_NO_LOCAL 4u
#define TAG_AS_PUBLISHED 8u
#define TAG_PROBE 4u
#define TAG_ID_SHIFT 4u

_Static_assert(MQTT_PROPERTIES_SUBSCRIPTION_ID_MAX < 1u << (32 - TAG_ID_SHIFT), "fits a tag");

static bool is_presence_tag(uint32_t tag) {
    return (tag & (TAG_QOS | TAG_PROBE)) == TAG_NOT_MESSAGES;
}

static bool is_probe_tag(uint32_t tag) {
    return (tag & (TAG_QOS | TAG_PROBE)) == (TAG_NOT_MESSAGES | TAG_PROBE);
}

static bool is_messages_tag(uint32_t tag) {
    return (tag & TAG_QOS) != TAG_NOT_MESSAGES;
}

static uint32_t tag_of(const struct mqtt_rooms_request *request) {
    const struct mqtt_rooms_options *options = &request->options;
    uint32_t id = options->subscription_id << TAG_ID_SHIFT;
    if (request->is_presence)
        return TAG_NOT_MESSAGES | id;
    return options->qos | (options->is_no_local ? TAG_NO_LOCAL : 0) |
           (options->retains_as_published ? TAG_AS_PUBLISHED : 0) | id;
}

// Its messages differ from everybody else's: any bit but those of what it is.
static bool is_individual(uint32_t tag) {
    return is_messages_tag(tag) ? tag != 0 : tag >> TAG_ID_SHIFT != 0;
}

// --- the list of a session -----------------------------------------------------------------------

static bool is_wanted(uint32_t tag, bool is_presence) {
    return is_presence ? is_presence_tag(tag) : is_messages_tag(tag);
}

uint32_t mqtt_rooms_lookup(const struct gateway *gateway, uint32_t session, struct bytes room,
                           bool is_presence) {
    const struct chat *chat = gateway->parts.chat;
    uint32_t at = mqtt_session_at(gateway, session)->members;
    while (at != SLAB_NONE && !(is_wanted(chat_member(chat, at)->tag, is_presence) &&
                                bytes_equal(chat_room_name(chat, at), room)))
        at = chat_member(chat, at)->next;
    return at;
}

uint32_t mqtt_rooms_count(const struct gateway *gateway, uint32_t session) {
    uint32_t count = 0;
    for (uint32_t at = mqtt_session_at(gateway, session)->members; at != SLAB_NONE;
         at = chat_member(gateway->parts.chat, at)->next)
        count++;
    return count;
}

struct bytes mqtt_rooms_name_of_leaf(const struct gateway *gateway, uint32_t session,
                                     uint32_t leaf) {
    const struct chat *chat = gateway->parts.chat;
    uint32_t at = mqtt_session_at(gateway, session)->members;
    while (at != SLAB_NONE && chat_member(chat, at)->leaf != leaf)
        at = chat_member(chat, at)->next;
    return at == SLAB_NONE ? (struct bytes){0} : chat_leaf_name(chat, leaf);
}

static void link_member(struct gateway *gateway, uint32_t session, uint32_t member) {
    struct mqtt_session *slot = mqtt_session_at(gateway, session);
    chat_member(gateway->parts.chat, member)->next = slot->members;
    slot->members = member;
}

static void unlink_member(struct gateway *gateway, uint32_t session, uint32_t member) {
    struct chat *chat = gateway->parts.chat;
    uint32_t *link = &mqtt_session_at(gateway, session)->members;
    while (*link != member) {
        CHECKF(*link != SLAB_NONE, "member %u is not of session %u", member, session);
        link = &chat_member(chat, *link)->next;
    }
    *link = chat_member(chat, member)->next;
}

// --- chores --------------------------------------------------------------------------------------

struct chore {
    uint64_t session; // pid
    uint64_t member;  // handle of a probe that leaves; 0 with a room to be joined again
    uint64_t due_ns;
    uint32_t next; // BLOCK_NONE: the last
    uint32_t tag;
    uint8_t room_size; // 0: a probe
    uint8_t room[CHAT_ROOM_BYTES_MAX];
};

static struct chore *chore_at(const struct gateway *gateway, uint32_t block) {
    return blocks_at(gateway->parts.blocks, block);
}

static bool add_chore(struct gateway *gateway, const struct chore *chore) {
    uint32_t block = blocks_acquire(gateway->parts.blocks, sizeof(*chore));
    if (block == BLOCK_NONE)
        return false;
    *chore_at(gateway, block) = *chore;
    chore_at(gateway, block)->next = BLOCK_NONE;
    if (gateway->mqtt_chores == BLOCK_NONE)
        gateway->mqtt_chores = block;
    else
        chore_at(gateway, gateway->mqtt_chores_last)->next = block;
    gateway->mqtt_chores_last = block;
    return true;
}

static void pop_chore(struct gateway *gateway, struct chore *chore) {
    uint32_t block = gateway->mqtt_chores;
    *chore = *chore_at(gateway, block);
    gateway->mqtt_chores = chore->next;
    blocks_release(gateway->parts.blocks, block);
}

// A room that the session is to join again, it no longer wants (or all of them: no bytes). True:
// there was one.
static bool call_off(struct gateway *gateway, uint32_t session, struct bytes room,
                     bool is_presence) {
    uint64_t pid = mqtt_session_pid(gateway, session);
    bool was_there = false;
    for (uint32_t at = gateway->mqtt_chores; at != BLOCK_NONE; at = chore_at(gateway, at)->next) {
        struct chore *chore = chore_at(gateway, at);
        bool is_it = room.size == 0 || (is_wanted(chore->tag, is_presence) &&
                                        bytes_equal(bytes_of(chore->room, chore->room_size), room));
        if (chore->session != pid || chore->room_size == 0 || !is_it)
            continue;
        chore->session = 0; // done when its turn comes
        was_there = true;
    }
    return was_there;
}

// --- joining and leaving -------------------------------------------------------------------------

struct joining {
    struct bytes room;
    uint32_t tag;
    bool wants_retained;
};

static uint32_t join(struct gateway *gateway, uint32_t session, const struct joining *joining,
                     enum chat_refusal *refusal) {
    const struct chat_join_request request = {
        .owner = MQTT_OWNER | session,
        .address = mqtt_session_address(gateway, session,
                                        is_individual(joining->tag) || is_probe_tag(joining->tag)),
        .tag = joining->tag,
        .room = joining->room,
        .user = mqtt_session_user(gateway, session),
        .is_observer = !is_messages_tag(joining->tag),
        .is_silent = !is_presence_tag(joining->tag),
        .wants_retained = joining->wants_retained,
    };
    uint32_t member = chat_join(gateway->parts.chat, &request, refusal);
    if (member != SLAB_NONE)
        link_member(gateway, session, member);
    return member;
}

uint32_t mqtt_rooms_join(struct gateway *gateway, uint32_t session,
                         const struct mqtt_rooms_request *request, enum chat_refusal *refusal) {
    const struct joining joining = {.room = request->room,
                                    .tag = tag_of(request),
                                    .wants_retained =
                                        request->wants_retained && !request->is_presence};
    uint32_t member = join(gateway, session, &joining, refusal);
    if (member != SLAB_NONE) // one that was to come back is here by this
        (void)call_off(gateway, session, request->room, request->is_presence);
    return member;
}

static bool is_pending(const struct gateway *gateway, uint32_t member) {
    return chat_member(gateway->parts.chat, member)->slab_word & MEMBER_PENDING;
}

static void leave(struct gateway *gateway, uint32_t session, uint32_t member, bool flush) {
    unlink_member(gateway, session, member);
    chat_leave(gateway->parts.chat, member, flush);
}

static void readdress(struct gateway *gateway, uint32_t session, uint32_t member) {
    struct chat *chat = gateway->parts.chat;
    uint32_t tag = chat_member(chat, member)->tag;
    uint32_t address =
        mqtt_session_address(gateway, session, is_individual(tag) || is_probe_tag(tag));
    if (address != chat_member(chat, member)->address)
        chat_member_readdress(chat, member, address);
}

uint32_t mqtt_rooms_change(struct gateway *gateway, uint32_t session, uint32_t member,
                           const struct mqtt_rooms_request *request) {
    struct chat *chat = gateway->parts.chat;
    enum chat_refusal refusal;
    chat_member(chat, member)->tag = tag_of(request);
    readdress(gateway, session, member);
    if (is_pending(gateway, member))
        return member;
    if (!request->wants_retained)
        return SLAB_NONE;
    if (request->is_presence) { // who is readdressed, to wherever it is, gets a state
        chat_member_readdress(chat, member, chat_member(chat, member)->address);
        return SLAB_NONE;
    }
    // Refused at once it is as if nothing were retained: the subscription stands all the same. A
    // packet may name one room thousands of times: so many probes are not made.
    if (mqtt_rooms_count(gateway, session) >=
        gateway->parts.config->mqtt_subscriptions_max + PROBES_SPARE)
        return SLAB_NONE;
    const struct joining probe = {
        .room = request->room, .tag = TAG_NOT_MESSAGES | TAG_PROBE, .wants_retained = true};
    return join(gateway, session, &probe, &refusal);
}

// Gaps that wait in its queue are told while the room has a name here.
static void seal(struct gateway *gateway, uint32_t session) {
    uint32_t conn = mqtt_session_at(gateway, session)->conn;
    if (conn != SLAB_NONE)
        stream_seal(gateway->parts.streams, conn_at(gateway, conn)->stream);
}

bool mqtt_rooms_leave(struct gateway *gateway, uint32_t session, struct bytes room,
                      bool is_presence) {
    uint32_t member = mqtt_rooms_lookup(gateway, session, room, is_presence);
    if (member == SLAB_NONE)
        return call_off(gateway, session, room, is_presence);
    mqtt_pending_settle(gateway, session, MQTT_PENDING_ROOM, member, MQTT_SUCCESS);
    gateway->left_leaf = chat_member(gateway->parts.chat, member)->leaf;
    gateway->left_room = room;
    leave(gateway, session, member, true);
    seal(gateway, session);
    gateway->left_leaf = SLAB_NONE;
    return true;
}

void mqtt_rooms_leave_all(struct gateway *gateway, uint32_t session) {
    const struct mqtt_session *slot = mqtt_session_at(gateway, session);
    while (slot->members != SLAB_NONE)
        leave(gateway, session, slot->members, false);
    (void)call_off(gateway, session, (struct bytes){0}, false);
}

void mqtt_rooms_readdress(struct gateway *gateway, uint32_t session) {
    struct chat *chat = gateway->parts.chat;
    const struct mqtt_session *slot = mqtt_session_at(gateway, session);
    for (uint32_t at = slot->members; at != SLAB_NONE; at = chat_member(chat, at)->next) {
        readdress(gateway, session, at);
        if (slot->conn != SLAB_NONE) // who kept his address may have missed presence meanwhile
            chat_member_writable(chat, at);
    }
}

void mqtt_rooms_on_writable(struct gateway *gateway, uint32_t session) {
    struct chat *chat = gateway->parts.chat;
    for (uint32_t at = mqtt_session_at(gateway, session)->members; at != SLAB_NONE;
         at = chat_member(chat, at)->next)
        chat_member_writable(chat, at);
}

// --- what chat tells -----------------------------------------------------------------------------

void mqtt_rooms_on_joined(struct gateway *gateway, uint32_t session, uint32_t member) {
    const struct chat *chat = gateway->parts.chat;
    mqtt_pending_settle(gateway, session, MQTT_PENDING_ROOM, member, MQTT_SUCCESS);
    if (!is_probe_tag(chat_member(chat, member)->tag))
        return;
    const struct chore chore = {.session = mqtt_session_pid(gateway, session),
                                .member = handle_pack(slab_handle(&chat->members, member))};
    // LIMITATION: without memory for it a probe stays until its session ends; it is given nothing.
    (void)add_chore(gateway, &chore);
}

// It is to be joined again, at once or, after a try that failed, a little later: as long as the
// session wants it. Who cannot even be written down must learn that it has no subscription.
static void come_back(struct gateway *gateway, uint32_t session, const struct joining *joining,
                      uint32_t pause_s) {
    uint32_t conn = mqtt_session_at(gateway, session)->conn;
    struct chore chore = {.session = mqtt_session_pid(gateway, session),
                          .due_ns = pause_s ? gateway_now_ns(gateway) + pause_s * NS_PER_S : 0,
                          .tag = joining->tag,
                          .room_size = (uint8_t)joining->room.size};
    memcpy(chore.room, joining->room.data, joining->room.size);
    if (add_chore(gateway, &chore))
        return;
    gateway_count(gateway, COUNTER_MQTT_REJOINS_FAILED);
    if (conn != SLAB_NONE)
        conn_doom(gateway, conn, true);
}

void mqtt_rooms_on_ended(struct gateway *gateway, uint32_t session, uint32_t member) {
    const struct chat *chat = gateway->parts.chat;
    const struct joining joining = {.room = chat_room_name(chat, member),
                                    .tag = chat_member(chat, member)->tag};
    seal(gateway, session);
    unlink_member(gateway, session, member);
    (void)mqtt_pending_settle(gateway, session, MQTT_PENDING_ROOM, member, MQTT_SUCCESS);
    if (!is_probe_tag(joining.tag))
        come_back(gateway, session, &joining, 0);
}

void mqtt_rooms_on_refused(struct gateway *gateway, uint32_t session, uint32_t member,
                           enum chat_refusal reason) {
    const struct chat *chat = gateway->parts.chat;
    const struct joining joining = {.room = chat_room_name(chat, member),
                                    .tag = chat_member(chat, member)->tag};
    bool is_probe = is_probe_tag(joining.tag);
    enum mqtt_reason code =
        reason == REFUSAL_RESTARTED ? MQTT_UNSPECIFIED_ERROR : MQTT_QUOTA_EXCEEDED;
    unlink_member(gateway, session, member);
    bool was_asked = mqtt_pending_settle(gateway, session, MQTT_PENDING_ROOM, member,
                                         is_probe ? MQTT_SUCCESS : code);
    if (!was_asked && !is_probe)
        come_back(gateway, session, &joining, RETRY_S);
}

static void drop(struct gateway *gateway, enum counter reason) {
    gateway_count(gateway, reason);
}

void mqtt_rooms_on_delivery(struct gateway *gateway, const struct chat_delivery *delivery) {
    const struct chat *chat = gateway->parts.chat;
    const struct chat_publish *publish = &delivery->publish;
    uint32_t session = delivery->owner & ~MQTT_OWNER;
    uint32_t tag = chat_member(chat, delivery->member)->tag;
    if (is_probe_tag(tag)) { // in the name of the membership that it was sent for
        uint32_t member = mqtt_rooms_lookup(gateway, session, publish->room, false);
        tag = member == SLAB_NONE ? tag : chat_member(chat, member)->tag;
    }
    if (!is_messages_tag(tag)) {
        drop(gateway, COUNTER_DROPPED_CLOSED);
        return;
    }
    if (tag & TAG_NO_LOCAL && publish->publisher == mqtt_session_pid(gateway, session)) {
        drop(gateway, COUNTER_DROPPED_NO_LOCAL); // [MQTT-3.8.3-3]
        return;
    }
    if (publish->expires_ns && gateway_now_ns(gateway) > publish->expires_ns) {
        drop(gateway, COUNTER_DROPPED_EXPIRED); // [MQTT-3.3.2-5]
        return;
    }
    uint8_t qos = tag & TAG_QOS;
    uint32_t id = tag >> TAG_ID_SHIFT;
    const struct mqtt_delivery one = {
        .source = MQTT_FROM_ROOM,
        .payload = delivery->payload,
        .sequence = delivery->sequence,
        .qos = publish->qos < qos ? publish->qos : qos, // [MQTT-3.8.4-8]
        .is_retained = delivery->is_replay || (tag & TAG_AS_PUBLISHED && publish->is_retained),
        // Members see a room's messages in the order of their numbers, whatever their QoS. Who is
        // given shared parcels gets the next ones straight: then this one goes straight, too.
        .is_in_turn = delivery->sequence > 0 && address_format(delivery->address) == ADDRESS_EACH,
        .id_count = id > 0,
        .ids = &id,
    };
    mqtt_outbox_push(gateway, session, &one);
}

// --- gaps and presence for one -------------------------------------------------------------------

// A packet beyond what the client takes is not sent, as if it had been [MQTT-3.1.2-24, -25].
static bool is_too_large(const struct gateway *gateway, uint32_t session, uint32_t parcel) {
    uint32_t size_max = mqtt_session_at(gateway, session)->packet_bytes_max;
    size_t size = parcel_at(gateway->parts.blocks, parcel)->size;
    return size_max > 0 &&
           mqtt_format_packet_size(mqtt_session_format(gateway, session), size) > size_max;
}

void mqtt_rooms_on_gap(struct gateway *gateway, uint32_t session, uint32_t member, uint64_t from,
                       uint64_t to) {
    const struct mqtt_session *slot = mqtt_session_at(gateway, session);
    struct bytes room = chat_room_name(gateway->parts.chat, member);
    if (slot->conn == SLAB_NONE || !mqtt_session_has(slot, MQTT_SESSION_5) ||
        !is_messages_tag(chat_member(gateway->parts.chat, member)->tag))
        return;
    uint32_t parcel =
        mqtt_format_gap(gateway, mqtt_session_format(gateway, session), room, from, to);
    if (parcel != BLOCK_NONE && is_too_large(gateway, session, parcel))
        parcel_unref(gateway->parts.blocks, parcel);
    else
        conn_push(gateway, slot->conn, parcel);
}

static uint32_t encode_presence(struct gateway *gateway, uint32_t session,
                                const struct chat_presence *presence) {
    const struct mqtt_format_presence how = {
        .format = mqtt_session_format(gateway, session),
        .room = presence->room,
        .subscription_id = chat_member(gateway->parts.chat, presence->member)->tag >> TAG_ID_SHIFT,
    };
    return presence->is_count
               ? mqtt_format_count(gateway, &how, presence->users, presence->connections)
               : mqtt_format_presence(gateway, &how, presence->records, presence->is_state);
}

bool mqtt_rooms_on_presence(struct gateway *gateway, const struct chat_presence *presence) {
    uint32_t session = presence->owner & ~MQTT_OWNER;
    uint32_t conn = mqtt_session_at(gateway, session)->conn;
    if (conn == SLAB_NONE)
        return false;
    uint32_t parcel = encode_presence(gateway, session, presence);
    if (parcel == BLOCK_NONE) {
        conn_mark_stale(gateway, conn);
        return false;
    }
    uint32_t address =
        address_of(mqtt_session_format(gateway, session), conn_at(gateway, conn)->stream);
    bool is_taken =
        is_too_large(gateway, session, parcel) || chat_port_deliver_state(gateway, address, parcel);
    parcel_unref(gateway->parts.blocks, parcel);
    return is_taken;
}

// --- chores --------------------------------------------------------------------------------------

static void perform(struct gateway *gateway, const struct chore *chore) {
    struct chat *chat = gateway->parts.chat;
    uint32_t session = chore->session ? mqtt_session_lookup(gateway, chore->session) : SLAB_NONE;
    struct joining joining = {.room = bytes_of(chore->room, chore->room_size), .tag = chore->tag};
    enum chat_refusal refusal;
    if (session == SLAB_NONE)
        return;
    if (chore->room_size == 0) {
        struct handle probe = handle_unpack(chore->member);
        if (slab_lookup(&chat->members, probe))
            leave(gateway, session, probe.index, true);
    } else if (join(gateway, session, &joining, &refusal) == SLAB_NONE) {
        come_back(gateway, session, &joining, RETRY_S);
    }
}

// A chore that is not due yet keeps back those behind it, for a second at most.
bool mqtt_rooms_turn_end(struct gateway *gateway) {
    uint64_t now_ns = gateway_now_ns(gateway);
    uint32_t done = 0;
    for (; gateway->mqtt_chores != BLOCK_NONE && done < CHORES_PER_TURN; done++) {
        struct chore chore;
        if (chore_at(gateway, gateway->mqtt_chores)->due_ns > now_ns)
            break;
        pop_chore(gateway, &chore);
        perform(gateway, &chore);
    }
    return done > 0;
}

void mqtt_rooms_close(struct gateway *gateway) {
    struct chore chore;
    while (gateway->mqtt_chores != BLOCK_NONE)
        pop_chore(gateway, &chore);
}
