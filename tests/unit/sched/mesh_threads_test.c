// Goal: no message is lost or overtaken between threads, and no wake-up is lost: a receiver that
// sleeps with mail in its ring would wait for ever. Method: every endpoint sends to every other and
// sleeps on a pipe whenever it has nothing to do, with no timeout; tiny rings make them fill. TSan
// watches, and the test's own time limit is what a lost wake-up meets.
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include "sched/base/rng.h"
#include "sched/mesh.h"
#include "tests/unit/unit.h"

#define ENDPOINTS 4
#define MESSAGES 20000

struct endpoint {
    pthread_t thread;
    uint32_t id;
    struct mesh *mesh;
    int (*pipes)[2];
    struct rng rng;
    uint64_t sent[ENDPOINTS];
    uint64_t received[ENDPOINTS];
};

static void wake(struct endpoint *e, uint64_t set) {
    for (; set; set &= set - 1)
        CHECK(write(e->pipes[__builtin_ctzll(set)][1], "w", 1) == 1);
}

// A few messages to some of the others, as far as their rings have room.
static void send_some(struct endpoint *e) {
    for (uint32_t i = rng_below(&e->rng, 20); i > 0; i--) {
        uint32_t to = rng_below(&e->rng, ENDPOINTS);
        if (to == e->id || e->sent[to] == MESSAGES)
            continue;
        struct message message = {.sender = e->id, .words = {e->sent[to], ~e->sent[to], to, e->id}};
        if (mesh_send(e->mesh, e->id, to, &message, rng_below(&e->rng, 2)))
            e->sent[to]++;
    }
}

static void receive_some(struct endpoint *e) {
    struct message message;
    for (uint32_t i = 0; i < 50 && mesh_receive(e->mesh, e->id, &message); i++) {
        CHECK(message.sender < ENDPOINTS && message.words[3] == message.sender);
        CHECK(message.words[0] == e->received[message.sender]++);
        CHECK(message.words[1] == ~message.words[0] && message.words[2] == e->id);
    }
}

static bool is_done(const struct endpoint *e, const uint64_t *counts) {
    for (uint32_t i = 0; i < ENDPOINTS; i++) {
        if (i != e->id && counts[i] < MESSAGES)
            return false;
    }
    return true;
}

static void *run(void *argument) {
    struct endpoint *e = argument;
    while (!is_done(e, e->sent) || !is_done(e, e->received)) {
        receive_some(e);
        send_some(e);
        wake(e, mesh_publish(e->mesh, e->id));
        // A full ring wakes nobody when it has room again: who has more to send does not sleep.
        if (!is_done(e, e->sent) || is_done(e, e->received)) {
            sched_yield();
            continue;
        }
        if (!mesh_sleep_begin(e->mesh, e->id))
            continue;
        char byte;
        CHECK(read(e->pipes[e->id][0], &byte, 1) == 1); // until woken, for ever if nobody does
        mesh_sleep_end(e->mesh, e->id);
    }
    return NULL;
}

START_TEST(mesh_loses_no_message_and_no_wake_between_threads) {
    static struct mesh mesh;
    static struct endpoint endpoints[ENDPOINTS];
    int pipes[ENDPOINTS][2];
    struct mesh_config config = {
        .scheduler_count = ENDPOINTS - 1, .outsider_count = 1, .ring_cells = 64};
    ck_assert_int_eq(mesh_init(&mesh, &config), 0);
    for (uint32_t i = 0; i < ENDPOINTS; i++)
        ck_assert_int_eq(pipe(pipes[i]), 0);
    for (uint32_t i = 0; i < ENDPOINTS; i++) {
        endpoints[i] = (struct endpoint){.id = i, .mesh = &mesh, .pipes = pipes, .rng = {i}};
        ck_assert_int_eq(pthread_create(&endpoints[i].thread, NULL, run, &endpoints[i]), 0);
    }
    for (uint32_t i = 0; i < ENDPOINTS; i++)
        pthread_join(endpoints[i].thread, NULL);
    mesh_validate(&mesh);
    for (uint32_t i = 0; i < ENDPOINTS; i++) {
        close(pipes[i][0]);
        close(pipes[i][1]);
    }
    mesh_fini(&mesh);
}
END_TEST

// One receiver that does nothing but sleep, N senders that send one message at a time and wait
// until it was taken: every single message needs its wake-up.
struct pinger {
    pthread_t thread;
    struct mesh *mesh;
    uint32_t id;
    int wake_fd;
    _Atomic uint64_t *taken;
};

#define PINGERS 3
#define PINGS 5000

