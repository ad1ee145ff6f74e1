// An actor is  idle --message or continue--> queued --its go--> running --mail left--> queued
//                                                                       --none------> idle
//              any of them --exit signal (scheduler_doom)--> doomed, queued --its go--> ended
//              any of them --scheduler_exit--> ended (end)
// ACTOR_QUEUED is set exactly while the actor is linked in the run queue (enqueue, run_ready). An
// actor that ends or pauses while it is linked stays so until its go, when it is skipped: taking it
// out would cost a walk over all that are ready, and peers choose how many end at once. The slot of
// one that ended is retired till then (slab_retire).
#include "sched/scheduler.h"

#include "sched/base/clock.h"
#include "sched/mailbox.h"
#include "sched/move.h"
#include "sched/payload.h"
#include "sched/signal.h"
#include "sched/timed.h"

#include <errno.h>

#define REDUCTIONS_PER_TURN 4096
// What is taken is answered at the turn's end: a sender that waits for answers would stand still
// meanwhile, and the cells of so many still lie in the cache (docs/BENCHMARKS.md, mesh-one-way).
#define MESH_MESSAGES_PER_TURN 1024
#define TIMERS_PER_TURN 4096
#define RETRY_NS (1 * NS_PER_MS)
#define RELATIONS_MAX (1u << 20)
#define TIMED_MAX (1u << 20)

int scheduler_init(struct scheduler *scheduler, const struct scheduler_config *config,
                   struct mesh *mesh, struct memory_ledger *ledger, struct blocks *blocks,
                   struct counters *counters, uint64_t now_ns) {
    *scheduler = (struct scheduler){
        .core = config->core,
        .near_core = config->core,
        .cells_max = config->message_cells_max,
        .mesh = mesh,
        .ledger = ledger,
        .counters = counters,
        .blocks = blocks,
        .now_ns = now_ns,
        .starting = SLAB_NONE,
        .run_head = SLAB_NONE,
        .run_tail = SLAB_NONE,
        .reductions_per_turn =
            config->reductions_per_turn ? config->reductions_per_turn : REDUCTIONS_PER_TURN,
    };
    if (mesh)
        mesh->endpoints[config->core].blocks = blocks;
    uint32_t relations_max = config->relations_max ? config->relations_max : RELATIONS_MAX;
    int result = slab_init(&scheduler->cells, ledger, "messages", sizeof(struct message),
                           config->message_cells_max + relations_max);
    if (result == 0)
        result = slab_init(&scheduler->relations, ledger, "relations", sizeof(struct relation),
                           relations_max);
    if (result == 0)
        result = move_init(scheduler);
    if (result == 0)
        result = timed_init(scheduler, config->timed_max ? config->timed_max : TIMED_MAX);
    return result;
}

int scheduler_register(struct scheduler *scheduler, const struct behaviour *behaviour,
                       void *context, uint32_t slots_max) {
    CHECKF(behaviour->kind > 0 && behaviour->kind < ACTOR_KINDS_MAX &&
               slots_max <= ACTOR_INDEX_MAX && behaviour->slot_size >= sizeof(struct actor),
           "behaviour %s", behaviour->name);
    CHECKF(!behaviour->timer_offset ||
               (behaviour->timer_offset >= sizeof(struct actor) &&
                behaviour->timer_offset + sizeof(struct timer) <= behaviour->slot_size),
           "behaviour %s: timer at %u", behaviour->name, behaviour->timer_offset);
    struct scheduler_kind *kind = &scheduler->kinds[behaviour->kind];
    CHECKF(!kind->behaviour, "kind %u is registered twice", behaviour->kind);
    int result =
        slab_init(&kind->slab, scheduler->ledger, behaviour->name, behaviour->slot_size, slots_max);
    if (result < 0)
        return result;
    kind->relations = memory_reserve(scheduler->ledger, "relations by actor", slots_max * 4ul);
    kind->timed = memory_reserve(scheduler->ledger, "timed messages by actor", slots_max * 4ul);
    if (!kind->relations || !kind->timed)
        return -ENOMEM;
    kind->behaviour = behaviour;
    kind->context = context;
    if (behaviour->timer_offset)
        timer_wheel_init(&kind->timers, &kind->slab, behaviour->timer_offset,
                         behaviour->timer_tick_ns, scheduler->now_ns);
    return 0;
}

