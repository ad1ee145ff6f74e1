// An actor on the move, in slab_word of its slot on either core:
//   ACTOR_MOVING and ACTOR_QUEUED: move_begin was called; it departs at its go (move_on_go)
//   ACTOR_MOVING alone: frozen. On the former core its state is away; refused, it comes back
//   (on_refused). On the new core RELATION_MOVE holds how many marks are awaited, and its early
//   mail; with the last mark it goes (thaw).
#include "sched/move.h"

#include <errno.h>
#include <string.h>

#include "sched/base/hash.h"
#include "sched/mailbox.h"
#include "sched/payload.h"
#include "sched/recorder.h"
#include "sched/signal.h"
#include "sched/timed.h"

#define TABLE_CAPACITY (2 * MOVE_TRANSLATIONS_MAX) // entries; at most half are used

#define MOVE_EXITS (1ull << 63) // in word of a RELATION_MOVE: its exit waits in its mailbox

enum move_step {
    MOVE_ARRIVE,  // words: former pid, parcel, state
    MOVE_ARRIVED, // words: former pid, new pid, parcel
    MOVE_REFUSED, // words: former pid, parcel, state
    MOVE_RENAME,  // words: former pid, new pid; small: 1 for a private kind
    MOVE_MARK,    // words: former pid, new pid
    MOVE_FORGET,  // words: former pid
    MOVE_RELATED, // words: former pid, new pid; to an actor tied to it
    MOVE_ASKED,   // small: ACTOR_PAUSED, ACTOR_CONTINUE; to it: what its slot was told meanwhile
};

struct move_translation {
    uint64_t from; // PID_NONE: empty
    uint64_t to;
};

struct move_tie {
    uint64_t other;
    uint64_t word;
    uint32_t type;
    uint32_t reserved;
};

// What travels beside the state: the head, ties, timed messages.
struct move_parcel {
    uint64_t timer_ns; // deadline, 0: not armed
    uint32_t state_bits;
    uint32_t flags; // ACTOR_CONTINUE, ACTOR_PAUSED, ACTOR_TRACED
    uint32_t state_size;
    uint32_t tie_count;
    uint32_t timed_count;
    uint32_t reserved;
};

static struct move_tie *ties_of(struct move_parcel *parcel) {
    return (struct move_tie *)(parcel + 1);
}

static struct timed *timed_of(struct move_parcel *parcel) {
    return (struct timed *)(ties_of(parcel) + parcel->tie_count);
}

// --- translations: open addressing, removal shifts back as in sched/registry.c -------------------

static uint32_t home_of(uint64_t pid) {
    return (uint32_t)((pid * 0x9e3779b97f4a7c15ull) >> 32) & (TABLE_CAPACITY - 1);
}

static uint32_t probe(const struct scheduler *scheduler, uint64_t pid) {
    uint32_t at = home_of(pid);
    while (scheduler->moved[at].from != PID_NONE && scheduler->moved[at].from != pid)
        at = (at + 1) & (TABLE_CAPACITY - 1);
    return at;
}

uint64_t move_translate(const struct scheduler *scheduler, uint64_t pid) {
    if (scheduler->moved_count == 0)
        return pid;
    const struct move_translation *found;
    while ((found = &scheduler->moved[probe(scheduler, pid)])->from != PID_NONE)
        pid = found->to;
    return pid;
}

static void translation_add(struct scheduler *scheduler, uint64_t from, uint64_t to) {
    // Cores hear of moves and ends at different times: one that is far behind may know more actors
    // that have moved than there are. It knows this one by its new pid alone.
    if (scheduler->moved_count == MOVE_TRANSLATIONS_MAX)
        return;
    struct move_translation *entry = &scheduler->moved[probe(scheduler, from)];
    CHECKF(entry->from == PID_NONE, "actor %lx has moved already", from);
    *entry = (struct move_translation){from, to};
    scheduler->moved_count++;
    scheduler_look_near(scheduler);
}

