#include "gateway/mqtt_filters.h"

#include "gateway/mqtt_conn.h"
#include "gateway/mqtt_pending.h"
#include "gateway/mqtt_rooms.h"
#include "gateway/wire/mqtt_topic.h"

#define UNSUBACK_BYTES_AROUND 16u

// Where a filter leads.
struct target {
    enum mqtt_routes_place place; // ROOM, PRESENCE, TOPIC; else refused
    enum mqtt_reason reason;      // refused
    struct bytes room;
    struct bytes filter; // of topics
    struct bytes group;
};

static struct target target_of(const struct mqtt_filter *filter) {
    struct target target = {.place = MQTT_PLACE_BAD_ROOM};
    bool is_shared =
        mqtt_topic_split_shared(filter->text, &target.group, &target.filter) == MQTT_TOPIC_SHARED;
    bool is_room = bytes_starts_with(target.filter, BYTES_LITERAL("room/"));
    if (!filter->is_valid) {
        target.reason = MQTT_TOPIC_FILTER_INVALID; // [MQTT-4.7.1-1] ff., [MQTT-4.8.2-1]
    } else if (!is_room) {
        target.place = MQTT_PLACE_TOPIC;
    } else if (is_shared) {
        target.reason = MQTT_SHARED_SUBSCRIPTIONS_NOT_SUPPORTED;
    } else if (mqtt_topic_has_wildcard(target.filter)) {
        target.reason = MQTT_WILDCARDS_NOT_SUPPORTED;
    } else {
        target.place = mqtt_routes_place_of(target.filter, &target.room);
        target.reason = MQTT_TOPIC_FILTER_INVALID;
    }
    return target;
}

// --- topics --------------------------------------------------------------------------------------

static uint32_t count_topics(const struct gateway *gateway, uint32_t session) {
    uint32_t count = 0;
    for (uint32_t at = mqtt_session_at(gateway, session)->subscriptions; at != SLAB_NONE;
         at = topics_subscription(gateway->parts.topics, at)->next)
        count++;
    return count;
}

static bool is_full(const struct gateway *gateway, uint32_t session) {
    return mqtt_rooms_count(gateway, session) + count_topics(gateway, session) >=
           gateway->parts.config->mqtt_subscriptions_max;
}

// The session's subscription of this filter, SLAB_NONE. A packet may have thousands of filters, a
// session a thousand subscriptions: they are told apart by their place, not by their texts.
static uint32_t lookup(const struct gateway *gateway, uint32_t session,
                       const struct target *target) {
    struct topics *topics = gateway->parts.topics;
    uint32_t at = mqtt_session_at(gateway, session)->subscriptions;
    struct topics_place place;
    if (at == SLAB_NONE || !topics_lookup_place(topics, target->filter, target->group, &place))
        return SLAB_NONE;
    for (; at != SLAB_NONE; at = topics_subscription(topics, at)->next) {
        const struct topics_subscription *slot = topics_subscription(topics, at);
        bool is_shared = slot->options & TOPICS_OPTION_SHARED;
        if (slot->node == place.node && is_shared == place.is_shared)
            break;
    }
    return at;
}

static void unlink_topic(struct gateway *gateway, uint32_t session, uint32_t subscription) {
    const struct topics *topics = gateway->parts.topics;
    uint32_t *link = &mqtt_session_at(gateway, session)->subscriptions;
    while (*link != subscription) {
        CHECKF(*link != SLAB_NONE, "subscription %u is not of session %u", subscription, session);
        link = &topics_subscription(topics, *link)->next;
    }
    *link = topics_subscription(topics, subscription)->next;
}

static bool is_linked(const struct gateway *gateway, uint32_t session, uint32_t subscription) {
    uint32_t at = mqtt_session_at(gateway, session)->subscriptions;
    while (at != SLAB_NONE && at != subscription)
        at = topics_subscription(gateway->parts.topics, at)->next;
    return at == subscription;
}

static void link_topic(struct gateway *gateway, uint32_t session, uint32_t subscription) {
    struct mqtt_session *slot = mqtt_session_at(gateway, session);
    topics_subscription(gateway->parts.topics, subscription)->next = slot->subscriptions;
    slot->subscriptions = subscription;
}

