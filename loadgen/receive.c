#include "loadgen/receive.h"

#include <string.h>

#include "gateway/wire/http1.h"
#include "gateway/wire/ws_handshake.h"
#include "loadgen/client.h"
#include "loadgen/scenario.h"
#include "loadgen/stamp.h"

#define MESSAGE_BYTES_MAX (64ull << 20) // of a server's message; its middle is skipped, not kept
#define SHOWN_BYTES_MAX 120

// --- what is kept between two reads --------------------------------------------------------------

static struct cut *get_cut(struct run *run, struct client *client) {
    if (client->cut == SLAB_NONE) {
        struct cut *fresh = slab_acquire(&run->cuts, &client->cut);
        CHECKF(fresh != NULL, "one cut message per client, %u", run->client_count);
        return fresh;
    }
    return slab_get(&run->cuts, client->cut);
}

static void append(const struct run *run, struct cut *cut, struct bytes bytes) {
    size_t space = run->cut_bytes - cut->size;
    size_t size = bytes.size < space ? bytes.size : space;
    cut->is_truncated |= size < bytes.size;
    if (size > 0)
        memcpy(cut->bytes + cut->size, bytes.data, size);
    cut->size += (uint32_t)size;
}

// Printable characters of the first line of what a server said, for an error sentence.
static const char *shown(struct bytes text, char out[SHOWN_BYTES_MAX + 1]) {
    size_t size = 0;
    for (size_t i = 0; i < text.size && size < SHOWN_BYTES_MAX; i++) {
        if (text.data[i] == '\n' && size > 0)
            break;
        if (text.data[i] >= ' ' && text.data[i] != 0x7f)
            out[size++] = (char)text.data[i];
    }
    out[size] = 0;
    return out;
}

// --- the upgrade ---------------------------------------------------------------------------------

static void refuse_http(struct run *run, uint32_t index, const struct http1_response *response,
                        struct bytes body) {
    char text[SHOWN_BYTES_MAX + 1];
    const struct target *target = target_of(run->targets, index);
    const char *hint = response->status == 404   ? " (is the path right?)"
                       : response->status == 200 ? " (a web page, no WebSocket endpoint?)"
                                                 : "";
    shown(body, text);
    client_fail(run, index, RESULT_HTTP, "%.100s%.60s answered HTTP %u%s%s%s", target->host,
                target->path, response->status, text[0] ? ": " : "", text, hint);
}

static void refuse_strange(struct run *run, uint32_t index, struct bytes head, const char *cause) {
    char text[SHOWN_BYTES_MAX + 1];
    client_fail(run, index, RESULT_NOT_HTTP, "%.100s is no WebSocket server: %s; it said '%s'",
                target_of(run->targets, index)->host, cause, shown(head, text));
}

void receive_refusal(struct run *run, uint32_t index) {
    struct client *client = &run->clients[index];
    if (client->cut == SLAB_NONE || client->state != CLIENT_UPGRADING)
        return;
    struct cut *cut = get_cut(run, client);
    struct bytes head = bytes_of(cut->bytes, cut->size);
    struct http1_response response;
    if (http1_decode_response(head, &response) == HTTP1_OK)
        refuse_http(run, index, &response, bytes_skip(head, response.size));
    else
        refuse_strange(run, index, head, "its answer to the upgrade ended early");
}

// Takes the answer to the upgrade. True when what is left in *data are frames.
static bool take_head(struct run *run, uint32_t index, struct bytes *data) {
    struct client *client = &run->clients[index];
    size_t held_size = 0;
    struct bytes head = *data;
    if (client->cut != SLAB_NONE) {
        struct cut *cut = get_cut(run, client);
        held_size = cut->size;
        append(run, cut, *data);
        head = bytes_of(cut->bytes, cut->size);
    }
    struct http1_response response;
    enum http1_status status = http1_decode_response(head, &response);
    if (status == HTTP1_BAD) {
        refuse_strange(run, index, head, response.cause);
        return false;
    }
    bool waits_for_body =
        status == HTTP1_OK && response.status != 101 && head.size == response.size;
    if (status == HTTP1_NEED_MORE || waits_for_body) {
        if (client->cut == SLAB_NONE)
            append(run, get_cut(run, client), *data);
        return false;
    }
    if (response.status != 101) {
        refuse_http(run, index, &response, bytes_skip(head, response.size));
        return false;
    }
    uint8_t key[WS_HANDSHAKE_KEY_SIZE];
    client_key(run, index, key);
    if (!ws_handshake_is_accepted(&response, bytes_of(key, sizeof(key)))) {
        refuse_strange(run, index, head, "its 101 does not answer our Sec-WebSocket-Key");
        return false;
    }
    *data = bytes_skip(*data, response.size - held_size);
    client_release_cut(run, client);
    client_join(run, index);
    return true;
}

