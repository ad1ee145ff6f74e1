// Goal: what a room promises (order, join watermark, presence converges, nothing vanishes, slabs
// empty), over one to three cores. Method: N schedulers joined by a mesh on one thread, a chat_port
// that records what every member gets, and random schedules by seed.
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "chat/chat.h"
#include "chat/leaf.h"
#include "chat/room.h"
#include "sched/base/clock.h"
#include "sched/base/parcel.h"

#define CORES_MAX 3
#define MEMBERS_MAX 512

enum record_kind {
    RECORD_MESSAGE,
    RECORD_WHISPER,
    RECORD_GAP,
    RECORD_STATE,
    RECORD_DIFF,
    RECORD_COUNT,
};

// What the test's encoders put into a parcel.
struct record {
    uint64_t kind;
    uint64_t sequence; // or gap from; or users
    uint64_t to;       // or connections
    uint64_t body;
};

struct client {
    bool is_joined;
    bool is_refused;
    bool is_blocked; // its queue is not empty: no batches, no presence
    uint32_t core;
    uint32_t member;
    uint64_t watermark;
    uint64_t last_sequence;
    uint32_t message_count;
    uint32_t whisper_count;
    uint32_t gap_count;
    uint32_t batch_count;
    uint32_t state_count;
    uint32_t diff_count;
    uint64_t accepted_count;
    uint64_t accepted_last;
    uint64_t refused_count;
    uint32_t shown_users; // from presence_count
    uint32_t refs[256];   // presence as this client knows it
    uint32_t ref_count;
};

struct core {
    struct memory_ledger ledger;
    struct counters counters;
    struct blocks blocks;
    struct scheduler scheduler;
    struct chat chat;
    struct world *world;
};

struct world {
    struct mesh mesh;
    uint32_t core_count;
    uint64_t now_ns;
    struct room_settings settings;
    struct core cores[CORES_MAX];
    struct client clients[MEMBERS_MAX];
};

static struct blocks *port_blocks(void *port) {
    return &((struct core *)port)->blocks;
}

void chat_port_settings(void *port, struct bytes room, struct room_settings *settings) {
    *settings = ((struct core *)port)->world->settings;
}

static uint32_t encode(void *port, struct record record, enum parcel_class parcel_class) {
    uint32_t id = parcel_acquire(port_blocks(port), sizeof(record), parcel_class);
    if (id != BLOCK_NONE)
        memcpy(parcel_at(port_blocks(port), id)->data, &record, sizeof(record));
    return id;
}

static uint64_t body_of(const struct chat_publish *publish) {
    uint64_t body;
    ck_assert_uint_eq(publish->body.size, sizeof(body));
    memcpy(&body, publish->body.data, sizeof(body));
    return body;
}

uint32_t chat_port_encode_message(void *port, struct bytes room, const struct chat_publish *publish,
                                  uint64_t sequence) {
    return encode(port, (struct record){RECORD_MESSAGE, sequence, 0, body_of(publish)},
                  PARCEL_ROOM);
}

uint32_t chat_port_encode_whisper(void *port, struct bytes room,
                                  const struct chat_publish *publish) {
    return encode(port, (struct record){RECORD_WHISPER, 0, 0, body_of(publish)}, PARCEL_WHISPER);
}

uint32_t chat_port_encode_gap(void *port, struct bytes room, uint64_t from, uint64_t to) {
    return encode(port, (struct record){RECORD_GAP, from, to, 0}, PARCEL_CONTROL);
}

uint32_t chat_port_encode_presence(void *port, struct bytes room, struct bytes records,
                                   bool is_state) {
    uint32_t id =
        parcel_acquire(port_blocks(port), sizeof(struct record) + records.size, PARCEL_STATE);
    if (id == BLOCK_NONE)
        return id;
    struct record record = {is_state ? RECORD_STATE : RECORD_DIFF, 0, 0, records.size};
    uint8_t *data = parcel_at(port_blocks(port), id)->data;
    memcpy(data, &record, sizeof(record));
    memcpy(data + sizeof(record), records.data, records.size);
    return id;
}

uint32_t chat_port_encode_count(void *port, struct bytes room, uint32_t users,
                                uint32_t connections) {
    return encode(port, (struct record){RECORD_COUNT, users, connections, 0}, PARCEL_STATE);
}