// Into the run queue, unless it is there or must not run.
static inline void enqueue(struct scheduler *scheduler, uint32_t run_id, struct actor *actor) {
    uint32_t word = actor->slab_word;
    if (word & (ACTOR_QUEUED | ACTOR_PAUSED | ACTOR_MOVING))
        return;
    actor->slab_word = word | ACTOR_QUEUED;
    actor->run_next = SLAB_NONE;
    if (scheduler->run_tail == SLAB_NONE)
        scheduler->run_head = run_id;
    else
        scheduler_run_actor(scheduler, scheduler->run_tail)->run_next = run_id;
    scheduler->run_tail = run_id;
    scheduler->run_count++;
}

// Its state is on the way to another core or back, or waits there for its mail.
static bool is_frozen(const struct actor *actor) {
    return (actor->slab_word & (ACTOR_MOVING | ACTOR_QUEUED)) == ACTOR_MOVING;
}

// Out of everything it may be in: ties, timed messages, timer, run queue, slab. Its mailbox is
// empty by now.
void scheduler_forget(struct scheduler *scheduler, uint8_t kind_id, uint32_t index,
                      uint32_t reason) {
    struct scheduler_kind *kind = &scheduler->kinds[kind_id];
    const struct actor *actor = slab_at(&kind->slab, index);
    if (actor->slab_word & ACTOR_RELATED) {
        timed_ended(scheduler, kind_id, index);
        signal_ended(scheduler, kind_id, index, reason);
    }
    recorder_obituary(&scheduler->recorder, scheduler_pid(scheduler, kind_id, index), reason);
    if (kind->behaviour->timer_offset)
        timer_wheel_disarm(&kind->timers, index);
    if (actor->slab_word & ACTOR_QUEUED)
        slab_retire(&kind->slab, index);
    else
        slab_release(&kind->slab, index);
}

uint64_t scheduler_spawn(struct scheduler *scheduler, uint8_t kind_id, const void *argument) {
    struct scheduler_kind *kind = &scheduler->kinds[kind_id];
    uint32_t index;
    struct actor *actor = UNLIKELY(scheduler->moved_count > 0)
                              ? move_acquire(scheduler, kind_id, &index)
                              : slab_acquire(&kind->slab, &index);
    if (UNLIKELY(!actor)) {
        counter_add(scheduler->counters, COUNTER_SPAWNS_FAILED, 1);
        return PID_NONE;
    }
    actor->mailbox_tail = SLAB_NONE;
    actor->run_next = SLAB_NONE;
    uint32_t starting = scheduler->starting;
    scheduler->starting = actor_run_id(kind_id, index);
    int result = kind->behaviour->init(kind->context, actor, index, argument);
    scheduler->starting = starting;
    if (UNLIKELY(result < 0 || actor->slab_word & ACTOR_DOOMED)) {
        // It may have armed its timer, or mail itself, before it declined.
        uint32_t reason = actor->slab_word & ACTOR_DOOMED ? actor->mailbox_tail : EXIT_FAILED;
        if (!(actor->slab_word & ACTOR_DOOMED))
            mailbox_clear(scheduler, actor, reason);
        counter_add(scheduler->counters, COUNTER_SPAWNS_FAILED, 1);
        scheduler_forget(scheduler, kind_id, index, reason);
        return PID_NONE;
    }
    counter_add(scheduler->counters, COUNTER_SPAWNS, 1);
    return scheduler_pid(scheduler, kind_id, index);
}

// What the supervisor of all actors of a kind is told, before terminate.
static bool is_told(const struct scheduler_kind *kind, uint32_t reason) {
    return exit_is_abnormal(reason) ? kind->tells_abnormal : kind->tells_normal;
}

static void end(struct scheduler *scheduler, uint8_t kind_id, uint32_t index, struct actor *actor,
                uint32_t reason) {
    struct scheduler_kind *kind = &scheduler->kinds[kind_id];
    struct message told = {.target = kind->supervisor,
                           .sender = scheduler_pid(scheduler, kind_id, index),
                           .type = MESSAGE_CHILD_EXIT,
                           .small = reason,
                           .words = {PAYLOAD_NONE}};
    bool tells = UNLIKELY(kind->supervisor != PID_NONE && is_told(kind, reason));
    if (tells && kind->behaviour->succession)
        told.words[0] = kind->behaviour->succession(kind->context, actor, index);
    if (UNLIKELY(actor->slab_word & ACTOR_TRACED))
        trace_on_exit(scheduler, told.sender, reason);
    struct actor mail = *actor;
    if (actor->slab_word & ACTOR_DOOMED)
        mail.mailbox_tail = SLAB_NONE;
    actor->slab_word |= ACTOR_DOOMED; // no mail from here on
    actor->mailbox_tail = ACTOR_ENDING;
    actor->mailbox_count = 0;
    kind->behaviour->terminate(kind->context, actor, index, (enum exit_reason)reason);
    mailbox_clear(scheduler, &mail, reason);
    counter_add(scheduler->counters, COUNTER_EXITS, 1);
    if (UNLIKELY(exit_is_abnormal(reason)))
        counter_add(scheduler->counters, COUNTER_EXITS_ABNORMAL, 1);
    scheduler_forget(scheduler, kind_id, index, reason);
    if (tells)
        scheduler_send(scheduler, &told);
}

