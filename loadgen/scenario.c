#include "loadgen/scenario.h"

#include "loadgen/client.h"

#define ARRIVALS_PER_TURN_MAX 4096 // before completions are looked at again
#define CLOSED_STALL_NS (2 * NS_PER_S)
#define FLOOD_PINGS 64u          // in one parcel
#define FLOOD_QUEUE_BYTES 16384u // kept queued while the server reads

// --- one request ---------------------------------------------------------------------------------

static struct stamp stamp_now(const struct run *run, uint32_t index, uint64_t intended_ns) {
    return (struct stamp){.intended_ns = intended_ns,
                          .publisher = run->options.first_user + index,
                          .lag_us = stamp_lag_us(intended_ns, clock_monotonic_ns())};
}

static void note_sent(struct run *run, uint32_t index, const struct stamp *stamp) {
    struct result *r = run->result;
    run->clients[index].unanswered++;
    run->outstanding++;
    r->sent_all++;
    if (!run_is_measured(run, stamp->intended_ns))
        return;
    r->sent++;
    histogram_record(&r->send_lag, (uint64_t)stamp->lag_us * NS_PER_US);
}

static void send_echo(struct run *run, uint32_t index, uint64_t intended_ns) {
    struct client *client = &run->clients[index];
    struct stamp stamp = stamp_now(run, index, intended_ns);
    stamp.number = client->asked + 1;
    if (client->state != CLIENT_LIVE || !run->protocol->try_request(run, index, &stamp)) {
        run->result->unsendable++;
        return;
    }
    client->asked++;
    note_sent(run, index, &stamp);
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
    struct stamp stamp = stamp_now(run, index, intended_ns);
    stamp.number = room->published + 1;
    if (!client_is_member(run, index) ||
        !run->protocol->try_publish(run, index, room_index, &stamp)) {
        run->result->unsendable++;
        return;
    }
    room->published++;
    struct flight_publish publish = {.room = room_index,
                                     .number = stamp.number,
                                     .due = room->stable,
                                     .intended_ns = intended_ns,
                                     .is_measured = run_is_measured(run, intended_ns)};
    if (publish.due > 0)
        flight_begin(&run->flights, &publish);
    note_sent(run, index, &stamp);
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

static void send_heartbeat(struct run *run, uint64_t intended_ns) {
    uint32_t index = run->next_heartbeat;
    run->next_heartbeat = index + 1 < run->client_count ? index + 1 : 0;
    struct stamp stamp = stamp_now(run, index, intended_ns);
    if (run->clients[index].state == CLIENT_LIVE &&
        run->protocol->try_heartbeat(run, index, &stamp))
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

bool scenario_init(struct run *run, uint64_t now_ns) {
    bool has_heartbeats = run->protocol->has_heartbeats && run->options.heartbeat_s > 0;
    schedule_init(&run->heartbeats, now_ns,
                  has_heartbeats ? (double)run->client_count / run->options.heartbeat_s : 0);
    schedule_init(&run->arrivals, now_ns, 0);
    run->measure_from_ns = run->measure_to_ns = SCHEDULE_NEVER;
    run->flood_parcel = BLOCK_NONE;
    if (run->flood_client == SLAB_NONE)
        return true;
    run->flood_parcel = run->protocol->encode_flood(run, FLOOD_PINGS);
    return run->flood_parcel != BLOCK_NONE;
}

void scenario_fini(struct run *run) {
    if (run->flood_parcel != BLOCK_NONE)
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
        send_heartbeat(run, intended_ns);
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