static void client_presence(struct client *client, const uint8_t *records, size_t size,
                            bool is_state) {
    if (is_state)
        client->ref_count = 0;
    for (size_t at = 0; at < size;) {
        struct presence_record record;
        memcpy(&record, records + at, sizeof(record));
        at += sizeof(record) + record.user_size + record.meta_size;
        uint32_t i = 0;
        while (i < client->ref_count && client->refs[i] != record.ref)
            i++;
        if (record.change == PRESENCE_LEAVES) {
            ck_assert_msg(i < client->ref_count, "a leave of a meta that was never shown");
            client->refs[i] = client->refs[--client->ref_count];
        } else {
            ck_assert_msg(i == client->ref_count, "a meta was shown twice");
            ck_assert_uint_lt(client->ref_count, 256);
            client->refs[client->ref_count++] = record.ref;
        }
    }
}

static void client_message(struct client *client, const struct record *record) {
    ck_assert_uint_gt(record->sequence, client->watermark);
    ck_assert_uint_eq(record->sequence, client->last_sequence + 1);
    client->last_sequence = record->sequence;
    client->message_count++;
}

static void client_take(struct core *core, struct client *client, uint32_t id) {
    const struct parcel *parcel = parcel_at(&core->blocks, id);
    ck_assert(client->is_joined);
    struct record record;
    memcpy(&record, parcel->data, sizeof(record));
    client->batch_count += parcel->message_count > 1;
    switch ((enum record_kind)record.kind) {
    case RECORD_MESSAGE:
        for (uint32_t i = 0; i < parcel->message_count; i++) {
            memcpy(&record, parcel->data + i * sizeof(record), sizeof(record));
            ck_assert_uint_eq(record.sequence, parcel->sequence_from + i);
            client_message(client, &record);
        }
        counter_add(&core->counters, COUNTER_DELIVERED, parcel->message_count);
        break;
    case RECORD_WHISPER:
        client->whisper_count++;
        break;
    case RECORD_GAP:
        ck_assert_uint_eq(record.sequence, client->last_sequence + 1);
        client->last_sequence = record.to;
        client->gap_count++;
        break;
    case RECORD_STATE:
    case RECORD_DIFF:
        client->state_count += record.kind == RECORD_STATE;
        client->diff_count += record.kind == RECORD_DIFF;
        client_presence(client, parcel->data + sizeof(record), record.body,
                        record.kind == RECORD_STATE);
        break;
    case RECORD_COUNT:
        client->shown_users = (uint32_t)record.sequence;
        break;
    }
}

void chat_port_deliver(void *port, uint32_t address, uint32_t parcel) {
    struct core *core = port;
    client_take(core, &core->world->clients[address], parcel);
}

bool chat_port_deliver_state(void *port, uint32_t address, uint32_t parcel) {
    struct core *core = port;
    if (core->world->clients[address].is_blocked)
        return false;
    client_take(core, &core->world->clients[address], parcel);
    return true;
}

bool chat_port_is_empty(void *port, uint32_t address) {
    return !((struct core *)port)->world->clients[address].is_blocked;
}

void chat_port_prefetch(void *port, uint32_t address) {
    ck_assert_uint_lt(address, MEMBERS_MAX);
}

void chat_port_joined(void *port, uint32_t owner, uint32_t member, uint64_t epoch,
                      uint64_t sequence) {
    struct client *client = &((struct core *)port)->world->clients[owner];
    ck_assert_uint_eq(client->member, member);
    client->is_joined = true;
    client->watermark = client->last_sequence = sequence;
}

void chat_port_join_refused(void *port, uint32_t owner, uint32_t member, enum chat_refusal reason) {
    struct client *client = &((struct core *)port)->world->clients[owner];
    client->is_refused = true;
    client->member = SLAB_NONE;
}

void chat_port_accepted(void *port, uint32_t owner, uint32_t member,
                        const struct chat_publish *publish, uint64_t sequence) {
    struct client *client = &((struct core *)port)->world->clients[owner];
    // The reply comes before the publisher's own copy.
    ck_assert(sequence == 0 || sequence > client->last_sequence);
    client->accepted_count++;
    client->accepted_last = sequence;
}

void chat_port_refused(void *port, uint32_t owner, uint32_t member,
                       const struct chat_publish *publish, enum chat_refusal reason) {
    ((struct core *)port)->world->clients[owner].refused_count++;
}

