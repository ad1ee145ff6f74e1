// In place of io, for tests of the load tool: what is pushed is kept, what is opened is remembered.
// The functions of io/stream.h and io/connect.h that loadgen calls are defined here, so the real
// ones are not linked.
#ifndef FAIRLEAD_TESTS_UNIT_LOADGEN_FAKE_STREAMS_H
#define FAIRLEAD_TESTS_UNIT_LOADGEN_FAKE_STREAMS_H

#include "io/connect.h"
#include "loadgen/client.h"
#include "loadgen/cut.h"
#include "loadgen/receive.h"
#include "loadgen/scenario.h"
#include "tests/unit/unit.h"

#define FAKE_FRAME_BYTES 65536

static struct {
    uint32_t pushes;
    uint32_t closes;
    uint32_t connects;
    uint32_t last_stream;           // index of the last push
    uint8_t last[FAKE_FRAME_BYTES]; // its bytes, unmasked payload only
    size_t last_size;
    uint8_t raw[FAKE_FRAME_BYTES]; // the last push as it was, cut to fit
    size_t raw_size;
    enum stream_push_result answer; // of pushes from now on
    int connect_answer;             // of connect_open from now on
    uint32_t control_bytes;         // what stream_control_bytes tells
    uint32_t pushes_of[64];         // per stream index
    const struct sockaddr *last_local;
    uint32_t last_receive_buffer_bytes; // of connect_open
    uint32_t pauses;
    uint32_t resumes;
} fake;

// The payload of the parcel's first frame, unmasked (RFC 6455 5.3).
static void fake_keep(const uint8_t *data, size_t size) {
    fake.raw_size = size < sizeof(fake.raw) ? size : sizeof(fake.raw);
    memcpy(fake.raw, data, fake.raw_size);
    size_t header_size = 6, payload_size = data[1] & 0x7f;
    if (payload_size == 126) {
        payload_size = (size_t)data[2] << 8 | data[3];
        header_size = 8;
    }
    if ((data[0] & 0x80) == 0 || header_size + payload_size > size ||
        payload_size > sizeof(fake.last)) // the upgrade request
        return;
    for (size_t i = 0; i < payload_size; i++)
        fake.last[i] = data[header_size + i] ^ data[header_size - 4 + i % 4];
    fake.last_size = payload_size;
}

static struct run *fake_run;

enum stream_push_result stream_push(struct streams *streams, struct handle stream,
                                    uint32_t parcel) {
    if (fake.answer != STREAM_PUSH_OK)
        return fake.answer;
    fake.pushes++;
    fake.last_stream = stream.index;
    fake.pushes_of[stream.index % 64]++;
    fake_keep(parcel_at(&fake_run->blocks, parcel)->data,
              parcel_at(&fake_run->blocks, parcel)->size);
    return STREAM_PUSH_OK;
}

void stream_close(struct streams *streams, struct handle stream, enum stream_close_how how) {
    fake.closes++;
}

void stream_set_owner(struct streams *streams, uint32_t index, uint32_t owner) {
}

uint32_t stream_control_bytes(const struct streams *streams, uint32_t index) {
    return fake.control_bytes;
}

void stream_pause_reading(struct streams *streams, uint32_t index) {
    fake.pauses++;
}

void stream_resume_reading(struct streams *streams, uint32_t index) {
    fake.resumes++;
}

void stream_read_singly(struct streams *streams, uint32_t index) {
}

int connect_open(struct streams *streams, uint32_t owner, const struct connect_config *config,
                 struct handle *stream) {
    fake.connects++;
    fake.last_local = config->local;
    fake.last_receive_buffer_bytes = config->receive_buffer_bytes;
    *stream = (struct handle){owner, 0};
    return fake.connect_answer;
}

// --- a run over it -------------------------------------------------------------------------------

static struct run run;
static struct result result;
static struct target_set targets;
static struct plan plan;

// Begins a run at 1 ns with the words of a command line; nothing is connected yet.
static void fake_begin(char *const *argv, int argc) {
    char error[LOAD_OPTIONS_ERROR_BYTES];
    memset(&fake, 0, sizeof(fake));
    run = (struct run){.result = &result, .targets = &targets, .plan = &plan};
    fake_run = &run;
    result_init(&result);
    ck_assert_int_eq(load_options_parse(&run.options, argc, argv, error), LOAD_OPTIONS_RUN);
    ck_assert_int_eq(target_resolve(&targets, &run.options, error), 0);
    ck_assert_int_eq(blocks_init(&run.blocks, &run.ledger, 1 << 24), 0);
    if (run.options.scenario != LOAD_OPTIONS_MIX) // else the test has made one
        plan_from_options(&plan, &run.options);
    run.client_count = run.options.connections + run.options.has_flood + wills_watcher_count(&run);
    ck_assert_int_eq(client_init(&run), 0);
    ck_assert_int_eq(flight_init(&run.flights, &run.ledger, run.room_count), 0);
    result.begin_ns = 1;
    ck_assert(scenario_init(&run, 1));
    // client_on_open asks for a handle of the slot.
    ck_assert_int_eq(slab_init(&run.streams.slots, &run.ledger, "streams", 32, run.client_count),
                     0);
    schedule_init(&run.connects, 1, run.options.connect_rate);
}

#define FAKE_BEGIN(...)                                                                            \
    fake_begin((char *[]){"fairlead-load", __VA_ARGS__},                                           \
               (int)(sizeof((char *[]){__VA_ARGS__}) / sizeof(char *)) + 1)

// Everybody is connected and joined; heartbeats are put off, so that they do not mix with the load.
static inline void fake_join_all(void) {
    client_connect_due(&run, 3600 * NS_PER_S);
    for (uint32_t i = 0; i < run.client_count; i++) {
        client_on_open(&run, i, i);
        if (run.clients[i].state == CLIENT_LIVE) // the protocol says no hello
            continue;
        run.clients[i].state = CLIENT_JOINING;
        client_set_live(&run, i);
    }
    ck_assert(client_all_settled(&run));
    schedule_init(&run.heartbeats, 1, 0);
    fake.pushes = 0;
    memset(fake.pushes_of, 0, sizeof(fake.pushes_of));
}

static void fake_end(void) {
    scenario_fini(&run);
    for (uint32_t i = 0; i < run.client_count; i++) {
        cut_release(&run, &run.clients[i]);
        if (run.protocol->on_gone)
            run.protocol->on_gone(&run, i);
    }
    slab_check_empty(&run.cuts);
    blocks_check_empty(&run.blocks);
    memory_release_all(&run.ledger);
    result_fini(&result);
}

#endif