static void translation_remove(struct scheduler *scheduler, uint64_t from) {
    uint32_t mask = TABLE_CAPACITY - 1;
    uint32_t at = probe(scheduler, from);
    struct move_translation *table = scheduler->moved;
    if (table[at].from == PID_NONE)
        return;
    scheduler->moved_count--;
    scheduler_look_near(scheduler);
    for (uint32_t next = (at + 1) & mask; table[next].from != PID_NONE; next = (next + 1) & mask) {
        if (((next - home_of(table[next].from)) & mask) >= ((next - at) & mask)) {
            table[at] = table[next];
            at = next;
        }
    }
    table[at] = (struct move_translation){0};
}

int move_init(struct scheduler *scheduler) {
    scheduler->moved = memory_reserve(scheduler->ledger, "moved actors",
                                      TABLE_CAPACITY * sizeof(struct move_translation));
    return scheduler->moved ? 0 : -ENOMEM;
}

// A slot's generations come again, after 2^24 actors in it: what is somebody's former pid is left
// out.
struct actor *move_acquire(struct scheduler *scheduler, uint8_t kind, uint32_t *index) {
    struct slab *slab = &scheduler->kinds[kind].slab;
    struct actor *actor = slab_acquire(slab, index);
    while (UNLIKELY(actor != NULL && scheduler->moved_count > 0)) {
        uint64_t pid = scheduler_pid(scheduler, kind, *index);
        if (move_translate(scheduler, pid) == pid)
            break;
        slab_release(slab, *index);
        actor = slab_acquire(slab, index);
    }
    return actor;
}

// --- steps between cores -------------------------------------------------------------------------

// Steps are for a core, not for an actor; a pid of kind 0 says which.
static void send_step(struct scheduler *scheduler, uint32_t core, enum move_step step,
                      const struct message *about) {
    struct message signal = *about;
    signal.target = pid_of((uint8_t)core, 0, (struct handle){0, 0});
    signal.type = SIGNAL_MOVE;
    signal.flags = (uint16_t)step;
    if (step == MOVE_MARK && scheduler->core == pid_core(about->words[0]))
        scheduler_forward(scheduler, &signal);
    else
        scheduler_send(scheduler, &signal);
}

static void broadcast(struct scheduler *scheduler, enum move_step step,
                      const struct message *about) {
    for (uint32_t core = 0; core < scheduler->mesh->scheduler_count; core++)
        send_step(scheduler, core, step, about);
}

void move_forget(struct scheduler *scheduler, uint64_t former) {
    broadcast(scheduler, MOVE_FORGET, &(struct message){.words = {former}});
}

static void send_related(struct scheduler *scheduler, uint64_t to, uint64_t former, uint64_t pid) {
    scheduler_send(scheduler, &(struct message){.target = to,
                                                .type = SIGNAL_MOVE,
                                                .flags = MOVE_RELATED,
                                                .words = {former, pid}});
}

// --- departure -----------------------------------------------------------------------------------

static int refusal(const struct scheduler *scheduler, uint8_t kind, uint32_t index) {
    for (const struct relation *at = relation_first(scheduler, kind, index); at;
         at = relation_next(scheduler, at)) {
        if (relation_kind(at) == RELATION_CALL)
            return -EBUSY;
        if (relation_kind(at) == RELATION_CHILD)
            return -EPERM;
    }
    return 0;
}

int move_begin(struct scheduler *scheduler, uint64_t pid, uint8_t to_core) {
    const struct scheduler_kind *kind = &scheduler->kinds[pid_kind(pid)];
    if (!scheduler->mesh || to_core >= scheduler->mesh->scheduler_count ||
        to_core == scheduler->core || !kind->behaviour || !kind->behaviour->is_movable)
        return -EINVAL;
    struct actor *actor = scheduler_lookup(scheduler, pid);
    if (!actor || actor->slab_word & ACTOR_DOOMED)
        return -ESRCH;
    if (actor->slab_word & ACTOR_MOVING)
        return -EALREADY;
    uint32_t under_way = scheduler->moving_count * scheduler->mesh->scheduler_count;
    if (scheduler->moved_count + under_way >= MOVE_TRANSLATIONS_MAX / 2)
        return -EBUSY;
    uint32_t index = pid_slot(pid).index;
    int refused = refusal(scheduler, pid_kind(pid), index);
    if (refused < 0)
        return refused;
    struct relation *move = relation_add(scheduler, pid_kind(pid), index, RELATION_MOVE, PID_NONE);
    if (!move)
        return -EBUSY;
    move->word = to_core;
    scheduler->moving_count++;
    scheduler_enqueue_move(scheduler, pid_kind(pid), index);
    return 0;
}

