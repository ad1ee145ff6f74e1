#include "loadgen/ws_client.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "gateway/wire/http1.h"
#include "gateway/wire/utf8.h"
#include "loadgen/client.h"
#include "loadgen/cut.h"

#define MESSAGE_BYTES_MAX (64ull << 20) // of a server's message; its middle is skipped, not kept
#define UPGRADE_BYTES_MAX 4096

// What a cut keeps for us: the frame decoder between two reads.
struct ws_client_state {
    struct websocket_decoder decoder;
    uint8_t control[WIRE_CONTROL_BYTES_MAX];
};

_Static_assert(sizeof(struct ws_client_state) <= CUT_STATE_BYTES, "a cut has room for it");
_Static_assert(_Alignof(struct ws_client_state) <= 8, "a cut's state is aligned for it");

// --- the upgrade ---------------------------------------------------------------------------------

void ws_client_key(uint32_t index, uint8_t key[WS_HANDSHAKE_KEY_SIZE]) {
    struct rng rng = {index};
    uint64_t random[2] = {rng_next(&rng), rng_next(&rng)};
    ws_handshake_encode_key((const uint8_t *)random, key);
}

static struct bytes request_target(const struct run *run, uint32_t index, const char *parameters,
                                   char *text, size_t capacity) {
    const struct target *target = target_of(run->targets, index);
    const char *mark = parameters[0] == 0 ? "" : strchr(target->path, '?') ? "&" : "?";
    int size = snprintf(text, capacity, "%s%s%s", target->path, mark, parameters);
    CHECKF(size >= 0 && (size_t)size < capacity, "parameters %s", parameters);
    return bytes_of(text, (size_t)size);
}

void ws_client_open(struct run *run, uint32_t index, const char *parameters,
                    const char *subprotocol) {
    char path[TARGET_PATH_BYTES + 64];
    uint8_t key[WS_HANDSHAKE_KEY_SIZE];
    ws_client_key(index, key);
    struct http1_upgrade upgrade = {
        .target = request_target(run, index, parameters, path, sizeof(path)),
        .host = bytes_from_string(target_of(run->targets, index)->host),
        .ws_key = bytes_of(key, sizeof(key)),
        .ws_protocol = subprotocol ? bytes_from_string(subprotocol) : bytes_of(NULL, 0),
    };
    uint8_t request[UPGRADE_BYTES_MAX]; // here first: a parcel is taken for what it really needs
    struct writer w = writer_on(request, sizeof(request));
    http1_encode_upgrade(&w, &upgrade);
    CHECK(!w.overflow);
    if (!client_try_send(run, index, writer_bytes(&w)))
        client_fail_local(run, index, ENOBUFS);
}

static void refuse_http(struct run *run, uint32_t index, const struct http1_response *response,
                        struct bytes body) {
    char text[CLIENT_SHOWN_BYTES];
    const struct target *target = target_of(run->targets, index);
    const char *hint = response->status == 404   ? " (is the path right?)"
                       : response->status == 200 ? " (a web page, no WebSocket endpoint?)"
                                                 : "";
    client_shown(body, text);
    client_fail(run, index, RESULT_HTTP, "%.100s%.60s answered HTTP %u%s%s%s", target->host,
                target->path, response->status, text[0] ? ": " : "", text, hint);
}

static void refuse_strange(struct run *run, uint32_t index, struct bytes head, const char *cause) {
    client_fail_stranger(
        run, index,
        &(struct client_stranger){
            .why = RESULT_NOT_HTTP, .wanted = "WebSocket", .head = head, .cause = cause});
}

void ws_client_on_end_early(struct run *run, uint32_t index) {
    struct client *client = &run->clients[index];
    if (!cut_is_held(client) || client->state != CLIENT_OPENING)
        return;
    struct cut *cut = cut_get(run, client);
    struct bytes head = bytes_of(cut->bytes, cut->size);
    struct http1_response response;
    if (http1_decode_response(head, &response) == HTTP1_OK)
        refuse_http(run, index, &response, bytes_skip(head, response.size));
    else
        refuse_strange(run, index, head, "its answer to the upgrade ended early");
}

