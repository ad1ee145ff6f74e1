#include "loadgen/receive.h"

#include "loadgen/churn.h"
#include "loadgen/client.h"
#include "loadgen/scenario.h"

void receive_data(struct run *run, uint32_t index, uint8_t *data, size_t size) {
    run->result->bytes_in_all += size;
    run->read_ns = clock_monotonic_ns();
    run->protocol->on_data(run, index, data, size);
    throttle_on_data(run, index, size);
}

void receive_strange(struct run *run) {
    run->result->strange++;
}

// A peer may bring back any time; one in the future counts as none.
static uint64_t latency_of(const struct run *run, const struct stamp *stamp) {
    return run->read_ns > stamp->intended_ns ? run->read_ns - stamp->intended_ns : 0;
}

// One reply or delivery.
static void record_latency(struct run *run, const struct stamp *stamp) {
    struct result *r = run->result;
    uint64_t latency_ns = latency_of(run, stamp);
    uint64_t lag_ns = (uint64_t)stamp->lag_us * NS_PER_US;
    r->received_all++;
    r->received_last_ns = run->read_ns;
    histogram_record(&r->interval, latency_ns);
    struct result_phase_row *row = run_row(run, stamp->intended_ns);
    if (row != NULL) {
        row->received++;
        histogram_record(row->latency, latency_ns);
    }
    if (!run_is_measured(run, stamp->intended_ns))
        return;
    histogram_record(&r->latency, latency_ns);
    histogram_record(&r->service, latency_ns > lag_ns ? latency_ns - lag_ns : 0);
}

// A reply beside deliveries, which have the other histograms.
static void record_reply(struct run *run, const struct stamp *stamp) {
    if (run_is_measured(run, stamp->intended_ns))
        histogram_record(&run->result->reply, latency_of(run, stamp));
}

// --- membership ----------------------------------------------------------------------------------

void receive_joined(struct run *run, uint32_t index, uint64_t watermark) {
    struct client *client = &run->clients[index];
    client->floor = run->rooms[run_room_of(run, index)].published;
    if (run->numbers == RUN_NUMBERS_OWN)
        verify_start(&client->verify, client->floor);
    else if (watermark == VERIFY_UNKNOWN)
        verify_init(&client->verify);
    else
        verify_start(&client->verify, watermark);
    if (client->state == CLIENT_JOINING) {
        client_set_live(run, index);
    } else if (client->member == CLIENT_MEMBER_JOINING) {
        client_enter_room(run, index);
        if (run->phases.needs.churn)
            churn_on_joined(run, index, run->read_ns);
    }
}

void receive_left(struct run *run, uint32_t index) {
    struct client *client = &run->clients[index];
    if (client->state != CLIENT_LIVE || client->member != CLIENT_LEAVING) {
        receive_strange(run);
        return;
    }
    client_leave_room(run, index);
    if (run->phases.needs.churn)
        churn_on_left(run, index);
}

// --- answers -------------------------------------------------------------------------------------

void receive_rejection(struct run *run, struct bytes reason) {
    struct result *r = run->result;
    char text[CLIENT_SHOWN_BYTES];
    r->rejected++;
    if (r->rejected_detail[0] == 0)
        snprintf(r->rejected_detail, sizeof(r->rejected_detail), "%s", client_shown(reason, text));
}

// Is it the first reply to this request of the connection? One that is further behind than the
// window is taken for it. What never comes shows as unanswered.
static bool take_reply(struct client *client, struct verify_totals *totals, uint32_t number) {
    totals->received++;
    if (number > client->replied) {
        uint32_t ahead = number - client->replied;
        client->replied_window = (ahead < 32 ? client->replied_window << ahead : 0) | 1;
        client->replied = number;
        return true;
    }
    uint32_t behind = client->replied - number;
    if (behind < 32 && (client->replied_window >> behind & 1)) {
        totals->duplicates++;
        return false;
    }
    client->replied_window |= behind < 32 ? 1u << behind : 0;
    totals->disordered++;
    return true;
}

// False when nothing was under way.
static bool take_answer(struct run *run, uint32_t index, const struct stamp *stamp) {
    struct client *client = &run->clients[index];
    if (client->unanswered == 0) {
        run->result->verify.duplicates++;
        return false;
    }
    client->unanswered--;
    run->outstanding--;
    run->last_progress_ns = run->read_ns;
    run->result->answered_all++;
    run->result->answered += run_is_measured(run, stamp->intended_ns);
    struct result_phase_row *row = run_row(run, stamp->intended_ns);
    if (row != NULL)
        row->answered++;
    return true;
}

void receive_accepted(struct run *run, uint32_t index, const struct stamp *stamp) {
    (void)take_answer(run, index, stamp);
}

void receive_answer(struct run *run, uint32_t index, const struct stamp *stamp) {
    struct client *client = &run->clients[index];
    if (stamp->number == 0 || stamp->number > client->asked) {
        receive_strange(run); // never asked
        return;
    }
    if (!take_reply(client, &run->result->verify, stamp->number) || !take_answer(run, index, stamp))
        return;
    if (run_has_both(run)) // the others are deliveries
        record_reply(run, stamp);
    else
        record_latency(run, stamp);
    scenario_on_answer(run, index, run->read_ns);
}