static void *ping(void *argument) {
    struct pinger *p = argument;
    for (uint64_t i = 0; i < PINGS; i++) {
        struct message message = {.sender = p->id, .words = {i}};
        CHECK(mesh_send(p->mesh, p->id, 0, &message, MESH_ROOM));
        if (mesh_publish(p->mesh, p->id))
            CHECK(write(p->wake_fd, "w", 1) == 1);
        while (atomic_load_explicit(&p->taken[p->id], memory_order_relaxed) <= i)
            sched_yield();
    }
    return NULL;
}

START_TEST(mesh_wakes_the_sleeper_for_every_single_message) {
    static struct mesh mesh;
    static _Atomic uint64_t taken[PINGERS + 1];
    struct pinger pingers[PINGERS + 1];
    int pipe_fds[2];
    struct mesh_config config = {.scheduler_count = PINGERS + 1, .ring_cells = 8};
    ck_assert_int_eq(mesh_init(&mesh, &config), 0);
    ck_assert_int_eq(pipe(pipe_fds), 0);
    for (uint32_t i = 1; i <= PINGERS; i++) {
        pingers[i] =
            (struct pinger){.mesh = &mesh, .id = i, .wake_fd = pipe_fds[1], .taken = taken};
        ck_assert_int_eq(pthread_create(&pingers[i].thread, NULL, ping, &pingers[i]), 0);
    }
    for (uint64_t total = 0; total < PINGERS * PINGS;) {
        if (mesh_sleep_begin(&mesh, 0)) {
            char byte;
            ck_assert_int_eq(read(pipe_fds[0], &byte, 1), 1);
            mesh_sleep_end(&mesh, 0);
        }
        struct message message;
        while (mesh_receive(&mesh, 0, &message)) {
            ck_assert(message.words[0] == atomic_load(&taken[message.sender]));
            atomic_fetch_add(&taken[message.sender], 1);
            total++;
        }
    }
    for (uint32_t i = 1; i <= PINGERS; i++)
        pthread_join(pingers[i].thread, NULL);
    mesh_validate(&mesh);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    mesh_fini(&mesh);
}
END_TEST

// The race itself, over and over: one publishes just as the other goes to sleep. Weaker memory
// orders in either let both miss the other within some thousand rounds.
#define RACES 30000
#define DELAY_LOOPS 400 // wider than the time that meet lets them drift apart

struct race {
    struct mesh *mesh;
    _Atomic uint32_t arrived;
    uint64_t wake;
};

// Both leave together. Spins, so that they leave within nanoseconds; yields when the machine has no
// second CPU to spare.
static void meet(struct race *race, uint32_t *meetings) {
    uint32_t all = 2 * ++*meetings;
    atomic_fetch_add(&race->arrived, 1);
    for (uint32_t spins = 1; atomic_load(&race->arrived) < all; spins++) {
        if (spins % 4096 == 0)
            sched_yield();
    }
}

static void pause_a_little(uint32_t loops) {
    for (volatile uint32_t i = 0; i < loops; i++)
        ;
}

static void *race_sender(void *argument) {
    struct race *race = argument;
    struct rng rng = {1};
    uint32_t meetings = 0;
    for (uint32_t i = 0; i < RACES; i++) {
        struct message message = {.words = {i}};
        CHECK(mesh_send(race->mesh, 1, 0, &message, MESH_ROOM));
        uint32_t loops = rng_below(&rng, DELAY_LOOPS);
        meet(race, &meetings);
        pause_a_little(loops);
        race->wake = mesh_publish(race->mesh, 1);
        meet(race, &meetings);
        meet(race, &meetings);
    }
    return NULL;
}

START_TEST(mesh_sender_or_sleeper_sees_the_other) {
    static struct mesh mesh;
    struct race race = {.mesh = &mesh};
    struct rng rng = {2};
    struct mesh_config config = {.scheduler_count = 2, .ring_cells = 8};
    ck_assert_int_eq(mesh_init(&mesh, &config), 0);
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, race_sender, &race), 0);
    uint32_t meetings = 0;
    uint32_t missed = 0;
    for (uint32_t i = 0; i < RACES; i++) {
        uint32_t loops = rng_below(&rng, DELAY_LOOPS);
        meet(&race, &meetings);
        pause_a_little(loops);
        bool sleeps = mesh_sleep_begin(&mesh, 0);
        meet(&race, &meetings);
        missed += sleeps && !(race.wake & 1);
        mesh_sleep_end(&mesh, 0);
        struct message message;
        CHECK(mesh_receive(&mesh, 0, &message) && message.words[0] == i);
        CHECK(!mesh_receive(&mesh, 0, &message));
        meet(&race, &meetings);
    }
    pthread_join(thread, NULL);
    ck_assert_uint_eq(missed, 0);
    mesh_fini(&mesh);
}
END_TEST

UNIT_MAIN("sched/mesh_threads", mesh_loses_no_message_and_no_wake_between_threads,
          mesh_wakes_the_sleeper_for_every_single_message, mesh_sender_or_sleeper_sees_the_other)
