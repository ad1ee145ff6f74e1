// Goal: how the bytes are cut on their way must not matter. Method: the same input whole and in
// random pieces; both runs write what they see into a journal, and the journals must be equal. A
// fault ends both with the same close code, and the whole run, which sees a bad chunk at once and
// not its good beginning, may have written less.
//
// Input: byte 0 role and limit, bytes 1–4 the seed of the cuts, the rest frames.
#include "gateway/wire/websocket.h"
#include "sched/base/rng.h"
#include "tests/fuzz/fuzz.h"

#define FUZZ_HEADER_BYTES 5
#define JOURNAL_BYTES_PER_INPUT_BYTE 8

struct run {
    struct websocket_decoder decoder;
    uint8_t control[WIRE_CONTROL_BYTES_MAX];
    struct writer journal;
    uint64_t message_size;
    bool in_message;
    struct utf8 utf8;    // of the text message under way, kept apart from the decoder's
    uint16_t close_code; // not 0: the run is over
};

static void on_event(struct run *run, const struct websocket_rules *rules,
                     const struct websocket_event *event) {
    if (event->opcode >= WEBSOCKET_CLOSE) {
        CHECK(event->payload.size <= WIRE_CONTROL_BYTES_MAX);
        writer_put_byte(&run->journal, 'c');
        writer_put_byte(&run->journal, (uint8_t)event->opcode);
        writer_put_byte(&run->journal, (uint8_t)event->payload.size);
        writer_put(&run->journal, event->payload);
        if (event->opcode == WEBSOCKET_CLOSE)
            run->close_code = event->close_code;
        return;
    }
    CHECK(event->opcode == WEBSOCKET_TEXT || event->opcode == WEBSOCKET_BINARY);
    CHECK(event->is_first != run->in_message);
    run->in_message = !event->is_last;
    if (event->is_first) {
        writer_put_byte(&run->journal, 'm');
        writer_put_byte(&run->journal, (uint8_t)event->opcode);
        run->message_size = 0;
        run->utf8 = (struct utf8){0};
    }
    if (event->opcode == WEBSOCKET_TEXT)
        CHECK(utf8_accepts(&run->utf8, event->payload) &&
              (!event->is_last || utf8_is_complete(&run->utf8)));
    if (event->is_frame_first)
        writer_put_byte(&run->journal, (uint8_t)(event->is_final ? 'F' : 'f'));
    writer_put(&run->journal, event->payload);
    run->message_size += event->payload.size;
    CHECK(run->message_size <= rules->message_bytes_max);
    CHECK(event->payload.size <= event->frame_size);
    CHECK(event->is_last == (event->is_final && event->is_frame_last));
    if (event->is_frame_last)
        writer_put_byte(&run->journal, '.');
    if (event->is_last) {
        writer_put_byte(&run->journal, '!');
        CHECK(websocket_decoder_is_idle(&run->decoder));
        run->message_size = 0;
    }
}

static void take(struct run *run, const struct websocket_rules *rules, struct bytes piece) {
    uint8_t *received = fuzz_copy(piece);
    struct websocket_input input = {received, piece.size, run->control};
    while (run->close_code == 0) {
        struct websocket_event event;
        enum websocket_status status = websocket_decode(&run->decoder, rules, &input, &event);
        if (status == WEBSOCKET_NEED_MORE) {
            CHECK(input.size == 0);
            break;
        }
        if (status == WEBSOCKET_BAD) {
            CHECK(event.cause != NULL && event.close_code >= 1002 && event.close_code <= 1009);
            run->close_code = event.close_code;
        } else {
            on_event(run, rules, &event);
        }
    }
    static const struct websocket_decoder zero;
    CHECK(run->close_code != 0 || websocket_decoder_is_idle(&run->decoder) ==
                                      (memcmp(&run->decoder, &zero, sizeof(zero)) == 0));
    free(received);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < FUZZ_HEADER_BYTES)
        return 0;
    struct websocket_rules rules = {.is_client = data[0] & 1,
                                    .message_bytes_max = data[0] & 2 ? 100 : 1 << 20};
    struct rng rng = {0};
    memcpy(&rng.state, data + 1, 4);
    struct bytes frames = bytes_of(data + FUZZ_HEADER_BYTES, size - FUZZ_HEADER_BYTES);
    size_t capacity = JOURNAL_BYTES_PER_INPUT_BYTE * size;
    struct run whole = {.journal = writer_on(malloc(capacity), capacity)};
    struct run pieces = {.journal = writer_on(malloc(capacity), capacity)};
    take(&whole, &rules, frames);
    while (frames.size > 0) {
        size_t step = 1 + rng_below(&rng, data[0] & 4 ? 1 : 9);
        step = step < frames.size ? step : frames.size;
        take(&pieces, &rules, bytes_of(frames.data, step));
        frames = bytes_skip(frames, step);
    }
    CHECK(!whole.journal.overflow && !pieces.journal.overflow);
    CHECK(whole.close_code == pieces.close_code);
    if (whole.close_code == 0)
        CHECK(bytes_equal(writer_bytes(&whole.journal), writer_bytes(&pieces.journal)));
    else
        CHECK(bytes_starts_with(writer_bytes(&pieces.journal), writer_bytes(&whole.journal)));
    free(whole.journal.data);
    free(pieces.journal.data);
    return 0;
}