void scheduler_exit(struct scheduler *scheduler, uint8_t kind_id, uint32_t index,
                    enum exit_reason reason) {
    struct actor *actor = slab_get(&scheduler->kinds[kind_id].slab, index);
    CHECKF((uint32_t)reason <= EXIT_USER_MAX, "actor %lx exits with reason %x",
           scheduler_pid(scheduler, kind_id, index), (uint32_t)reason);
    if (scheduler->starting == actor_run_id(kind_id, index)) {
        scheduler_doom(scheduler, kind_id, index, reason);
        return;
    }
    if (UNLIKELY(is_frozen(actor)))
        move_exit(scheduler, kind_id, index, reason);
    else if (LIKELY(!(actor->slab_word & ACTOR_DOOMED)))
        end(scheduler, kind_id, index, actor, reason);
    else if (actor->mailbox_tail == ACTOR_ENDING)
        counter_add(scheduler->counters, COUNTER_EXITS_IGNORED, 1);
    else
        end(scheduler, kind_id, index, actor, actor->mailbox_tail);
}

void scheduler_doom(struct scheduler *scheduler, uint8_t kind_id, uint32_t index, uint32_t reason) {
    struct actor *actor = slab_get(&scheduler->kinds[kind_id].slab, index);
    CHECKF(reason <= EXIT_USER_MAX, "actor %lx exits with reason %x",
           scheduler_pid(scheduler, kind_id, index), reason);
    if (actor->slab_word & ACTOR_DOOMED) {
        counter_add(scheduler->counters, COUNTER_EXITS_IGNORED, 1);
        return;
    }
    if (is_frozen(actor)) {
        move_exit(scheduler, kind_id, index, reason);
        return;
    }
    mailbox_clear(scheduler, actor, reason);
    actor->slab_word = (actor->slab_word | ACTOR_DOOMED) & ~(ACTOR_PAUSED | ACTOR_CONTINUE);
    actor->mailbox_tail = reason;
    if (scheduler->starting != actor_run_id(kind_id, index))
        enqueue(scheduler, actor_run_id(kind_id, index), actor);
}

// A mailbox that holds all it may of this class. True: by its policy it takes one more. False: it
// declines, or (*is_done) the message has been dealt with.
COLD static bool make_place(struct scheduler *scheduler, const struct behaviour *behaviour,
                            struct actor *actor, const struct message *message,
                            enum mesh_class class_of_message, bool *is_done) {
    *is_done = false;
    // One that is frozen needs other cores' messages to get on: none may be held up.
    if (is_frozen(actor) && class_of_message == MESH_CONTROL &&
        actor->mailbox_count < ACTOR_MAILBOX_MAX)
        return true;
    counter_add(scheduler->counters, COUNTER_MAILBOX_FULL, 1);
    if (class_of_message == MESH_CONTROL || behaviour->mailbox_policy == MAILBOX_DECLINE)
        return false;
    if (behaviour->mailbox_policy == MAILBOX_DROP_OLDEST && mailbox_drop_oldest(scheduler, actor)) {
        counter_add(scheduler->counters, COUNTER_MAIL_DROPPED, 1);
        return true;
    }
    if (behaviour->mailbox_policy == MAILBOX_EXIT)
        scheduler_doom(scheduler, behaviour->kind, pid_slot(message->target).index, EXIT_BUDGET);
    counter_add(scheduler->counters, COUNTER_MAIL_DROPPED, 1);
    mailbox_discard(scheduler, message, EXIT_BUDGET);
    *is_done = true;
    return false;
}

