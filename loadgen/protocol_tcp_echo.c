// Plain TCP echo: the bytes that are sent come back, in order. A message is --payload-bytes long
// (no other framing), so what comes is cut into such pieces; each must be the very bytes of a
// message of ours. The first that is not ends the connection: nothing after it could be told apart.
#include "loadgen/client.h"
#include "loadgen/cut.h"
#include "loadgen/protocol.h"
#include "loadgen/receive.h"

static void on_open(struct run *run, uint32_t index) {
    client_set_live(run, index);
}

static void on_end_early(struct run *run, uint32_t index) {
    // Nothing is awaited before it is live.
}

static bool try_request(struct run *run, uint32_t index, const struct stamp *stamp) {
    stamp_encode(run->scratch, run->options.payload_bytes, stamp);
    return client_try_send(run, index, bytes_of(run->scratch, run->options.payload_bytes));
}

static void on_message(struct run *run, uint32_t index, struct bytes message) {
    char text[CLIENT_SHOWN_BYTES];
    if (UNLIKELY(!receive_echo(run, index, message)))
        client_fail(run, index, RESULT_PROTOCOL,
                    "%.100s is no echo server: what came is not what was sent: '%s'",
                    target_of(run->targets, index)->host, client_shown(message, text));
}

// The part of `data` that completes the message under way, or all of it when it does not.
static void take_part(struct run *run, uint32_t index, struct bytes *data) {
    struct client *client = &run->clients[index];
    struct cut *cut = cut_get(run, client);
    size_t missing = run->options.payload_bytes - cut->size;
    struct bytes part = bytes_of(data->data, data->size < missing ? data->size : missing);
    cut_append(run, cut, part);
    *data = bytes_skip(*data, part.size);
    if (part.size < missing)
        return;
    on_message(run, index, bytes_of(cut->bytes, cut->size));
    cut_release(run, client);
}

static void on_data(struct run *run, uint32_t index, uint8_t *bytes, size_t size) {
    struct client *client = &run->clients[index];
    struct bytes data = bytes_of(bytes, size);
    size_t message_size = run->options.payload_bytes;
    while (data.size > 0 && client->state == CLIENT_LIVE) {
        if (cut_is_held(client) || data.size < message_size) {
            take_part(run, index, &data);
            continue;
        }
        on_message(run, index, bytes_of(data.data, message_size));
        data = bytes_skip(data, message_size);
    }
}

const struct protocol PROTOCOL_TCP_ECHO = {
    .name = "tcp-echo",
    .scheme = "tcp",
    .stranger = RESULT_CLOSED_EARLY,
    .has_requests = true,
    .hello = "the connect",
    .on_open = on_open,
    .on_data = on_data,
    .on_end_early = on_end_early,
    .try_request = try_request,
};