static bool travels(const struct relation *relation) {
    // What an actor is called is entered anew where it is heard of the move (sched/names.h).
    return relation_kind(relation) != RELATION_MOVE && relation_kind(relation) != RELATION_NAME;
}

// The oldest first: arriving ones are listed newest first again.
static uint32_t pack_ties(const struct scheduler *scheduler, uint8_t kind, uint32_t index,
                          struct move_tie *ties) {
    uint32_t count = 0;
    for (const struct relation *at = relation_first(scheduler, kind, index); at;
         at = relation_next(scheduler, at)) {
        if (!travels(at))
            continue;
        if (ties) {
            bool is_watch = relation_kind(at) == RELATION_MONITOR;
            ties[count] = (struct move_tie){
                // By its latest name: what waits while this one is frozen may act after the other
                // has ended, when its former names are forgotten.
                .other = move_translate(scheduler, at->other),
                .word = is_watch ? relation_ref(scheduler, at) : at->word,
                .type = (uint32_t)(is_watch ? RELATION_WATCH : relation_kind(at))};
        }
        count++;
    }
    for (uint32_t i = 0; ties && i < count / 2; i++) {
        struct move_tie tie = ties[i];
        ties[i] = ties[count - 1 - i];
        ties[count - 1 - i] = tie;
    }
    return count;
}

static uint32_t pack_timed(const struct scheduler *scheduler, uint8_t kind, uint32_t index,
                           struct timed *timed) {
    uint32_t count = 0;
    for (uint32_t at = timed_first(scheduler, kind, index); at != SLAB_NONE;
         at = timed_at(scheduler, at)->next) {
        if (timed)
            timed[count] = *timed_at(scheduler, at);
        count++;
    }
    return count;
}

static uint64_t pack(struct scheduler *scheduler, uint8_t kind_id, uint32_t index) {
    struct scheduler_kind *kind = &scheduler->kinds[kind_id];
    const struct actor *actor = slab_at(&kind->slab, index);
    uint32_t tie_count = pack_ties(scheduler, kind_id, index, NULL);
    uint32_t timed_count = pack_timed(scheduler, kind_id, index, NULL);
    uint64_t payload = payload_acquire(scheduler, sizeof(struct move_parcel) +
                                                      tie_count * sizeof(struct move_tie) +
                                                      timed_count * sizeof(struct timed));
    if (payload == PAYLOAD_NONE)
        return PAYLOAD_NONE;
    struct move_parcel *parcel = payload_data(scheduler, payload);
    *parcel = (struct move_parcel){.state_bits = actor->state_bits,
                                   .flags = actor->slab_word &
                                            (ACTOR_CONTINUE | ACTOR_PAUSED | ACTOR_TRACED),
                                   .tie_count = tie_count,
                                   .timed_count = timed_count};
    if (kind->behaviour->timer_offset)
        parcel->timer_ns = timer_wheel_deadline_ns(&kind->timers, index);
    (void)pack_ties(scheduler, kind_id, index, ties_of(parcel));
    (void)pack_timed(scheduler, kind_id, index, timed_of(parcel));
    return payload;
}

// The state as bytes: the behaviour's own form, or all of the slot behind its head.
static uint64_t pack_state(struct scheduler *scheduler, uint8_t kind_id, uint32_t index,
                           size_t *size) {
    struct scheduler_kind *kind = &scheduler->kinds[kind_id];
    uint8_t *state = slab_at(&kind->slab, index);
    if (kind->behaviour->depart)
        return kind->behaviour->depart(kind->context, state, index, size);
    *size = kind->behaviour->slot_size - sizeof(struct actor);
    uint64_t payload = payload_acquire(scheduler, *size + 1); // + 1: never of no bytes
    if (payload != PAYLOAD_NONE)
        memcpy(payload_data(scheduler, payload), state + sizeof(struct actor), *size);
    return payload;
}

