// Messages of a registration (cores A: asker, H: home, X: any other):
//   A --NAMES_REGISTER--> H --NAMES_SET--> X
//                           --NAMES_SET with the asker--> A: into its replica, MESSAGE_NAME
//                           --NAMES_ANSWER--> A: refused, MESSAGE_NAME
// Of an end: SIGNAL_DOWN or NAMES_UNREGISTER --> H --NAMES_FORGET--> all others.
// Of a start: A --NAMES_FETCH--> every H --NAMES_SET …, NAMES_FETCHED--> A: sweeps what is
// unmarked. A home that gets a fetch from one whose own fetch it waits for asks again: the one
// before may have been lost with the other's mailbox. A name travels as a payload, its size in
// `small`; who sends one counts it up for each message.
#include "sched/names_service.h"

#include <errno.h>

#include "sched/base/clock.h"
#include "sched/base/hash.h"
#include "sched/names_replica.h"
#include "sched/payload.h"
#include "sched/signal.h"
#include "sched/timed.h"

#define NAMES_PER_SLICE 256
#define NAMES_RETRY_NS (20 * NS_PER_MS)

static uint64_t others(const struct names *names) {
    uint64_t all = names->core_count == 64 ? UINT64_MAX : (1ull << names->core_count) - 1;
    return all & ~(1ull << names->scheduler->core);
}

static struct bytes name_of(const struct names *names, const struct message *message) {
    return bytes_of(payload_data(names->scheduler, message->words[0]), message->small);
}

// --- answers -------------------------------------------------------------------------------------

// At the asker's core. A loser of names_spawn lives here.
static void answer_here(struct names *names, const struct message *answer) {
    struct scheduler *scheduler = names->scheduler;
    uint64_t pid = answer->words[1];
    uint64_t requester = answer->words[2];
    if (answer->small != NAMES_DONE && answer->flags & NAMES_SPAWNED) // it may have moved
        scheduler_send(scheduler, &(struct message){.target = pid,
                                                    .type = SIGNAL_EXIT,
                                                    .flags = SIGNAL_FORCED,
                                                    .small = answer->small == NAMES_TAKEN
                                                                 ? EXIT_NAME_TAKEN
                                                                 : EXIT_SYSTEM_LIMIT});
    if (requester == PID_NONE)
        return;
    scheduler_send(scheduler,
                   &(struct message){.target = requester,
                                     .sender = names_service_pid(scheduler->core),
                                     .type = MESSAGE_NAME,
                                     .flags = (uint16_t)answer->small,
                                     .words = {answer->words[0], pid, 0, answer->words[3]}});
}

// The core that asked: the requester's or, without one, that of the actor that was spawned.
static uint8_t asker_of(const struct message *request) {
    return pid_core(request->words[2] != PID_NONE ? request->words[2] : request->words[1]);
}

static bool wants_answer(const struct message *request) {
    return request->words[2] != PID_NONE || request->flags & NAMES_SPAWNED;
}

static void answer(struct names *names, const struct message *request, enum names_answer code,
                   uint64_t holder) {
    if (!wants_answer(request))
        return;
    const struct message message = {
        .target = names_service_pid(asker_of(request)),
        .type = NAMES_ANSWER,
        .flags = request->flags,
        .small = code,
        .words = {holder, request->words[1], request->words[2], request->words[3]}};
    if (asker_of(request) == names->scheduler->core)
        answer_here(names, &message);
    else
        scheduler_send(names->scheduler, &message);
}

// --- the home ------------------------------------------------------------------------------------

static bool watch(struct names *names, uint32_t slot) {
    struct names_homed *homed = slab_get(&names->homed, slot);
    homed->monitor = signal_monitor_tagged(names->scheduler, KIND_NAMES, 0, homed->pid, slot);
    return homed->monitor != 0;
}

// Enters the name here. False: a bound is reached; nothing has changed then.
static bool enter(struct names *names, struct bytes name, uint64_t pid) {
    uint32_t slot;
    struct names_homed *homed = slab_acquire(&names->homed, &slot);
    if (!homed)
        return false;
    homed->pid = pid;
    struct registry_entry *entry = NULL;
    if (watch(names, slot))
        entry = names_replica_set(names, name, pid);
    if (!entry) {
        if (homed->monitor)
            (void)signal_demonitor(names->scheduler, KIND_NAMES, 0, homed->monitor);
        slab_release(&names->homed, slot);
        return false;
    }
    homed->name = entry->name;
    entry->note = slot;
    counter_set(names->scheduler->counters, COUNTER_NAMES, names->homed.used_count);
    return true;
}

