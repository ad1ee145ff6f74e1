#include "loadgen/throttle.h"

#include "loadgen/client.h"

#define TICK_NS NS_PER_MS
#define RESUMES_PER_TURN_MAX 4096

int throttle_init(struct run *run, uint64_t now_ns) {
    struct throttle *t = &run->throttle;
    if (run->phases.needs.slow_percent <= 0)
        return 0;
    t->pauses.chosen_by_kernel = true; // "chosen by us": the client's index
    int status = slab_init(&t->pauses, &run->ledger, "slow readers that wait",
                           sizeof(struct throttle_pause), run->client_count);
    if (status < 0)
        return status;
    t->pauses.chosen_by_kernel = true;
    timer_wheel_init(&t->wheel, &t->pauses, offsetof(struct throttle_pause, timer), TICK_NS,
                     now_ns);
    t->is_ready = true;
    return 0;
}

static void resume(struct run *run, uint32_t index) {
    slab_release(&run->throttle.pauses, index);
    if (run->clients[index].state == CLIENT_LIVE)
        stream_resume_reading(&run->streams, run->clients[index].stream.index);
}

// The slow ones of a phase are the first of those of the whole run (whose share is the largest of
// any phase), so that a member is slow in all phases or in those of larger shares.
bool throttle_has(const struct run *run, uint32_t index) {
    const struct throttle *t = &run->throttle;
    if (t->share <= 0 || run->clients[index].role != LAYOUT_SLOW)
        return false;
    if (t->share * 100 >= run->phases.needs.slow_percent)
        return true;
    const struct layout *l = &run->layout;
    uint32_t room = layout_room_of(l, index);
    struct layout_parts parts = layout_parts_of(l, room);
    uint32_t at = index - layout_first(l, room) - parts.plain_count;
    return at <
           (uint32_t)(parts.slow_count * t->share * 100 / run->phases.needs.slow_percent + 0.5);
}

void throttle_set(struct run *run, double percent, uint32_t bytes_per_s) {
    struct throttle *t = &run->throttle;
    t->share = percent / 100;
    t->bytes_per_s = bytes_per_s;
    if (!t->is_ready)
        return;
    for (uint32_t i = 0; i < run->options.connections; i++) {
        if (run->clients[i].role != LAYOUT_SLOW)
            continue;
        if (slab_is_used(&t->pauses, i)) {
            timer_wheel_disarm(&t->wheel, i);
            resume(run, i);
        }
        if (throttle_has(run, i) && run->clients[i].state == CLIENT_LIVE)
            stream_read_singly(&run->streams, run->clients[i].stream.index);
    }
}

void throttle_on_data(struct run *run, uint32_t index, size_t size) {
    struct throttle *t = &run->throttle;
    if (LIKELY(t->share <= 0) || run->clients[index].state != CLIENT_LIVE ||
        !throttle_has(run, index))
        return;
    uint32_t stream = run->clients[index].stream.index;
    uint64_t price_ns = (uint64_t)size * NS_PER_S / t->bytes_per_s;
    struct throttle_pause *pause;
    if (slab_is_used(&t->pauses, index)) {
        pause = slab_get(&t->pauses, index); // the kernel had taken it already
    } else {
        pause = slab_acquire_at(&t->pauses, index);
        pause->until_ns = run->read_ns;
        stream_read_singly(&run->streams, stream); // of a member that came back
        stream_pause_reading(&run->streams, stream);
    }
    pause->until_ns += price_ns;
    timer_wheel_arm(&t->wheel, index, pause->until_ns);
}

void throttle_forget(struct run *run, uint32_t index) {
    struct throttle *t = &run->throttle;
    if (!t->is_ready || !slab_is_used(&t->pauses, index))
        return;
    timer_wheel_disarm(&t->wheel, index);
    slab_release(&t->pauses, index);
}

void throttle_turn(struct run *run, uint64_t now_ns) {
    struct throttle *t = &run->throttle;
    for (uint32_t i = 0; t->is_ready && i < RESUMES_PER_TURN_MAX; i++) {
        uint32_t index = timer_wheel_expire(&t->wheel, now_ns);
        if (index == SLAB_NONE)
            return;
        resume(run, index);
    }
}

uint64_t throttle_next_ns(const struct run *run) {
    return run->throttle.is_ready ? timer_wheel_next_ns(&run->throttle.wheel) : UINT64_MAX;
}