// A signal, or forwarded mail for one that is frozen: none is ever declined. False: it is neither.
COLD static bool deliver_special(struct scheduler *scheduler, const struct message *message,
                                 enum mesh_class class_of_message) {
    uint8_t kind = pid_kind(message->target);
    bool is_signal = message_is_signal(message);
    if (is_signal && kind == 0) { // a step of a move, for the core
        move_on_signal(scheduler, message);
        return true;
    }
    struct actor *actor = scheduler_lookup(scheduler, message->target);
    if (actor && is_frozen(actor)) {
        if (class_of_message == MESH_FORWARDED)
            move_early_mail(scheduler, kind, pid_slot(message->target).index, message);
        else if (is_signal)
            mailbox_push(scheduler, actor, message, MESH_CONTROL)->target =
                scheduler_pid(scheduler, kind, pid_slot(message->target).index);
        else
            return false;
        return true;
    }
    if (is_signal)
        signal_deliver(scheduler, message);
    return is_signal;
}

// `from_mesh`: a mailbox that declines is bounded for both classes, and what it takes is kept from
// policies as control messages are.
static bool deliver(struct scheduler *scheduler, const struct message *message,
                    enum mesh_class class_of_message, bool from_mesh) {
    if (UNLIKELY(message_is_signal(message)) &&
        deliver_special(scheduler, message, class_of_message))
        return true;
    uint64_t target = message->target;
    uint8_t kind_id = pid_kind(target);
    struct scheduler_kind *kind = &scheduler->kinds[kind_id];
    struct actor *actor = scheduler_lookup(scheduler, target);
    if (UNLIKELY(!actor || actor->slab_word & ACTOR_DOOMED)) {
        bool is_doomed = actor && actor->mailbox_tail != ACTOR_ENDING;
        mailbox_discard(scheduler, message, is_doomed ? actor->mailbox_tail : EXIT_NOPROC);
        return true;
    }
    uint32_t index = pid_slot(target).index;
    target = scheduler_pid(scheduler, kind_id, index); // not an alias
    if (UNLIKELY(actor->slab_word & ACTOR_TRACED))
        trace_on_mail(scheduler, target, message);
    bool is_done;
    bool is_declined = from_mesh && kind->behaviour->mailbox_policy == MAILBOX_DECLINE;
    uint32_t max = class_of_message == MESH_ROOM || is_declined ? kind->behaviour->mailbox_max
                                                                : ACTOR_MAILBOX_MAX;
    if (is_declined)
        class_of_message = MESH_CONTROL;
    if (UNLIKELY(actor->mailbox_count >= max) &&
        !make_place(scheduler, kind->behaviour, actor, message, class_of_message, &is_done))
        return is_done;
    if (UNLIKELY(!mailbox_has_cell(scheduler, class_of_message))) {
        counter_add(scheduler->counters, COUNTER_MESSAGE_CELLS_OUT, 1);
        return false;
    }
    struct message *cell = mailbox_push(scheduler, actor, message, class_of_message);
    cell->target = target;
    counter_add(scheduler->counters, COUNTER_MESSAGES_SENT, 1);
    enqueue(scheduler, actor_run_id(kind_id, index), actor);
    return true;
}

// What deliver does nearly always: mail to an actor of this core that lives, is not traced, has a
// place for it, and a cell that was used before. False: something is different, and nothing was
// done. It calls nothing, so that it needs no registers saved (docs/BENCHMARKS.md, runtime-send).
static ALWAYS_INLINE bool try_deliver(struct scheduler *scheduler, const struct message *message,
                                      enum mesh_class class_of_message, bool from_mesh) {
    const uint64_t target = message->target;
    const struct handle slot = pid_slot(target);
    const struct scheduler_kind *kind = &scheduler->kinds[pid_kind(target)];
    if (UNLIKELY(pid_core(target) != scheduler->near_core || slot.index >= kind->slab.slots_max ||
                 message_is_signal(message)))
        return false;
    struct actor *actor = slab_at(&kind->slab, slot.index);
    const uint32_t word = actor->slab_word;
    const uint32_t life = word & (SLAB_GENERATION_MASK | SLAB_USED | ACTOR_DOOMED | ACTOR_TRACED);
    if (UNLIKELY(life != (slot.generation | SLAB_USED)))
        return false;
    const uint32_t max = class_of_message == MESH_ROOM || from_mesh ? kind->behaviour->mailbox_max
                                                                    : ACTOR_MAILBOX_MAX;
    if (from_mesh && kind->behaviour->mailbox_policy == MAILBOX_DECLINE)
        class_of_message = MESH_CONTROL;
    if (UNLIKELY(actor->mailbox_count >= max || scheduler->cells.free_head == SLAB_NONE ||
                 !mailbox_has_cell(scheduler, class_of_message)))
        return false;
    (void)mailbox_push(scheduler, actor, message, class_of_message);
    counter_add(scheduler->counters, COUNTER_MESSAGES_SENT, 1);
    enqueue(scheduler, actor_run_id(pid_kind(target), slot.index), actor);
    return true;
}