static void on_register(struct names *names, const struct message *request) {
    struct scheduler *scheduler = names->scheduler;
    struct bytes name = name_of(names, request);
    uint64_t pid = request->words[1];
    const struct registry_entry *entry = registry_find(&names->replica, name);
    if (entry) {
        bool is_same = entry->pid == pid;
        if (!is_same)
            counter_add(scheduler->counters, COUNTER_NAMES_TAKEN, 1);
        answer(names, request, is_same ? NAMES_DONE : NAMES_TAKEN, entry->pid);
        return;
    }
    if (!enter(names, name, pid)) {
        answer(names, request, NAMES_LIMIT, PID_NONE);
        return;
    }
    payload_ref(scheduler, request->words[0], names->core_count - 1);
    for (uint64_t rest = others(names); rest; rest &= rest - 1) {
        uint8_t core = (uint8_t)__builtin_ctzll(rest);
        struct message set = {.target = names_service_pid(core),
                              .type = NAMES_SET,
                              .small = request->small,
                              .words = {request->words[0], pid}};
        if (wants_answer(request) && core == asker_of(request)) {
            set.flags = request->flags;
            set.words[2] = request->words[2];
            set.words[3] = request->words[3];
        }
        scheduler_send(scheduler, &set);
    }
    if (asker_of(request) == scheduler->core)
        answer(names, request, NAMES_DONE, pid);
}

// Everywhere. The monitor has fired or is taken back by the caller.
static void forget(struct names *names, uint32_t slot) {
    const struct names_homed *homed = slab_get(&names->homed, slot);
    struct bytes name = registry_name(&names->replica, homed->name);
    uint64_t hash = hash_bytes(names->replica.seed, name);
    uint64_t pid = homed->pid;
    for (uint64_t rest = others(names); rest; rest &= rest - 1)
        scheduler_send(names->scheduler, &(struct message){.target = names_service_pid(
                                                               (uint8_t)__builtin_ctzll(rest)),
                                                           .type = NAMES_FORGET,
                                                           .words = {hash, pid}});
    names_replica_forget(names, hash, pid);
    slab_release(&names->homed, slot);
    counter_set(names->scheduler->counters, COUNTER_NAMES, names->homed.used_count);
}

static void on_unregister(struct names *names, const struct message *request) {
    const struct registry_entry *entry = registry_find(&names->replica, name_of(names, request));
    uint64_t pid = request->words[1];
    if (!entry || (pid != PID_NONE && entry->pid != pid)) {
        answer(names, request, NAMES_UNKNOWN, entry ? entry->pid : PID_NONE);
        return;
    }
    const struct names_homed *homed = slab_get(&names->homed, entry->note);
    (void)signal_demonitor(names->scheduler, KIND_NAMES, 0, homed->monitor);
    forget(names, entry->note);
    answer(names, request, NAMES_DONE, PID_NONE);
}

static void on_down(struct names *names, const struct message *message) {
    uint32_t slot = (uint32_t)message->words[1];
    if (!slab_is_used(&names->homed, slot))
        return;
    const struct names_homed *homed = slab_at(&names->homed, slot);
    uint64_t pid = homed->pid;
    if (homed->monitor != message->words[0])
        return; // from before an unregister
    forget(names, slot);
    if (message->small == EXIT_SYSTEM_LIMIT) // it lives, unwatched: its name cannot
        scheduler_send(names->scheduler,
                       &(struct message){.target = pid,
                                         .sender = names_service_pid(names->scheduler->core),
                                         .type = MESSAGE_NAME,
                                         .flags = NAMES_LIMIT,
                                         .words = {PID_NONE, pid}});
}

// --- a fetch -------------------------------------------------------------------------------------

static void fetch(struct names *names, uint8_t home, uint16_t flags) {
    names->awaited_set |= 1ull << home;
    names->stale_set &= ~(1ull << home);
    names->marks[home]++;
    counter_add(names->scheduler->counters, COUNTER_NAMES_FETCHES, 1);
    scheduler_send(names->scheduler,
                   &(struct message){.target = names_service_pid(home),
                                     .sender = names_service_pid(names->scheduler->core),
                                     .type = NAMES_FETCH,
                                     .flags = flags,
                                     .words = {names->marks[home]}});
}

