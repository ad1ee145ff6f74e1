#include "gateway/control_link.h"

#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "gateway/lives.h"
#include "gateway/traffic_core.h"
#include "gateway/tracing.h"
#include "sched/base/clock.h"
#include "sched/signal.h"

enum control_message_type {
    CONTROL_ASK = MESSAGE_USER, // words[0]: struct question
    CONTROL_ANSWER,
};

enum question_kind {
    ASK_SNAPSHOT,
    ASK_ROOMS,
    ASK_ROOM,
    ASK_OBITUARIES,
    ASK_CONNECTIONS,
    ASK_ACTORS,
    ASK_MOVE,
    ASK_TAGS,
    ASK_TRACE_BEGIN,
    ASK_TRACE_END,
    ASK_TRACE,
    ASK_TRAFFIC_BEGIN,
    ASK_TRAFFIC_END,
    ASK_TRAFFIC,
    ASK_TREE,
    ASK_ACTOR,
    ASK_ACTOR_END,
    ASK_ROOM_END,
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
    struct control_who who;
    struct control_actor_info actor; // pid asked for, then the answer
    struct control_lives lives;      // in `rooms`
    struct control_kinds *kinds;     // in `rooms`
    struct lives_tags *tags;         // in `rooms`
    char *tree;                      // in `rooms`, CONTROL_TREE_SIZE
    struct control_move move;
    struct control_trace_order order;
    struct control_traffic_order traffic_order;
    struct control_traffic *traffic; // in `rooms`
    struct control_trace trace;      // in `rooms`; of the order: how many actors
    uint64_t cursor;                 // of a walk that goes on
    struct control_room rooms[];
};

// Answers; with a walk under way it takes the next slice at its next go.
struct control_actor {
    struct actor actor;
    uint64_t asker;
    uint64_t walk; // struct question, 0: none
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
    put_slab(snapshot, &core->gateway.moves);
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
    snapshot->dropped = counters_dropped(c);
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
                                  .is_retained = info->is_retained,
                                  .presence = info->presence};
    memcpy(room->name, info->name.data, info->name.size);
}

static struct bytes name_of(const struct question *question) {
    return bytes_of(question->room.name, question->room.name_size);
}

static void put_tree(struct question *question, const struct core *core) {
    struct writer w = writer_on(question->tree, CONTROL_TREE_SIZE - 1); // calloc gave the 0
    tree_print(&core->tree, &w);
}

static void put_actor(struct question *question, struct core *core) {
    struct actor_info info;
    question->is_found = scheduler_actor_info(&core->scheduler, question->actor.pid, &info);
    if (!question->is_found)
        return;
    question->actor = (struct control_actor_info){.pid = info.pid,
                                                  .core = core->id,
                                                  .name = info.behaviour,
                                                  .version = info.version,
                                                  .mailbox_count = info.mailbox_count,
                                                  .link_count = info.link_count,
                                                  .monitor_count = info.monitor_count,
                                                  .monitored_count = info.monitored_count,
                                                  .timed_count = info.timed_count,
                                                  .supervisor = info.supervisor,
                                                  .is_ready = info.is_ready,
                                                  .is_paused = info.is_paused,
                                                  .is_doomed = info.is_doomed,
                                                  .is_moving = info.is_moving};
    if (question->kind == ASK_ACTOR_END)
        signal_exit(&core->scheduler, PID_NONE, info.pid, EXIT_KILLED);
}