// Control messages that the mesh had no room for wait here, in order; room messages are declined
// meanwhile.
static void backlog_push(struct scheduler *scheduler, uint8_t core, const struct message *message,
                         enum mesh_class class_of_message) {
    uint32_t index;
    struct message *cell = mailbox_cell(scheduler, message, MESH_ROOM, &index);
    if (class_of_message == MESH_FORWARDED)
        cell->slab_word |= MESSAGE_CELL_FORWARDED;
    struct scheduler_backlog *backlog = &scheduler->backlogs[core];
    cell->next = SLAB_NONE;
    if (backlog->count++ == 0)
        backlog->head = index;
    else
        ((struct message *)slab_at(&scheduler->cells, backlog->tail))->next = index;
    backlog->tail = index;
    scheduler->backlog_count++;
    scheduler->backlog_set |= 1ull << core;
}

static void backlogs_send(struct scheduler *scheduler) {
    for (uint64_t rest = scheduler->backlog_set; rest; rest &= rest - 1) {
        uint8_t core = (uint8_t)__builtin_ctzll(rest);
        struct scheduler_backlog *backlog = &scheduler->backlogs[core];
        while (backlog->count > 0) {
            uint32_t index = backlog->head;
            const struct message *cell = slab_at(&scheduler->cells, index);
            if (!mesh_send(scheduler->mesh, scheduler->core, core, cell,
                           cell->slab_word & MESSAGE_CELL_FORWARDED ? MESH_FORWARDED
                                                                    : MESH_CONTROL))
                break;
            backlog->head = cell->next;
            backlog->count--;
            scheduler->backlog_count--;
            slab_release(&scheduler->cells, index);
            counter_add(scheduler->counters, COUNTER_MESH_SENT, 1);
        }
        if (backlog->count == 0)
            scheduler->backlog_set &= ~(1ull << core);
    }
}

static bool send_class(struct scheduler *scheduler, const struct message *message,
                       enum mesh_class class_of_message) {
    struct message translated;
    if (UNLIKELY(scheduler->near_core == SCHEDULER_NOT_NEAR)) {
        if (scheduler->trace.running != PID_NONE)
            trace_on_send(scheduler, message);
        translated = *message;
        translated.target = move_translate(scheduler, message->target);
        message = &translated;
    }
    uint8_t core = pid_core(message->target);
    if (core == scheduler->core)
        return deliver(scheduler, message, class_of_message, false);
    CHECKF(scheduler->mesh && core < scheduler->mesh->endpoint_count,
           "message %u to %lx, on no core", message->type, message->target);
    bool is_backed_up = scheduler->backlog_set >> core & 1;
    if (is_backed_up ||
        !mesh_send(scheduler->mesh, scheduler->core, core, message, class_of_message)) {
        counter_add(scheduler->counters, COUNTER_MESH_FULL, 1);
        if (class_of_message == MESH_ROOM)
            return false;
        backlog_push(scheduler, core, message, class_of_message);
        return true;
    }
    counter_add(scheduler->counters, COUNTER_MESH_SENT, 1);
    return true;
}

static NOINLINE void send_control(struct scheduler *scheduler, const struct message *message) {
    bool sent = send_class(scheduler, message, MESH_CONTROL);
    CHECKF(sent, "control message %u to %lx found no room", message->type, message->target);
}

void scheduler_forward(struct scheduler *scheduler, const struct message *message) {
    bool sent = send_class(scheduler, message, MESH_FORWARDED);
    CHECKF(sent, "forwarded message %u to %lx found no room", message->type, message->target);
}

void scheduler_send(struct scheduler *scheduler, const struct message *message) {
    if (LIKELY(try_deliver(scheduler, message, MESH_CONTROL, false)))
        return;
    send_control(scheduler, message);
}

bool scheduler_try_send(struct scheduler *scheduler, const struct message *message) {
    if (LIKELY(try_deliver(scheduler, message, MESH_ROOM, false)))
        return true;
    return send_class(scheduler, message, MESH_ROOM);
}