// Takes the answer to the upgrade. True when what is left in *data are frames.
static bool take_head(struct run *run, uint32_t index, struct bytes *data,
                      const struct ws_client_calls *calls) {
    struct client *client = &run->clients[index];
    size_t held_size = 0;
    struct bytes head = *data;
    if (cut_is_held(client)) {
        struct cut *cut = cut_get(run, client);
        held_size = cut->size;
        cut_append(run, cut, *data);
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
        if (!cut_is_held(client))
            cut_append(run, cut_get(run, client), *data);
        return false;
    }
    if (response.status != 101) {
        refuse_http(run, index, &response, bytes_skip(head, response.size));
        return false;
    }
    uint8_t key[WS_HANDSHAKE_KEY_SIZE];
    ws_client_key(index, key);
    if (!ws_handshake_is_accepted(&response, bytes_of(key, sizeof(key)))) {
        refuse_strange(run, index, head, "its 101 does not answer our Sec-WebSocket-Key");
        return false;
    }
    if (calls->subprotocol != NULL &&
        !bytes_equal_string(response.ws_protocol, calls->subprotocol)) {
        char cause[64];
        snprintf(cause, sizeof(cause), "its 101 does not choose the subprotocol %s",
                 calls->subprotocol);
        refuse_strange(run, index, head, cause);
        return false;
    }
    *data = bytes_skip(*data, response.size - held_size);
    cut_release(run, client);
    return true;
}

// --- frames --------------------------------------------------------------------------------------

static struct ws_client_state *state_of(struct cut *cut) {
    return (struct ws_client_state *)cut->state;
}

static void on_close_frame(struct run *run, uint32_t index, const struct websocket_event *event) {
    char text[CLIENT_SHOWN_BYTES];
    bool was_live = run->clients[index].state == CLIENT_LIVE;
    client_shown(event->payload, text);
    client_fail(run, index, was_live ? RESULT_CLOSED : RESULT_CLOSED_EARLY,
                "the server closed a connection with code %u%s%s", event->close_code,
                text[0] ? ": " : "", text);
}

// A part of a message; the whole is told with its last part.
static void on_part(struct run *run, uint32_t index, const struct websocket_event *event,
                    const struct ws_client_calls *calls) {
    struct cut *cut = cut_get(run, &run->clients[index]);
    if (event->is_first) {
        cut->size = 0;
        cut->is_truncated = false;
    }
    cut_append(run, cut, event->payload);
    if (!event->is_last)
        return;
    struct bytes text = bytes_of(cut->bytes, cut->size);
    cut->size = 0;
    calls->on_message(run, index, text);
}

static void on_event(struct run *run, uint32_t index, const struct websocket_event *event,
                     const struct ws_client_calls *calls) {
    switch (event->opcode) {
    case WEBSOCKET_TEXT:
    case WEBSOCKET_BINARY:
        if (UNLIKELY(calls->is_stream && event->opcode == WEBSOCKET_TEXT))
            client_fail(run, index, RESULT_PROTOCOL, "the server sent text where bytes belong");
        else if (LIKELY(calls->is_stream || (event->is_first && event->is_last)))
            calls->on_message(run, index, event->payload);
        else
            on_part(run, index, event, calls);
        return;
    case WEBSOCKET_CLOSE:
        on_close_frame(run, index, event);
        return;
    case WEBSOCKET_PING:
        // A pong that does not leave costs the connection at the server's leisure, not the run.
        (void)!ws_client_try_send(run, index, WEBSOCKET_PONG, event->payload);
        return;
    case WEBSOCKET_PONG:
        calls->on_pong(run, index, event->payload);
        return;
    case WEBSOCKET_CONTINUATION:
        break;
    }
    UNREACHABLE();
}

