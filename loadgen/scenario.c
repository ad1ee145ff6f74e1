#include "loadgen/scenario.h"

#include <string.h>

#include "gateway/wire/phoenix.h"
#include "loadgen/client.h"
#include "loadgen/receive.h"
#include "loadgen/stamp.h"

#define ARRIVALS_PER_TURN_MAX 4096 // before completions are looked at again
#define CLOSED_STALL_NS (2 * NS_PER_S)
#define FLOOD_PINGS 64u          // in one parcel
#define FLOOD_QUEUE_BYTES 16384u // kept queued while the server reads

// --- one request ---------------------------------------------------------------------------------

// A ref that tells its intended time (receive.h).
static uint64_t ref_of(const struct run *run, uint64_t intended_ns) {
    return intended_ns - run->result->begin_ns + RECEIVE_REF_BASE;
}

static void note_sent(struct run *run, uint32_t index, uint64_t intended_ns) {
    struct result *r = run->result;
    uint64_t now_ns = clock_monotonic_ns();
    run->clients[index].unanswered++;
    run->outstanding++;
    r->sent_all++;
    if (!run_is_measured(run, intended_ns))
        return;
    r->sent++;
    histogram_record(&r->send_lag, now_ns > intended_ns ? now_ns - intended_ns : 0);
}

// Sends `event` with a stamped payload. False when it cannot leave.
static bool try_send_stamped(struct run *run, uint32_t index, const char *event,
                             const struct stamp *stamp) {
    size_t payload_size = run->options.payload_bytes;
    stamp_encode(run->scratch, payload_size, stamp);
    struct bytes payload = bytes_of(run->scratch, payload_size);
    if (!run_is_phoenix(run))
        return client_try_send(run, index, WEBSOCKET_TEXT, payload);
    char topic[RUN_TOPIC_BYTES_MAX];
    uint8_t digits[20];
    struct writer ref = writer_on(digits, sizeof(digits));
    writer_put_u64(&ref, ref_of(run, stamp->intended_ns));
    struct phoenix_message message = {.join_ref = BYTES_LITERAL("1"),
                                      .ref = writer_bytes(&ref),
                                      .topic = client_topic(run, run_room_of(run, index), topic),
                                      .event = bytes_from_string(event),
                                      .payload = payload};
    struct writer w = writer_on(run->scratch + payload_size, run->scratch_size - payload_size);
    phoenix_encode_text(&w, &message, 0);
    CHECK(!w.overflow);
    return client_try_send(run, index, WEBSOCKET_TEXT, writer_bytes(&w));
}

static void send_echo(struct run *run, uint32_t index, uint64_t intended_ns) {
    struct client *client = &run->clients[index];
    struct stamp stamp = {intended_ns, run->options.first_user + index, 0};
    if (client->state != CLIENT_LIVE || !try_send_stamped(run, index, "ping", &stamp))
        run->result->unsendable++;
    else
        note_sent(run, index, intended_ns);
}

// The members of a room who publish are spread evenly over it.
static uint32_t talker_of(const struct run *run, uint32_t room, uint32_t turn) {
    const struct load_options *o = &run->options;
    uint32_t first = room * o->room_size;
    uint32_t size = o->connections - first < o->room_size ? o->connections - first : o->room_size;
    uint32_t talkers = o->talkers < size ? o->talkers : size;
    return first + (uint32_t)((uint64_t)(turn % talkers) * size / talkers);
}

static void send_publish(struct run *run, uint32_t room_index, uint32_t turn,
                         uint64_t intended_ns) {
    struct room *room = &run->rooms[room_index];
    uint32_t index = talker_of(run, room_index, turn);
    struct stamp stamp = {intended_ns, run->options.first_user + index, room->published + 1};
    if (run->clients[index].state != CLIENT_LIVE ||
        !try_send_stamped(run, index, run->options.event, &stamp)) {
        run->result->unsendable++;
        return;
    }
    room->published++;
    struct flight_publish publish = {.room = room_index,
                                     .number = stamp.number,
                                     .due = room->live,
                                     .intended_ns = intended_ns,
                                     .is_measured = run_is_measured(run, intended_ns)};
    flight_begin(&run->flights, &publish);
    note_sent(run, index, intended_ns);
}

// --- open loop -----------------------------------------------------------------------------------

static uint32_t load_room_count(const struct run *run) {
    return load_options_room_count(&run->options);
}