void scheduler_continue(struct scheduler *scheduler, uint8_t kind, uint32_t index) {
    struct actor *actor = slab_get(&scheduler->kinds[kind].slab, index);
    if (actor->slab_word & ACTOR_DOOMED)
        return;
    actor->slab_word |= ACTOR_CONTINUE;
    enqueue(scheduler, actor_run_id(kind, index), actor);
}

void scheduler_pause(struct scheduler *scheduler, uint8_t kind, uint32_t index) {
    struct actor *actor = slab_get(&scheduler->kinds[kind].slab, index);
    if (!(actor->slab_word & ACTOR_DOOMED))
        actor->slab_word |= ACTOR_PAUSED;
}

void scheduler_resume(struct scheduler *scheduler, uint8_t kind, uint32_t index) {
    struct actor *actor = slab_get(&scheduler->kinds[kind].slab, index);
    actor->slab_word &= ~ACTOR_PAUSED;
    if (actor->mailbox_tail != SLAB_NONE || actor->slab_word & ACTOR_CONTINUE)
        enqueue(scheduler, actor_run_id(kind, index), actor);
}

void scheduler_enqueue_move(struct scheduler *scheduler, uint8_t kind, uint32_t index) {
    struct actor *actor = slab_get(&scheduler->kinds[kind].slab, index);
    uint32_t paused = actor->slab_word & ACTOR_PAUSED;
    actor->slab_word &= ~ACTOR_PAUSED;
    enqueue(scheduler, actor_run_id(kind, index), actor);
    actor->slab_word |= ACTOR_MOVING | paused;
}

void scheduler_resume_moved(struct scheduler *scheduler, uint8_t kind, uint32_t index) {
    struct actor *actor = slab_get(&scheduler->kinds[kind].slab, index);
    if (actor->mailbox_tail != SLAB_NONE || actor->slab_word & ACTOR_CONTINUE)
        enqueue(scheduler, actor_run_id(kind, index), actor);
}

void scheduler_consume(struct scheduler *scheduler, uint32_t reductions) {
    uint32_t left = scheduler->reductions_left;
    scheduler->reductions_left = left > reductions ? left - reductions : 0;
    counter_add(scheduler->counters, COUNTER_REDUCTIONS, reductions);
}

// False: it finds no place now (counted).
static bool receive(struct scheduler *scheduler, const struct message *message) {
    const uint32_t max = scheduler->cells_max - scheduler->cells_max / 16;
    if (UNLIKELY(scheduler->cells.used_count >= max &&
                 scheduler->cells.used_count - scheduler->backlog_count >= max)) {
        counter_add(scheduler->counters, COUNTER_MESSAGE_CELLS_OUT, 1);
        return false;
    }
    enum mesh_class class_of_message = (enum mesh_class)message->next;
    if (LIKELY(class_of_message != MESH_FORWARDED &&
               try_deliver(scheduler, message, class_of_message, true)))
        return true;
    if (move_translate(scheduler, message->target) != message->target) {
        scheduler_forward(scheduler, message);
        return true;
    }
    if (class_of_message != MESH_FORWARDED)
        return deliver(scheduler, message, class_of_message, true);
    return deliver_special(scheduler, message, MESH_FORWARDED) ||
           deliver(scheduler, message, MESH_CONTROL, true);
}

// A message that finds no place is held, and the mesh left as it is: the senders notice that it
// fills. A mailbox that declines takes no more than mailbox_max from the mesh, control messages
// included (what is behind waits with it: its actor needs nobody else to get on), and the last
// sixteenth of the cells is kept from it: peers on other cores must not take the place that
// scheduler_send relies on. Backlogs do not count: two cores that wait for room in each other's
// rings would wait for good. Messages are read where they lie in the ring, the next ones called for
// meanwhile: they come from another core's cache.
static void receive_mesh(struct scheduler *scheduler) {
    enum { AHEAD = 4 };
    if (UNLIKELY(scheduler->is_holding) && !receive(scheduler, &scheduler->held))
        return;
    scheduler->is_holding = false;
    for (uint32_t received = 0; received < MESH_MESSAGES_PER_TURN;) {
        const struct message *messages;
        uint32_t count = mesh_run(scheduler->mesh, scheduler->core, &messages);
        if (count == 0)
            return;
        for (uint32_t i = 0; i < count; i++) {
            if (i + AHEAD < count)
                __builtin_prefetch(&messages[i + AHEAD]);
            if (LIKELY(receive(scheduler, &messages[i])))
                continue;
            scheduler->held = messages[i];
            scheduler->is_holding = true;
            mesh_take(scheduler->mesh, scheduler->core, i + 1);
            return;
        }
        mesh_take(scheduler->mesh, scheduler->core, count);
        received += count;
    }
}