// Takes a frame off the front of *data that is a whole, short message, as nearly all are: what the
// decoder does for it, in one look. False: it is for the decoder, whatever is wrong with it.
static bool take_whole(struct bytes *data, struct bytes *message, bool is_stream) {
    const uint8_t *at = data->data;
    uint8_t first = 0x80 | (is_stream ? WEBSOCKET_BINARY : WEBSOCKET_TEXT);
    if (data->size < 4 || at[0] != first || at[1] > 126)
        return false;
    size_t header_size = at[1] < 126 ? 2 : 4;
    size_t size = at[1] < 126 ? at[1] : (size_t)(at[2] << 8 | at[3]);
    if (data->size < header_size + size || (header_size == 4 && size < 126))
        return false;
    *message = bytes_of(at + header_size, size);
    if (!is_stream && !utf8_is_valid(*message))
        return false;
    *data = bytes_skip(*data, header_size + size);
    return true;
}

// The decoder works on a copy, so that a client that ends within a message takes nothing with it.
static void take_frames(struct run *run, uint32_t index, struct bytes data,
                        const struct ws_client_calls *calls) {
    static const struct websocket_rules rules = {.message_bytes_max = MESSAGE_BYTES_MAX,
                                                 .is_client = true};
    struct client *client = &run->clients[index];
    struct ws_client_state state;
    struct bytes message;
    if (cut_is_held(client)) {
        state = *state_of(cut_get(run, client));
    } else {
        while (LIKELY(take_whole(&data, &message, calls->is_stream))) {
            calls->on_message(run, index, message);
            if (UNLIKELY(client->state == CLIENT_GONE))
                return;
        }
        if (LIKELY(data.size == 0))
            return;
        state.decoder = (struct websocket_decoder){0};
    }
    struct websocket_input input = {(uint8_t *)data.data, data.size, state.control};
    struct websocket_event event;
    enum websocket_status status;
    while ((status = websocket_decode(&state.decoder, &rules, &input, &event)) == WEBSOCKET_OK) {
        on_event(run, index, &event, calls);
        if (UNLIKELY(client->state == CLIENT_GONE))
            return;
    }
    if (status == WEBSOCKET_BAD)
        client_fail(run, index, RESULT_PROTOCOL, "the server broke the WebSocket protocol: %s",
                    event.cause);
    else if (!websocket_decoder_is_idle(&state.decoder))
        *state_of(cut_get(run, client)) = state;
    else
        cut_release(run, client);
}

void ws_client_take(struct run *run, uint32_t index, struct bytes data,
                    const struct ws_client_calls *calls) {
    struct client *client = &run->clients[index];
    if (client->state == CLIENT_OPENING) {
        if (!take_head(run, index, &data, calls))
            return;
        calls->on_upgraded(run, index);
    }
    if (data.size > 0 && (client->state == CLIENT_LIVE || client->state == CLIENT_JOINING))
        take_frames(run, index, data, calls);
}

// --- sending -------------------------------------------------------------------------------------

bool ws_client_try_send(struct run *run, uint32_t index, enum websocket_opcode opcode,
                        struct bytes payload) {
    size_t size = websocket_header_size(payload.size) + 4 + payload.size;
    uint32_t parcel = parcel_acquire(&run->blocks, size, PARCEL_CONTROL);
    if (parcel == BLOCK_NONE)
        return false;
    uint32_t random = (uint32_t)rng_next(&run->rng);
    uint8_t mask[4];
    memcpy(mask, &random, sizeof(mask));
    struct writer w = writer_on(parcel_at(&run->blocks, parcel)->data, size);
    websocket_encode_masked(&w, opcode, payload, mask);
    CHECK(!w.overflow && w.size == size);
    bool sent = client_try_push(run, index, parcel);
    parcel_unref(&run->blocks, parcel);
    return sent;
}

uint32_t ws_client_encode_repeated(struct run *run, struct bytes text, uint32_t count) {
    static const uint8_t mask[4] = {0x1d, 0x5c, 0x33, 0xa7};
    size_t size = count * (websocket_header_size(text.size) + 4 + text.size);
    uint32_t parcel = parcel_acquire(&run->blocks, size, PARCEL_CONTROL);
    if (parcel == BLOCK_NONE)
        return parcel;
    struct writer w = writer_on(parcel_at(&run->blocks, parcel)->data, size);
    for (uint32_t i = 0; i < count; i++)
        websocket_encode_masked(&w, WEBSOCKET_TEXT, text, mask);
    CHECK(!w.overflow && w.size == size);
    return parcel;
}