// True: the question is answered; false: there is more of it to do.
static bool answer(struct question *question, struct core *core) {
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
        question->is_found = chat_room_lookup(&core->chat, name_of(question), &info);
        if (question->is_found)
            put_room(&question->room, &info, core->id);
        break;
    case ASK_OBITUARIES:
        lives_obituaries(core, &question->who, &question->lives);
        break;
    case ASK_CONNECTIONS:
        return lives_connections(core, &question->who, &question->lives, &question->cursor);
    case ASK_ACTORS:
        return lives_actors(core, question->kinds, &question->cursor);
    case ASK_MOVE:
        return lives_move(core, &question->move, &question->cursor);
    case ASK_TAGS:
        lives_tags_name(core, question->tags);
        break;
    case ASK_TRACE_BEGIN:
        return tracing_begin(core, &question->order, &question->cursor,
                             &question->trace.actor_count);
    case ASK_TRACE_END:
        trace_stop(&core->scheduler);
        break;
    case ASK_TRACE:
        tracing_read(core, &question->trace);
        break;
    case ASK_TRAFFIC_BEGIN:
        return traffic_core_begin(core, &question->traffic_order, &question->cursor);
    case ASK_TRAFFIC_END:
        traffic_core_end(core);
        break;
    case ASK_TRAFFIC:
        return traffic_core_read(core, question->traffic, &question->cursor);
    case ASK_TREE:
        put_tree(question, core);
        break;
    case ASK_ACTOR:
    case ASK_ACTOR_END:
        put_actor(question, core);
        break;
    case ASK_ROOM_END:
        question->is_found = chat_room_lookup(&core->chat, name_of(question), &info);
        if (question->is_found) {
            put_room(&question->room, &info, core->id);
            // What an operator ends is not made again by a supervisor, but by its next join.
            CHECK(chat_room_end(&core->chat, name_of(question), EXIT_SHUTDOWN));
        }
        break;
    }
    return true;
}

static int on_init(void *context, void *state, uint32_t index, const void *argument) {
    (void)context;
    (void)state;
    (void)index;
    (void)argument;
    return 0;
}

static struct question *question_of(uint64_t word) {
    return (struct question *)(uintptr_t)word; // NOLINT
}

static void send_answer(struct core *core, uint64_t asker, uint64_t question) {
    scheduler_send(&core->scheduler,
                   &(struct message){.target = asker, .type = CONTROL_ANSWER, .words = {question}});
}

// A new question ends the walk of the one before: who asked has given up by then.
static void on_message(void *context, void *state, uint32_t index, const struct message *message) {
    struct core *core = context;
    struct control_actor *control = state;
    bool is_new = message->type == CONTROL_ASK;
    CHECK(is_new || message->type == MESSAGE_CONTINUE);
    if (is_new && control->walk)
        send_answer(core, control->asker, control->walk);
    if (is_new) {
        control->asker = message->sender;
        control->walk = message->words[0];
    }
    if (!control->walk)
        return;
    if (!answer(question_of(control->walk), core)) {
        scheduler_continue(&core->scheduler, KIND_CONTROL, index);
        return;
    }
    send_answer(core, control->asker, control->walk);
    control->walk = 0;
}

static void on_terminate(void *context, void *state, uint32_t index, enum exit_reason reason) {
    (void)context;
    (void)index;
    (void)reason;
    free(question_of(((struct control_actor *)state)->walk));
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
    .slot_size = sizeof(struct control_actor),
    .init = on_init,
    .handle = on_message,
    .terminate = on_terminate,
    .discard = on_discard,
};

int control_link_open(struct core *core) {
    return scheduler_register(&core->scheduler, &control_behaviour, core, 1);
}