static struct world *world_open(uint32_t core_count, struct room_settings settings,
                                uint32_t ring_cells, uint32_t batch_bytes_max) {
    struct world *world = calloc(1, sizeof(*world));
    world->core_count = core_count;
    world->now_ns = NS_PER_S;
    world->settings = settings;
    struct mesh_config mesh = {.scheduler_count = core_count, .ring_cells = ring_cells};
    ck_assert_int_eq(mesh_init(&world->mesh, &mesh), 0);
    for (uint32_t i = 0; i < MEMBERS_MAX; i++)
        world->clients[i].member = SLAB_NONE;
    for (uint32_t i = 0; i < core_count; i++) {
        struct core *core = &world->cores[i];
        core->world = world;
        ck_assert_int_eq(blocks_init(&core->blocks, &core->ledger, 64 << 20), 0);
        struct scheduler_config config = {.core = (uint8_t)i, .message_cells_max = 8192};
        ck_assert_int_eq(scheduler_init(&core->scheduler, &config, &world->mesh, &core->ledger,
                                        &core->blocks, &core->counters, world->now_ns),
                         0);
        struct chat_config chat = {.core_count = core_count,
                                   .rooms_max = 8,
                                   .members_max = MEMBERS_MAX,
                                   .users_max = MEMBERS_MAX,
                                   .batch_bytes_max = batch_bytes_max,
                                   .seed = 1,
                                   .rng_seed = i};
        ck_assert_int_eq(chat_init(&core->chat, &chat, &core->scheduler, &core->ledger, core), 0);
    }
    return world;
}

static void core_turn(struct core *core) {
    (void)scheduler_turn(&core->scheduler, core->world->now_ns);
    (void)chat_flush(&core->chat);
    (void)scheduler_publish(&core->scheduler);
    scheduler_validate(&core->scheduler);
    const struct counters *c = &core->counters;
    // The audit at the end of a turn (this port delivers at once: nothing is pending in queues).
    ck_assert_uint_eq(counter_read(c, COUNTER_DUE), counter_read(c, COUNTER_DELIVERED) +
                                                        counter_read(c, COUNTER_DROPPED_CLOSED) +
                                                        counter_read(c, COUNTER_DROPPED_MEMORY) +
                                                        counter_read(c, COUNTER_GATHERED));
}

static void world_validate(struct world *world) {
    for (uint32_t i = 0; i < world->core_count; i++) {
        const struct chat *chat = &world->cores[i].chat;
        const struct slab *rooms = &chat->scheduler->kinds[KIND_ROOM].slab;
        for (uint32_t r = 0; r < rooms->touched_count; r++)
            if (slab_is_used(rooms, r))
                presence_validate(chat, &((struct room *)slab_at(rooms, r))->presence);
        const struct slab *leaves = &chat->scheduler->kinds[KIND_LEAF].slab;
        for (uint32_t l = 0; l < leaves->touched_count; l++)
            if (slab_is_used(leaves, l))
                leaf_validate(chat, l);
    }
}

static void world_run(struct world *world, uint32_t turns, uint64_t step_ns) {
    for (uint32_t t = 0; t < turns; t++) {
        world->now_ns += step_ns;
        for (uint32_t i = 0; i < world->core_count; i++)
            core_turn(&world->cores[i]);
        world_validate(world);
    }
}

static void client_join(struct world *world, uint32_t index, uint32_t core, const char *room) {
    char user[32];
    struct client *client = &world->clients[index];
    snprintf(user, sizeof(user), "user-%u", index / 2); // every user has two devices
    *client = (struct client){.core = core};
    struct chat_join_request request = {.owner = index,
                                        .address = index,
                                        .tag = index,
                                        .room = bytes_from_string(room),
                                        .user = bytes_from_string(user),
                                        .meta = BYTES_LITERAL("{\"device\":1}")};
    enum chat_refusal reason;
    client->member = chat_join(&world->cores[core].chat, &request, &reason);
    client->is_refused = client->member == SLAB_NONE;
}

static void client_leave(struct world *world, uint32_t index, bool flush) {
    struct client *client = &world->clients[index];
    chat_leave(&world->cores[client->core].chat, client->member, flush);
    client->member = SLAB_NONE;
    client->is_joined = false;
    client->is_blocked = false;
}