static void drop_ties(struct scheduler *scheduler, uint8_t kind, uint32_t index) {
    struct relation *next;
    for (struct relation *at = relation_first(scheduler, kind, index); at; at = next) {
        next = relation_next(scheduler, at);
        relation_remove(scheduler, at);
    }
    timed_ended(scheduler, kind, index);
}

static void thaw(struct scheduler *scheduler, uint8_t kind, uint32_t index);

void move_on_go(struct scheduler *scheduler, uint8_t kind_id, uint32_t index) {
    struct scheduler_kind *kind = &scheduler->kinds[kind_id];
    struct relation *move = relation_find(scheduler, kind_id, index, RELATION_MOVE, PID_NONE);
    uint32_t to_core = (uint32_t)move->word;
    uint64_t pid = scheduler_pid(scheduler, kind_id, index);
    uint64_t parcel =
        refusal(scheduler, kind_id, index) < 0 ? PAYLOAD_NONE : pack(scheduler, kind_id, index);
    size_t size = 0;
    uint64_t state =
        parcel == PAYLOAD_NONE ? PAYLOAD_NONE : pack_state(scheduler, kind_id, index, &size);
    if (state == PAYLOAD_NONE) {
        if (parcel != PAYLOAD_NONE)
            payload_unref(scheduler, parcel);
        counter_add(scheduler->counters, COUNTER_MOVES_REFUSED, 1);
        relation_remove(scheduler, move);
        scheduler->moving_count--;
        thaw(scheduler, kind_id, index);
        return;
    }
    ((struct move_parcel *)payload_data(scheduler, parcel))->state_size = (uint32_t)size;
    timed_freeze(scheduler, kind_id, index);
    if (kind->behaviour->timer_offset)
        timer_wheel_disarm(&kind->timers, index);
    send_step(scheduler, to_core, MOVE_ARRIVE, &(struct message){.words = {pid, parcel, state}});
}

// --- arrival, on the new core or, refused, on the former -----------------------------------------

static bool unpack_state(struct scheduler *scheduler, uint8_t kind_id, uint32_t index,
                         const struct move_parcel *parcel, uint64_t payload) {
    struct scheduler_kind *kind = &scheduler->kinds[kind_id];
    struct actor *actor = slab_at(&kind->slab, index);
    const uint8_t *bytes = payload_data(scheduler, payload);
    if (kind->behaviour->arrive) {
        if (kind->behaviour->arrive(kind->context, actor, index, bytes, parcel->state_size) < 0)
            return false;
    } else {
        memcpy((uint8_t *)actor + sizeof(struct actor), bytes, parcel->state_size);
        if (kind->behaviour->timer_offset)
            memset((uint8_t *)actor + kind->behaviour->timer_offset, 0, sizeof(struct timer));
    }
    actor->state_bits = parcel->state_bits & 0xfffu;
    if (parcel->timer_ns)
        timer_wheel_arm(&kind->timers, index, parcel->timer_ns);
    return true;
}

// All that may fail comes before the state, which may arrive only once.
static bool unpack(struct scheduler *scheduler, uint8_t kind, uint32_t index, uint64_t former,
                   struct move_parcel *parcel, uint64_t state) {
    struct relation *move = relation_add(scheduler, kind, index, RELATION_MOVE, former);
    if (!move)
        return false;
    move->word = (uint64_t)scheduler->mesh->scheduler_count << 32 | SLAB_NONE;
    for (uint32_t i = 0; i < parcel->tie_count; i++) {
        const struct move_tie *from = &ties_of(parcel)[i];
        struct relation *tie =
            relation_add(scheduler, kind, index, (enum relation_kind)from->type, from->other);
        if (!tie)
            return false;
        tie->word = from->word;
    }
    uint64_t pid = scheduler_pid(scheduler, kind, index);
    for (uint32_t i = parcel->timed_count; i > 0; i--)
        if (!timed_arrive(scheduler, pid, &timed_of(parcel)[i - 1]))
            return false;
    if (!unpack_state(scheduler, kind, index, parcel, state))
        return false;
    struct actor *actor = slab_at(&scheduler->kinds[kind].slab, index);
    actor->slab_word |= parcel->flags & (ACTOR_CONTINUE | ACTOR_PAUSED);
    return true;
}