// Its deliveries differ from everybody else's. Retain as published is topics' matter.
static bool is_individual(uint8_t qos, bool is_no_local, uint32_t subscription_id) {
    return qos > 0 || is_no_local || subscription_id > 0;
}

static enum mqtt_reason reason_of(enum topics_refusal refusal) {
    switch (refusal) {
    case TOPICS_OK:
        return MQTT_SUCCESS;
    case TOPICS_BUSY:
    case TOPICS_MEMORY:
        return MQTT_QUOTA_EXCEEDED;
    case TOPICS_LEVELS:
        return MQTT_TOPIC_FILTER_INVALID;
    }
    UNREACHABLE();
}

void mqtt_filters_on_subscribed(struct gateway *gateway, uint32_t session, uint32_t subscription,
                                enum topics_refusal refusal) {
    if (refusal != TOPICS_OK && is_linked(gateway, session, subscription))
        unlink_topic(gateway, session, subscription); // told once for each change under way
    (void)mqtt_pending_settle(gateway, session, MQTT_PENDING_TOPIC, subscription,
                              reason_of(refusal));
}

// --- SUBSCRIBE -----------------------------------------------------------------------------------

// What the packet's next filter comes to.
struct outcome {
    enum mqtt_reason code; // final, or when what it waits for stands
    bool waits;
    bool is_busy; // refused because a core does not keep up
    enum mqtt_pending_kind kind;
    uint32_t slot;
};

static struct outcome answered(enum mqtt_reason code) {
    return (struct outcome){.code = code};
}

static struct outcome waiting(enum mqtt_pending_kind kind, uint32_t slot, uint8_t qos) {
    return (struct outcome){
        .code = (enum mqtt_reason)qos, .waits = true, .kind = kind, .slot = slot};
}

// 3.3.1.3: 0 always, 1 of a new subscription, 2 never.
static bool wants_retained(const struct mqtt_filter *filter, bool is_new) {
    return filter->retain_handling == MQTT_RETAIN_ALWAYS ||
           (filter->retain_handling == MQTT_RETAIN_IF_NEW && is_new);
}

static struct outcome subscribe_topic(struct gateway *gateway, uint32_t session,
                                      const struct mqtt_filter *filter, const struct target *target,
                                      uint32_t id) {
    struct topics *topics = gateway->parts.topics;
    uint32_t subscription = lookup(gateway, session, target);
    bool is_new = subscription == SLAB_NONE, is_shared = target->group.size > 0;
    const struct topics_request request = {
        .owner = MQTT_OWNER | session,
        .address = mqtt_session_address(gateway, session,
                                        is_individual(filter->qos, filter->is_no_local, id)),
        .filter = target->filter,
        .group = target->group,
        .qos = filter->qos,
        .is_no_local = filter->is_no_local,
        .retains_as_published = filter->retains_as_published,
        .wants_retained = !is_shared && wants_retained(filter, is_new), // 4.8.2
        .subscription_id = id,
    };
    enum topics_refusal refusal = TOPICS_OK;
    if (!is_new) { // [MQTT-3.8.4-3]: replaced, nothing is lost by it
        topics_change(topics, subscription, &request);
        return waiting(MQTT_PENDING_TOPIC, subscription, filter->qos);
    }
    if (is_full(gateway, session))
        return answered(MQTT_QUOTA_EXCEEDED);
    subscription = topics_subscribe(topics, &request, &refusal);
    if (subscription == SLAB_NONE)
        return (struct outcome){.code = reason_of(refusal), .is_busy = refusal == TOPICS_BUSY};
    link_topic(gateway, session, subscription);
    return waiting(MQTT_PENDING_TOPIC, subscription, filter->qos);
}

