// What everybody may ask of the names; who answers is in sched/names_service.c.
#include "sched/names.h"

#include <errno.h>

#include "sched/base/hash.h"
#include "sched/move.h"
#include "sched/names_replica.h"
#include "sched/names_service.h"
#include "sched/payload.h"

static struct names *names_here(const struct scheduler *scheduler) {
    CHECKF(scheduler->kinds[KIND_NAMES].behaviour, "core %u has no names service", scheduler->core);
    return scheduler->kinds[KIND_NAMES].context;
}

int names_init(struct names *names, struct scheduler *scheduler,
               const struct names_config *config) {
    CHECKF(config->core_count > scheduler->core && config->core_count <= MESH_ENDPOINTS_MAX,
           "names of %u cores, on core %u", config->core_count, scheduler->core);
    *names = (struct names){.scheduler = scheduler, .core_count = config->core_count};
    registry_init(&names->replica, scheduler->blocks, config->seed);
    int result = slab_init(&names->homed, scheduler->ledger, "names", sizeof(struct names_homed),
                           config->names_max);
    if (result < 0)
        return result;
    return scheduler_register(scheduler, &names_service_behaviour, names, 1);
}

void names_fini(struct names *names) {
    for (uint32_t home = 0; home < names->core_count; home++)
        names_replica_sweep(names, (uint8_t)home, UINT32_MAX);
    for (uint32_t i = 0; i < names->homed.touched_count; i++)
        if (slab_is_used(&names->homed, i))
            slab_release(&names->homed, i);
    registry_fini(&names->replica);
}

static int ask(struct names *names, struct message *message, struct bytes name, uint64_t *request) {
    struct scheduler *scheduler = names->scheduler;
    if (name.size == 0 || name.size > NAMES_BYTES_MAX)
        return -EINVAL;
    uint64_t payload = payload_acquire(scheduler, name.size);
    if (payload == PAYLOAD_NONE)
        return -ENOMEM;
    memcpy(payload_data(scheduler, payload), name.data, name.size);
    message->target = names_service_pid(names_home(names, hash_bytes(names->replica.seed, name)));
    message->sender = names_service_pid(scheduler->core);
    message->small = (uint32_t)name.size;
    message->words[0] = payload;
    message->words[3] = ++names->request;
    if (!scheduler_try_send(scheduler, message)) {
        payload_unref(scheduler, payload);
        return -EAGAIN;
    }
    *request = message->words[3];
    return 0;
}

int names_register(struct scheduler *scheduler, struct bytes name, uint64_t pid, uint64_t requester,
                   uint64_t *request) {
    CHECKF(pid != PID_NONE, "nobody is registered as %.*s", (int)name.size, name.data);
    struct message message = {.type = NAMES_REGISTER, .words = {0, pid, requester}};
    return ask(names_here(scheduler), &message, name, request);
}

int names_unregister(struct scheduler *scheduler, struct bytes name, uint64_t pid,
                     uint64_t requester, uint64_t *request) {
    struct message message = {.type = NAMES_UNREGISTER, .words = {0, pid, requester}};
    return ask(names_here(scheduler), &message, name, request);
}

int names_spawn(struct scheduler *scheduler, uint8_t kind, const void *argument, struct bytes name,
                uint64_t requester, uint64_t *pid) {
    struct names *names = names_here(scheduler);
    if (name.size == 0 || name.size > NAMES_BYTES_MAX)
        return -EINVAL;
    if (names_whereis(scheduler, name) != PID_NONE) {
        counter_add(scheduler->counters, COUNTER_NAMES_TAKEN, 1);
        return -EEXIST;
    }
    *pid = scheduler_spawn(scheduler, kind, argument);
    if (*pid == PID_NONE)
        return -ENOMEM;
    struct message message = {
        .type = NAMES_REGISTER, .flags = NAMES_SPAWNED, .words = {0, *pid, requester}};
    uint64_t request;
    int result = ask(names, &message, name, &request);
    if (result < 0)
        scheduler_exit(scheduler, kind, pid_slot(*pid).index, EXIT_SYSTEM_LIMIT);
    return result;
}

uint64_t names_whereis(const struct scheduler *scheduler, struct bytes name) {
    // Until the home has heard of a move its replica says the former pid.
    uint64_t pid =
        move_translate(scheduler, registry_lookup(&names_here(scheduler)->replica, name));
    bool is_dead = pid_core(pid) == scheduler->core && !scheduler_lookup(scheduler, pid);
    return is_dead ? PID_NONE : pid;
}

uint64_t names_target(struct scheduler *scheduler, struct bytes name, uint8_t kind) {
    uint64_t pid = names_whereis(scheduler, name);
    if (LIKELY(pid != PID_NONE))
        return pid;
    counter_add(scheduler->counters, COUNTER_NAMES_DEAD, 1);
    return pid_of(scheduler->core, kind, (struct handle){.index = ACTOR_INDEX_MAX + 1});
}

bool names_send(struct scheduler *scheduler, struct bytes name, uint8_t kind,
                const struct message *message) {
    struct message addressed = *message;
    addressed.target = names_target(scheduler, name, kind);
    return scheduler_try_send(scheduler, &addressed);
}