static void send_arrival(struct run *run, uint64_t intended_ns) {
    uint32_t turn = run->next_talker++;
    if (run->options.scenario == LOAD_OPTIONS_ECHO) {
        send_echo(run, turn % run->options.connections, intended_ns);
        return;
    }
    uint32_t rooms = load_room_count(run);
    for (uint32_t i = 0; i < run->options.burst; i++)
        send_publish(run, turn % rooms, turn / rooms, intended_ns);
}

uint64_t scenario_offered(const struct run *run, uint64_t until_ns) {
    if (run->options.is_closed)
        return run->result->sent;
    if (until_ns <= run->measure_from_ns)
        return 0;
    return (schedule_offered(&run->arrivals, until_ns) -
            schedule_offered(&run->arrivals, run->measure_from_ns)) *
           run->options.burst;
}

// --- closed loop ---------------------------------------------------------------------------------

// Refs of one connection must differ, and several answers may come in one read.
static uint64_t distinct_ns(struct run *run, uint64_t now_ns) {
    if (now_ns <= run->last_intended_ns)
        now_ns = run->last_intended_ns + 1;
    run->last_intended_ns = now_ns;
    return now_ns;
}

static void send_closed(struct run *run, uint64_t now_ns) {
    uint32_t turn = run->next_talker++;
    uint64_t intended_ns = distinct_ns(run, now_ns);
    if (run->options.scenario == LOAD_OPTIONS_ECHO)
        send_echo(run, turn % run->options.connections, intended_ns);
    else
        send_publish(run, turn % load_room_count(run), turn / load_room_count(run), intended_ns);
}

static void begin_closed(struct run *run, uint64_t now_ns) {
    const struct load_options *o = &run->options;
    uint32_t count = o->closed;
    if (count == 0)
        count =
            o->scenario == LOAD_OPTIONS_ECHO ? o->connections : load_room_count(run) * o->talkers;
    run->last_progress_ns = now_ns;
    for (uint32_t i = 0; i < count; i++)
        send_closed(run, now_ns);
}

void scenario_on_answer(struct run *run, uint32_t client, uint64_t now_ns) {
    if (run->sends_load && now_ns < run->measure_to_ns)
        send_echo(run, client, distinct_ns(run, now_ns));
}

void scenario_on_complete(struct run *run, uint32_t room, uint64_t now_ns) {
    run->last_progress_ns = now_ns;
    if (run->sends_load && now_ns < run->measure_to_ns)
        send_publish(run, room, run->next_talker++, distinct_ns(run, now_ns));
}

void scenario_tick(struct run *run, uint64_t now_ns) {
    if (run->sends_load && now_ns < run->measure_to_ns &&
        now_ns > run->last_progress_ns + CLOSED_STALL_NS)
        begin_closed(run, now_ns);
}

// --- what goes on beside -------------------------------------------------------------------------

static void send_heartbeat(struct run *run) {
    uint32_t index = run->next_heartbeat;
    run->next_heartbeat = index + 1 < run->client_count ? index + 1 : 0;
    if (run->clients[index].state == CLIENT_LIVE &&
        client_try_push(run, index, run->heartbeat_parcel))
        run->result->heartbeats++;
}

static void send_flood(struct run *run) {
    if (run->flood_client == SLAB_NONE || !run->floods)
        return;
    const struct client *client = &run->clients[run->flood_client];
    while (client->state == CLIENT_LIVE &&
           stream_control_bytes(&run->streams, client->stream.index) < FLOOD_QUEUE_BYTES &&
           run->flood_unanswered + FLOOD_PINGS <= run->options.flood_unanswered_max &&
           client_try_push(run, run->flood_client, run->flood_parcel)) {
        run->result->flood_sent += FLOOD_PINGS;
        run->flood_unanswered += FLOOD_PINGS;
    }
}

// The same bytes for everybody: encoded once, masked once (what RFC 6455 5.3 guards against,
// scripts that choose what a proxy sees, is not at stake in a load tool).
static uint32_t encode_fixed(struct run *run, enum websocket_opcode opcode, struct bytes text,
                             uint32_t count) {
    static const uint8_t mask[4] = {0x1d, 0x5c, 0x33, 0xa7};
    size_t size = count * (websocket_header_size(text.size) + 4 + text.size);
    uint32_t parcel = parcel_acquire(&run->blocks, size, PARCEL_CONTROL);
    if (parcel == BLOCK_NONE)
        return parcel;
    struct writer w = writer_on(parcel_at(&run->blocks, parcel)->data, size);
    for (uint32_t i = 0; i < count; i++)
        websocket_encode_masked(&w, opcode, text, mask);
    CHECK(!w.overflow && w.size == size);
    return parcel;
}

