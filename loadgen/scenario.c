#include "loadgen/scenario.h"

#include "loadgen/client.h"
#include "loadgen/receive.h"
#include "loadgen/stride.h"

#define HEARTBEATS_PER_TURN_MAX 4096 // before completions are looked at again
#define STAND_INS_MAX 64             // neighbours who are asked when somebody is away
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
    struct result_phase_row *row = run_row(run, stamp->intended_ns);
    run->clients[index].unanswered++;
    run->outstanding++;
    r->sent_all++;
    if (row != NULL)
        row->sent++;
    if (!run_is_measured(run, stamp->intended_ns))
        return;
    r->sent++;
    histogram_record(&r->send_lag, (uint64_t)stamp->lag_us * NS_PER_US);
}

static void note_unsendable(struct run *run, uint64_t intended_ns) {
    run->result->unsendable++;
    run->result->unsendable_window += run_is_measured(run, intended_ns);
}

// Who was meant to is away by our own doing, and so is everybody around: real users who are
// offline send nothing either.
static void note_absent(struct run *run) {
    run->result->absent++;
    phases_note_absent(run, 1);
}

// Can anybody be away by our own doing?
static bool may_be_away(const struct run *run) {
    return run->phases.needs.returns || run->options.reconnects;
}

static void send_request(struct run *run, uint32_t index, uint64_t intended_ns) {
    struct client *client = &run->clients[index];
    struct stamp stamp = stamp_now(run, index, intended_ns);
    stamp.number = client->asked + 1;
    if (client->state != CLIENT_LIVE || !run->protocol->try_request(run, index, &stamp)) {
        note_unsendable(run, intended_ns);
        return;
    }
    client->asked++;
    note_sent(run, index, &stamp);
}

// The plain members of a room who publish are spread evenly over them.
static uint32_t talker_of(const struct run *run, uint32_t room, uint32_t turn) {
    uint32_t first = layout_first(&run->layout, room);
    uint32_t plain = layout_parts_of(&run->layout, room).plain_count;
    uint32_t talkers = run->options.talkers < plain ? run->options.talkers : plain;
    uint32_t talker = first + (uint32_t)((uint64_t)(turn % talkers) * plain / talkers);
    if (client_is_member(run, talker) || !may_be_away(run))
        return talker;
    for (uint32_t i = 1; i < plain && i <= STAND_INS_MAX; i++) {
        uint32_t other = first + (talker - first + i) % plain;
        if (client_is_member(run, other))
            return other;
    }
    return SLAB_NONE;
}

// False: nobody of that room is there.
static bool try_publish(struct run *run, uint32_t room_index, uint32_t turn, uint64_t intended_ns) {
    struct room *room = &run->rooms[room_index];
    bool is_shared = run->options.shared_group[0] != 0; // one member of each room gets it
    uint32_t index = talker_of(run, room_index, turn);
    if (index == SLAB_NONE)
        return false;
    struct stamp stamp = stamp_now(run, index, intended_ns);
    stamp.number = room->published + 1;
    if (!client_is_member(run, index) ||
        !run->protocol->try_publish(run, index, room_index, &stamp)) {
        note_unsendable(run, intended_ns);
        return true;
    }
    room->published++;
    struct flight_publish publish = {.room = room_index,
                                     .number = stamp.number,
                                     .due = is_shared ? room->stable > 0 : room->stable,
                                     .intended_ns = stamp.intended_ns,
                                     .is_measured = run_is_measured(run, stamp.intended_ns)};
    if (publish.due > 0)
        flight_begin(&run->flights, &publish);
    note_sent(run, index, &stamp);
    return true;
}

static void send_publish(struct run *run, uint32_t room_index, uint32_t turn,
                         uint64_t intended_ns) {
    if (!try_publish(run, room_index, turn, intended_ns))
        note_absent(run);
}

// --- open loop -----------------------------------------------------------------------------------

