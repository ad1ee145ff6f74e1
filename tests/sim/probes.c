#include "tests/sim/probes.h"

#include "sched/base/clock.h"
#include "sched/move.h"
#include "sched/signal.h"
#include "tests/sim/world.h"

#define KIND_PROBE 12
#define KIND_TRAPPER 11
#define PROBE_MAIL (MESSAGE_USER + 1) // words: from whom, which of theirs
#define PROBE_SLOTS 128

struct probe_slot {
    struct actor actor;
    uint32_t number;
    uint32_t mail_count; // moves along
};

static struct probe_slot *slot_at(const struct core *core, uint8_t kind, uint32_t index) {
    return slab_at(&core->scheduler.kinds[kind].slab, index);
}

static uint8_t kind_of(const struct probe *probe) {
    return probe->traps ? KIND_TRAPPER : KIND_PROBE;
}

// --- the behaviour -------------------------------------------------------------------------------

static int on_init(void *context, void *state, uint32_t index, const void *argument) {
    (void)context;
    (void)index;
    ((struct probe_slot *)state)->number = *(const uint32_t *)argument;
    return 0;
}

static uint32_t number_of_pid(const struct probes *probes, uint64_t pid) {
    for (uint32_t i = 0; i < probes->count; i++)
        if (probes->probes[i].pid == pid)
            return i;
    return PROBES_MAX;
}

static void on_mail(struct probe *self, struct probe_slot *slot, const struct message *message) {
    uint32_t from = (uint32_t)message->words[0];
    SIM_REQUIRE(message->words[1] == self->received[from] + 1ull,
                "probe: %u got mail %lu of %u after %u", slot->number, message->words[1], from,
                self->received[from]);
    self->received[from]++;
    slot->mail_count++;
}

static void on_down(struct probes *probes, const struct probe_slot *slot,
                    const struct message *message) {
    for (uint32_t i = 0; i < probes->watch_count; i++) {
        struct probe_watch *watch = &probes->watches[i];
        if (watch->watcher != slot->number || watch->monitor != message->words[0])
            continue;
        const struct probe *target = &probes->probes[watch->target];
        SIM_REQUIRE(!watch->has_fired, "probe: %u was told twice that %u is down", slot->number,
                    watch->target);
        SIM_REQUIRE(target->state == PROBE_DEAD, "probe: %u was told that %u is down, which lives",
                    slot->number, watch->target);
        SIM_REQUIRE(message->small == (watch->was_dead ? EXIT_NOPROC : target->reason) ||
                        message->small == EXIT_NOPROC,
                    "probe: %u was told that %u is down: %s, it was %s", slot->number,
                    watch->target, exit_reason_name(message->small),
                    exit_reason_name(target->reason));
        watch->has_fired = true;
        return;
    }
    sim_fail("probe: %u got a down that it did not ask for", slot->number);
}

static void on_message(void *context, void *state, uint32_t index, const struct message *message) {
    (void)index;
    struct probes *probes = ((struct probe_context *)context)->probes;
    struct probe_slot *slot = state;
    struct probe *self = &probes->probes[slot->number];
    probes->events = probes->events * 31 + message->type + slot->number;
    if (message->type == PROBE_MAIL) {
        on_mail(self, slot, message);
    } else if (message->type == MESSAGE_DOWN) {
        on_down(probes, slot, message);
    } else if (message->type == MESSAGE_EXIT) {
        // Who moved has another name by now; who it was is told by how many came.
        uint32_t from = number_of_pid(probes, message->sender);
        if (from < PROBES_MAX)
            self->exits[from]++;
    }
}

static void on_terminate(void *context, void *state, uint32_t index, enum exit_reason reason) {
    (void)index;
    struct probes *probes = ((struct probe_context *)context)->probes;
    struct probe_slot *slot = state;
    struct probe *self = &probes->probes[slot->number];
    SIM_REQUIRE(self->state == PROBE_LIVE, "probe: %u ends twice", slot->number);
    bool by_link = false;
    for (uint32_t i = 0; i < probes->count; i++)
        by_link |= self->was_linked[i] && probes->probes[i].state == PROBE_DEAD;
    SIM_REQUIRE(self->was_asked || by_link, "probe: %u ends for nothing: %s", slot->number,
                exit_reason_name(reason));
    self->state = PROBE_DEAD;
    self->reason = reason;
    probes->events = probes->events * 31 + reason;
    sim_trace("probe %u ends: %s", slot->number, exit_reason_name(reason));
}

static const struct behaviour behaviours[] = {
    {.name = "probes",
     .kind = KIND_PROBE,
     .version = 1,
     .mailbox_max = 64,
     .is_movable = true,
     .slot_size = sizeof(struct probe_slot),
     .init = on_init,
     .handle = on_message,
     .terminate = on_terminate},
    {.name = "probes that trap",
     .kind = KIND_TRAPPER,
     .version = 1,
     .mailbox_max = 64,
     .is_movable = true,
     .traps_exit = true,
     .slot_size = sizeof(struct probe_slot),
     .init = on_init,
     .handle = on_message,
     .terminate = on_terminate},
};

