#include "gateway/control_link.h"

#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "sched/base/clock.h"

enum control_message_type {
    CONTROL_ASK = MESSAGE_USER, // words[0]: struct question
    CONTROL_ANSWER,
};

enum question_kind {
    ASK_SNAPSHOT,
    ASK_ROOMS,
    ASK_ROOM,
};

// Owned by whoever holds the message.
struct question {
    uint64_t number;
    enum question_kind kind;
    uint32_t core;
    bool is_found;
    struct control_snapshot snapshot;
    struct control_room room; // name asked for, then the answer
    uint64_t rooms_total;
    uint32_t rooms_max;
    uint32_t room_count;
    struct control_room rooms[];
};

static void put_slab(struct control_snapshot *snapshot, const struct slab *slab) {
    if (slab->slots == NULL)
        return;
    // Texts of several owners share their names: one row for all.
    for (uint32_t i = 0; i < snapshot->slab_count; i++) {
        struct control_slab *row = &snapshot->slabs[i];
        if (strcmp(row->name, slab->name) == 0) {
            row->used_count += slab->used_count;
            row->used_high_water += slab->used_high_water;
            row->touched_count += slab->touched_count;
            return;
        }
    }
    if (snapshot->slab_count == CONTROL_SLABS_MAX)
        return;
    snapshot->slabs[snapshot->slab_count++] =
        (struct control_slab){.name = slab->name,
                              .slot_size = slab->slot_size,
                              .slots_max = slab->slots_max,
                              .used_count = slab->used_count,
                              .used_high_water = slab->used_high_water,
                              .touched_count = slab->touched_count};
}

static void put_slabs(struct control_snapshot *snapshot, const struct core *core) {
    for (uint32_t kind = 1; kind < ACTOR_KINDS_MAX; kind++)
        put_slab(snapshot, &core->scheduler.kinds[kind].slab);
    put_slab(snapshot, &core->scheduler.cells);
    put_slab(snapshot, &core->streams.slots);
    put_slab(snapshot, &core->streams.nodes);
    put_slab(snapshot, &core->streams.gaps);
    put_slab(snapshot, &core->gateway.readers);
    put_slab(snapshot, &core->chat.members);
    put_slab(snapshot, &core->chat.users);
    put_slab(snapshot, &core->chat.metas);
    for (uint32_t i = 0; i < TEXT_CLASS_COUNT; i++) {
        put_slab(snapshot, &core->gateway.users.classes[i]);
        put_slab(snapshot, &core->gateway.refs.classes[i]);
        put_slab(snapshot, &core->chat.texts.classes[i]);
    }
    for (uint32_t i = 0; i < BLOCKS_CLASS_COUNT; i++)
        put_slab(snapshot, &core->blocks.classes[i]);
    put_slab(snapshot, &core->blocks.huge);
}

static void take_snapshot(struct control_snapshot *snapshot, const struct core *core) {
    const struct counters *c = &core->counters;
    snapshot->answered = true;
    snapshot->due = counter_read(c, COUNTER_DUE);
    snapshot->moved_in = counter_read(c, COUNTER_MOVED_IN);
    snapshot->moved_out = counter_read(c, COUNTER_MOVED_OUT);
    snapshot->delivered = counter_read(c, COUNTER_DELIVERED);
    snapshot->dropped = counter_read(c, COUNTER_DROPPED_SLOW) +
                        counter_read(c, COUNTER_DROPPED_CLOSED) +
                        counter_read(c, COUNTER_DROPPED_MEMORY);
    snapshot->pending = counter_read(c, COUNTER_PENDING) + counter_read(c, COUNTER_GATHERED);
    put_slabs(snapshot, core);
    snapshot->blocks_bytes_used = core->blocks.bytes_used;
    snapshot->blocks_bytes_high_water = core->blocks.bytes_high_water;
    snapshot->blocks_bytes_max = core->blocks.bytes_max;
}

static void put_room(struct control_room *room, const struct chat_room_info *info, uint32_t core) {
    *room = (struct control_room){.name_size = (uint32_t)info->name.size,
                                  .home_core = core,
                                  .epoch = info->epoch,
                                  .sequence = info->sequence,
                                  .relayed = info->relayed,
                                  .lost = info->lost,
                                  .users = info->users,
                                  .connections = info->connections,
                                  .presence = info->presence};
    memcpy(room->name, info->name.data, info->name.size);
}