static bool client_publish(struct world *world, uint32_t index, uint64_t body, bool is_whisper) {
    struct client *client = &world->clients[index];
    struct chat_publish publish = {.ref = BYTES_LITERAL("7"),
                                   .event = BYTES_LITERAL("shout"),
                                   .body = bytes_of(&body, sizeof(body)),
                                   .is_whisper = is_whisper,
                                   .wants_reply = true};
    enum chat_refusal reason;
    return chat_publish(&world->cores[client->core].chat, client->member, &publish, &reason);
}

// Everybody leaves; rooms die a minute later; nothing is left anywhere.
static void world_close(struct world *world) {
    for (uint32_t i = 0; i < MEMBERS_MAX; i++)
        if (world->clients[i].member != SLAB_NONE)
            client_leave(world, i, false);
    world_run(world, 20, NS_PER_MS);
    world_run(world, 10, 10 * NS_PER_S);
    uint64_t relayed = 0;
    uint64_t taken = 0;
    for (uint32_t i = 0; i < world->core_count; i++) {
        struct core *core = &world->cores[i];
        ck_assert_uint_eq(counter_read(&core->counters, COUNTER_ROOMS), 0);
        ck_assert_uint_eq(counter_read(&core->counters, COUNTER_MEMBERS), 0);
        ck_assert_uint_eq(counter_read(&core->counters, COUNTER_GATHERED), 0);
        relayed += counter_read(&core->counters, COUNTER_RELAYED);
        taken += counter_read(&core->counters, COUNTER_RELAYS_TAKEN);
        chat_fini(&core->chat);
        slab_check_empty(&core->scheduler.cells);
        for (uint32_t kind = 1; kind <= KIND_CHAT; kind++)
            if (core->scheduler.kinds[kind].behaviour)
                slab_check_empty(&core->scheduler.kinds[kind].slab);
        for (uint32_t c = 0; c < TEXT_CLASS_COUNT; c++)
            slab_check_empty(&core->chat.texts.classes[c]);
    }
    ck_assert_uint_eq(relayed, taken);
    for (uint32_t i = 0; i < world->core_count; i++) {
        blocks_collect(&world->cores[i].blocks);
        blocks_check_empty(&world->cores[i].blocks);
    }
    for (uint32_t i = 0; i < world->core_count; i++)
        memory_release_all(&world->cores[i].ledger);
    mesh_fini(&world->mesh);
    free(world);
}

static const struct room_settings list_settings = {.presence = PRESENCE_LIST,
                                                   .presence_list_max = 1000};

START_TEST(chat_every_member_gets_every_message_in_order_and_the_sender_its_number) {
    for (uint32_t cores = 1; cores <= CORES_MAX; cores++) {
        struct world *world = world_open(cores, list_settings, 1024, 32768);
        for (uint32_t i = 0; i < 30; i++)
            client_join(world, i, i % cores, "lobby");
        world_run(world, 4, NS_PER_MS);
        for (uint32_t i = 0; i < 30; i++)
            ck_assert(world->clients[i].is_joined);
        for (uint64_t n = 1; n <= 100; n++)
            ck_assert(client_publish(world, (uint32_t)n % 30, n, false));
        world_run(world, 6, NS_PER_MS);
        for (uint32_t i = 0; i < 30; i++) {
            ck_assert_uint_eq(world->clients[i].message_count, 100);
            ck_assert_uint_ge(world->clients[i].accepted_count, 3);
            ck_assert_uint_ge(world->clients[i].batch_count, 1);
        }
        world_close(world);
    }
}
END_TEST

START_TEST(chat_a_joiner_gets_exactly_the_messages_after_its_watermark) {
    struct world *world = world_open(2, list_settings, 1024, 32768);
    client_join(world, 0, 0, "lobby");
    world_run(world, 4, NS_PER_MS);
    // Publishes and joins interleave within turns; client_message asserts that none is missing or
    // early.
    for (uint32_t i = 1; i < 60; i++) {
        ck_assert(client_publish(world, 0, i, false));
        client_join(world, i, i % 2, "lobby");
        ck_assert(client_publish(world, 0, i, false));
        if (i % 3 == 0)
            world_run(world, 1, NS_PER_MS);
    }
    world_run(world, 6, NS_PER_MS);
    for (uint32_t i = 0; i < 60; i++)
        ck_assert_uint_eq(world->clients[i].last_sequence, 118);
    world_close(world);
}
END_TEST