// Asks one core; false when its ring is full.
static bool ask(struct control_link *link, struct question *question, uint32_t core) {
    struct mesh *mesh = &link->shared->mesh;
    question->core = core;
    question->number = link->question;
    struct message message = {
        .target = pid_service((uint8_t)core, KIND_CONTROL),
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

static struct question *question_new(enum question_kind kind, size_t items_size) {
    struct question *question = calloc(1, sizeof(struct question) + items_size);
    CHECKF(question, "no memory for a question to the schedulers");
    question->kind = kind;
    return question;
}

static uint64_t deadline(void) {
    return clock_monotonic_ns() + CONTROL_ANSWER_MS * NS_PER_MS;
}

static uint64_t scan_deadline(void) {
    return clock_monotonic_ns() + CONTROL_SCAN_MS * NS_PER_MS;
}

static uint64_t all_cores(void *gateway) {
    uint32_t core_count = control_port_core_count(gateway);
    return core_count < 64 ? (1ull << core_count) - 1 : UINT64_MAX;
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

static struct question *question_of_rooms(uint32_t rooms_max) {
    struct question *question = question_new(ASK_ROOMS, rooms_max * sizeof(struct control_room));
    question->rooms_max = rooms_max;
    return question;
}

void control_port_rooms(void *gateway, struct control_rooms *rooms) {
    struct control_link *link = gateway;
    uint32_t core_count = control_port_core_count(gateway);
    uint32_t asked = 0;
    rooms->room_count = 0;
    rooms->rooms_total = 0;
    rooms->cores_silent = all_cores(gateway);
    link->question++;
    for (uint32_t core = 0; core < core_count; core++)
        asked += ask(link, question_of_rooms(rooms->rooms_max), core);
    uint64_t deadline_ns = deadline();
    for (struct question *got; asked > 0 && (got = next_answer(link, deadline_ns)); asked--) {
        rooms->cores_silent &= ~(1ull << got->core);
        rooms->rooms_total += got->rooms_total;
        for (uint32_t i = 0; i < got->room_count && rooms->room_count < rooms->rooms_max; i++)
            rooms->rooms[rooms->room_count++] = got->rooms[i];
        free(got);
    }
}

static enum control_answer ask_home(struct control_link *link, enum question_kind kind,
                                    struct bytes name, struct control_room *room) {
    if (name.size > CONTROL_ROOM_NAME_SIZE_MAX)
        return CONTROL_NOT_FOUND;
    struct question *question = question_new(kind, 0);
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

enum control_answer control_port_room(void *gateway, struct bytes name, struct control_room *room) {
    return ask_home(gateway, ASK_ROOM, name, room);
}

enum control_answer control_port_room_end(void *gateway, struct bytes name,
                                          struct control_room *room) {
    return ask_home(gateway, ASK_ROOM_END, name, room);
}

// Any core may know the name of a room that a connection of another was in.
static void ask_tags(struct control_link *link, struct control_lives *lives) {
    struct lives_tags tags = {0};
    uint32_t asked = 0;
    lives_tags_gather(&tags, lives);
    if (tags.count == 0)
        return;
    link->question++;
    for (uint32_t core = 0; core < control_port_core_count(link); core++) {
        struct question *question = question_new(ASK_TAGS, sizeof(tags));
        question->tags = (struct lives_tags *)question->rooms;
        *question->tags = tags;
        asked += ask(link, question, core);
    }
    uint64_t deadline_ns = deadline();
    for (struct question *got; asked > 0 && (got = next_answer(link, deadline_ns)); asked--) {
        lives_tags_fill(got->tags, lives);
        free(got);
    }
}

static void ask_lives(struct control_link *link, enum question_kind kind,
                      const struct control_who *who, struct control_lives *lives) {
    uint32_t asked = 0;
    lives->life_count = 0;
    lives->total = 0;
    lives->cores_silent = all_cores(link);
    link->question++;
    for (uint32_t core = 0; core < control_port_core_count(link); core++) {
        struct question *question =
            question_new(kind, lives->lives_max * sizeof(struct control_life));
        question->who = *who;
        question->lives.lives = (struct control_life *)question->rooms;
        question->lives.lives_max = lives->lives_max;
        asked += ask(link, question, core);
    }
    uint64_t deadline_ns = scan_deadline();
    for (struct question *got; asked > 0 && (got = next_answer(link, deadline_ns)); asked--) {
        lives->cores_silent &= ~(1ull << got->core);
        lives->total += got->lives.total;
        for (uint32_t i = 0; i < got->lives.life_count; i++)
            lives->lives[lives->life_count++] = got->lives.lives[i];
        free(got);
    }
    ask_tags(link, lives);
}

void control_port_obituaries(void *gateway, const struct control_who *who,
                             struct control_lives *lives) {
    ask_lives(gateway, ASK_OBITUARIES, who, lives);
}

void control_port_connections(void *gateway, const struct control_who *who,
                              struct control_lives *lives) {
    ask_lives(gateway, ASK_CONNECTIONS, who, lives);
}

void control_port_actors(void *gateway, struct control_kinds *kinds) {
    struct control_link *link = gateway;
    uint32_t asked = 0;
    kinds->kind_count = 0;
    kinds->cores_silent = all_cores(gateway);
    link->question++;
    for (uint32_t core = 0; core < control_port_core_count(gateway); core++) {
        struct question *question = question_new(ASK_ACTORS, sizeof(struct control_kinds));
        question->kinds = (struct control_kinds *)question->rooms;
        asked += ask(link, question, core);
    }
    uint64_t deadline_ns = scan_deadline();
    for (struct question *got; asked > 0 && (got = next_answer(link, deadline_ns)); asked--) {
        kinds->cores_silent &= ~(1ull << got->core);
        for (uint32_t i = 0; i < got->kinds->kind_count; i++)
            kinds->kinds[kinds->kind_count++] = got->kinds->kinds[i];
        free(got);
    }
}

void control_port_move(void *gateway, struct control_move *move) {
    struct control_link *link = gateway;
    uint32_t asked = 0;
    move->cores_silent = all_cores(gateway);
    link->question++;
    for (uint32_t core = 0; core < control_port_core_count(gateway); core++) {
        struct question *question = question_new(ASK_MOVE, 0);
        question->move = *move;
        asked += ask(link, question, core);
    }
    uint64_t deadline_ns = scan_deadline();
    for (struct question *got; asked > 0 && (got = next_answer(link, deadline_ns)); asked--) {
        move->cores_silent &= ~(1ull << got->core);
        move->found += got->move.found;
        move->begun += got->move.begun;
        move->mqtt += got->move.mqtt;
        free(got);
    }
}

bool control_port_tree(void *gateway, uint32_t core, char text[CONTROL_TREE_SIZE]) {
    struct control_link *link = gateway;
    struct question *question = question_new(ASK_TREE, CONTROL_TREE_SIZE);
    question->tree = (char *)question->rooms;
    link->question++;
    struct question *got = ask(link, question, core) ? next_answer(link, deadline()) : NULL;
    if (!got)
        return false;
    memcpy(text, got->tree, CONTROL_TREE_SIZE);
    free(got);
    return true;
}

uint32_t control_port_trace_begin(void *gateway, const struct control_trace_order *order,
                                  uint64_t *cores_silent) {
    struct control_link *link = gateway;
    uint32_t asked = 0, actor_count = 0;
    *cores_silent = all_cores(gateway);
    link->question++;
    for (uint32_t core = 0; core < control_port_core_count(gateway); core++) {
        struct question *question = question_new(ASK_TRACE_BEGIN, 0);
        question->order = *order;
        asked += ask(link, question, core);
    }
    uint64_t deadline_ns = scan_deadline();
    for (struct question *got; asked > 0 && (got = next_answer(link, deadline_ns)); asked--) {
        *cores_silent &= ~(1ull << got->core);
        actor_count += got->trace.actor_count;
        free(got);
    }
    return actor_count;
}

void control_port_trace_end(void *gateway, uint64_t *cores_silent) {
    struct control_link *link = gateway;
    uint32_t asked = 0;
    *cores_silent = all_cores(gateway);
    link->question++;
    for (uint32_t core = 0; core < control_port_core_count(gateway); core++)
        asked += ask(link, question_new(ASK_TRACE_END, 0), core);
    uint64_t deadline_ns = deadline();
    for (struct question *got; asked > 0 && (got = next_answer(link, deadline_ns)); asked--) {
        *cores_silent &= ~(1ull << got->core);
        free(got);
    }
}

void control_port_trace(void *gateway, struct control_trace *trace) {
    struct control_link *link = gateway;
    uint32_t asked = 0;
    trace->cores_silent = all_cores(gateway);
    link->question++;
    for (uint32_t core = 0; core < control_port_core_count(gateway); core++) {
        struct question *question =
            question_new(ASK_TRACE, trace->events_max * sizeof(struct control_trace_event));
        question->trace =
            (struct control_trace){.events = (struct control_trace_event *)question->rooms,
                                   .events_max = trace->events_max};
        asked += ask(link, question, core);
    }
    uint64_t deadline_ns = deadline();
    for (struct question *got; asked > 0 && (got = next_answer(link, deadline_ns)); asked--) {
        const struct control_trace *part = &got->trace;
        trace->cores_silent &= ~(1ull << got->core);
        trace->kept += part->kept;
        trace->lost += part->lost;
        trace->actor_count += part->actor_count;
        trace->is_on |= part->is_on;
        for (uint32_t i = 0; i < part->event_count; i++)
            trace->events[trace->event_count++] = part->events[i];
        free(got);
    }
}

void control_port_traffic_begin(void *gateway, const struct control_traffic_order *order,
                                uint64_t *cores_silent) {
    struct control_link *link = gateway;
    uint32_t asked = 0;
    *cores_silent = all_cores(gateway);
    link->question++;
    for (uint32_t core = 0; core < control_port_core_count(gateway); core++) {
        struct question *question = question_new(ASK_TRAFFIC_BEGIN, 0);
        question->traffic_order = *order;
        asked += ask(link, question, core);
    }
    uint64_t deadline_ns = scan_deadline();
    for (struct question *got; asked > 0 && (got = next_answer(link, deadline_ns)); asked--) {
        *cores_silent &= ~(1ull << got->core);
        free(got);
    }
}

void control_port_traffic_end(void *gateway, uint64_t *cores_silent) {
    struct control_link *link = gateway;
    uint32_t asked = 0;
    *cores_silent = all_cores(gateway);
    link->question++;
    for (uint32_t core = 0; core < control_port_core_count(gateway); core++)
        asked += ask(link, question_new(ASK_TRAFFIC_END, 0), core);
    uint64_t deadline_ns = deadline();
    for (struct question *got; asked > 0 && (got = next_answer(link, deadline_ns)); asked--) {
        *cores_silent &= ~(1ull << got->core);
        free(got);
    }
}

void control_port_traffic(void *gateway, struct control_traffic *traffic) {
    struct control_link *link = gateway;
    uint32_t asked = 0;
    traffic->cores_silent = all_cores(gateway);
    link->question++;
    for (uint32_t core = 0; core < control_port_core_count(gateway); core++) {
        struct question *question = question_new(ASK_TRAFFIC, sizeof(struct control_traffic));
        question->traffic = (struct control_traffic *)question->rooms;
        asked += ask(link, question, core);
    }
    uint64_t deadline_ns = scan_deadline();
    for (struct question *got; asked > 0 && (got = next_answer(link, deadline_ns)); asked--) {
        const struct control_traffic *part = got->traffic;
        traffic->cores_silent &= ~(1ull << got->core);
        traffic->is_on |= part->is_on;
        if (part->begin_ns > traffic->begin_ns)
            traffic->begin_ns = part->begin_ns;
        if (part->until_ns > traffic->until_ns)
            traffic->until_ns = part->until_ns;
        if (part->second_count > traffic->second_count)
            traffic->second_count = part->second_count;
        traffic_add(&traffic->shape, &part->shape, part->second_count);
        free(got);
    }
}

enum control_answer control_port_actor(void *gateway, struct control_actor_info *actor,
                                       bool is_end) {
    struct control_link *link = gateway;
    actor->core = pid_core(actor->pid);
    if (actor->core >= control_port_core_count(gateway))
        return CONTROL_NOT_FOUND;
    struct question *question = question_new(is_end ? ASK_ACTOR_END : ASK_ACTOR, 0);
    question->actor = *actor;
    link->question++;
    struct question *got = ask(link, question, actor->core) ? next_answer(link, deadline()) : NULL;
    if (!got)
        return CONTROL_SILENT;
    bool is_found = got->is_found;
    *actor = got->actor;
    free(got);
    return is_found ? CONTROL_FOUND : CONTROL_NOT_FOUND;
}