static void answer(struct question *question, const struct core *core) {
    struct chat_room_info info;
    uint32_t cursor = 0;
    switch (question->kind) {
    case ASK_SNAPSHOT:
        take_snapshot(&question->snapshot, core);
        break;
    case ASK_ROOMS:
        while (question->room_count < question->rooms_max &&
               chat_room_next(&core->chat, &cursor, &info))
            put_room(&question->rooms[question->room_count++], &info, core->id);
        question->rooms_total = core->chat.rooms.count;
        break;
    case ASK_ROOM:
        question->is_found = chat_room_lookup(
            &core->chat, bytes_of(question->room.name, question->room.name_size), &info);
        if (question->is_found)
            put_room(&question->room, &info, core->id);
        break;
    }
}

static int on_init(void *context, void *state, uint32_t index, const void *argument) {
    (void)context;
    (void)state;
    (void)index;
    (void)argument;
    return 0;
}

static void on_message(void *context, void *state, uint32_t index, const struct message *message) {
    (void)state;
    (void)index;
    struct core *core = context;
    CHECK(message->type == CONTROL_ASK);
    struct question *question = (struct question *)(uintptr_t)message->words[0]; // NOLINT
    answer(question, core);
    struct message reply = {
        .target = message->sender, .type = CONTROL_ANSWER, .words = {message->words[0]}};
    scheduler_send(&core->scheduler, &reply);
}

static void on_terminate(void *context, void *state, uint32_t index, enum exit_reason reason) {
    (void)context;
    (void)state;
    (void)index;
    (void)reason;
}

static void on_discard(void *context, const struct message *message) {
    (void)context;
    free((void *)(uintptr_t)message->words[0]); // NOLINT
}

static const struct behaviour control_behaviour = {
    .name = "control",
    .kind = KIND_CONTROL,
    .version = 1,
    .mailbox_max = 64,
    .slot_size = sizeof(struct actor),
    .init = on_init,
    .handle = on_message,
    .terminate = on_terminate,
    .discard = on_discard,
};

int control_link_open(struct core *core) {
    int result = scheduler_register(&core->scheduler, &control_behaviour, core, 1);
    if (result < 0)
        return result;
    uint64_t pid = scheduler_spawn(&core->scheduler, KIND_CONTROL, NULL);
    CHECK(pid != PID_NONE);
    return 0;
}

void control_link_close(struct core *core) {
    scheduler_exit(&core->scheduler, KIND_CONTROL, 0, EXIT_SHUTDOWN);
}

// Asks one core; false when its ring is full.
static bool ask(struct control_link *link, struct question *question, uint32_t core) {
    struct mesh *mesh = &link->shared->mesh;
    question->core = core;
    question->number = link->question;
    struct message message = {
        .target = pid_of((uint8_t)core, KIND_CONTROL, (struct handle){0, 0}),
        .sender = pid_of((uint8_t)link->endpoint, KIND_CONTROL, (struct handle){0, 0}),
        .type = CONTROL_ASK,
        .words = {(uint64_t)(uintptr_t)question},
    };
    if (!mesh_send(mesh, link->endpoint, core, &message, MESH_CONTROL)) {
        free(question);
        return false;
    }
    if (mesh_publish(mesh, link->endpoint))
        wake_from_outside(link->shared->wake_targets[core]);
    return true;
}

// The next answer to the present question, NULL when the time is over. The caller frees it.
static struct question *next_answer(struct control_link *link, uint64_t deadline_ns) {
    struct mesh *mesh = &link->shared->mesh;
    struct message message;
    for (;;) {
        while (mesh_receive(mesh, link->endpoint, &message)) {
            struct question *question = (struct question *)(uintptr_t)message.words[0]; // NOLINT
            if (question->number == link->question)
                return question;
            free(question);
        }
        uint64_t now_ns = clock_monotonic_ns();
        if (now_ns >= deadline_ns)
            return NULL;
        if (!mesh_sleep_begin(mesh, link->endpoint))
            continue;
        int fd = link->shared->wake_targets[link->endpoint].event_fd;
        struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
        uint64_t count;
        if (poll(&poll_fd, 1, (int)((deadline_ns - now_ns) / NS_PER_MS) + 1) > 0 &&
            read(fd, &count, sizeof(count)) < 0)
            continue;
        mesh_sleep_end(mesh, link->endpoint);
    }
}