START_TEST(chat_a_whisper_reaches_all_but_its_sender_and_takes_no_number) {
    struct world *world = world_open(2, list_settings, 1024, 32768);
    for (uint32_t i = 0; i < 10; i++)
        client_join(world, i, i % 2, "lobby");
    world_run(world, 4, NS_PER_MS);
    ck_assert(client_publish(world, 3, 1, true));
    ck_assert(client_publish(world, 3, 2, false));
    world_run(world, 4, NS_PER_MS);
    for (uint32_t i = 0; i < 10; i++) {
        ck_assert_uint_eq(world->clients[i].whisper_count, i != 3);
        ck_assert_uint_eq(world->clients[i].last_sequence, 1);
    }
    ck_assert_uint_eq(world->clients[3].accepted_count, 2);
    world_close(world);
}
END_TEST

START_TEST(chat_presence_shows_each_device_and_converges) {
    struct world *world = world_open(3, list_settings, 1024, 32768);
    for (uint32_t i = 0; i < 40; i++)
        client_join(world, i, i % 3, "lobby");
    world_run(world, 30, 10 * NS_PER_MS);
    for (uint32_t i = 0; i < 40; i++)
        ck_assert_uint_eq(world->clients[i].ref_count, 40);
    for (uint32_t i = 0; i < 15; i++)
        client_leave(world, i, true);
    client_join(world, 50, 0, "lobby");
    world_run(world, 30, 10 * NS_PER_MS);
    for (uint32_t i = 15; i < 40; i++) {
        ck_assert_uint_eq(world->clients[i].ref_count, 26);
        ck_assert_uint_eq(world->clients[i].state_count, 1);
    }
    ck_assert_uint_eq(world->clients[50].ref_count, 26);
    world_close(world);
}
END_TEST

START_TEST(chat_presence_above_the_limit_is_a_sample_and_exact_counts_and_comes_back) {
    struct room_settings settings = {.presence = PRESENCE_LIST, .presence_list_max = 100};
    struct world *world = world_open(2, settings, 1024, 32768);
    for (uint32_t i = 0; i < 200; i++) // 100 users
        client_join(world, i, i % 2, "lobby");
    world_run(world, 30, 100 * NS_PER_MS);
    ck_assert_uint_eq(world->clients[0].ref_count, 200);
    client_join(world, 300, 0, "lobby");
    world_run(world, 30, 100 * NS_PER_MS);
    ck_assert_uint_ge(world->clients[0].ref_count, 50);
    ck_assert_uint_le(world->clients[0].ref_count, 100);
    ck_assert_uint_eq(world->clients[0].shown_users, 101);
    ck_assert_uint_eq(world->clients[0].ref_count, world->clients[300].ref_count);
    for (uint32_t i = 0; i < 22; i++) // 90 users are left: not below 9/10 of the limit yet
        client_leave(world, i, true);
    world_run(world, 30, 100 * NS_PER_MS);
    ck_assert_uint_le(world->clients[299 - 100].ref_count, 100);
    client_leave(world, 22, true);
    client_leave(world, 23, true);
    world_run(world, 30, 100 * NS_PER_MS);
    ck_assert_uint_eq(world->clients[100].ref_count, 177);
    world_close(world);
}
END_TEST

START_TEST(chat_presence_counts_mode_shows_numbers_only) {
    struct room_settings settings = {.presence = PRESENCE_COUNTS, .presence_list_max = 100};
    struct world *world = world_open(2, settings, 1024, 32768);
    for (uint32_t i = 0; i < 20; i++)
        client_join(world, i, i % 2, "lobby");
    world_run(world, 30, 100 * NS_PER_MS);
    for (uint32_t i = 0; i < 20; i++) {
        ck_assert_uint_eq(world->clients[i].shown_users, 10);
        ck_assert_uint_eq(world->clients[i].state_count + world->clients[i].diff_count, 0);
    }
    world_close(world);
}
END_TEST

START_TEST(chat_a_blocked_member_misses_presence_and_gets_a_fresh_state) {
    struct world *world = world_open(2, list_settings, 1024, 32768);
    for (uint32_t i = 0; i < 10; i++)
        client_join(world, i, i % 2, "lobby");
    world_run(world, 30, 10 * NS_PER_MS);
    world->clients[1].is_blocked = true;
    for (uint32_t i = 10; i < 20; i++)
        client_join(world, i, i % 2, "lobby");
    world_run(world, 30, 10 * NS_PER_MS);
    ck_assert_uint_eq(world->clients[1].ref_count, 10);
    world->clients[1].is_blocked = false;
    chat_member_writable(&world->cores[1].chat, world->clients[1].member);
    world_run(world, 30, 10 * NS_PER_MS);
    ck_assert_uint_eq(world->clients[1].ref_count, 20);
    ck_assert_uint_eq(world->clients[1].state_count, 2);
    ck_assert_uint_eq(world->clients[2].state_count, 1);
    world_close(world);
}
END_TEST