COLD static void run_traced_timer(struct scheduler *scheduler, const struct message *message) {
    const struct scheduler_kind *kind = &scheduler->kinds[pid_kind(message->target)];
    uint32_t index = pid_slot(message->target).index;
    uint64_t before = trace_on_in(scheduler, message->target);
    trace_on_receive(scheduler, message->target, message);
    kind->behaviour->handle(kind->context, slab_at(&kind->slab, index), index, message);
    trace_on_out(scheduler, message->target, before);
}

static void run_timers(struct scheduler *scheduler) {
    for (uint8_t id = 1; id < ACTOR_KINDS_MAX; id++) {
        struct scheduler_kind *kind = &scheduler->kinds[id];
        if (!kind->behaviour || !kind->behaviour->timer_offset)
            continue;
        for (uint32_t i = 0; i < TIMERS_PER_TURN; i++) {
            uint32_t index = timer_wheel_expire(&kind->timers, scheduler->now_ns);
            if (index == SLAB_NONE)
                break;
            counter_add(scheduler->counters, COUNTER_TIMERS_FIRED, 1);
            const struct actor *actor = slab_at(&kind->slab, index);
            if (UNLIKELY(is_frozen(actor))) {
                timer_wheel_arm(&kind->timers, index, scheduler->now_ns);
                continue;
            }
            struct message message = {.type = MESSAGE_TIMER,
                                      .target = scheduler_pid(scheduler, id, index)};
            if (UNLIKELY(actor->slab_word & (ACTOR_DOOMED | ACTOR_TRACED))) {
                if (!(actor->slab_word & ACTOR_DOOMED))
                    run_traced_timer(scheduler, &message);
                continue;
            }
            kind->behaviour->handle(kind->context, slab_at(&kind->slab, index), index, &message);
        }
    }
}

// The bits that stay while it is the same actor, and that say that it must not run.
#define ACTOR_LIFE (SLAB_GENERATION_MASK | SLAB_USED | ACTOR_STOPPED)

// One actor's go: its continuation, then mail up to ACTOR_REDUCTIONS.
static ALWAYS_INLINE void run_actor(struct scheduler *scheduler, const struct scheduler_kind *kind,
                                    uint32_t run_id, struct actor *actor, bool is_traced) {
    const uint32_t life = actor->slab_word & ACTOR_LIFE;
    const uint32_t index = run_id & ACTOR_INDEX_MASK;
    if (UNLIKELY(actor->slab_word & ACTOR_CONTINUE)) {
        actor->slab_word &= ~ACTOR_CONTINUE;
        struct message message = {
            .type = MESSAGE_CONTINUE,
            .target = scheduler_pid(scheduler, (uint8_t)(run_id >> ACTOR_INDEX_BITS), index)};
        scheduler_consume(scheduler, 1);
        if (is_traced)
            trace_on_receive(scheduler, message.target, &message);
        kind->behaviour->handle(kind->context, actor, index, &message);
    }
    // The first message passes the turn's budget: mail gets on beside slices that use up a turn.
    for (uint32_t i = 0; i == 0 || (i < ACTOR_REDUCTIONS && scheduler->reductions_left > 0); i++) {
        if ((actor->slab_word & ACTOR_LIFE) != life || actor->mailbox_tail == SLAB_NONE)
            return;
        uint32_t cell;
        const struct message *message = mailbox_pop(scheduler, actor, &cell);
        scheduler_consume(scheduler, 1);
        if (is_traced)
            trace_on_receive(scheduler, message->target, message);
        kind->behaviour->handle(kind->context, actor, index, message);
        mailbox_release(scheduler, cell);
    }
    if ((actor->slab_word & ACTOR_LIFE) == life && actor->mailbox_tail != SLAB_NONE)
        enqueue(scheduler, run_id, actor);
}

