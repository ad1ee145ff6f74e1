// Rows about the behaviours. So far: a call to a server and its reply.
#include "sched/server.h"
#include "tests/bench/runtime/runtime_bench.h"

struct counting {
    struct actor actor;
    uint64_t count;
};

static int on_init(void *context, void *state, uint32_t index, const void *argument) {
    return 0;
}

static void on_terminate(void *context, void *state, uint32_t index, enum exit_reason reason) {
}

static enum server_next on_call(void *context, void *state, uint32_t index,
                                const struct message *request, struct server_answer *answer,
                                enum exit_reason *stop_reason) {
    struct counting *counting = state;
    answer->words[0] = ++counting->count;
    return SERVER_REPLY;
}

static void on_cast(void *context, void *state, uint32_t index, const struct message *message) {
}

static const struct server_behaviour server = {
    .behaviour =
        {
            .name = "server",
            .kind = KIND_SERVER,
            .mailbox_max = 1000,
            .slot_size = sizeof(struct counting),
            .init = on_init,
            .handle = server_handle,
            .terminate = on_terminate,
        },
    .callbacks = {.handle_call = on_call, .handle_cast = on_cast, .handle_info = on_cast},
};

// With OTP's default timeout and a monitor, as gen_server:call has.
static void call(struct world *world, uint32_t index) {
    struct server_request request = {.type = 1};
    uint64_t name = server_call(&world->scheduler, KIND_CALLER, index, world->send_target, &request,
                                SERVER_TIMEOUT_NS);
    CHECK(name);
}

static void caller_handle(void *context, void *state, uint32_t index,
                          const struct message *message) {
    struct world *world = context;
    CHECK(message->type == MESSAGE_REPLY && message->words[0] == world->done_count + 1);
    world->done_count++;
    if (world->done_count < world->calls_wanted)
        call(world, index);
}

static const struct behaviour caller = {
    .name = "caller",
    .kind = KIND_CALLER,
    .mailbox_max = 1000,
    .slot_size = sizeof(struct counting),
    .init = on_init,
    .handle = caller_handle,
    .terminate = on_terminate,
};

// One caller, one server that counts: the next call goes out when the reply is in.
struct row_result row_call(const struct row_options *options) {
    struct world world;
    world_init(&world, 0, NULL);
    struct scheduler *scheduler = &world.scheduler;
    CHECK(scheduler_register(scheduler, &server.behaviour, &world, 1) == 0 &&
          scheduler_register(scheduler, &caller, &world, 1) == 0);
    world.calls_wanted = options->operations ? options->operations : 3000000;
    world.send_target = scheduler_spawn(scheduler, KIND_SERVER, NULL);
    uint64_t pid = scheduler_spawn(scheduler, KIND_CALLER, NULL);
    uint64_t begin_ns = clock_monotonic_ns();
    call(&world, pid_slot(pid).index);
    world_run(&world);
    uint64_t end_ns = clock_monotonic_ns();
    CHECK(world.done_count == world.calls_wanted);
    world_fini(&world);
    return (struct row_result){.operations = world.calls_wanted, .elapsed_ns = end_ns - begin_ns};
}