void control_link_drain(struct control_link *link) {
    struct mesh *mesh = &link->shared->mesh;
    struct message message;
    // What schedulers left for each other holds memory that core_is_clean misses, and reports.
    for (uint32_t to = 0; to < mesh->endpoint_count; to++)
        while (mesh_receive(mesh, to, &message))
            if (pid_kind(message.target) == KIND_CONTROL)
                free((void *)(uintptr_t)message.words[0]); // NOLINT
}

static struct question *question_new(enum question_kind kind, uint32_t rooms_max) {
    size_t size = sizeof(struct question) + rooms_max * sizeof(struct control_room);
    struct question *question = calloc(1, size);
    CHECKF(question, "no memory for a question to the schedulers");
    question->kind = kind;
    question->rooms_max = rooms_max;
    return question;
}

static uint64_t deadline(void) {
    return clock_monotonic_ns() + CONTROL_ANSWER_MS * NS_PER_MS;
}

uint32_t control_port_core_count(void *gateway) {
    return ((struct control_link *)gateway)->shared->plan->scheduler_count;
}

const struct counters *control_port_counters(void *gateway, uint32_t core) {
    return &((struct control_link *)gateway)->cores[core].counters;
}

const struct memory_ledger *control_port_ledger(void *gateway, uint32_t core) {
    return &((struct control_link *)gateway)->cores[core].ledger;
}

bool control_port_is_draining(void *gateway) {
    return atomic_load_explicit(&((struct control_link *)gateway)->shared->phase,
                                memory_order_relaxed) != SERVE_RUNNING;
}

void control_port_snapshot(void *gateway, struct control_snapshot *snapshots) {
    struct control_link *link = gateway;
    uint32_t asked = 0;
    link->question++;
    for (uint32_t core = 0; core < control_port_core_count(gateway); core++) {
        snapshots[core] = (struct control_snapshot){.answered = false};
        asked += ask(link, question_new(ASK_SNAPSHOT, 0), core);
    }
    uint64_t deadline_ns = deadline();
    for (struct question *got; asked > 0 && (got = next_answer(link, deadline_ns)); asked--) {
        snapshots[got->core] = got->snapshot;
        free(got);
    }
}

void control_port_rooms(void *gateway, struct control_rooms *rooms) {
    struct control_link *link = gateway;
    uint32_t core_count = control_port_core_count(gateway);
    uint32_t asked = 0;
    rooms->room_count = 0;
    rooms->rooms_total = 0;
    rooms->cores_silent = core_count < 64 ? (1ull << core_count) - 1 : UINT64_MAX;
    link->question++;
    for (uint32_t core = 0; core < core_count; core++)
        asked += ask(link, question_new(ASK_ROOMS, rooms->rooms_max), core);
    uint64_t deadline_ns = deadline();
    for (struct question *got; asked > 0 && (got = next_answer(link, deadline_ns)); asked--) {
        rooms->cores_silent &= ~(1ull << got->core);
        rooms->rooms_total += got->rooms_total;
        for (uint32_t i = 0; i < got->room_count && rooms->room_count < rooms->rooms_max; i++)
            rooms->rooms[rooms->room_count++] = got->rooms[i];
        free(got);
    }
}

enum control_answer control_port_room(void *gateway, struct bytes name, struct control_room *room) {
    struct control_link *link = gateway;
    if (name.size > CONTROL_ROOM_NAME_SIZE_MAX)
        return CONTROL_NOT_FOUND;
    struct question *question = question_new(ASK_ROOM, 0);
    memcpy(question->room.name, name.data, name.size);
    question->room.name_size = (uint32_t)name.size;
    uint32_t home = chat_home_core(&link->cores[0].chat, name);
    link->question++;
    struct question *got = ask(link, question, home) ? next_answer(link, deadline()) : NULL;
    room->home_core = home;
    if (!got)
        return CONTROL_SILENT;
    bool is_found = got->is_found;
    *room = got->room;
    free(got);
    return is_found ? CONTROL_FOUND : CONTROL_NOT_FOUND;
}