// --- answers and deliveries ----------------------------------------------------------------------

static void note_rejection(struct run *run, struct bytes payload) {
    struct result *r = run->result;
    struct bytes reason;
    char text[SHOWN_BYTES_MAX + 1];
    r->rejected++;
    if (r->rejected_detail[0] != 0)
        return;
    if (!scan_string(payload, "reason", &reason))
        reason = payload;
    snprintf(r->rejected_detail, sizeof(r->rejected_detail), "%s", shown(reason, text));
}

// A request that was sent for `intended_ns` has its answer. Refs of one connection grow.
static void on_answer(struct run *run, uint32_t index, uint64_t ref, uint64_t now_ns) {
    struct client *client = &run->clients[index];
    struct result *r = run->result;
    uint64_t intended_ns = ref - RECEIVE_REF_BASE + r->begin_ns;
    bool is_echo = run->options.scenario == LOAD_OPTIONS_ECHO;
    if (client->unanswered == 0) {
        r->verify.duplicates++;
        return;
    }
    client->unanswered--;
    run->outstanding--;
    run->last_progress_ns = now_ns;
    r->answered_all++;
    r->answered += run_is_measured(run, intended_ns);
    if (!is_echo)
        return;
    r->verify.received++;
    r->verify.duplicates += ref == client->verify.highest;
    r->verify.disordered += ref < client->verify.highest;
    if (ref > client->verify.highest)
        client->verify.highest = ref;
    r->received_all++;
    r->received_last_ns = now_ns;
    uint64_t latency_ns = now_ns > intended_ns ? now_ns - intended_ns : 0;
    histogram_record(&r->interval, latency_ns);
    if (run_is_measured(run, intended_ns))
        histogram_record(&r->latency, latency_ns);
    scenario_on_answer(run, index, now_ns);
}

static void on_join_reply(struct run *run, uint32_t index, const struct scan_message *message) {
    struct client *client = &run->clients[index];
    struct bytes status;
    struct bytes reason = message->payload;
    char text[SHOWN_BYTES_MAX + 1];
    if (!scan_string(message->payload, "status", &status) || !bytes_equal_string(status, "ok")) {
        (void)!scan_string(message->payload, "reason", &reason);
        client_fail(run, index, RESULT_JOIN, "the join of %.*s was refused: %s",
                    (int)message->topic.size, (const char *)message->topic.data,
                    shown(reason, text));
        return;
    }
    uint64_t watermark = 0;
    if (run->options.scenario == LOAD_OPTIONS_ROOMS &&
        scan_number(message->payload, "seq", &watermark))
        verify_start(&client->verify, watermark);
    else if (run->options.scenario == LOAD_OPTIONS_ROOMS)
        verify_init(&client->verify);
    client_set_live(run, index);
}

static void on_reply(struct run *run, uint32_t index, const struct scan_message *message,
                     uint64_t now_ns) {
    struct client *client = &run->clients[index];
    uint64_t ref = 0, sequence;
    struct bytes status;
    if (!scan_decimal(message->ref, &ref)) {
        run->result->strange++;
        return;
    }
    if (ref == RECEIVE_REF_JOIN && client->state == CLIENT_JOINING) {
        on_join_reply(run, index, message);
        return;
    }
    run->result->heartbeats_answered += ref == RECEIVE_REF_HEARTBEAT;
    if (ref == RECEIVE_REF_FLOOD) {
        run->result->flood_answered++;
        run->flood_unanswered--;
    }
    if (ref < RECEIVE_REF_BASE)
        return;
    bool is_ok =
        scan_string(message->payload, "status", &status) && bytes_equal_string(status, "ok");
    if (!is_ok)
        note_rejection(run, message->payload);
    else if (run->options.scenario == LOAD_OPTIONS_ROOMS &&
             scan_number(message->payload, "seq", &sequence)) {
        struct room *room = &run->rooms[run_room_of(run, index)];
        if (sequence > room->last_sequence)
            room->last_sequence = sequence;
    }
    on_answer(run, index, ref, now_ns);
}

