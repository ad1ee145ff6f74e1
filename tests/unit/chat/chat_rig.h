// Chat without a gateway: schedulers joined by a mesh on one thread, and a chat_port that records
// and checks what every member gets: each message once, in order, or a gap in its place, nothing
// from before its join; its number before its own copy; presence without contradictions. After
// every turn the audit must add up.
#ifndef FAIRLEAD_TESTS_CHAT_RIG_H
#define FAIRLEAD_TESTS_CHAT_RIG_H

#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "chat/chat.h"
#include "chat/leaf.h"
#include "chat/move.h"
#include "chat/publish.h"
#include "chat/room.h"
#include "sched/base/clock.h"
#include "sched/base/parcel.h"

#define CORES_MAX 3
#define MEMBERS_MAX 512

// The low digit of a note says which room a publish by name is for: what comes there has an order.
#define PUBLISH_ROOMS 8u

// How the rig's formats differ, as the gateway's do: 0 has all; the others have no whispers and no
// word of the end; one of them is told of no gaps.
#define FORMAT_PLAIN 0u
#define FORMAT_WITHOUT_GAPS 1u
#define FORMAT_WITH_GAPS 2u

enum record_kind {
    RECORD_MESSAGE,
    RECORD_WHISPER,
    RECORD_GAP,
    RECORD_STATE,
    RECORD_DIFF,
    RECORD_COUNT,
    RECORD_ENDED,
};

// What the test's encoders put into a parcel.
struct record {
    uint32_t kind;
    uint32_t format;
    uint64_t sequence; // or gap from; or users
    uint64_t to;       // or connections
    uint64_t body;
};

struct client {
    uint32_t address;
    bool is_observer;
    bool is_silent;
    bool was_readdressed; // in this turn: what it was owed comes one by one
    uint32_t readdress_count;
    bool has_hole;       // perhaps: it was not told of gaps until it was readdressed
    uint32_t each_count; // messages that came so
    uint32_t retained_count;
    uint64_t retained_body;
    uint64_t kept; // payload of the latest message that came so, when the world keeps them
    bool is_joined;
    bool is_refused;
    enum chat_refusal refusal;
    uint64_t epoch;
    uint64_t asked_count; // publishes that are to be answered
    uint32_t ended_count; // memberships that ended by their room or leaf, told so
    uint32_t cut_count;   // … not told: no memory
    // A move to `to`: what comes there waits until the other core has given all it had.
    uint32_t to;
    uint32_t arriving; // member there, SLAB_NONE
    bool is_moving;    // asked, not answered on the core that it leaves
    bool is_out;
    bool is_in;
    bool leaves_there; // as a gateway would say to the other core
    uint64_t out_at;
    uint64_t in_at;
    uint32_t moved_count;
    uint32_t move_refused_count;
    uint8_t *held; // parcels, each behind its size
    size_t held_size;
    bool is_blocked; // its queue is not empty: no batches, no presence
    uint32_t core;
    uint32_t member;
    uint64_t watermark;
    uint64_t last_sequence;
    uint32_t message_count;
    uint32_t whisper_count;
    uint32_t whisper_last[MEMBERS_MAX]; // by sender
    uint32_t gap_count;
    uint32_t batch_count;
    uint32_t state_count;
    uint32_t diff_count;
    uint64_t accepted_count;
    uint64_t accepted_last;
    uint64_t refused_count;
    uint32_t shown_users; // from presence_count
    uint32_t count_count;
    uint64_t joined_ns;
    uint32_t refs[MEMBERS_MAX]; // presence as this client knows it
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
    uint32_t whisper_number;
    struct chat_published published; // the latest
    uint32_t published_count;
    bool has_no_memory;     // for parcels
    bool has_no_gap_memory; // for those of gaps alone
    uint32_t formats_out;   // bit per format: for parcels of that alone
    bool keeps_payloads;
    uint32_t encode_counts[ADDRESS_FORMATS]; // of messages
    struct chat_published_to answer;         // the latest
    uint32_t answer_count;
    uint32_t answered_notes[CORES_MAX][PUBLISH_ROOMS]; // of one publisher per core, by room
    bool is_one_user;                                  // all clients are devices of one
    bool stalls_long;                                  // a core may sleep for seconds
    bool kills_leaves; // whose members may miss the replies to their publishes
    struct core cores[CORES_MAX];
    struct client clients[MEMBERS_MAX];
};

