// The rig's half of what is not of one format for all: members served one by one, what a room
// retains, and publishes by name. Included by chat_rig.h.
#ifndef FAIRLEAD_TESTS_CHAT_RIG_MIXED_H
#define FAIRLEAD_TESTS_CHAT_RIG_MIXED_H

static struct client *client_of(void *port, uint32_t owner, uint32_t member) {
    struct core *core = port;
    struct client *client = &core->world->clients[owner];
    ck_assert_uint_eq(client->member, member);
    ck_assert_uint_eq(client->core, core_of(core));
    return client;
}

// Who was readdressed just now gets what it was still owed in the name of its new address.
static void check_each(const struct client *client, uint32_t address, uint32_t owner) {
    ck_assert_uint_eq(address_place(address), owner);
    if (!client->was_readdressed)
        ck_assert_uint_eq(address, client->address);
    ck_assert(client->was_readdressed || address_format(address) == ADDRESS_EACH);
}

static inline void client_forget(struct world *world, struct client *client) {
    if (client->kept != PAYLOAD_NONE)
        payload_unref(&world->cores[client->core].scheduler, client->kept);
    client->kept = PAYLOAD_NONE;
    free(client->held);
    client->held = NULL;
}

static void client_keep(struct core *core, struct client *client, uint64_t payload) {
    if (!core->world->keeps_payloads)
        return;
    payload_ref(&core->scheduler, payload, 1);
    if (client->kept != PAYLOAD_NONE)
        payload_unref(&core->scheduler, client->kept);
    client->kept = payload;
}

void chat_port_deliver_each(void *port, const struct chat_delivery *delivery) {
    struct core *core = port;
    struct client *client = client_of(port, delivery->owner, delivery->member);
    counter_add(&core->counters, COUNTER_DELIVERED, 1);
    client_keep(core, client, delivery->payload);
    if (delivery->is_replay) {
        ck_assert(!client->is_joined);
        ck_assert_uint_eq(delivery->sequence, 0);
        client->retained_count++;
        client->retained_body = body_of(&delivery->publish);
        return;
    }
    check_each(client, delivery->address, delivery->owner);
    struct bytes name = chat_room_name(&core->chat, delivery->member);
    ck_assert(client->is_joined && bytes_equal(delivery->publish.room, name));
    struct record record = {.sequence = delivery->sequence, .body = body_of(&delivery->publish)};
    client_message(client, &record);
    client->each_count++;
}

void chat_port_gap_each(void *port, uint32_t owner, uint32_t member, uint64_t from, uint64_t to) {
    struct client *client = client_of(port, owner, member);
    ck_assert(client->is_joined && !client->is_observer);
    ck_assert(client->was_readdressed || address_format(client->address) == ADDRESS_EACH);
    if (address_format(client->address) == FORMAT_WITHOUT_GAPS)
        client->last_sequence = from - 1;
    client_gap(client, from, to);
}

bool chat_port_presence_each(void *port, const struct chat_presence *presence) {
    struct client *client = client_of(port, presence->owner, presence->member);
    check_each(client, presence->address, presence->owner);
    ck_assert(client->is_joined && !client->is_silent && !client->was_readdressed);
    if (client->is_blocked)
        return false;
    if (presence->is_count) {
        client_count(port, client, presence->users);
        return true;
    }
    client->state_count += presence->is_state;
    client->diff_count += !presence->is_state;
    client_presence(client, presence->records.data, presence->records.size, presence->is_state);
    return true;
}

void chat_port_retained(void *port, uint32_t owner, uint32_t member,
                        const struct chat_publish *publish) {
    struct client *client = client_of(port, owner, member);
    ck_assert(!client->is_joined);
    ck_assert_uint_eq(address_format(client->address), FORMAT_PLAIN);
    counter_add(&((struct core *)port)->counters, COUNTER_DELIVERED, 1);
    client->retained_count++;
    client->retained_body = body_of(publish);
}

struct publish_as {
    uint32_t note;
    bool is_retained;
    bool is_empty;
    uint64_t expires_ns;
};

// One publisher per core.
static inline uint64_t publisher_of(uint32_t core) {
    return pid_of((uint8_t)core, KIND_CONNECTION, (struct handle){.index = 7, .generation = 1});
}

void chat_port_published_to(void *port, const struct chat_published_to *published) {
    struct core *core = port;
    struct world *world = core->world;
    ck_assert_uint_eq(published->publisher, publisher_of(core_of(core)));
    ck_assert_uint_gt(published->note, 0);
    world->answer = *published;
    world->answer_count++;
    if (published->refusal != REFUSAL_NONE)
        return;
    uint32_t *before = &world->answered_notes[core_of(core)][published->note % PUBLISH_ROOMS];
    ck_assert_msg(published->note > *before, "a publisher's messages out of order");
    *before = published->note;
}

#endif