bool scenario_init(struct run *run, uint64_t now_ns) {
    double heartbeat_rate = (double)run->client_count / run->options.heartbeat_s;
    schedule_init(&run->heartbeats, now_ns, heartbeat_rate);
    schedule_init(&run->arrivals, now_ns, 0);
    run->measure_from_ns = run->measure_to_ns = SCHEDULE_NEVER;
    struct writer w = writer_on(run->scratch, run->scratch_size);
    if (run_is_phoenix(run))
        phoenix_encode_heartbeat(&w, BYTES_LITERAL("2"));
    enum websocket_opcode opcode = run_is_phoenix(run) ? WEBSOCKET_TEXT : WEBSOCKET_PING;
    run->heartbeat_parcel = encode_fixed(run, opcode, writer_bytes(&w), 1);
    w = writer_on(run->scratch, run->scratch_size);
    struct phoenix_message ping = {.join_ref = BYTES_LITERAL("1"),
                                   .ref = BYTES_LITERAL("3"),
                                   .topic = BYTES_LITERAL("room:bench-flood"),
                                   .event = BYTES_LITERAL("ping"),
                                   .payload = BYTES_LITERAL("{}")};
    phoenix_encode_text(&w, &ping, 0);
    run->flood_parcel = encode_fixed(run, WEBSOCKET_TEXT, writer_bytes(&w), FLOOD_PINGS);
    return run->heartbeat_parcel != BLOCK_NONE && run->flood_parcel != BLOCK_NONE;
}

void scenario_fini(struct run *run) {
    parcel_unref(&run->blocks, run->heartbeat_parcel);
    parcel_unref(&run->blocks, run->flood_parcel);
}

// --- the run's course ----------------------------------------------------------------------------

void scenario_begin(struct run *run, uint64_t begin_ns) {
    const struct load_options *o = &run->options;
    bool is_hold = o->scenario == LOAD_OPTIONS_HOLD;
    double warmup_s = is_hold ? 0 : o->warmup_s;
    run->measure_from_ns = begin_ns + (uint64_t)(warmup_s * (double)NS_PER_S);
    run->measure_to_ns = run->measure_from_ns + (uint64_t)(o->duration_s * (double)NS_PER_S);
    if (o->holds_until_signal)
        run->measure_to_ns = SCHEDULE_NEVER;
    run->floods = true;
    if (is_hold)
        return;
    if (!o->is_closed) {
        schedule_init(&run->arrivals, begin_ns, o->rate / o->burst);
        schedule_stop_at(&run->arrivals, run->measure_to_ns);
        return;
    }
    run->sends_load = true;
    begin_closed(run, begin_ns);
}

void scenario_turn(struct run *run, uint64_t now_ns) {
    uint64_t intended_ns;
    for (uint32_t i = 0;
         i < ARRIVALS_PER_TURN_MAX && schedule_try_pop(&run->arrivals, now_ns, &intended_ns); i++)
        send_arrival(run, intended_ns);
    for (uint32_t i = 0;
         i < ARRIVALS_PER_TURN_MAX && schedule_try_pop(&run->heartbeats, now_ns, &intended_ns); i++)
        send_heartbeat(run);
    send_flood(run);
}

uint64_t scenario_next_ns(const struct run *run) {
    uint64_t arrival_ns = schedule_next_ns(&run->arrivals);
    uint64_t heartbeat_ns = schedule_next_ns(&run->heartbeats);
    return arrival_ns < heartbeat_ns ? arrival_ns : heartbeat_ns;
}

void scenario_end(struct run *run) {
    run->sends_load = false;
    run->floods = false;
    schedule_stop_at(&run->arrivals, run->arrivals.start_ns);
}

bool scenario_is_quiet(const struct run *run) {
    if (run->options.scenario == LOAD_OPTIONS_ROOMS)
        return run->flights.complete + run->flights.incomplete == run->flights.begun &&
               (run->outstanding == 0 || run->result->answered_all == 0);
    return run->outstanding == 0;
}