static void retry_later(struct names *names) {
    if (names->is_retrying)
        return;
    const struct message retry = {.target = names_service_pid(names->scheduler->core),
                                  .type = NAMES_RETRY};
    names->is_retrying = timed_send_after(names->scheduler, &retry, NAMES_RETRY_NS, 0) != 0;
    if (!names->is_retrying)
        scheduler_send(names->scheduler, &retry); // no memory for a pause either
}

// One name to one core. False: no memory.
static bool announce(struct names *names, const struct names_homed *homed, uint8_t core) {
    struct scheduler *scheduler = names->scheduler;
    struct bytes name = registry_name(&names->replica, homed->name);
    uint64_t payload = payload_acquire(scheduler, name.size);
    if (payload == PAYLOAD_NONE)
        return false;
    memcpy(payload_data(scheduler, payload), name.data, name.size);
    scheduler_send(scheduler, &(struct message){.target = names_service_pid(core),
                                                .type = NAMES_SET,
                                                .small = (uint32_t)name.size,
                                                .words = {payload, homed->pid}});
    return true;
}

enum served { SERVED, SERVED_SLICE, SERVED_BLOCKED };

// A slice of the names whose home is here to one core.
static enum served serve(struct names *names, uint8_t core) {
    struct scheduler *scheduler = names->scheduler;
    uint32_t *cursor = &names->cursors[core];
    for (uint32_t i = 0; *cursor < names->homed.touched_count; (*cursor)++) {
        if (scheduler->backlog_set >> core & 1)
            return SERVED_BLOCKED;
        if (!slab_is_used(&names->homed, *cursor))
            continue;
        if (i++ == NAMES_PER_SLICE)
            return SERVED_SLICE;
        scheduler_consume(scheduler, 1);
        if (!announce(names, slab_at(&names->homed, *cursor), core))
            return SERVED_BLOCKED;
    }
    names->serving_set &= ~(1ull << core);
    scheduler_send(scheduler, &(struct message){.target = names_service_pid(core),
                                                .sender = names_service_pid(scheduler->core),
                                                .type = NAMES_FETCHED,
                                                .words = {names->serving_marks[core]}});
    return SERVED;
}

static void serve_all(struct names *names) {
    for (uint64_t rest = names->serving_set; rest; rest &= rest - 1) {
        switch (serve(names, (uint8_t)__builtin_ctzll(rest))) {
        case SERVED:
            break;
        case SERVED_SLICE:
            scheduler_continue(names->scheduler, KIND_NAMES, 0);
            break;
        case SERVED_BLOCKED:
            retry_later(names);
            break;
        }
    }
}

// A holder has a new pid: its names go to all again; with everything else where memory is out.
static void on_moved(struct names *names, uint64_t from, uint64_t to) {
    for (uint32_t i = 0; i < names->homed.touched_count; i++) {
        struct names_homed *homed = slab_at(&names->homed, i);
        if (!slab_is_used(&names->homed, i) || homed->pid != from)
            continue;
        homed->pid = to;
        (void)names_replica_set(names, registry_name(&names->replica, homed->name), to);
        for (uint64_t rest = others(names); rest; rest &= rest - 1) {
            uint8_t core = (uint8_t)__builtin_ctzll(rest);
            if (announce(names, homed, core))
                continue;
            names->serving_set |= 1ull << core;
            names->cursors[core] = 0;
            retry_later(names);
        }
    }
}

static void on_fetch(struct names *names, const struct message *message) {
    uint8_t core = pid_core(message->sender);
    names->serving_set |= 1ull << core;
    names->serving_marks[core] = (uint32_t)message->words[0];
    names->cursors[core] = 0;
    if (names->awaited_set >> core & 1 && !(message->flags & NAMES_AGAIN))
        fetch(names, core, NAMES_AGAIN);
    serve_all(names);
}

static void on_fetched(struct names *names, const struct message *message) {
    uint8_t home = pid_core(message->sender);
    if (!(names->awaited_set >> home & 1) || message->words[0] != names->marks[home])
        return;
    names->awaited_set &= ~(1ull << home);
    if (!(names->stale_set >> home & 1))
        names_replica_sweep(names, home, names->marks[home]);
}