static void on_arrive(struct scheduler *scheduler, const struct message *signal) {
    uint64_t former = signal->words[0];
    uint8_t kind_id = pid_kind(former);
    struct scheduler_kind *kind = &scheduler->kinds[kind_id];
    uint32_t index;
    struct actor *actor = kind->behaviour ? move_acquire(scheduler, kind_id, &index) : NULL;
    bool is_here = false;
    if (actor) {
        actor->mailbox_tail = SLAB_NONE;
        actor->run_next = SLAB_NONE;
        actor->slab_word |= ACTOR_MOVING;
        is_here = unpack(scheduler, kind_id, index, former,
                         payload_data(scheduler, signal->words[1]), signal->words[2]);
        if (!is_here) {
            drop_ties(scheduler, kind_id, index);
            recorder_obituary(&scheduler->recorder, scheduler_pid(scheduler, kind_id, index),
                              EXIT_MOVED);
            slab_release(&kind->slab, index);
        }
    }
    if (!is_here) {
        send_step(scheduler, pid_core(former), MOVE_REFUSED, signal);
        return;
    }
    payload_unref(scheduler, signal->words[2]);
    counter_add(scheduler->counters, COUNTER_MOVES_IN, 1);
    uint64_t pid = scheduler_pid(scheduler, kind_id, index);
    const struct move_parcel *parcel = payload_data(scheduler, signal->words[1]);
    bool is_traced = parcel->flags & ACTOR_TRACED && trace_add(scheduler, pid);
    (void)is_traced; // only where this core has a trace on, with room
    send_step(scheduler, pid_core(former), MOVE_ARRIVED,
              &(struct message){.words = {former, pid, signal->words[1]}});
}

// It goes on where it was; its ties have stayed. Without memory even for that it ends, without a
// state to terminate.
static void on_refused(struct scheduler *scheduler, const struct message *signal) {
    uint8_t kind = pid_kind(signal->words[0]);
    uint32_t index = pid_slot(signal->words[0]).index;
    const struct move_parcel *parcel = payload_data(scheduler, signal->words[1]);
    counter_add(scheduler->counters, COUNTER_MOVES_REFUSED, 1);
    bool is_back = unpack_state(scheduler, kind, index, parcel, signal->words[2]);
    payload_unref(scheduler, signal->words[1]);
    payload_unref(scheduler, signal->words[2]);
    if (!is_back) {
        struct actor *actor = slab_at(&scheduler->kinds[kind].slab, index);
        struct actor mail = *actor;
        actor->slab_word = (actor->slab_word | ACTOR_DOOMED) & ~ACTOR_MOVING;
        actor->mailbox_tail = ACTOR_ENDING;
        actor->mailbox_count = 0;
        mailbox_clear(scheduler, &mail, EXIT_SYSTEM_LIMIT);
        scheduler_forget(scheduler, kind, index, EXIT_SYSTEM_LIMIT);
        return;
    }
    relation_remove(scheduler, relation_find(scheduler, kind, index, RELATION_MOVE, PID_NONE));
    scheduler->moving_count--;
    timed_thaw(scheduler, kind, index);
    thaw(scheduler, kind, index);
}

// --- the old pid goes out of use -----------------------------------------------------------------