// In a recorded room, of a recorded size. False: nobody was found.
static bool try_replayed(struct run *run, uint32_t turn, uint64_t intended_ns) {
    struct replay *replay = run->replay;
    uint32_t rooms = run->layout.room_count;
    bool is_sent = false;
    if (replay->has_bytes && !replay->holds_bytes)
        run->publish_bytes = replay_next_bytes(replay);
    if (replay->rooms.room_count == 0)
        is_sent = try_publish(run, turn % rooms, turn / rooms, intended_ns);
    else
        for (uint32_t i = 0; i < REPLAY_ROOMS_TRIED_MAX && !is_sent; i++)
            is_sent =
                try_publish(run, room_mix_next(&replay->rooms, intended_ns), turn, intended_ns);
    replay->holds_bytes = !is_sent;
    return is_sent;
}

// Within a second of the recording nobody knows who came before which message: what finds nobody is
// sent along with those that do.
static void send_replayed(struct run *run, uint32_t turn, uint64_t intended_ns) {
    struct replay *replay = run->replay;
    if (!try_replayed(run, turn, intended_ns)) {
        replay->owed++;
        phases_note_absent(run, 1);
        return;
    }
    for (uint32_t i = 0; i < REPLAY_OWED_AT_ONCE_MAX && replay->owed > 0; i++) {
        if (!try_replayed(run, turn + i + 1, intended_ns))
            return;
        replay->owed--;
        phases_note_absent(run, -1);
    }
}

void scenario_send_publishes(struct run *run, uint64_t intended_ns) {
    uint32_t turn = run->phases.next_talker++;
    if (run->replay) {
        send_replayed(run, turn, intended_ns);
        return;
    }
    uint32_t rooms = run->layout.room_count;
    uint32_t room = stride_at(run->room_stride, rooms, turn % rooms);
    for (uint32_t i = 0; i < run->options.burst; i++)
        send_publish(run, room, turn / rooms, intended_ns);
}

// A slow reader would read its reply late by our own doing.
static bool may_be_asked(const struct run *run, uint32_t index) {
    return run->clients[index].state == CLIENT_LIVE && !throttle_has(run, index);
}

void scenario_send_ping(struct run *run, uint64_t intended_ns) {
    uint32_t connections = run->options.connections;
    uint32_t index = run->phases.next_asker++ % connections;
    uint32_t tries = may_be_away(run) || run->throttle.share > 0 ? STAND_INS_MAX : 0;
    for (uint32_t i = 0; i < tries && !may_be_asked(run, index); i++)
        index = run->phases.next_asker++ % connections;
    if (tries > 0 && !may_be_asked(run, index))
        note_absent(run);
    else
        send_request(run, index, intended_ns);
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
    uint32_t turn = run->next_closed++;
    uint32_t rooms = run->layout.room_count;
    uint64_t intended_ns = distinct_ns(run, now_ns);
    if (run->options.scenario == LOAD_OPTIONS_ECHO)
        send_request(run, turn % run->options.connections, intended_ns);
    else
        send_publish(run, turn % rooms, turn / rooms, intended_ns);
}

static void begin_closed(struct run *run, uint64_t now_ns) {
    const struct load_options *o = &run->options;
    uint32_t count = o->closed;
    if (count == 0)
        count =
            o->scenario == LOAD_OPTIONS_ECHO ? o->connections : run->layout.room_count * o->talkers;
    run->last_progress_ns = now_ns;
    for (uint32_t i = 0; i < count; i++)
        send_closed(run, now_ns);
}

void scenario_set_closed(struct run *run, bool is_closed, uint64_t now_ns) {
    run->sends_load = is_closed;
    if (is_closed)
        begin_closed(run, now_ns);
}

void scenario_on_answer(struct run *run, uint32_t client, uint64_t now_ns) {
    if (run->sends_load && now_ns < run->measure_to_ns)
        send_request(run, client, distinct_ns(run, now_ns));
}

