#include "sched/balancer.h"

struct balancer_actor {
    struct actor actor;
    struct timer timer;
};

struct balancer_gift balancer_decide(const struct balancer_view *view) {
    const struct balancer_gift none = {0, 0};
    uint32_t busiest = 0;
    uint32_t idlest = 0;
    for (uint32_t i = 1; i < view->core_count; i++) {
        if (view->load_permille[i] > view->load_permille[busiest])
            busiest = i;
        if (view->load_permille[i] < view->load_permille[idlest])
            idlest = i;
    }
    uint32_t load = view->load_permille[busiest];
    uint32_t gap = load - view->load_permille[idlest];
    uint64_t items = view->items[busiest];
    if (busiest != view->core || load < BALANCER_LOAD_PERMILLE || gap < BALANCER_GAP_PERMILLE ||
        items < 2)
        return none;
    uint64_t count = items * gap / (4ull * load);
    if (count == 0)
        count = 1;
    if (count > BALANCER_GIVE_MAX)
        count = BALANCER_GIVE_MAX;
    return (struct balancer_gift){.to_core = idlest, .count = (uint32_t)count};
}

// What passed since the last look; false at the first.
static bool look(struct balancer *balancer, struct balancer_view *view) {
    uint64_t passed_ns = balancer->scheduler->now_ns - balancer->looked_ns;
    bool is_first = balancer->looked_ns == 0;
    *view = (struct balancer_view){.core = balancer->scheduler->core,
                                   .core_count = balancer->core_count};
    for (uint32_t i = 0; i < balancer->core_count; i++) {
        uint64_t cpu_ns = counter_read(balancer->counters[i], COUNTER_CPU_NS);
        uint64_t used_ns = cpu_ns > balancer->cpu_ns[i] ? cpu_ns - balancer->cpu_ns[i] : 0;
        balancer->cpu_ns[i] = cpu_ns;
        view->load_permille[i] = passed_ns ? (uint32_t)(used_ns * 1000 / passed_ns) : 0;
        view->items[i] = counter_read(balancer->counters[i], balancer->items);
    }
    balancer->looked_ns = balancer->scheduler->now_ns;
    return !is_first;
}

static void arm(const struct balancer *balancer, uint32_t index) {
    scheduler_arm(balancer->scheduler, KIND_BALANCER, index,
                  balancer->scheduler->now_ns + balancer->period_ns);
}

static int on_init(void *context, void *state, uint32_t index, const void *argument) {
    (void)state;
    (void)argument;
    struct balancer *balancer = context;
    balancer->looked_ns = 0; // at the first look the other cores are there
    balancer->streak = 0;
    balancer->rest = 0;
    arm(balancer, index);
    return 0;
}

static void on_handle(void *context, void *state, uint32_t index, const struct message *message) {
    (void)state;
    struct balancer *balancer = context;
    if (message->type != MESSAGE_TIMER)
        return;
    arm(balancer, index);
    struct balancer_view view;
    if (!look(balancer, &view))
        return;
    if (balancer->rest > 0) {
        balancer->rest--;
        return;
    }
    struct balancer_gift gift = balancer_decide(&view);
    balancer->streak = gift.count > 0 ? balancer->streak + 1 : 0;
    if (balancer->streak < BALANCER_PERIODS)
        return;
    balancer->streak = 0;
    balancer->rest = BALANCER_PERIODS;
    balancer_port_move(balancer->port, gift.to_core, gift.count);
}

static void on_terminate(void *context, void *state, uint32_t index, enum exit_reason reason) {
    (void)context;
    (void)state;
    (void)index;
    (void)reason;
}

static const struct behaviour balancer_behaviour = {
    .name = "balancer",
    .kind = KIND_BALANCER,
    .version = 1,
    .mailbox_max = 16, // nobody sends to it
    .mailbox_policy = MAILBOX_DROP_NEWEST,
    .slot_size = sizeof(struct balancer_actor),
    .timer_offset = offsetof(struct balancer_actor, timer),
    .timer_tick_ns = 10000000,
    .init = on_init,
    .handle = on_handle,
    .terminate = on_terminate,
};

int balancer_register(struct balancer *balancer) {
    CHECK(balancer->core_count <= MESH_ENDPOINTS_MAX && balancer->period_ns > 0);
    return scheduler_register(balancer->scheduler, &balancer_behaviour, balancer, 1);
}