static void on_arrived(struct scheduler *scheduler, const struct message *signal) {
    uint64_t former = signal->words[0];
    uint64_t new_pid = signal->words[1];
    uint8_t kind_id = pid_kind(former);
    struct scheduler_kind *kind = &scheduler->kinds[kind_id];
    uint32_t index = pid_slot(former).index;
    struct actor *actor = slab_get(&kind->slab, index);
    while (actor->mailbox_tail != SLAB_NONE) {
        uint32_t cell;
        struct message mail = *mailbox_pop(scheduler, actor, &cell);
        mailbox_release(scheduler, cell);
        mail.target = new_pid;
        scheduler_forward(scheduler, &mail);
    }
    struct move_parcel *parcel = payload_data(scheduler, signal->words[2]);
    const uint32_t asked = ACTOR_CONTINUE | ACTOR_PAUSED;
    if ((parcel->flags ^ actor->slab_word) & asked)
        scheduler_forward(scheduler, &(struct message){.target = new_pid,
                                                       .type = SIGNAL_MOVE,
                                                       .flags = MOVE_ASKED,
                                                       .small = actor->slab_word & asked});
    for (uint32_t i = 0; i < parcel->tie_count; i++) {
        const struct move_tie *tie = &ties_of(parcel)[i];
        if (tie->type == RELATION_LINK || tie->type == RELATION_MONITORED ||
            tie->type == RELATION_WATCH)
            send_related(scheduler, tie->other, former, new_pid);
    }
    payload_unref(scheduler, signal->words[2]);
    drop_ties(scheduler, kind_id, index);
    scheduler->moving_count--;
    recorder_obituary(&scheduler->recorder, former, EXIT_MOVED); // of the slot alone
    slab_release(&kind->slab, index);
    counter_add(scheduler->counters, COUNTER_MOVES_OUT, 1);
    broadcast(scheduler, MOVE_RENAME,
              &(struct message){.small = kind->behaviour->is_private, .words = {former, new_pid}});
}

static void on_rename(struct scheduler *scheduler, const struct message *signal) {
    // Its former core passes on what is on the way, until all marks have gone through it.
    if (!signal->small || pid_core(signal->words[0]) == scheduler->core)
        translation_add(scheduler, signal->words[0], signal->words[1]);
    send_step(scheduler, pid_core(signal->words[0]), MOVE_MARK, signal);
}

// A tie of this actor's is to one that has moved.
static void on_related(struct scheduler *scheduler, const struct message *signal) {
    uint8_t kind = pid_kind(signal->target);
    struct actor *actor =
        scheduler->kinds[kind].behaviour ? scheduler_lookup(scheduler, signal->target) : NULL;
    if (!actor || actor->mailbox_tail == ACTOR_ENDING)
        return;
    bool is_owner = false;
    for (struct relation *at = relation_first(scheduler, kind, pid_slot(signal->target).index); at;
         at = relation_next(scheduler, at)) {
        if (at->other != signal->words[0])
            continue;
        at->other = signal->words[1];
        is_owner |= relation_kind(at) == RELATION_LINK || relation_kind(at) == RELATION_MONITOR ||
                    relation_kind(at) == RELATION_WATCH;
    }
    if (is_owner)
        scheduler_send(scheduler, &(struct message){.target = signal->target,
                                                    .sender = signal->words[1],
                                                    .type = MESSAGE_MOVED,
                                                    .words = {signal->words[0], signal->words[1]}});
}

static void on_asked(struct scheduler *scheduler, const struct message *signal) {
    uint8_t kind = pid_kind(signal->target);
    uint32_t index = pid_slot(signal->target).index;
    if (signal->small & ACTOR_PAUSED)
        scheduler_pause(scheduler, kind, index);
    else
        scheduler_resume(scheduler, kind, index);
    if (signal->small & ACTOR_CONTINUE)
        scheduler_continue(scheduler, kind, index);
}

// --- thaw ----------------------------------------------------------------------------------------

void move_early_mail(struct scheduler *scheduler, uint8_t kind, uint32_t index,
                     const struct message *message) {
    struct relation *move = relation_first(scheduler, kind, index);
    while (move && relation_kind(move) != RELATION_MOVE)
        move = relation_next(scheduler, move);
    CHECKF(move, "actor %lx gets early mail and is not on the move", message->target);
    struct actor early = {.mailbox_tail = (uint32_t)move->word};
    (void)mailbox_push(scheduler, &early, message, MESH_CONTROL);
    move->word = (move->word & ~0xffffffffull) | early.mailbox_tail;
}