bool receive_echo(struct run *run, uint32_t index, struct bytes message) {
    struct stamp stamp;
    if (message.size != run->options.payload_bytes || !stamp_decode(message, &stamp) ||
        stamp.publisher != run->options.first_user + index)
        return false;
    stamp_encode(run->scratch, message.size, &stamp);
    if (memcmp(run->scratch, message.data, message.size) != 0)
        return false;
    receive_answer(run, index, &stamp);
    return true;
}

void receive_heartbeat(struct run *run, uint32_t index, const struct stamp *stamp) {
    struct client *client = &run->clients[index];
    run->result->heartbeats_answered++;
    if (client->heartbeats > 0) {
        client->heartbeats--;
        run->heartbeats_outstanding--;
    }
    if (run_is_measured(run, stamp->intended_ns) && client->role != LAYOUT_SLOW)
        histogram_record(&run->result->heartbeat, latency_of(run, stamp));
}

void receive_flood(struct run *run) {
    run->result->flood_answered++;
    run->flood_unanswered--;
}

// --- deliveries ----------------------------------------------------------------------------------

void receive_sequence(struct run *run, uint32_t index, uint64_t sequence) {
    struct room *room = &run->rooms[run_room_of(run, index)];
    if (sequence > room->last_sequence)
        room->last_sequence = sequence;
}

// Once, with the first delivery: whose numbers are they? The tool's own begin with a member's join.
static void choose_numbers(struct run *run, enum run_numbers numbers) {
    run->numbers = numbers;
    if (numbers == RUN_NUMBERS_OWN)
        for (uint32_t i = 0; i < run->client_count; i++)
            verify_start(&run->clients[i].verify, run->clients[i].floor);
}

// The first number of the server's that a member sees, when its join's answer had none: with one
// talker who stays, our own number says how many messages it should have seen before.
static void begin_numbers(const struct run *run, struct client *client, const struct stamp *stamp,
                          uint64_t sequence) {
    bool knows_order = run->options.talkers == 1 && !run->phases.needs.returns &&
                       !run->options.reconnects && stamp->number > client->floor;
    uint64_t before = knows_order ? stamp->number - client->floor : 1;
    verify_start(&client->verify, sequence - (before < sequence ? before : sequence));
}

// One member of a shared group has it: exactly one is to, and what it gets is in order.
static bool take_shared(struct run *run, uint32_t index, const struct stamp *stamp) {
    struct verify_totals *totals = &run->result->verify;
    struct verify_member *member = &run->clients[index].verify;
    struct room *room = &run->rooms[run_room_of(run, index)];
    if (!verify_take(&room->verify, totals, stamp->number, false))
        return false;
    if (publisher_order_is_on(&run->order))
        totals->disordered += !publisher_order_take(run, index, stamp);
    else
        totals->disordered += run->options.talkers == 1 && stamp->number <= member->highest;
    member->highest = stamp->number > member->highest ? stamp->number : member->highest;
    return true;
}

// Is it the first time that this member gets it?
static bool take_number(struct run *run, uint32_t index, const struct stamp *stamp,
                        uint64_t sequence, bool is_ours) {
    struct client *client = &run->clients[index];
    struct verify_totals *totals = &run->result->verify;
    bool is_shared = run->options.shared_group[0] != 0;
    if (UNLIKELY(run->numbers == RUN_NUMBERS_UNKNOWN))
        choose_numbers(run, sequence && !is_shared ? RUN_NUMBERS_SERVER : RUN_NUMBERS_OWN);
    if (run->numbers == RUN_NUMBERS_SERVER && sequence != 0) {
        if (UNLIKELY(client->verify.highest == VERIFY_UNKNOWN && is_ours))
            begin_numbers(run, client, stamp, sequence);
        return verify_take(&client->verify, totals, sequence, true);
    }
    if (!is_ours || stamp->number <= client->floor)
        return false;
    if (is_shared)
        return take_shared(run, index, stamp);
    if (!verify_take(&client->verify, totals, stamp->number, run->options.talkers == 1))
        return false;
    if (publisher_order_is_on(&run->order))
        totals->disordered += !publisher_order_take(run, index, stamp);
    return true;
}

// Nobody answers a QoS 0 publish; that its own publisher has it says that the server had it.
static void note_echo(struct run *run, uint32_t index, const struct stamp *stamp) {
    struct client *client = &run->clients[index];
    if (stamp->publisher != run->options.first_user + index || client->unanswered == 0)
        return;
    client->unanswered--;
    run->outstanding--;
}

// A reader that is throttled by ourselves: how late it is says nothing about the server.
static void record_slow(struct run *run, const struct stamp *stamp) {
    struct result *r = run->result;
    r->received_all++;
    r->received_last_ns = run->read_ns;
    if (run_is_measured(run, stamp->intended_ns))
        histogram_record(&r->slow, latency_of(run, stamp));
}