// Its slot was given up while it was linked, or it must not run, or its go is traced.
COLD static void run_aside(struct scheduler *scheduler, uint32_t run_id, struct actor *actor) {
    uint8_t kind = (uint8_t)(run_id >> ACTOR_INDEX_BITS);
    uint32_t index = run_id & ACTOR_INDEX_MASK;
    if (!(actor->slab_word & SLAB_USED)) {
        slab_recycle(&scheduler->kinds[kind].slab, index);
    } else if (actor->slab_word & ACTOR_DOOMED) {
        scheduler_consume(scheduler, 1);
        end(scheduler, kind, index, actor, actor->mailbox_tail);
    } else if (actor->slab_word & ACTOR_MOVING) {
        move_on_go(scheduler, kind, index);
    } else if (!(actor->slab_word & ACTOR_STOPPED)) {
        uint64_t pid = scheduler_pid(scheduler, kind, index);
        uint64_t before = trace_on_in(scheduler, pid);
        run_actor(scheduler, &scheduler->kinds[kind], run_id, actor, true);
        trace_on_out(scheduler, pid, before);
    }
}

// Those that are ready now; who becomes ready meanwhile has its go in the same turn while
// reductions last.
static void run_ready(struct scheduler *scheduler) {
    scheduler->reductions_left = scheduler->reductions_per_turn;
    while (scheduler->run_head != SLAB_NONE && scheduler->reductions_left > 0) {
        uint32_t run_id = scheduler->run_head;
        const struct scheduler_kind *kind = &scheduler->kinds[run_id >> ACTOR_INDEX_BITS];
        struct actor *actor = slab_at(&kind->slab, run_id & ACTOR_INDEX_MASK);
        scheduler->run_head = actor->run_next;
        if (scheduler->run_head == SLAB_NONE)
            scheduler->run_tail = SLAB_NONE;
        scheduler->run_count--;
        actor->slab_word &= ~ACTOR_QUEUED;
        const uint32_t aside = ACTOR_STOPPED | ACTOR_TRACED;
        if (LIKELY((actor->slab_word & (SLAB_USED | aside)) == SLAB_USED))
            run_actor(scheduler, kind, run_id, actor, false);
        else
            run_aside(scheduler, run_id, actor);
    }
}

bool scheduler_turn(struct scheduler *scheduler, uint64_t now_ns) {
    scheduler->now_ns = now_ns;
    blocks_collect(scheduler->blocks);
    if (scheduler->mesh)
        receive_mesh(scheduler);
    run_timers(scheduler);
    timed_run(scheduler);
    counter_set(scheduler->counters, COUNTER_RUN_QUEUE, scheduler->run_count);
    counter_raise(scheduler->counters, COUNTER_RUN_QUEUE_MAX, scheduler->run_count);
    run_ready(scheduler);
    return scheduler->run_head != SLAB_NONE;
}

uint64_t scheduler_wait_ns(const struct scheduler *scheduler, uint64_t now_ns) {
    if (scheduler->run_head != SLAB_NONE)
        return 0;
    // Nobody wakes us when a full ring or mailbox has room again.
    uint64_t first = UINT64_MAX;
    if (scheduler->backlog_set || scheduler->is_holding)
        first = now_ns + RETRY_NS;
    for (uint8_t id = 1; id < ACTOR_KINDS_MAX; id++) {
        const struct scheduler_kind *kind = &scheduler->kinds[id];
        if (!kind->behaviour || !kind->behaviour->timer_offset)
            continue;
        uint64_t next = timer_wheel_next_ns(&kind->timers);
        first = next < first ? next : first;
    }
    uint64_t timed = timer_wheel_next_ns(&scheduler->timed_wheel);
    first = timed < first ? timed : first;
    if (first == UINT64_MAX)
        return UINT64_MAX;
    return first > now_ns ? first - now_ns : 0;
}

bool scheduler_is_quiet(const struct scheduler *scheduler) {
    return scheduler->run_head == SLAB_NONE && !scheduler->backlog_set && !scheduler->is_holding &&
           (!scheduler->mesh || scheduler->mesh->endpoints[scheduler->core].touched == 0);
}

uint64_t scheduler_publish(struct scheduler *scheduler) {
    if (!scheduler->mesh)
        return 0;
    backlogs_send(scheduler);
    uint64_t wake = mesh_publish(scheduler->mesh, scheduler->core);
    if (wake)
        counter_add(scheduler->counters, COUNTER_MESH_WAKES, (uint64_t)__builtin_popcountll(wake));
    return wake;
}

void scheduler_arm(struct scheduler *scheduler, uint8_t kind, uint32_t index,
                   uint64_t deadline_ns) {
    timer_wheel_arm(&scheduler->kinds[kind].timers, index, deadline_ns);
}

void scheduler_disarm(struct scheduler *scheduler, uint8_t kind, uint32_t index) {
    timer_wheel_disarm(&scheduler->kinds[kind].timers, index);
}