// Signals that waited act now, in their order; mail stays in its own.
static void sort_out(struct scheduler *scheduler, uint8_t kind, uint32_t index) {
    struct actor *actor = slab_at(&scheduler->kinds[kind].slab, index);
    uint64_t pid = scheduler_pid(scheduler, kind, index);
    for (uint32_t left = actor->mailbox_count; left > 0; left--) {
        if (actor->slab_word & ACTOR_DOOMED)
            return;
        uint32_t cell;
        struct message mail = *mailbox_pop(scheduler, actor, &cell);
        mailbox_release(scheduler, cell);
        mail.target = pid; // early mail may name a former one
        if (message_is_signal(&mail))
            signal_deliver(scheduler, &mail);
        else
            (void)mailbox_push(scheduler, actor, &mail, MESH_CONTROL);
    }
}

static void thaw(struct scheduler *scheduler, uint8_t kind, uint32_t index) {
    struct actor *actor = slab_at(&scheduler->kinds[kind].slab, index);
    actor->slab_word &= ~ACTOR_MOVING;
    sort_out(scheduler, kind, index);
    if (!(actor->slab_word & ACTOR_DOOMED))
        scheduler_resume_moved(scheduler, kind, index);
}

static uint32_t early_count(const struct scheduler *scheduler, uint32_t tail) {
    uint32_t count = tail != SLAB_NONE;
    for (uint32_t at = tail; at != SLAB_NONE; count++) {
        at = ((const struct message *)slab_at(&scheduler->cells, at))->next;
        if (at == tail)
            break;
    }
    return count;
}

// The actor's early mail comes before what has come direct.
static void join_mail(struct scheduler *scheduler, struct actor *actor, uint32_t early_tail) {
    if (early_tail == SLAB_NONE)
        return;
    uint32_t count = early_count(scheduler, early_tail);
    CHECK(count + actor->mailbox_count <= ACTOR_MAILBOX_MAX);
    actor->mailbox_count = (actor->mailbox_count + count) & ACTOR_MAILBOX_MAX;
    if (actor->mailbox_tail == SLAB_NONE) {
        actor->mailbox_tail = early_tail;
        return;
    }
    struct message *early = slab_at(&scheduler->cells, early_tail);
    struct message *newest = slab_at(&scheduler->cells, actor->mailbox_tail);
    uint32_t oldest = newest->next;
    newest->next = early->next;
    early->next = oldest;
}

// Former pids beyond the bound go out of use, oldest first; the newest is remembered.
static void remember(struct scheduler *scheduler, uint8_t kind, uint32_t index, uint64_t former) {
    uint32_t count = 0;
    struct relation *oldest = NULL;
    for (struct relation *at = relation_first(scheduler, kind, index); at;
         at = relation_next(scheduler, at)) {
        if (relation_kind(at) == RELATION_FORMER) {
            count++;
            oldest = at;
        }
    }
    if (count == MOVE_FORMER_MAX) {
        move_forget(scheduler, oldest->word);
        relation_remove(scheduler, oldest);
    }
    struct relation *tie = relation_add(scheduler, kind, index, RELATION_FORMER, PID_NONE);
    if (tie)
        tie->word = former;
    else
        move_forget(scheduler, former);
}

// Who tied itself to it while it was on the way, and so is in no parcel, hears its new pid too.
static void tell_ties(struct scheduler *scheduler, uint8_t kind, uint32_t index, uint64_t former) {
    const struct actor *actor = slab_at(&scheduler->kinds[kind].slab, index);
    uint64_t pid = scheduler_pid(scheduler, kind, index);
    uint32_t at = actor->mailbox_tail;
    for (uint32_t left = actor->mailbox_count; left > 0; left--) {
        const struct message *mail = slab_at(&scheduler->cells, at);
        if (mail->type == SIGNAL_LINK || mail->type == SIGNAL_MONITOR)
            send_related(scheduler, mail->sender, former, pid);
        at = mail->next;
    }
}