void receive_delivery(struct run *run, uint32_t index, const struct stamp *stamp,
                      uint64_t sequence) {
    struct result *r = run->result;
    const struct client *client = &run->clients[index];
    bool is_ours = stamp->publisher - run->options.first_user < run->options.connections;
    bool is_new = take_number(run, index, stamp, sequence, is_ours);
    if (is_ours)
        receive_sequence(run, index, sequence);
    r->foreign += !is_ours;
    if (UNLIKELY(client->role == LAYOUT_SLOW))
        record_slow(run, stamp);
    else
        record_latency(run, stamp);
    if (is_new && run->protocol->is_mqtt && run->options.qos == 0)
        note_echo(run, index, stamp);
    if (!is_ours || !is_new || !client_is_stable(client))
        return;
    uint32_t room = run_room_of(run, index);
    struct flight_receipt receipt = {room, stamp->number, run->read_ns};
    struct flight_times times = {&r->first, &r->median, &r->last};
    if (flight_take(&run->flights, &receipt, &times) == FLIGHT_LAST)
        scenario_on_complete(run, room, run->read_ns);
}

void receive_redelivery(struct run *run, uint32_t index, const struct stamp *stamp,
                        uint64_t sequence) {
    struct verify_totals *totals = &run->result->verify;
    uint64_t before = totals->duplicates;
    receive_delivery(run, index, stamp, sequence);
    run->result->redelivered++;
    totals->duplicates = before;
}

void receive_foreign(struct run *run, uint32_t index, uint64_t sequence) {
    run->result->foreign++;
    if (run->numbers == RUN_NUMBERS_SERVER && sequence != 0)
        (void)verify_take(&run->clients[index].verify, &run->result->verify, sequence, true);
}

void receive_gap(struct run *run, uint32_t index, uint64_t from, uint64_t to) {
    struct client *client = &run->clients[index];
    struct verify_totals *totals = &run->result->verify;
    struct verify_totals before = *totals;
    if (!verify_take_gap(&client->verify, totals, from, to)) {
        receive_strange(run);
    } else if (client->role == LAYOUT_SLOW) {
        run->result->slow_announced += totals->announced - before.announced;
        run->result->slow_gap_events += totals->gap_events - before.gap_events;
        totals->announced = before.announced;
        totals->gap_events = before.gap_events;
    }
}

// --- the end -------------------------------------------------------------------------------------

bool receive_is_complete(const struct run *run) {
    for (uint32_t i = 0; i < run->options.connections; i++) {
        const struct client *client = &run->clients[i];
        const struct room *room = &run->rooms[run_room_of(run, i)];
        uint64_t last = run->numbers == RUN_NUMBERS_SERVER ? room->last_sequence : room->published;
        if (client->role == LAYOUT_CHURNER && client_is_member(run, i) &&
            client->verify.highest < last)
            return false;
    }
    return true;
}

static void finish_member(struct run *run, uint32_t index) {
    struct client *client = &run->clients[index];
    const struct room *room = &run->rooms[run_room_of(run, index)];
    bool is_own = run->numbers == RUN_NUMBERS_OWN ||
                  (run->numbers == RUN_NUMBERS_UNKNOWN && room->last_sequence == 0);
    if (is_own && run->numbers == RUN_NUMBERS_UNKNOWN)
        verify_start(&client->verify, client->floor);
    uint64_t last = is_own ? room->published : room->last_sequence;
    if (client->role != LAYOUT_SLOW && !is_own && client->verify.highest == VERIFY_UNKNOWN)
        run->result->verify.missing += room->published - client->floor; // and got nothing at all
    else if (client->role != LAYOUT_SLOW)
        verify_finish(&client->verify, &run->result->verify, last);
    else if (client->verify.highest != VERIFY_UNKNOWN && last > client->verify.highest)
        run->result->slow_behind += last - client->verify.highest;
}

void receive_finish(struct run *run) {
    struct result *r = run->result;
    flight_finish(&run->flights);
    r->flights_complete = run->flights.complete;
    r->flights_incomplete = run->flights.incomplete;
    r->reach_due = run->flights.due;
    r->reach_received = run->flights.received;
    r->missed_worst_ppm = run->flights.missed_worst_ppm;
    r->has_sequence = run->numbers == RUN_NUMBERS_SERVER;
    r->is_order_checked = run->numbers != RUN_NUMBERS_OWN || run->options.talkers == 1 ||
                          publisher_order_is_on(&run->order);
    uint64_t asked = 0;
    for (uint32_t i = 0; i < run->options.connections; i++) {
        if (run->clients[i].state != CLIENT_LIVE)
            continue;
        asked += run->clients[i].asked;
        if (run->protocol->has_rooms && run->clients[i].member == CLIENT_IN &&
            run->options.shared_group[0] == 0)
            finish_member(run, i);
        r->unanswered += client_owed(run, i);
    }
    for (uint32_t i = 0; run->options.shared_group[0] != 0 && i < run->room_count; i++)
        if (run->rooms[i].live > 0)
            verify_finish(&run->rooms[i].verify, &r->verify, run->rooms[i].published);
    r->heartbeats_unanswered = run->heartbeats_outstanding;
    // A server that answers no publish at all owes none.
    if (asked == 0 && r->answered_all == 0)
        r->unanswered = 0;
}