void probes_open(struct world *world) {
    world->probes = calloc(1, sizeof(*world->probes));
    CHECK(world->probes);
    for (uint32_t i = 0; i < world->core_count; i++) {
        struct probe_context *context = &world->probes->contexts[i];
        *context = (struct probe_context){.probes = world->probes, .core = i};
        for (uint32_t b = 0; b < 2; b++)
            CHECK(scheduler_register(&world->cores[i].core.scheduler, &behaviours[b], context,
                                     PROBE_SLOTS) == 0);
    }
}

// --- what they do --------------------------------------------------------------------------------

struct place {
    struct sim_core *core; // NULL: nowhere, or under way
    uint32_t index;
};

static struct place place_of(const struct world *world, uint32_t number) {
    const struct probe *probe = &world->probes->probes[number];
    struct place place = {0};
    for (uint32_t c = 0; probe->state == PROBE_LIVE && c < world->core_count; c++) {
        const struct slab *slab = &world->cores[c].core.scheduler.kinds[kind_of(probe)].slab;
        for (uint32_t i = 0; i < slab->touched_count; i++) {
            if (!slab_is_used(slab, i))
                continue;
            const struct probe_slot *slot = slot_at(&world->cores[c].core, kind_of(probe), i);
            if (slot->number != number)
                continue;
            if (place.core || slot->actor.slab_word & (ACTOR_MOVING | ACTOR_DOOMED))
                return (struct place){0};
            place = (struct place){&world->cores[c], i};
        }
    }
    return place;
}

static void spawn(struct world *world) {
    struct probes *probes = world->probes;
    if (probes->count == PROBES_MAX)
        return;
    struct sim_core *core = &world->cores[rng_below(&world->rng, world->core_count)];
    uint32_t number = probes->count;
    struct probe *probe = &probes->probes[number];
    *probe = (struct probe){.state = PROBE_LIVE, .traps = rng_below(&world->rng, 3) == 0};
    probe->pid = scheduler_spawn(&core->core.scheduler, kind_of(probe), &number);
    CHECK(probe->pid != PID_NONE);
    probes->count++;
}

static void write_mail(struct world *world, struct place from, uint32_t number, uint32_t to) {
    struct probe *probe = &world->probes->probes[number];
    struct scheduler *scheduler = &from.core->core.scheduler;
    for (uint32_t i = 1 + rng_below(&world->rng, 6); i > 0; i--) {
        if (scheduler->cells.used_count > scheduler->cells_max / 4)
            return;
        scheduler_send(scheduler, &(struct message){.target = world->probes->probes[to].pid,
                                                    .type = PROBE_MAIL,
                                                    .words = {number, ++probe->sent[to]}});
    }
}

static void watch(struct world *world, struct place from, uint32_t number, uint32_t to) {
    struct probes *probes = world->probes;
    if (probes->watch_count == PROBE_WATCHES_MAX)
        return;
    const struct probe *probe = &probes->probes[number];
    uint64_t monitor = signal_monitor(&from.core->core.scheduler, kind_of(probe), from.index,
                                      probes->probes[to].pid);
    CHECK(monitor != 0);
    probes->watches[probes->watch_count++] =
        (struct probe_watch){.monitor = monitor,
                             .watcher = number,
                             .target = to,
                             .was_dead = probes->probes[to].state == PROBE_DEAD};
}

// The lower number alone ties and unties: what crosses is then its own.
static void tie(struct world *world, struct place from, uint32_t number, uint32_t to, bool links) {
    struct probe *probe = &world->probes->probes[number];
    struct probe *other = &world->probes->probes[to];
    struct scheduler *scheduler = &from.core->core.scheduler;
    if (to <= number || (links && other->state != PROBE_LIVE))
        return;
    if (links)
        CHECK(signal_link(scheduler, kind_of(probe), from.index, other->pid) == 0);
    else
        signal_unlink(scheduler, kind_of(probe), from.index, other->pid);
    sim_trace("probe %u %s %u", number, links ? "links to" : "unlinks from", to);
    probe->is_linked[to] = other->is_linked[number] = links;
    if (links)
        probe->was_linked[to] = other->was_linked[number] = true;
}