static void on_mark(struct scheduler *scheduler, const struct message *signal) {
    uint64_t pid = signal->words[1];
    if (pid_core(pid) != scheduler->core) {
        send_step(scheduler, pid_core(pid), MOVE_MARK, signal);
        return;
    }
    uint8_t kind = pid_kind(pid);
    uint32_t index = pid_slot(pid).index;
    struct relation *move = relation_find(scheduler, kind, index, RELATION_MOVE, signal->words[0]);
    CHECKF(move, "actor %lx awaits no mark", pid);
    move->word -= 1ull << 32;
    if ((move->word & ~MOVE_EXITS) >> 32 > 0)
        return;
    uint32_t early_tail = (uint32_t)move->word;
    relation_remove(scheduler, move);
    timed_thaw(scheduler, kind, index);
    join_mail(scheduler, slab_at(&scheduler->kinds[kind].slab, index), early_tail);
    if (!scheduler->kinds[kind].behaviour->is_private)
        remember(scheduler, kind, index, signal->words[0]);
    else
        send_step(scheduler, pid_core(signal->words[0]), MOVE_FORGET, signal);
    tell_ties(scheduler, kind, index, signal->words[0]);
    thaw(scheduler, kind, index);
}

// Once: whoever floods one whose policy is to end must not take a cell for each message.
void move_exit(struct scheduler *scheduler, uint8_t kind, uint32_t index, uint32_t reason) {
    struct relation *move = relation_first(scheduler, kind, index);
    while (move && relation_kind(move) != RELATION_MOVE)
        move = relation_next(scheduler, move);
    if (move && move->word & MOVE_EXITS) {
        counter_add(scheduler->counters, COUNTER_EXITS_IGNORED, 1);
        return;
    }
    if (move)
        move->word |= MOVE_EXITS;
    (void)mailbox_push(scheduler, slab_at(&scheduler->kinds[kind].slab, index),
                       &(struct message){.target = scheduler_pid(scheduler, kind, index),
                                         .type = SIGNAL_EXIT,
                                         .flags = SIGNAL_FORCED,
                                         .small = reason},
                       MESH_CONTROL);
}

void move_on_signal(struct scheduler *scheduler, const struct message *signal) {
    switch ((enum move_step)signal->flags) {
    case MOVE_ARRIVE:
        on_arrive(scheduler, signal);
        return;
    case MOVE_ARRIVED:
        on_arrived(scheduler, signal);
        return;
    case MOVE_REFUSED:
        on_refused(scheduler, signal);
        return;
    case MOVE_RENAME:
        on_rename(scheduler, signal);
        return;
    case MOVE_MARK:
        on_mark(scheduler, signal);
        return;
    case MOVE_FORGET:
        translation_remove(scheduler, signal->words[0]);
        return;
    case MOVE_RELATED:
        on_related(scheduler, signal);
        return;
    case MOVE_ASKED:
        on_asked(scheduler, signal);
        return;
    }
    UNREACHABLE();
}

uint32_t move_early_count(const struct scheduler *scheduler) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < scheduler->relations.touched_count; i++) {
        const struct relation *at = slab_at(&scheduler->relations, i);
        if (at->slab_word & SLAB_USED && relation_kind(at) == RELATION_MOVE &&
            at->other != PID_NONE)
            count += early_count(scheduler, (uint32_t)at->word);
    }
    return count;
}

void move_validate(const struct scheduler *scheduler) {
    if (scheduler->moved_count == 0)
        return;
    uint32_t count = 0;
    for (uint32_t i = 0; i < TABLE_CAPACITY; i++) {
        const struct move_translation *entry = &scheduler->moved[i];
        if (entry->from == PID_NONE)
            continue;
        CHECKF(probe(scheduler, entry->from) == i, "the move of %lx is not found", entry->from);
        count++;
    }
    CHECKF(count == scheduler->moved_count, "%u translations, %u counted", count,
           scheduler->moved_count);
}