void scenario_on_complete(struct run *run, uint32_t room, uint64_t now_ns) {
    run->last_progress_ns = now_ns;
    if (run->sends_load && now_ns < run->measure_to_ns)
        send_publish(run, room, run->next_closed++, distinct_ns(run, now_ns));
}

void scenario_tick(struct run *run, uint64_t now_ns) {
    if (run->sends_load && now_ns < run->measure_to_ns &&
        now_ns > run->last_progress_ns + CLOSED_STALL_NS)
        begin_closed(run, now_ns);
}

// --- what goes on beside -------------------------------------------------------------------------

static void send_heartbeat(struct run *run, uint64_t intended_ns) {
    uint32_t index = stride_at(run->heartbeat_stride, run->client_count, run->next_heartbeat);
    run->next_heartbeat = run->next_heartbeat + 1 < run->client_count ? run->next_heartbeat + 1 : 0;
    struct client *client = &run->clients[index];
    struct stamp stamp = stamp_now(run, index, intended_ns);
    if (client->state != CLIENT_LIVE || !run->protocol->try_heartbeat(run, index, &stamp))
        return;
    run->result->heartbeats++;
    if (client->heartbeats < UINT8_MAX &&
        client->role != LAYOUT_SLOW) { // who reads late answers late
        client->heartbeats++;
        run->heartbeats_outstanding++;
    }
}

// Those of the run are waited for at its end: none are sent then, unless waiting takes so long that
// a server might take the connections for dead.
static bool sends_heartbeats(const struct run *run, uint64_t now_ns) {
    return run->result->phase != RESULT_STRAGGLERS ||
           now_ns > run->straggle_from_ns + (uint64_t)(run->options.heartbeat_s * (double)NS_PER_S);
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
    run->measure_from_ns = run->measure_to_ns = SCHEDULE_NEVER;
    run->flood_parcel = BLOCK_NONE;
    if (comeback_init(run, now_ns) < 0 || throttle_init(run, now_ns) < 0)
        return false;
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
    run->floods = true;
    phases_begin(run, begin_ns);
}

void scenario_turn(struct run *run, uint64_t now_ns) {
    uint64_t intended_ns;
    phases_turn(run, now_ns);
    for (uint32_t i = 0;
         i < HEARTBEATS_PER_TURN_MAX && schedule_try_pop(&run->heartbeats, now_ns, &intended_ns);
         i++)
        if (sends_heartbeats(run, now_ns))
            send_heartbeat(run, intended_ns);
    send_flood(run);
    comeback_turn(run, now_ns);
    throttle_turn(run, now_ns);
}

static uint64_t earlier(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

uint64_t scenario_next_ns(const struct run *run) {
    return earlier(earlier(phases_next_ns(run), schedule_next_ns(&run->heartbeats)),
                   earlier(comeback_next_ns(run), throttle_next_ns(run)));
}

uint64_t scenario_offered(const struct run *run, uint64_t until_ns) {
    return phases_offered(run, until_ns);
}

void scenario_end(struct run *run, uint64_t now_ns) {
    run->sends_load = false;
    run->floods = false;
    phases_end(run, now_ns);
    comeback_end(run);
    if (run->replay) {
        run->result->absent += run->replay->owed;
        run->replay->owed = 0;
    }
}

bool scenario_is_deserted(const struct run *run) {
    return run->result->live == 0 && run->comebacks.away == 0 && !run->phases.needs.moves;
}

bool scenario_is_quiet(const struct run *run) {
    if (run->heartbeats_outstanding > 0 || run->result->wills_received < run->result->wills_due)
        return false;
    bool has_flights = run->flights.complete + run->flights.incomplete < run->flights.begun;
    if (!run->phases.needs.rooms && run->options.scenario != LOAD_OPTIONS_ROOMS)
        return run->outstanding == 0;
    if (has_flights || (run->outstanding > 0 && run->result->answered_all > 0))
        return false;
    return !run->phases.needs.churn || receive_is_complete(run);
}