static struct outcome subscribe_room(struct gateway *gateway, uint32_t session,
                                     const struct mqtt_filter *filter, const struct target *target,
                                     uint32_t id) {
    bool is_presence = target->place == MQTT_PLACE_PRESENCE;
    uint32_t member = mqtt_rooms_lookup(gateway, session, target->room, is_presence);
    bool is_new = member == SLAB_NONE;
    uint8_t qos = is_presence ? 0 : filter->qos;
    const struct mqtt_rooms_request request = {
        .room = target->room,
        .is_presence = is_presence,
        .wants_retained = wants_retained(filter, is_new),
        .options = {.qos = qos,
                    .is_no_local = filter->is_no_local,
                    .retains_as_published = filter->retains_as_published,
                    .subscription_id = id},
    };
    enum chat_refusal refusal = REFUSAL_NONE;
    if (!is_new) {
        member = mqtt_rooms_change(gateway, session, member, &request);
        return member == SLAB_NONE ? answered((enum mqtt_reason)qos)
                                   : waiting(MQTT_PENDING_ROOM, member, qos);
    }
    if (is_full(gateway, session))
        return answered(MQTT_QUOTA_EXCEEDED);
    member = mqtt_rooms_join(gateway, session, &request, &refusal);
    if (member == SLAB_NONE)
        return (struct outcome){.code = MQTT_QUOTA_EXCEEDED, .is_busy = refusal == REFUSAL_BUSY};
    return waiting(MQTT_PENDING_ROOM, member, qos);
}

static struct outcome subscribe_one(struct gateway *gateway, uint32_t session,
                                    const struct mqtt_filter *filter, uint32_t id) {
    struct target target = target_of(filter);
    switch (target.place) {
    case MQTT_PLACE_ROOM:
    case MQTT_PLACE_PRESENCE:
        return subscribe_room(gateway, session, filter, &target, id);
    case MQTT_PLACE_TOPIC:
    case MQTT_PLACE_SERVER:
        return subscribe_topic(gateway, session, filter, &target, id);
    case MQTT_PLACE_BAD_ROOM:
        return answered(target.reason);
    }
    UNREACHABLE();
}

// SUBACK and UNSUBACK have a code for each filter, whatever the client takes at most: who asks for
// more than he can be told is not answered by half [MQTT-3.1.2-24].
static bool is_answer_too_large(const struct gateway *gateway, uint32_t session,
                                uint32_t filter_count) {
    uint32_t size_max = mqtt_session_at(gateway, session)->packet_bytes_max;
    uint32_t remaining = filter_count + 3; // packet id, no properties
    return size_max > 0 && 1 + mqtt_variable_size(remaining) + remaining > size_max;
}

static enum mqtt_next answer_too_large(struct gateway *gateway, uint32_t session) {
    mqtt_conn_close(gateway, mqtt_session_at(gateway, session)->conn, MQTT_PACKET_TOO_LARGE,
                    "its answer is over the maximum packet size [MQTT-3.1.2-24]",
                    COUNTER_CLOSED_TOO_BIG);
    return MQTT_STOP;
}

static enum mqtt_next out_of_memory(struct gateway *gateway, uint32_t session) {
    mqtt_conn_close(gateway, mqtt_session_at(gateway, session)->conn, MQTT_QUOTA_EXCEEDED,
                    "out of memory", COUNTER_CLOSED_MEMORY);
    return MQTT_STOP;
}

enum mqtt_next mqtt_filters_subscribe(struct gateway *gateway, uint32_t session,
                                      const struct mqtt_subscribe *subscribe) {
    if (is_answer_too_large(gateway, session, subscribe->filter_count))
        return answer_too_large(gateway, session);
    if (mqtt_pending_count(gateway, session) >= MQTT_PENDING_MAX)
        return MQTT_RETRY;
    uint32_t record =
        mqtt_pending_open(gateway, session, subscribe->packet_id, subscribe->filter_count);
    if (record == BLOCK_NONE)
        return out_of_memory(gateway, session);
    struct bytes left = subscribe->filters;
    struct mqtt_filter filter;
    for (bool is_first = true; mqtt_subscribe_next(subscribe, &left, &filter); is_first = false) {
        struct outcome outcome =
            subscribe_one(gateway, session, &filter, subscribe->properties.subscription_id);
        if (outcome.is_busy && is_first) { // nothing was done yet: later
            mqtt_pending_drop(gateway, session, record);
            return MQTT_RETRY;
        }
        if (outcome.waits)
            mqtt_pending_wait(gateway, record, outcome.kind, outcome.slot, outcome.code);
        else
            mqtt_pending_answer(gateway, record, outcome.code);
    }
    mqtt_pending_seal(gateway, session, record);
    return MQTT_NEXT;
}