static void on_retry(struct names *names) {
    names->is_retrying = false;
    for (uint64_t rest = names->stale_set; rest; rest &= rest - 1)
        fetch(names, (uint8_t)__builtin_ctzll(rest), 0);
    serve_all(names);
}

// --- the replica ---------------------------------------------------------------------------------

static void on_set(struct names *names, const struct message *message) {
    struct bytes name = name_of(names, message);
    uint8_t home = names_home(names, hash_bytes(names->replica.seed, name));
    struct registry_entry *entry = names_replica_set(names, name, message->words[1]);
    if (entry) {
        entry->note = names->marks[home];
    } else {
        names->stale_set |= 1ull << home;
        retry_later(names);
    }
    struct message done = *message;
    done.small = NAMES_DONE;
    done.words[0] = message->words[1];
    if (message->words[2] != PID_NONE)
        answer_here(names, &done);
}

static void on_handle(void *context, void *state, uint32_t index, const struct message *message) {
    struct names *names = context;
    (void)state, (void)index;
    switch (message->type) {
    case NAMES_REGISTER:
        on_register(names, message);
        payload_unref(names->scheduler, message->words[0]);
        return;
    case NAMES_UNREGISTER:
        on_unregister(names, message);
        payload_unref(names->scheduler, message->words[0]);
        return;
    case NAMES_SET:
        on_set(names, message);
        payload_unref(names->scheduler, message->words[0]);
        return;
    case NAMES_FORGET:
        names_replica_forget(names, message->words[0], message->words[1]);
        return;
    case NAMES_ANSWER:
        answer_here(names, message);
        return;
    case NAMES_FETCH:
        on_fetch(names, message);
        return;
    case NAMES_FETCHED:
        on_fetched(names, message);
        return;
    case NAMES_RETRY:
        on_retry(names);
        return;
    case MESSAGE_CONTINUE:
        serve_all(names);
        return;
    case MESSAGE_MOVED:
        on_moved(names, message->words[0], message->words[1]);
        return;
    case MESSAGE_DOWN:
        on_down(names, message);
        return;
    default:
        return;
    }
}

// The service is between two lives: who asked is told, what a start fetches anew is dropped.
static void on_discard(void *context, const struct message *message) {
    struct names *names = context;
    struct message lost = *message;
    switch (message->type) {
    case NAMES_REGISTER:
    case NAMES_UNREGISTER:
        answer(names, message, NAMES_BUSY, PID_NONE);
        payload_unref(names->scheduler, message->words[0]);
        return;
    case NAMES_SET:
        payload_unref(names->scheduler, message->words[0]);
        lost.small = NAMES_DONE;
        lost.words[0] = message->words[1];
        if (message->words[2] != PID_NONE)
            answer_here(names, &lost);
        return;
    case NAMES_ANSWER:
        answer_here(names, message);
        return;
    default:
        return;
    }
}

static int on_init(void *context, void *state, uint32_t index, const void *argument) {
    struct names *names = context;
    (void)state, (void)index, (void)argument;
    names->is_retrying = false;
    names->serving_set = names->stale_set = names->awaited_set = 0;
    for (uint32_t i = 0; i < names->homed.touched_count; i++)
        if (slab_is_used(&names->homed, i) && !watch(names, i))
            return -ENOMEM;
    for (uint64_t rest = others(names); rest; rest &= rest - 1)
        fetch(names, (uint8_t)__builtin_ctzll(rest), 0);
    return 0;
}

static void on_terminate(void *context, void *state, uint32_t index, enum exit_reason reason) {
    (void)context, (void)state, (void)index, (void)reason;
}

static const char *on_message_name(uint16_t type) {
    static const char *const texts[] = {"register", "unregister", "set",     "forget",
                                        "answer",   "fetch",      "fetched", "retry"};
    uint32_t at = type - (uint32_t)MESSAGE_USER;
    return at < sizeof(texts) / sizeof(texts[0]) ? texts[at] : NULL;
}

const struct behaviour names_service_behaviour = {.name = "names",
                                                  .kind = KIND_NAMES,
                                                  .version = 1,
                                                  .mailbox_max = UINT16_MAX,
                                                  .slot_size = sizeof(struct actor),
                                                  .init = on_init,
                                                  .handle = on_handle,
                                                  .terminate = on_terminate,
                                                  .discard = on_discard,
                                                  .message_name = on_message_name};
