// The engine on one screen.
#include "sched/worker.h"

#include "sched/base/clock.h"

// How long the kernel may wait: not at all while work is left, not past the next timer or second.
static uint64_t wait_ns(const struct worker *worker, bool has_work) {
    if (has_work)
        return 0;
    uint64_t now_ns = clock_monotonic_ns();
    uint64_t wait = scheduler_wait_ns(worker->scheduler, now_ns);
    uint64_t second = (now_ns / NS_PER_S + 1) * NS_PER_S - now_ns;
    return wait < second ? wait : second;
}

static void wake_sleepers(struct worker *worker) {
    uint64_t wake = scheduler_publish(worker->scheduler);
    for (; wake; wake &= wake - 1) {
        uint32_t endpoint = (uint32_t)__builtin_ctzll(wake);
        if (endpoint < worker->scheduler->mesh->scheduler_count)
            wake_from_scheduler(worker->ring, worker->wake_targets[endpoint]);
        else
            wake_from_outside(worker->wake_targets[endpoint]);
    }
}

uint64_t worker_wait_begin(struct worker *worker) {
    struct mesh *mesh = worker->scheduler->mesh;
    uint64_t wait = wait_ns(worker, worker->next == WORKER_AGAIN);
    if (wait > 0 && mesh) {
        worker->is_asleep = mesh_sleep_begin(mesh, worker->scheduler->core);
        return worker->is_asleep ? wait : 0;
    }
    return wait;
}

static void wait_end(struct worker *worker) {
    if (worker->is_asleep)
        mesh_sleep_end(worker->scheduler->mesh, worker->scheduler->core);
    worker->is_asleep = false;
}

static void count_turn(struct worker *worker, uint64_t turn_ns) {
    counter_add(worker->counters, COUNTER_TURNS, 1);
    counter_add(worker->counters, COUNTER_TURN_NS, turn_ns);
    counter_raise(worker->counters, COUNTER_TURN_NS_MAX, turn_ns);
}

void worker_turn(struct worker *worker) {
    struct ring_completion completion;
    wait_end(worker);
    uint64_t begin_ns = clock_monotonic_ns();
    worker->scheduler->now_ns = begin_ns;
    while (ring_next(worker->ring, &completion))
        stream_on_completion(worker->streams, &completion);
    stream_settle(worker->streams);
    if (begin_ns / NS_PER_S != worker->now_s) {
        worker->now_s = (uint32_t)(begin_ns / NS_PER_S);
        stream_tick(worker->streams, worker->now_s);
        counter_set(worker->counters, COUNTER_CPU_NS, clock_thread_cpu_ns());
    }
    bool has_ready = scheduler_turn(worker->scheduler, begin_ns); // mail, timers, ready actors
    enum worker_next next = worker_port_turn_end(worker->port);
    if (has_ready && next == WORKER_WAIT)
        next = WORKER_AGAIN;
    stream_flush_dirty(worker->streams); // one corked send per connection
    if (next == WORKER_WAIT && streams_wants_turn(worker->streams))
        next = WORKER_AGAIN;
    wake_sleepers(worker);
    worker->next = next;
    count_turn(worker, clock_monotonic_ns() - begin_ns);
}

void worker_run(struct worker *worker) {
    worker->next = WORKER_AGAIN;
    do {
        // Submits everything, waits: one system call.
        ring_enter(worker->ring, worker_wait_begin(worker));
        worker_turn(worker);
    } while (worker->next != WORKER_STOP);
    ring_enter(worker->ring, 0);
}