static struct blocks *port_blocks(void *port) {
    return &((struct core *)port)->blocks;
}

void chat_port_settings(void *port, struct bytes room, struct room_settings *settings) {
    *settings = ((struct core *)port)->world->settings;
}

#include "tests/unit/chat/chat_rig_encode.h"

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
            ck_assert_uint_lt(client->ref_count, MEMBERS_MAX);
            client->refs[client->ref_count++] = record.ref;
        }
    }
}

static void client_message(struct client *client, const struct record *record) {
    ck_assert(!client->is_observer);
    ck_assert_uint_gt(record->sequence, client->watermark);
    if (address_format(client->address) == FORMAT_WITHOUT_GAPS || client->has_hole)
        ck_assert_uint_gt(record->sequence, client->last_sequence);
    else
        ck_assert_uint_eq(record->sequence, client->last_sequence + 1);
    client->has_hole = false;
    client->last_sequence = record->sequence;
    client->message_count++;
}

static void client_read(struct core *core, struct client *client, const struct parcel *parcel);

// On the core that it comes to: kept until all of the other core's is here.
static void client_hold(struct client *client, const struct parcel *parcel) {
    uint64_t size = (sizeof(*parcel) + parcel->size + 7) & ~7ull;
    client->held = realloc(client->held, client->held_size + sizeof(size) + size);
    memcpy(client->held + client->held_size, &size, sizeof(size));
    memcpy(client->held + client->held_size + sizeof(size), parcel, sizeof(*parcel) + parcel->size);
    client->held_size += sizeof(size) + size;
}

static uint32_t core_of(const struct core *core) {
    return (uint32_t)(core - core->world->cores);
}

static void client_take(struct core *core, struct client *client, uint32_t id) {
    const struct parcel *parcel = parcel_at(&core->blocks, id);
    if (client->core != core_of(core)) {
        ck_assert(client->is_in);
        client_hold(client, parcel);
        if (parcel->class == PARCEL_ROOM)
            counter_add(&core->counters, COUNTER_DELIVERED, parcel->message_count);
        return;
    }
    if (parcel->class == PARCEL_ROOM)
        counter_add(&core->counters, COUNTER_DELIVERED, parcel->message_count);
    client_read(core, client, parcel);
}

// At most one count a second; one may have waited on its way here while the joiner did.
static void client_count(const struct core *core, struct client *client, uint32_t users) {
    client->shown_users = users;
    client->count_count++;
    if (!core->world->stalls_long)
        ck_assert_uint_le(client->count_count,
                          (core->world->now_ns - client->joined_ns) / NS_PER_S + 2);
}

// Who came to a format whose gap could not be told yet is told of it too (chat/mix.h).
static void client_gap(struct client *client, uint64_t from, uint64_t to) {
    if (client->readdress_count == 0)
        ck_assert_uint_eq(from, client->last_sequence + 1);
    ck_assert(from <= client->last_sequence + 1 || client->has_hole);
    client->last_sequence = to > client->last_sequence ? to : client->last_sequence;
    client->gap_count++;
}