// Once, with the first delivery: whose numbers are they? The tool's own begin at 1 for everyone.
static void choose_numbers(struct run *run, enum run_numbers numbers) {
    run->numbers = numbers;
    if (numbers == RUN_NUMBERS_OWN)
        for (uint32_t i = 0; i < run->client_count; i++)
            verify_start(&run->clients[i].verify, 0);
}

static void on_delivery(struct run *run, uint32_t index, struct bytes payload, uint64_t sequence,
                        uint64_t now_ns) {
    struct result *r = run->result;
    struct client *client = &run->clients[index];
    uint32_t room_index = run_room_of(run, index);
    struct room *room = &run->rooms[room_index];
    struct stamp stamp;
    if (UNLIKELY(!stamp_decode(payload, &stamp))) {
        r->strange++;
        return;
    }
    uint64_t latency_ns = now_ns > stamp.intended_ns ? now_ns - stamp.intended_ns : 0;
    r->received_all++;
    r->received_last_ns = now_ns;
    histogram_record(&r->interval, latency_ns);
    if (run_is_measured(run, stamp.intended_ns))
        histogram_record(&r->latency, latency_ns);
    if (UNLIKELY(run->numbers == RUN_NUMBERS_UNKNOWN))
        choose_numbers(run, sequence ? RUN_NUMBERS_SERVER : RUN_NUMBERS_OWN);
    bool is_ours = stamp.publisher - run->options.first_user < run->options.connections;
    bool is_new = true;
    if (run->numbers == RUN_NUMBERS_SERVER && sequence != 0)
        is_new = verify_take(&client->verify, &r->verify, sequence, true);
    else if (is_ours)
        is_new = verify_take(&client->verify, &r->verify, stamp.number, run->options.talkers == 1);
    if (sequence > room->last_sequence)
        room->last_sequence = sequence;
    struct flight_receipt receipt = {room_index, stamp.number, now_ns};
    if (is_ours && is_new &&
        flight_take(&run->flights, &receipt, &r->first, &r->last) == FLIGHT_LAST)
        scenario_on_complete(run, room_index, now_ns);
}

static void on_gap(struct run *run, uint32_t index, struct bytes payload) {
    uint64_t from, to;
    if (!scan_number(payload, "from", &from) || !scan_number(payload, "to", &to) ||
        !verify_take_gap(&run->clients[index].verify, &run->result->verify, from, to))
        run->result->strange++;
}

// --- messages ------------------------------------------------------------------------------------

static void on_raw_echo(struct run *run, uint32_t index, struct bytes text, uint64_t now_ns) {
    struct stamp stamp;
    if (!stamp_decode(text, &stamp) || stamp.publisher != run->options.first_user + index ||
        text.size != run->options.payload_bytes)
        run->result->strange++;
    else
        on_answer(run, index, stamp.intended_ns - run->result->begin_ns + RECEIVE_REF_BASE, now_ns);
}

static void on_message(struct run *run, uint32_t index, struct bytes text, uint64_t now_ns) {
    struct bytes payload;
    uint64_t sequence;
    struct scan_message message;
    if (!run_is_phoenix(run))
        on_raw_echo(run, index, text, now_ns);
    else if (LIKELY(scan_broadcast(&run->rooms[run_room_of(run, index)].expected, text, &payload,
                                   &sequence)))
        on_delivery(run, index, payload, sequence, now_ns);
    else if (!scan_message(text, &message))
        run->result->strange++;
    else if (bytes_equal_string(message.event, "phx_reply"))
        on_reply(run, index, &message, now_ns);
    else if (bytes_equal_string(message.event, run->options.event))
        on_delivery(run, index, message.payload, message.sequence, now_ns);
    else if (bytes_equal_string(message.event, "gap"))
        on_gap(run, index, message.payload);
    else if (bytes_equal_string(message.event, "phx_error") ||
             bytes_equal_string(message.event, "phx_close"))
        client_fail(run, index, RESULT_CLOSED, "the server ended a channel with %.*s",
                    (int)message.event.size, (const char *)message.event.data);
    else if (!bytes_starts_with(message.event, BYTES_LITERAL("presence_")))
        run->result->strange++;
}