// --- UNSUBSCRIBE ---------------------------------------------------------------------------------

static bool leave_topic(struct gateway *gateway, uint32_t session, const struct target *target) {
    uint32_t subscription = lookup(gateway, session, target);
    if (subscription == SLAB_NONE)
        return false;
    (void)mqtt_pending_settle(gateway, session, MQTT_PENDING_TOPIC, subscription, MQTT_SUCCESS);
    unlink_topic(gateway, session, subscription);
    topics_unsubscribe(gateway->parts.topics, subscription);
    return true;
}

static enum mqtt_reason leave(struct gateway *gateway, uint32_t session,
                              const struct mqtt_filter *filter) {
    struct target target = target_of(filter);
    bool was_there = false;
    switch (target.place) {
    case MQTT_PLACE_ROOM:
    case MQTT_PLACE_PRESENCE:
        was_there =
            mqtt_rooms_leave(gateway, session, target.room, target.place == MQTT_PLACE_PRESENCE);
        break;
    case MQTT_PLACE_TOPIC:
    case MQTT_PLACE_SERVER:
        was_there = leave_topic(gateway, session, &target);
        break;
    case MQTT_PLACE_BAD_ROOM:
        if (!filter->is_valid)
            return MQTT_TOPIC_FILTER_INVALID;
    }
    return was_there ? MQTT_SUCCESS : MQTT_NO_SUBSCRIPTION_EXISTED; // [MQTT-3.11.3-2]
}

enum mqtt_next mqtt_filters_unsubscribe(struct gateway *gateway, uint32_t session,
                                        const struct mqtt_subscribe *unsubscribe) {
    struct blocks *blocks = gateway->parts.blocks;
    size_t count = unsubscribe->filter_count, size = 2 * count + UNSUBACK_BYTES_AROUND;
    if (is_answer_too_large(gateway, session, unsubscribe->filter_count))
        return answer_too_large(gateway, session);
    uint32_t block = blocks_acquire(blocks, size);
    if (block == BLOCK_NONE)
        return out_of_memory(gateway, session);
    uint8_t *codes = blocks_at(blocks, block);
    struct bytes left = unsubscribe->filters;
    struct mqtt_filter filter;
    for (size_t i = 0; mqtt_subscribe_next(unsubscribe, &left, &filter); i++)
        codes[i] = (uint8_t)leave(gateway, session, &filter);
    const struct mqtt_suback unsuback = {.version = unsubscribe->version,
                                         .packet_id = unsubscribe->packet_id,
                                         .codes = bytes_of(codes, count)};
    struct writer w = writer_on(codes + count, size - count);
    mqtt_encode_suback(&w, MQTT_UNSUBACK, &unsuback);
    CHECK(!w.overflow);
    mqtt_conn_send(gateway, mqtt_session_at(gateway, session)->conn, writer_bytes(&w));
    blocks_release(blocks, block);
    return MQTT_NEXT;
}

// --- the session as a whole ----------------------------------------------------------------------

void mqtt_filters_readdress(struct gateway *gateway, uint32_t session) {
    struct topics *topics = gateway->parts.topics;
    uint32_t at = mqtt_session_at(gateway, session)->subscriptions;
    while (at != SLAB_NONE) {
        const struct topics_subscription *slot = topics_subscription(topics, at);
        uint32_t next = slot->next;
        bool is_one =
            is_individual(slot->qos, slot->options & TOPICS_OPTION_NO_LOCAL, slot->subscription_id);
        topics_readdress(topics, at, mqtt_session_address(gateway, session, is_one));
        at = next;
    }
}

void mqtt_filters_leave_all(struct gateway *gateway, uint32_t session) {
    const struct mqtt_session *slot = mqtt_session_at(gateway, session);
    while (slot->subscriptions != SLAB_NONE) {
        uint32_t subscription = slot->subscriptions;
        unlink_topic(gateway, session, subscription);
        topics_unsubscribe(gateway->parts.topics, subscription);
    }
}