START_TEST(chat_a_core_that_stalls_makes_its_rooms_busy_and_nothing_vanishes_untold) {
    struct world *world = world_open(2, list_settings, 64, 32768);
    for (uint32_t i = 0; i < 10; i++)
        client_join(world, i, i % 2, "lobby");
    world_run(world, 4, NS_PER_MS);
    uint32_t home = registry_lookup(&world->cores[0].chat.rooms, BYTES_LITERAL("lobby")) ? 0 : 1;
    uint32_t publisher = home; // clients 0 and 1 are on cores 0 and 1
    uint64_t refused = 0;
    for (uint32_t n = 0; n < 200; n++) {
        if (!client_publish(world, publisher, n, false))
            refused++;
        world->now_ns += NS_PER_MS;
        core_turn(&world->cores[home]); // the other core takes nothing
    }
    refused += world->clients[publisher].refused_count;
    ck_assert_uint_gt(refused, 100);
    world_run(world, 40, NS_PER_MS);
    for (uint32_t i = 0; i < 10;
         i++) // every message, or a gap that says which: the same end for all
        ck_assert_uint_eq(world->clients[i].last_sequence, 200 - refused);
    ck_assert(client_publish(world, publisher, 1, false));
    world_run(world, 4, NS_PER_MS);
    ck_assert_uint_eq(world->clients[1 - home].last_sequence, 201 - refused);
    world_close(world);
}
END_TEST

START_TEST(chat_a_leaf_pauses_at_its_batch_bound_and_delivers_all) {
    struct world *world = world_open(1, list_settings, 64, 256);
    for (uint32_t i = 0; i < 5; i++)
        client_join(world, i, 0, "lobby");
    world_run(world, 4, NS_PER_MS);
    for (uint32_t n = 0; n < 500; n++)
        ck_assert(client_publish(world, 0, n, false));
    world_run(world, 200, NS_PER_MS);
    for (uint32_t i = 0; i < 5; i++)
        ck_assert_uint_eq(world->clients[i].message_count, 500);
    world_close(world);
}
END_TEST

START_TEST(chat_rooms_beyond_the_limit_are_refused_by_name) {
    struct world *world = world_open(1, list_settings, 64, 32768);
    char name[16];
    for (uint32_t i = 0; i < 9; i++) {
        snprintf(name, sizeof(name), "room-%u", i);
        client_join(world, i, 0, name);
    }
    world_run(world, 4, NS_PER_MS);
    for (uint32_t i = 0; i < 9; i++) {
        ck_assert_int_eq(world->clients[i].is_joined, i < 8);
        ck_assert_int_eq(world->clients[i].is_refused, i >= 8);
    }
    world_close(world);
}
END_TEST

START_TEST(chat_a_room_that_dies_comes_back_with_a_new_epoch) {
    struct world *world = world_open(1, list_settings, 64, 32768);
    struct chat_room_info first;
    struct chat_room_info second;
    client_join(world, 0, 0, "lobby");
    world_run(world, 4, NS_PER_MS);
    ck_assert(client_publish(world, 0, 1, false));
    world_run(world, 4, NS_PER_MS);
    ck_assert(chat_room_lookup(&world->cores[0].chat, BYTES_LITERAL("lobby"), &first));
    ck_assert_uint_eq(first.sequence, 1);
    client_leave(world, 0, true);
    world_run(world, 5, 10 * NS_PER_S);
    ck_assert(chat_room_lookup(&world->cores[0].chat, BYTES_LITERAL("lobby"), &second));
    ck_assert_uint_eq(first.epoch, second.epoch);
    world_run(world, 3, 10 * NS_PER_S);
    ck_assert(!chat_room_lookup(&world->cores[0].chat, BYTES_LITERAL("lobby"), &second));
    client_join(world, 0, 0, "lobby");
    world_run(world, 4, NS_PER_MS);
    ck_assert(chat_room_lookup(&world->cores[0].chat, BYTES_LITERAL("lobby"), &second));
    ck_assert_uint_ne(first.epoch, second.epoch);
    ck_assert_uint_eq(world->clients[0].watermark, 0);
    world_close(world);
}
END_TEST