static void client_read(struct core *core, struct client *client, const struct parcel *parcel) {
    struct record record;
    ck_assert(client->is_joined);
    memcpy(&record, parcel->data, sizeof(record));
    client->batch_count += parcel->message_count > 1;
    ck_assert_uint_eq(record.format, address_format(client->address));
    bool is_presence =
        record.kind == RECORD_STATE || record.kind == RECORD_DIFF || record.kind == RECORD_COUNT;
    ck_assert(!is_presence || !client->is_silent);
    ck_assert(is_presence || record.kind == RECORD_ENDED || !client->is_observer);
    switch ((enum record_kind)record.kind) {
    case RECORD_MESSAGE:
        for (uint32_t i = 0; i < parcel->message_count; i++) {
            memcpy(&record, parcel->data + i * sizeof(record), sizeof(record));
            ck_assert_uint_eq(record.sequence, parcel->sequence_from + i);
            client_message(client, &record);
        }
        break;
    case RECORD_WHISPER:
        client->whisper_count++;
        ck_assert_msg((uint32_t)record.body > client->whisper_last[record.body >> 32],
                      "a sender's whispers out of order");
        client->whisper_last[record.body >> 32] = (uint32_t)record.body;
        break;
    case RECORD_GAP:
        client_gap(client, record.sequence, record.to);
        break;
    case RECORD_ENDED:
        client->ended_count++;
        break;
    case RECORD_STATE:
    case RECORD_DIFF:
        client->state_count += record.kind == RECORD_STATE;
        client->diff_count += record.kind == RECORD_DIFF;
        client_presence(client, parcel->data + sizeof(record), record.body,
                        record.kind == RECORD_STATE);
        break;
    case RECORD_COUNT:
        client_count(core, client, (uint32_t)record.sequence);
        break;
    }
}

void chat_port_deliver(void *port, uint32_t address, uint32_t parcel) {
    struct core *core = port;
    client_take(core, &core->world->clients[address_place(address)], parcel);
}

bool chat_port_deliver_state(void *port, uint32_t address, uint32_t parcel) {
    struct core *core = port;
    if (core->world->clients[address_place(address)].is_blocked)
        return false;
    client_take(core, &core->world->clients[address_place(address)], parcel);
    return true;
}

bool chat_port_is_empty(void *port, uint32_t address) {
    return !((struct core *)port)->world->clients[address_place(address)].is_blocked;
}

void chat_port_prefetch(void *port, uint32_t address) {
    ck_assert_uint_lt(address_place(address), MEMBERS_MAX);
    ck_assert_uint_lt(address_format(address), ADDRESS_FORMATS);
}

void chat_port_joined(void *port, uint32_t owner, uint32_t member, uint64_t epoch,
                      uint64_t sequence) {
    struct client *client = &((struct core *)port)->world->clients[owner];
    ck_assert_uint_eq(client->member, member);
    client->is_joined = true;
    client->epoch = epoch;
    client->joined_ns = ((struct core *)port)->world->now_ns;
    client->watermark = client->last_sequence = sequence;
}