static void go(struct world *world, struct place place, uint32_t number) {
    struct probe *probe = &world->probes->probes[number];
    struct scheduler *scheduler = &place.core->core.scheduler;
    probe->was_asked = true;
    sim_trace("probe %u is asked to go", number);
    if (rng_below(&world->rng, 3) == 0) {
        scheduler_exit(scheduler, kind_of(probe), place.index, EXIT_NORMAL);
        return;
    }
    struct sim_core *by = &world->cores[rng_below(&world->rng, world->core_count)];
    signal_exit(&by->core.scheduler, PID_NONE, probe->pid,
                probe->traps || rng_below(&world->rng, 2) ? EXIT_KILLED : EXIT_FAILED);
    by->wake_at_ns = 0;
}

static void move(struct world *world, struct place place, uint32_t number) {
    struct probe *probe = &world->probes->probes[number];
    if (world->core_count == 1 || probe->moves == PROBE_MOVES_MAX)
        return;
    uint8_t to = (uint8_t)rng_below(&world->rng, world->core_count);
    struct scheduler *scheduler = &place.core->core.scheduler;
    uint64_t pid = scheduler_pid(scheduler, kind_of(probe), place.index);
    if (to == scheduler->core || move_begin(scheduler, pid, to) < 0)
        return;
    probe->moves++;
    world->probes->latest_moved = number;
    world->probes->writer = rng_below(&world->rng, world->probes->count);
    sim_trace("probe %u moves from core %u to %u", number, scheduler->core, to);
}

void probes_act(struct world *world) {
    struct probes *probes = world->probes;
    if (probes->count < 2 || rng_below(&world->rng, 12) == 0) {
        spawn(world);
        return;
    }
    bool is_letter = rng_below(&world->rng, 2) == 0; // to one that is on the move, perhaps
    uint32_t number = is_letter ? probes->writer : rng_below(&world->rng, probes->count);
    uint32_t to = is_letter ? probes->latest_moved : rng_below(&world->rng, probes->count);
    struct place place = place_of(world, number);
    if (!place.core || place.core->has_stopped || number == to)
        return;
    place.core->wake_at_ns = 0;
    switch (is_letter ? 9 : rng_below(&world->rng, 11)) {
    case 0:
        go(world, place, number);
        return;
    case 1:
    case 10:
        move(world, place, number);
        return;
    case 2:
    case 3:
        tie(world, place, number, to, true);
        return;
    case 4:
        tie(world, place, number, to, false);
        return;
    case 5:
    case 6:
        watch(world, place, number, to);
        return;
    default:
        write_mail(world, place, number, to);
    }
}

// --- what must have come of it -------------------------------------------------------------------

static void check_pair(const struct probes *probes, uint32_t a, uint32_t b) {
    const struct probe *one = &probes->probes[a];
    const struct probe *other = &probes->probes[b];
    if (one->state != PROBE_LIVE)
        return;
    SIM_REQUIRE(other->sent[a] == one->received[b], "probe: %u got %u of %u's %u messages", a,
                one->received[b], b, other->sent[a]);
    if (!one->is_linked[b] || other->state != PROBE_DEAD)
        return;
    SIM_REQUIRE(one->traps || !exit_is_abnormal(other->reason),
                "probe: %u lives, linked to %u, which ended: %s", a, b,
                exit_reason_name(other->reason));
    SIM_REQUIRE(!one->traps || other->moves > 0 || one->exits[b] > 0,
                "probe: %u traps, and was not told that %u ended", a, b);
}

void probes_check(const struct world *world) {
    const struct probes *probes = world->probes;
    for (uint32_t a = 0; a < probes->count; a++)
        for (uint32_t b = 0; b < probes->count; b++)
            if (a != b)
                check_pair(probes, a, b);
    for (uint32_t i = 0; i < probes->watch_count; i++) {
        const struct probe_watch *watch = &probes->watches[i];
        bool is_due = probes->probes[watch->watcher].state == PROBE_LIVE &&
                      probes->probes[watch->target].state == PROBE_DEAD;
        SIM_REQUIRE(!is_due || watch->has_fired, "probe: %u was not told that %u is down",
                    watch->watcher, watch->target);
    }
}

void probes_end(struct world *world) {
    struct probes *probes = world->probes;
    for (uint32_t i = 0; i < probes->count; i++) {
        if (probes->probes[i].state != PROBE_LIVE)
            continue;
        probes->probes[i].was_asked = true;
        signal_exit(&world->cores[0].core.scheduler, PID_NONE, probes->probes[i].pid, EXIT_KILLED);
    }
    world->cores[0].wake_at_ns = 0;
    probes->count = PROBES_MAX; // none is born any more
}

void probes_check_empty(const struct world *world) {
    for (uint32_t i = 0; i < world->core_count; i++) {
        const struct scheduler *scheduler = &world->cores[i].core.scheduler;
        SIM_REQUIRE(scheduler->kinds[KIND_PROBE].slab.used_count == 0 &&
                        scheduler->kinds[KIND_TRAPPER].slab.used_count == 0,
                    "probe: core %u: some did not end", i);
    }
}
