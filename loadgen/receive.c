#include "loadgen/receive.h"

#include "loadgen/client.h"
#include "loadgen/scenario.h"

void receive_data(struct run *run, uint32_t index, uint8_t *data, size_t size) {
    run->result->bytes_in_all += size;
    run->read_ns = clock_monotonic_ns();
    run->protocol->on_data(run, index, data, size);
}

void receive_strange(struct run *run) {
    run->result->strange++;
}

// A peer may bring back any time; one in the future counts as none.
static uint64_t latency_of(const struct run *run, const struct stamp *stamp) {
    return run->read_ns > stamp->intended_ns ? run->read_ns - stamp->intended_ns : 0;
}

// --- membership ----------------------------------------------------------------------------------

void receive_joined(struct run *run, uint32_t index, uint64_t watermark) {
    struct client *client = &run->clients[index];
    if (run->options.scenario == LOAD_OPTIONS_ROOMS) {
        if (watermark == VERIFY_UNKNOWN)
            verify_init(&client->verify);
        else
            verify_start(&client->verify, watermark);
    }
    if (client->state == CLIENT_JOINING) {
        client_set_live(run, index);
    } else if (client->member == CLIENT_MEMBER_JOINING) {
        client->member = CLIENT_IN;
        run->rooms[run_room_of(run, index)].live++;
    }
}

void receive_left(struct run *run, uint32_t index) {
    struct client *client = &run->clients[index];
    if (client->state != CLIENT_LIVE || client->member != CLIENT_LEAVING) {
        receive_strange(run);
        return;
    }
    client->member = CLIENT_OUT;
    run->rooms[run_room_of(run, index)].live--;
}

// --- answers -------------------------------------------------------------------------------------

void receive_rejection(struct run *run, struct bytes reason) {
    struct result *r = run->result;
    char text[CLIENT_SHOWN_BYTES];
    r->rejected++;
    if (r->rejected_detail[0] == 0)
        snprintf(r->rejected_detail, sizeof(r->rejected_detail), "%s", client_shown(reason, text));
}

// Requests of one connection are meant for different times, one later than the other, so the time
// serves as their number.
void receive_answer(struct run *run, uint32_t index, const struct stamp *stamp) {
    struct client *client = &run->clients[index];
    struct result *r = run->result;
    bool is_measured = run_is_measured(run, stamp->intended_ns);
    bool is_echo = run->options.scenario == LOAD_OPTIONS_ECHO;
    // A second reply answers nothing: taken from what is under way it would make the answer to
    // another request a duplicate, too.
    bool is_again = is_echo && stamp->intended_ns == client->verify.highest;
    if (client->unanswered == 0 || is_again) {
        r->verify.duplicates++;
        return;
    }
    client->unanswered--;
    run->outstanding--;
    run->last_progress_ns = run->read_ns;
    r->answered_all++;
    r->answered += is_measured;
    if (!is_echo)
        return;
    r->verify.received++;
    r->verify.disordered += stamp->intended_ns < client->verify.highest;
    if (stamp->intended_ns > client->verify.highest)
        client->verify.highest = stamp->intended_ns;
    r->received_all++;
    r->received_last_ns = run->read_ns;
    uint64_t latency_ns = latency_of(run, stamp);
    histogram_record(&r->interval, latency_ns);
    if (is_measured)
        histogram_record(&r->latency, latency_ns);
    scenario_on_answer(run, index, run->read_ns);
}

void receive_heartbeat(struct run *run, uint32_t index, const struct stamp *stamp) {
    run->result->heartbeats_answered++;
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

// Once, with the first delivery: whose numbers are they? The tool's own begin at 1 for everyone.
static void choose_numbers(struct run *run, enum run_numbers numbers) {
    run->numbers = numbers;
    if (numbers == RUN_NUMBERS_OWN)
        for (uint32_t i = 0; i < run->client_count; i++)
            verify_start(&run->clients[i].verify, 0);
}

void receive_delivery(struct run *run, uint32_t index, const struct stamp *stamp,
                      uint64_t sequence) {
    struct result *r = run->result;
    struct client *client = &run->clients[index];
    uint32_t room_index = run_room_of(run, index);
    uint64_t latency_ns = latency_of(run, stamp);
    r->received_all++;
    r->received_last_ns = run->read_ns;
    histogram_record(&r->interval, latency_ns);
    if (run_is_measured(run, stamp->intended_ns))
        histogram_record(&r->latency, latency_ns);
    if (UNLIKELY(run->numbers == RUN_NUMBERS_UNKNOWN))
        choose_numbers(run, sequence ? RUN_NUMBERS_SERVER : RUN_NUMBERS_OWN);
    bool is_ours = stamp->publisher - run->options.first_user < run->options.connections;
    bool is_new = true;
    if (run->numbers == RUN_NUMBERS_SERVER && sequence != 0)
        is_new = verify_take(&client->verify, &r->verify, sequence, true);
    else if (is_ours)
        is_new = verify_take(&client->verify, &r->verify, stamp->number, run->options.talkers == 1);
    receive_sequence(run, index, sequence);
    struct flight_receipt receipt = {room_index, stamp->number, run->read_ns};
    if (is_ours && is_new &&
        flight_take(&run->flights, &receipt, &r->first, &r->last) == FLIGHT_LAST)
        scenario_on_complete(run, room_index, run->read_ns);
}

void receive_gap(struct run *run, uint32_t index, uint64_t from, uint64_t to) {
    if (!verify_take_gap(&run->clients[index].verify, &run->result->verify, from, to))
        receive_strange(run);
}

// --- the end -------------------------------------------------------------------------------------

static void finish_member(struct run *run, uint32_t index) {
    struct client *client = &run->clients[index];
    const struct room *room = &run->rooms[run_room_of(run, index)];
    bool is_own = run->numbers == RUN_NUMBERS_OWN ||
                  (run->numbers == RUN_NUMBERS_UNKNOWN && room->last_sequence == 0);
    if (is_own && run->numbers == RUN_NUMBERS_UNKNOWN)
        verify_start(&client->verify, 0);
    verify_finish(&client->verify, &run->result->verify,
                  is_own ? room->published : room->last_sequence);
}

void receive_finish(struct run *run) {
    struct result *r = run->result;
    flight_finish(&run->flights);
    r->flights_complete = run->flights.complete;
    r->flights_incomplete = run->flights.incomplete;
    r->has_sequence = run->numbers == RUN_NUMBERS_SERVER;
    r->is_order_checked =
        run->options.scenario == LOAD_OPTIONS_ECHO || r->has_sequence || run->options.talkers == 1;
    for (uint32_t i = 0; i < run->options.connections; i++) {
        if (run->clients[i].state != CLIENT_LIVE)
            continue;
        if (run->options.scenario == LOAD_OPTIONS_ROOMS)
            finish_member(run, i);
        r->unanswered += run->clients[i].unanswered;
    }
    // A server that answers no publish at all owes none.
    if (run->options.scenario == LOAD_OPTIONS_ROOMS && r->answered_all == 0)
        r->unanswered = 0;
}