// The room's timer comes before the leave in its mailbox: its news finds the leaf gone.
START_TEST(chat_presence_news_for_a_leaf_that_is_gone_frees_nothing_twice) {
    struct world *world = world_open(1, list_settings, 1024, 32768);
    client_join(world, 0, 0, "lobby");
    client_join(world, 2, 0, "lobby");
    world_run(world, 20, 20 * NS_PER_MS); // the first window has ended
    client_leave(world, 0, true);
    world_run(world, 1, NS_PER_MS); // its leave makes the list dirty
    client_leave(world, 2, true);
    world_run(world, 1, NS_PER_S);
    world_close(world);
}
END_TEST

// Random schedules: joins, leaves (also while pending), publishes, whispers, blocked members,
// stalled cores.
static void campaign(uint64_t seed) {
    struct rng rng = {seed};
    struct room_settings settings = {.presence = PRESENCE_LIST,
                                     .presence_list_max = 5 + rng_below(&rng, 100)};
    uint32_t cores = 1 + rng_below(&rng, CORES_MAX);
    struct world *world = world_open(cores, settings, 64, 256 + rng_below(&rng, 4096));
    static const char *const rooms[] = {"a", "b", "lobby"};
    for (uint32_t step = 0; step < 2000; step++) {
        uint32_t i = rng_below(&rng, 120);
        struct client *client = &world->clients[i];
        uint32_t dice = rng_below(&rng, 100);
        if (client->member == SLAB_NONE && dice < 60)
            client_join(world, i, rng_below(&rng, cores), rooms[i % 3]);
        else if (client->member != SLAB_NONE && dice < 10)
            client_leave(world, i, dice < 5);
        else if (client->is_joined && dice < 50)
            (void)client_publish(world, i, step, dice < 15);
        else if (client->is_joined && dice < 55)
            client->is_blocked = true;
        else if (client->is_blocked) {
            client->is_blocked = false;
            chat_member_writable(&world->cores[client->core].chat, client->member);
        }
        if (dice < 30) {
            world->now_ns += rng_below(&rng, 50) * NS_PER_MS;
            core_turn(&world->cores[rng_below(&rng, cores)]);
        }
        if (dice < 2)
            world_validate(world);
    }
    for (uint32_t i = 0; i < 120; i++) {
        struct client *client = &world->clients[i];
        if (client->is_joined && client->is_blocked) {
            client->is_blocked = false;
            chat_member_writable(&world->cores[client->core].chat, client->member);
        }
    }
    world_run(world, 200, 50 * NS_PER_MS);
    // Quiet: members of one room agree on the last message and on who is there.
    for (uint32_t i = 0; i < 120; i++) {
        for (uint32_t j = i % 3; j < i; j += 3) {
            const struct client *a = &world->clients[i];
            const struct client *b = &world->clients[j];
            if (!a->is_joined || !b->is_joined)
                continue;
            ck_assert_uint_eq(a->last_sequence, b->last_sequence);
            ck_assert_uint_eq(a->ref_count, b->ref_count);
        }
    }
    world_close(world);
}

START_TEST(chat_random_schedules_keep_order_presence_and_the_audit) {
    for (uint64_t seed = 1; seed <= 24; seed++)
        campaign(seed);
}
END_TEST

UNIT_MAIN("chat/chat", chat_every_member_gets_every_message_in_order_and_the_sender_its_number,
          chat_a_joiner_gets_exactly_the_messages_after_its_watermark,
          chat_a_whisper_reaches_all_but_its_sender_and_takes_no_number,
          chat_presence_shows_each_device_and_converges,
          chat_presence_above_the_limit_is_a_sample_and_exact_counts_and_comes_back,
          chat_presence_counts_mode_shows_numbers_only,
          chat_a_blocked_member_misses_presence_and_gets_a_fresh_state,
          chat_a_core_that_stalls_makes_its_rooms_busy_and_nothing_vanishes_untold,
          chat_a_leaf_pauses_at_its_batch_bound_and_delivers_all,
          chat_rooms_beyond_the_limit_are_refused_by_name,
          chat_a_room_that_dies_comes_back_with_a_new_epoch,
          chat_presence_news_for_a_leaf_that_is_gone_frees_nothing_twice,
          chat_random_schedules_keep_order_presence_and_the_audit)