void chat_port_join_refused(void *port, uint32_t owner, uint32_t member, enum chat_refusal reason) {
    struct client *client = &((struct core *)port)->world->clients[owner];
    client->is_refused = true;
    client->refusal = reason;
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

// Both halves are answered: what waited is read.
static void client_settle_move(struct core *core, struct client *client) {
    if (!client->is_out || !client->is_in)
        return;
    ck_assert_uint_eq(client->out_at, client->in_at);
    client->core = client->to;
    client->member = client->arriving;
    client->arriving = SLAB_NONE;
    client->is_moving = client->is_out = client->is_in = false;
    client->moved_count++;
    for (size_t at = 0; at < client->held_size;) {
        uint64_t size;
        memcpy(&size, client->held + at, sizeof(size));
        client_read(core, client, (const struct parcel *)(client->held + at + sizeof(size)));
        at += sizeof(size) + size;
    }
    client->held_size = 0;
}

void chat_port_moved_out(void *port, uint32_t owner, uint32_t member, uint64_t sequence) {
    struct core *core = port;
    struct client *client = &core->world->clients[owner];
    ck_assert(client->is_joined && client->is_moving && !client->is_out);
    ck_assert_uint_eq(client->member, member);
    ck_assert_uint_eq(client->core, core_of(core));
    ck_assert_uint_eq(client->last_sequence, sequence);
    if (!core->world->kills_leaves)
        ck_assert_uint_eq(client->asked_count, client->accepted_count + client->refused_count);
    client->is_out = true;
    client->out_at = sequence;
    client->member = client->arriving; // or there is none: it ended there
    client->is_joined = client->arriving != SLAB_NONE;
    if (!client->is_joined)
        client->is_moving = client->is_out = client->is_in = false;
    client_settle_move(core, client);
}

void chat_port_moved_in(void *port, uint32_t owner, uint32_t member, uint64_t sequence) {
    struct core *core = port;
    struct client *client = &core->world->clients[owner];
    ck_assert_uint_eq(client->arriving, member);
    ck_assert_uint_eq(client->to, core_of(core));
    client->is_in = true;
    client->in_at = sequence;
    client_settle_move(core, client);
}

void chat_port_move_refused(void *port, uint32_t owner, uint32_t member) {
    struct core *core = port;
    struct client *client = &core->world->clients[owner];
    client->move_refused_count++;
    if (core_of(core) == client->to && client->arriving == member) {
        client->arriving = SLAB_NONE;
    } else {
        ck_assert(client->is_moving && !client->is_out);
        ck_assert_uint_eq(client->member, member);
        client->is_moving = false;
    }
}

// The end on the core that a client comes to, or on the one that it leaves while it does.
static bool client_ended_moving(struct core *core, struct client *client, uint32_t member) {
    if (client->arriving == SLAB_NONE)
        return false;
    client->ended_count++;
    client->held_size = 0;
    if (core_of(core) == client->to && client->arriving == member) {
        client->arriving = SLAB_NONE;
        client->is_in = false;
        if (client->is_out) {
            client->is_joined = client->is_moving = client->is_out = false;
            client->member = SLAB_NONE;
        }
    } else {
        ck_assert_uint_eq(client->member, member);
        client->is_joined = false;
        client->is_moving = false;
        client->member = SLAB_NONE;
        client->leaves_there = true;
    }
    return true;
}

// What was asked was answered before.
void chat_port_ended(void *port, uint32_t owner, uint32_t member, uint32_t parcel) {
    struct core *core = port;
    struct client *client = &core->world->clients[owner];
    if (client_ended_moving(core, client, member))
        return;
    client->is_moving = false;
    ck_assert(client->is_joined);
    ck_assert_uint_eq(client->member, member);
    if (!core->world->kills_leaves)
        ck_assert_uint_eq(client->asked_count, client->accepted_count + client->refused_count);
    bool is_told = address_format(client->address) != FORMAT_PLAIN;
    ck_assert(parcel == BLOCK_NONE || (parcel == CHAT_NOT_SENT) == is_told);
    if (parcel == CHAT_NOT_SENT)
        client->ended_count++;
    else if (parcel != BLOCK_NONE)
        client_take(core, client, parcel);
    else
        client->cut_count++;
    client->is_joined = false;
    client->is_blocked = false;
    client->member = SLAB_NONE;
}

void chat_port_published(void *port, const struct chat_published *published) {
    struct world *world = ((struct core *)port)->world;
    world->published = *published;
    world->published_count++;
}

#include "tests/unit/chat/chat_rig_mixed.h"

void chat_port_torn(void *port, uint32_t owner, uint32_t member) {
    chat_port_ended(port, owner, member, BLOCK_NONE);
}

// What a test wants otherwise than usual; 0: as usual.
struct world_limits {
    uint32_t ring_cells;
    uint32_t cells;
    uint32_t batch_bytes;
    uint32_t turn_deliveries;
    uint32_t publishes;
    uint32_t rooms;
    uint32_t members;
    uint32_t users;
    size_t blocks_bytes;
    uint32_t retained_bytes;
};

static inline uint32_t or_usual(uint32_t value, uint32_t usual) {
    return value ? value : usual;
}

static inline struct world *world_open_limited(uint32_t core_count, struct room_settings settings,
                                               struct world_limits limits) {
    struct world *world = calloc(1, sizeof(*world));
    world->core_count = core_count;
    world->now_ns = NS_PER_S;
    world->settings = settings;
    struct mesh_config mesh = {.scheduler_count = core_count,
                               .ring_cells = or_usual(limits.ring_cells, 1024)};
    ck_assert_int_eq(mesh_init(&world->mesh, &mesh), 0);
    for (uint32_t i = 0; i < MEMBERS_MAX; i++)
        world->clients[i].member = world->clients[i].arriving = SLAB_NONE;
    for (uint32_t i = 0; i < core_count; i++) {
        struct core *core = &world->cores[i];
        core->world = world;
        size_t bytes = limits.blocks_bytes ? limits.blocks_bytes : 64 << 20;
        ck_assert_int_eq(blocks_init(&core->blocks, &core->ledger, bytes), 0);
        struct scheduler_config config = {.core = (uint8_t)i,
                                          .message_cells_max = or_usual(limits.cells, 8192)};
        ck_assert_int_eq(scheduler_init(&core->scheduler, &config, &world->mesh, &core->ledger,
                                        &core->blocks, &core->counters, world->now_ns),
                         0);
        struct chat_config chat = {.core_count = core_count,
                                   .rooms_max = or_usual(limits.rooms, 8),
                                   .members_max = or_usual(limits.members, MEMBERS_MAX),
                                   .users_max = or_usual(limits.users, MEMBERS_MAX),
                                   .batch_bytes_max = or_usual(limits.batch_bytes, 32768),
                                   .turn_deliveries_max = limits.turn_deliveries,
                                   .publishes_max = limits.publishes,
                                   .retained_bytes_max = limits.retained_bytes,
                                   .seed = 1,
                                   .rng_seed = i};
        ck_assert_int_eq(chat_init(&core->chat, &chat, &core->scheduler, &core->ledger, core), 0);
    }
    return world;
}

static inline struct world *world_open(uint32_t core_count, struct room_settings settings,
                                       uint32_t ring_cells, uint32_t batch_bytes_max) {
    return world_open_limited(
        core_count, settings,
        (struct world_limits){.ring_cells = ring_cells, .batch_bytes = batch_bytes_max});
}

static void client_leave_there(struct world *world, struct client *client) {
    if (client->arriving != SLAB_NONE)
        chat_leave(&world->cores[client->to].chat, client->arriving, false);
    client->arriving = SLAB_NONE;
    client->held_size = 0;
    client->is_in = client->is_out = client->is_moving = client->leaves_there = false;
}

static void clients_leave_there(struct world *world) {
    for (uint32_t i = 0; i < MEMBERS_MAX; i++)
        if (world->clients[i].leaves_there)
            client_leave_there(world, &world->clients[i]);
}

static void core_turn(struct core *core) {
    (void)scheduler_turn(&core->scheduler, core->world->now_ns);
    (void)chat_flush(&core->chat);
    (void)scheduler_publish(&core->scheduler);
    clients_leave_there(core->world);
    scheduler_validate(&core->scheduler);
    const struct counters *c = &core->counters;
    // The audit at the end of a turn (this port delivers at once: nothing is pending in queues).
    ck_assert_uint_eq(counter_read(c, COUNTER_DUE), counter_read(c, COUNTER_DELIVERED) +
                                                        counter_read(c, COUNTER_DROPPED_CLOSED) +
                                                        counter_read(c, COUNTER_DROPPED_MEMORY) +
                                                        counter_read(c, COUNTER_GATHERED));
}

// Members are where the room believes them to be, as many as it counts.
static void room_validate(const struct world *world, const struct chat *chat,
                          const struct room *room) {
    presence_validate(chat, &room->presence);
    if (room->name == BLOCK_NONE)
        return;
    const struct room_leaf *leaves = blocks_at(chat->scheduler->blocks, room->leaves);
    uint32_t members = 0;
    for (uint32_t core = 0; core < world->core_count; core++)
        members += leaves[core].member_count;
    ck_assert_uint_eq(members, room->connection_count + room->observer_count);
}

static void world_validate(struct world *world) {
    for (uint32_t i = 0; i < world->core_count; i++) {
        const struct chat *chat = &world->cores[i].chat;
        const struct slab *rooms = &chat->scheduler->kinds[KIND_ROOM].slab;
        for (uint32_t r = 0; r < rooms->touched_count; r++)
            if (slab_is_used(rooms, r))
                room_validate(world, chat, slab_at(rooms, r));
        const struct slab *leaves = &chat->scheduler->kinds[KIND_LEAF].slab;
        for (uint32_t l = 0; l < leaves->touched_count; l++)
            if (slab_is_used(leaves, l))
                leaf_validate(chat, l);
    }
}

static inline void world_run(struct world *world, uint32_t turns, uint64_t step_ns) {
    for (uint32_t t = 0; t < turns; t++) {
        world->now_ns += step_ns;
        for (uint32_t i = 0; i < world->core_count; i++)
            core_turn(&world->cores[i]);
        world_validate(world);
    }
}

// How a client joins when not as usual.
struct way {
    uint32_t format;
    bool is_observer;
    bool is_silent;
    bool wants_retained;
};

static inline void client_join_as(struct world *world, uint32_t index, uint32_t core,
                                  const char *room, struct way way) {
    char user[32];
    struct client *client = &world->clients[index];
    snprintf(user, sizeof(user), "user-%u",
             world->is_one_user ? 0 : index / 2); // every user has two devices
    client_forget(world, client);
    *client = (struct client){.core = core,
                              .address = address_of(way.format, index),
                              .is_observer = way.is_observer,
                              .is_silent = way.is_silent,
                              .arriving = SLAB_NONE};
    struct chat_join_request request = {.owner = index,
                                        .address = client->address,
                                        .tag = index,
                                        .room = bytes_from_string(room),
                                        .user = bytes_from_string(user),
                                        .meta = BYTES_LITERAL("{\"device\":1}"),
                                        .is_observer = way.is_observer,
                                        .is_silent = way.is_silent,
                                        .wants_retained = way.wants_retained};
    client->member = chat_join(&world->cores[core].chat, &request, &client->refusal);
    client->is_refused = client->member == SLAB_NONE;
}

static inline void client_join(struct world *world, uint32_t index, uint32_t core,
                               const char *room) {
    client_join_as(world, index, core, room, (struct way){0});
}

// The client's messages go elsewhere from now on: its format is another.
static inline void client_readdress(struct world *world, uint32_t index, uint32_t format) {
    struct client *client = &world->clients[index];
    uint32_t address = address_of(format, index);
    client->was_readdressed = true;
    chat_member_readdress(&world->cores[client->core].chat, client->member, address);
    client->was_readdressed = false;
    client->has_hole |= address_format(client->address) == FORMAT_WITHOUT_GAPS;
    client->address = address;
    client->readdress_count++;
}

static inline void client_leave(struct world *world, uint32_t index, bool flush) {
    struct client *client = &world->clients[index];
    if (!client->is_out && client->member != SLAB_NONE)
        chat_leave(&world->cores[client->core].chat, client->member, flush);
    client_leave_there(world, client);
    client->member = SLAB_NONE;
    client->is_joined = false;
    client->is_blocked = false;
}

// Asks for a move to another core. False: declined there, or here.
static inline bool client_move(struct world *world, uint32_t index, uint32_t to) {
    struct client *client = &world->clients[index];
    struct chat *chat = &world->cores[client->core].chat;
    struct chat_place place;
    enum chat_refusal reason;
    struct chat_move_request request = {.owner = index,
                                        .address = client->address,
                                        .tag = index,
                                        .room = chat_room_name(chat, client->member)};
    uint32_t member = chat_move_in(&world->cores[to].chat, &request, &place, &reason);
    if (member == SLAB_NONE)
        return false;
    if (!chat_move_out(chat, client->member, &place)) {
        chat_move_abort(&world->cores[to].chat, member);
        return false;
    }
    client->to = to;
    client->arriving = member;
    client->is_moving = true;
    return true;
}

// Nothing of a move is under way, so that it may publish and move again.
static inline bool client_is_settled(const struct client *client) {
    return client->is_joined && !client->is_moving && client->arriving == SLAB_NONE;
}

static inline bool client_publish(struct world *world, uint32_t index, uint64_t body,
                                  bool is_whisper) {
    struct client *client = &world->clients[index];
    if (is_whisper) // who, and the how manieth
        body = (uint64_t)index << 32 | ++world->whisper_number;
    struct chat_publish publish = {.ref = BYTES_LITERAL("7"),
                                   .event = BYTES_LITERAL("shout"),
                                   .body = bytes_of(&body, sizeof(body)),
                                   .is_whisper = is_whisper,
                                   .wants_reply = true};
    bool is_taken =
        chat_publish(&world->cores[client->core].chat, client->member, &publish, &client->refusal);
    client->asked_count += is_taken;
    return is_taken;
}

static inline uint32_t home_of(const struct world *world, const char *room) {
    return chat_home_core(&world->cores[0].chat, bytes_from_string(room));
}

static inline void room_kill(struct world *world, const char *room) {
    ck_assert(chat_room_end(&world->cores[home_of(world, room)].chat, bytes_from_string(room),
                            EXIT_KILLED));
}

static inline uint32_t leaf_of(struct world *world, uint32_t core, const char *room) {
    uint64_t pid = registry_lookup(&world->cores[core].chat.leaves, bytes_from_string(room));
    ck_assert_uint_ne(pid, PID_NONE);
    return pid_slot(pid).index;
}

static inline void leaf_kill(struct world *world, uint32_t core, const char *room) {
    world->kills_leaves = true;
    scheduler_exit(&world->cores[core].scheduler, KIND_LEAF, leaf_of(world, core, room),
                   EXIT_KILLED);
}

// By nobody in particular, of that core; `note` tells the order that answers must have.
static inline bool world_publish_to(struct world *world, uint32_t core, const char *room,
                                    uint64_t body, struct publish_as as) {
    struct chat_publish publish = {.event = BYTES_LITERAL("shout"),
                                   .body = bytes_of(&body, as.is_empty ? 0 : sizeof(body)),
                                   .properties = BYTES_LITERAL("properties"),
                                   .publisher = publisher_of(core),
                                   .expires_ns = as.expires_ns,
                                   .is_retained = as.is_retained};
    enum chat_refusal reason;
    return chat_publish_to(&world->cores[core].chat, bytes_from_string(room), &publish, as.note,
                           &reason);
}

static bool room_retaining(const struct chat *chat, struct chat_room_info *info) {
    uint32_t cursor = 0;
    while (chat_room_next(chat, &cursor, info))
        if (info->is_retained)
            return true;
    return false;
}

// Rooms that would live on because of what they retain.
static void rooms_end_retaining(struct world *world) {
    struct chat_room_info info;
    for (uint32_t i = 0; i < world->core_count; i++)
        while (room_retaining(&world->cores[i].chat, &info))
            ck_assert(chat_room_end(&world->cores[i].chat, info.name, EXIT_SHUTDOWN));
}

// Everybody leaves; rooms die a minute later; nothing is left anywhere.
static inline void world_close(struct world *world) {
    for (uint32_t i = 0; i < MEMBERS_MAX; i++)
        if (world->clients[i].member != SLAB_NONE || world->clients[i].arriving != SLAB_NONE)
            client_leave(world, i, false);
    world_run(world, 20, NS_PER_MS);
    rooms_end_retaining(world);
    world_run(world, 10, 10 * NS_PER_S);
    uint64_t relayed = 0;
    uint64_t taken = 0;
    for (uint32_t i = 0; i < MEMBERS_MAX; i++)
        client_forget(world, &world->clients[i]);
    for (uint32_t i = 0; i < world->core_count; i++) {
        struct core *core = &world->cores[i];
        ck_assert_uint_eq(core->chat.retained_bytes, 0);
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

#endif