static void on_close_frame(struct run *run, uint32_t index, const struct websocket_event *event) {
    char text[SHOWN_BYTES_MAX + 1];
    bool was_live = run->clients[index].state == CLIENT_LIVE;
    shown(event->payload, text);
    client_fail(run, index, was_live ? RESULT_CLOSED : RESULT_CLOSED_EARLY,
                "the server closed a connection with code %u%s%s", event->close_code,
                text[0] ? ": " : "", text);
}

static void on_chunk(struct run *run, uint32_t index, const struct websocket_event *event,
                     uint64_t now_ns) {
    if (LIKELY(event->is_first && event->is_last)) {
        on_message(run, index, event->payload, now_ns);
        return;
    }
    struct cut *cut = get_cut(run, &run->clients[index]);
    if (event->is_first) {
        cut->size = 0;
        cut->is_truncated = false;
    }
    append(run, cut, event->payload);
    if (!event->is_last)
        return;
    struct bytes text = bytes_of(cut->bytes, cut->size);
    cut->size = 0;
    on_message(run, index, text, now_ns);
}

static void on_event(struct run *run, uint32_t index, const struct websocket_event *event,
                     uint64_t now_ns) {
    switch (event->opcode) {
    case WEBSOCKET_TEXT:
    case WEBSOCKET_BINARY:
        on_chunk(run, index, event, now_ns);
        return;
    case WEBSOCKET_CLOSE:
        on_close_frame(run, index, event);
        return;
    case WEBSOCKET_PING:
        // A pong that does not leave costs the connection at the server's leisure, not the run.
        (void)!client_try_send(run, index, WEBSOCKET_PONG, event->payload);
        return;
    case WEBSOCKET_PONG:
        run->result->heartbeats_answered++;
        return;
    case WEBSOCKET_CONTINUATION:
        break;
    }
    UNREACHABLE();
}

// The decoder works on a copy, so that a client that ends within a message takes nothing with it.
static void take_frames(struct run *run, uint32_t index, struct bytes data, uint64_t now_ns) {
    static const struct websocket_rules rules = {.message_bytes_max = MESSAGE_BYTES_MAX,
                                                 .is_client = true};
    struct client *client = &run->clients[index];
    struct websocket_decoder decoder = {0};
    uint8_t control[WIRE_CONTROL_BYTES_MAX];
    if (client->cut != SLAB_NONE) {
        decoder = get_cut(run, client)->decoder;
        memcpy(control, get_cut(run, client)->control, sizeof(control));
    }
    struct websocket_input input = {(uint8_t *)data.data, data.size, control};
    struct websocket_event event;
    enum websocket_status status;
    while ((status = websocket_decode(&decoder, &rules, &input, &event)) == WEBSOCKET_OK) {
        on_event(run, index, &event, now_ns);
        if (UNLIKELY(client->state == CLIENT_GONE))
            return;
    }
    if (status == WEBSOCKET_BAD) {
        client_fail(run, index, RESULT_PROTOCOL, "the server broke the WebSocket protocol: %s",
                    event.cause);
    } else if (!websocket_decoder_is_idle(&decoder)) {
        struct cut *cut = get_cut(run, client);
        cut->decoder = decoder;
        memcpy(cut->control, control, sizeof(control));
    } else {
        client_release_cut(run, client);
    }
}

void receive_data(struct run *run, uint32_t index, uint8_t *data, size_t size) {
    struct bytes left = bytes_of(data, size);
    struct client *client = &run->clients[index];
    run->result->bytes_in_all += size;
    if (client->state == CLIENT_UPGRADING && !take_head(run, index, &left))
        return;
    if (left.size > 0 && (client->state == CLIENT_LIVE || client->state == CLIENT_JOINING))
        take_frames(run, index, left, clock_monotonic_ns());
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
