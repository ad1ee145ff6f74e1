// Goal: RFC 6455 frames, and that it does not matter how the bytes are cut on their way. Method:
// frames built by hand; a journal of what was seen, whole, at every cut and byte by byte; each
// fault by its close code; limits at max-1, max, max+1; what is encoded is decoded.
#include "gateway/wire/websocket.h"

#include "tests/unit/unit.h"

#define MASK "\x37\xfa\x21\x3d"

static const struct websocket_rules server = {.message_bytes_max = 1000};
static const struct websocket_rules client = {.message_bytes_max = 1000, .is_client = true};

// What a run of the decoder has seen: messages joined, frames marked, control frames in between.
struct journal {
    struct websocket_decoder decoder;
    uint8_t control[WIRE_CONTROL_BYTES_MAX];
    struct writer text;
    uint16_t close_code; // of the fault that ended it
    bool is_closed;
};

static void note(struct journal *journal, const struct websocket_event *event) {
    struct writer *w = &journal->text;
    if (event->opcode >= WEBSOCKET_CLOSE) {
        ck_assert(event->is_first && event->is_last && event->is_final);
        ck_assert_uint_eq(event->frame_size >= event->payload.size, true);
        writer_put_string(w, event->opcode == WEBSOCKET_CLOSE  ? "<close "
                             : event->opcode == WEBSOCKET_PING ? "<ping "
                                                               : "<pong ");
        if (event->opcode == WEBSOCKET_CLOSE) {
            writer_put_u64(w, event->close_code);
            writer_put_byte(w, ' ');
            journal->is_closed = true;
        }
        writer_put(w, event->payload);
        writer_put_byte(w, '>');
        return;
    }
    if (event->is_first)
        writer_put_string(w, event->opcode == WEBSOCKET_TEXT ? "T" : "B");
    if (event->is_frame_first) {
        writer_put_byte(w, '[');
        writer_put_u64(w, event->frame_size);
        writer_put_string(w, event->is_final ? "! " : " ");
    }
    writer_put(w, event->payload);
    if (event->is_frame_last)
        writer_put_byte(w, ']');
    if (event->is_last) {
        writer_put_byte(w, '.');
        ck_assert(event->is_frame_last && event->is_final);
    }
}

static void feed(struct journal *journal, const struct websocket_rules *rules, struct bytes piece) {
    uint8_t *received = malloc(piece.size ? piece.size : 1); // exact, for the sanitizer
    memcpy(received, piece.data, piece.size);
    struct websocket_input input = {received, piece.size, journal->control};
    struct websocket_event event;
    enum websocket_status status = WEBSOCKET_OK;
    while (journal->close_code == 0 && !journal->is_closed && status == WEBSOCKET_OK) {
        status = websocket_decode(&journal->decoder, rules, &input, &event);
        if (status == WEBSOCKET_OK)
            note(journal, &event);
        if (status == WEBSOCKET_BAD) {
            ck_assert(event.cause && strlen(event.cause) <= WIRE_CLOSE_REASON_BYTES_MAX);
            journal->close_code = event.close_code;
        }
    }
    if (status == WEBSOCKET_NEED_MORE)
        ck_assert_uint_eq(input.size, 0);
    free(received);
}

#define STREAM_BYTES 4096

// A stream of frames under construction.
struct stream {
    uint8_t bytes[STREAM_BYTES];
    struct writer w;
};

static void put(struct stream *stream, uint8_t first, struct bytes payload) {
    if (!stream->w.data)
        stream->w = writer_on(stream->bytes, STREAM_BYTES);
    struct websocket_frame frame = {.opcode = (enum websocket_opcode)(first & 15),
                                    .is_not_final = !(first & 0x80),
                                    .is_masked = true,
                                    .payload_size = payload.size};
    memcpy(frame.mask, MASK, 4);
    websocket_encode_header(&stream->w, &frame);
    for (size_t i = 0; i < payload.size; i++)
        writer_put_byte(&stream->w, (uint8_t)(payload.data[i] ^ (uint8_t)MASK[i & 3]));
    ck_assert(!stream->w.overflow);
}

// Runs the stream whole, cut in two at every place, and byte by byte: always the same journal.
static void expect(const struct stream *stream, const char *expected) {
    struct bytes all = writer_bytes(&stream->w);
    for (size_t cut = 0; cut <= all.size + 1; cut++) {
        uint8_t text[STREAM_BYTES];
        struct journal journal = {.text = writer_on(text, sizeof(text))};
        if (cut <= all.size) {
            feed(&journal, &server, bytes_of(all.data, cut));
            feed(&journal, &server, bytes_skip(all, cut));
        } else {
            for (size_t i = 0; i < all.size; i++)
                feed(&journal, &server, bytes_of(all.data + i, 1));
        }
        ck_assert_uint_eq(journal.close_code, 0);
        ck_assert_msg(bytes_equal_string(writer_bytes(&journal.text), expected), "cut %zu: %.*s",
                      cut, (int)journal.text.size, (const char *)text);
    }
}

// The close code that these raw bytes lead to, the same whole and byte by byte; 0: none yet.
static uint16_t fault_of(const struct websocket_rules *rules, struct bytes raw) {
    uint8_t text[STREAM_BYTES];
    struct journal whole = {.text = writer_on(text, sizeof(text))};
    feed(&whole, rules, raw);
    struct journal pieces = {.text = writer_on(text, sizeof(text))};
    for (size_t i = 0; i < raw.size; i++)
        feed(&pieces, rules, bytes_of(raw.data + i, 1));
    ck_assert_uint_eq(whole.close_code, pieces.close_code);
    return whole.close_code;
}

#define FAULT(rules, raw) fault_of(rules, BYTES_LITERAL(raw))

START_TEST(frame_header_faults_are_protocol_errors) {
    ck_assert_uint_eq(FAULT(&server, "\x81\x02hi"), 1002);       // unmasked from a client
    ck_assert_uint_eq(FAULT(&client, "\x81\x82" MASK), 1002);    // masked from a server
    ck_assert_uint_eq(FAULT(&server, "\xc1"), 1002);             // reserved bits
    ck_assert_uint_eq(FAULT(&server, "\xa1"), 1002);             //
    ck_assert_uint_eq(FAULT(&server, "\x91"), 1002);             //
    ck_assert_uint_eq(FAULT(&server, "\x09"), 1002);             // fragmented control frame
    ck_assert_uint_eq(FAULT(&server, "\x08"), 1002);             //
    ck_assert_uint_eq(FAULT(&server, "\x89\xfe"), 1002);         // control frame over 125
    ck_assert_uint_eq(FAULT(&server, "\x88\xff"), 1002);         //
    ck_assert_uint_eq(FAULT(&server, "\x80"), 1002);             // continuation of nothing
    ck_assert_uint_eq(FAULT(&server, "\x00"), 1002);             //
    ck_assert_uint_eq(FAULT(&server, "\x82\xfe\x00\x7d"), 1002); // 125 in three bytes
    ck_assert_uint_eq(FAULT(&server, "\x82\xff\0\0\0\0\0\0\xff\xff"), 1002);
    ck_assert_uint_eq(FAULT(&server, "\x82\xff\x80\0\0\0\0\0\0\0"), 1002); // 64 bits
    for (uint8_t opcode = 3; opcode < 16; opcode++) {
        uint8_t first = (uint8_t)(0x80 | opcode);
        bool is_known = opcode >= 8 && opcode <= 10;
        ck_assert_uint_eq(fault_of(&server, bytes_of(&first, 1)), is_known ? 0 : 1002);
    }
}
END_TEST

START_TEST(message_inside_a_fragmented_one_is_a_protocol_error) {
    ck_assert_uint_eq(FAULT(&server, "\x01\x81" MASK "a\x81"), 1002);
    ck_assert_uint_eq(FAULT(&server, "\x02\x80" MASK "\x02"), 1002);
    // after its end both are right again
    ck_assert_uint_eq(FAULT(&server, "\x01\x80" MASK "\x80\x80" MASK "\x82\x80" MASK), 0);
    ck_assert_uint_eq(FAULT(&server, "\x01\x80" MASK "\x80\x80" MASK "\x80"), 1002);
}
END_TEST

static uint16_t fault_of_payload(uint8_t first, struct bytes payload) {
    struct stream stream = {0};
    put(&stream, first, payload);
    return fault_of(&server, writer_bytes(&stream.w));
}

START_TEST(close_payloads_are_checked) {
    ck_assert_uint_eq(fault_of_payload(0x88, BYTES_LITERAL("\x03")), 1002);
    ck_assert_uint_eq(fault_of_payload(0x88, BYTES_LITERAL("\x03\xe8\xff")), 1007);
    ck_assert_uint_eq(fault_of_payload(0x88, BYTES_LITERAL("\x03\xe8\xe2\x82")), 1007);
    for (uint32_t code = 0; code <= UINT16_MAX; code++) {
        uint8_t payload[2] = {(uint8_t)(code >> 8), (uint8_t)code};
        bool is_valid = (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
                        (code >= 3000 && code <= 4999);
        ck_assert_int_eq(websocket_close_code_is_valid((uint16_t)code), is_valid);
        if (code % 251 == 0 || (code >= 990 && code <= 1020))
            ck_assert_uint_eq(fault_of_payload(0x88, bytes_of(payload, 2)), is_valid ? 0 : 1002);
    }
}
END_TEST

START_TEST(close_gives_code_and_reason) {
    struct stream stream = {0};
    put(&stream, 0x88, BYTES_LITERAL("\x03\xe9going \xc3\xa9"));
    expect(&stream, "<close 1001 going \xc3\xa9>");
    struct stream empty = {0};
    put(&empty, 0x88, (struct bytes){0});
    expect(&empty, "<close 1005 >");
}
END_TEST

START_TEST(text_that_is_not_utf8_fails_as_soon_as_it_is_seen) {
    ck_assert_uint_eq(fault_of_payload(0x81, BYTES_LITERAL("ok\xff")), 1007);
    ck_assert_uint_eq(fault_of_payload(0x81, BYTES_LITERAL("cut\xe2\x82")), 1007);
    ck_assert_uint_eq(fault_of_payload(0x82, BYTES_LITERAL("binary\xff")), 0);
    // a cut character may go on in the next frame, not end with the message
    struct stream stream = {0};
    put(&stream, 0x01, BYTES_LITERAL("\xe2\x82"));
    ck_assert_uint_eq(fault_of(&server, writer_bytes(&stream.w)), 0);
    put(&stream, 0x80, (struct bytes){0});
    ck_assert_uint_eq(fault_of(&server, writer_bytes(&stream.w)), 1007);
    // the frame announces more, the bad byte is enough
    ck_assert_uint_eq(FAULT(&server, "\x81\xfe\x01\x00\0\0\0\0abc\xff"), 1007);
}
END_TEST

START_TEST(messages_over_the_limit_fail_by_their_header) {
    // 999, 1000, 1001 bytes announced, none sent
    ck_assert_uint_eq(FAULT(&server, "\x82\xfe\x03\xe7"), 0);
    ck_assert_uint_eq(FAULT(&server, "\x82\xfe\x03\xe8"), 0);
    ck_assert_uint_eq(FAULT(&server, "\x82\xfe\x03\xe9"), 1009);
    ck_assert_uint_eq(FAULT(&server, "\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff"), 1009);
    // fragments count together, control frames do not
    struct stream stream = {0};
    uint8_t payload[600] = {0};
    put(&stream, 0x02, bytes_of(payload, 600));
    put(&stream, 0x89, bytes_of(payload, 125));
    put(&stream, 0x00, bytes_of(payload, 399));
    struct stream at_limit = stream, over = stream;
    at_limit.w.data = at_limit.bytes;
    over.w.data = over.bytes;
    put(&at_limit, 0x80, bytes_of(payload, 1));
    ck_assert_uint_eq(fault_of(&server, writer_bytes(&at_limit.w)), 0);
    put(&over, 0x80, bytes_of(payload, 2));
    ck_assert_uint_eq(fault_of(&server, writer_bytes(&over.w)), 1009);
    // the next message starts from nothing
    put(&at_limit, 0x82, bytes_of(payload, 600));
    ck_assert_uint_eq(fault_of(&server, writer_bytes(&at_limit.w)), 0);
}
END_TEST

START_TEST(messages_come_out_the_same_however_they_are_cut) {
    struct stream stream = {0};
    put(&stream, 0x81, BYTES_LITERAL("hello \xf0\x9f\x98\x80"));
    put(&stream, 0x01, BYTES_LITERAL("one \xe2"));
    put(&stream, 0x89, BYTES_LITERAL("are you there"));
    put(&stream, 0x00, (struct bytes){0});
    put(&stream, 0x8a, (struct bytes){0});
    put(&stream, 0x00, BYTES_LITERAL("\x82\xac two "));
    put(&stream, 0x80, BYTES_LITERAL("three"));
    put(&stream, 0x82, (struct bytes){0});
    put(&stream, 0x82, BYTES_LITERAL("bytes \xff"));
    put(&stream, 0x88, BYTES_LITERAL("\x0b\xb8why"));
    expect(&stream, "T[10! hello \xf0\x9f\x98\x80].T[5 one \xe2]<ping are you there>[0 ]<pong >"
                    "[7 \x82\xac two ][5! three].B[0! ].B[7! bytes \xff].<close 3000 why>");
}
END_TEST

START_TEST(control_frame_at_its_limit_is_whole_however_it_is_cut) {
    struct stream stream = {0};
    char expected[160] = "<ping ";
    uint8_t payload[WIRE_CONTROL_BYTES_MAX];
    for (size_t i = 0; i < sizeof(payload); i++)
        expected[6 + i] = (char)(payload[i] = (uint8_t)('a' + i % 26));
    expected[6 + sizeof(payload)] = '>';
    put(&stream, 0x89, bytes_of(payload, sizeof(payload)));
    expect(&stream, expected);
}
END_TEST

START_TEST(sizes_around_each_encoding_are_decoded) {
    static const size_t sizes[] = {0, 1, 125, 126, 127, 65535, 65536, 65537, 1 << 20};
    const struct websocket_rules wide = {.message_bytes_max = 1 << 20};
    uint8_t *bytes = malloc((1 << 20) + 16);
    uint8_t *payload = malloc(1 << 20), control[WIRE_CONTROL_BYTES_MAX];
    for (size_t i = 0; i < 1 << 20; i++)
        payload[i] = (uint8_t)(i * 31 >> 3);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct writer w = writer_on(bytes, (1 << 20) + 16);
        websocket_encode_masked(&w, WEBSOCKET_BINARY, bytes_of(payload, sizes[i]),
                                (const uint8_t *)MASK);
        ck_assert(!w.overflow);
        ck_assert_uint_eq(w.size, websocket_header_size(sizes[i]) + 4 + sizes[i]);
        struct websocket_decoder decoder = {0};
        struct websocket_input input = {bytes, w.size, control};
        struct websocket_event event;
        ck_assert_int_eq(websocket_decode(&decoder, &wide, &input, &event), WEBSOCKET_OK);
        ck_assert(event.is_first && event.is_last && input.size == 0);
        ck_assert(bytes_equal(event.payload, bytes_of(payload, sizes[i])));
        ck_assert(event.payload.size == 0 || event.payload.data == bytes + w.size - sizes[i]);
        ck_assert(websocket_decoder_is_idle(&decoder));
        ck_assert_int_eq(websocket_decode(&decoder, &wide, &input, &event), WEBSOCKET_NEED_MORE);
    }
    free(payload);
    free(bytes);
}
END_TEST

START_TEST(decoder_is_idle_exactly_when_all_zero) {
    static const struct websocket_decoder zero;
    struct stream stream = {0};
    put(&stream, 0x89, BYTES_LITERAL("ping"));
    put(&stream, 0x01, BYTES_LITERAL("ab"));
    put(&stream, 0x80, BYTES_LITERAL("cd"));
    const size_t idle_at[] = {0, 10, 26};
    uint8_t text[256];
    struct journal journal = {.text = writer_on(text, sizeof(text))};
    for (size_t at = 0, next = 0; at <= stream.w.size; at++) {
        bool is_idle = next < 3 && idle_at[next] == at;
        next += is_idle;
        ck_assert_int_eq(websocket_decoder_is_idle(&journal.decoder), is_idle);
        ck_assert_int_eq(memcmp(&journal.decoder, &zero, sizeof(zero)) == 0, is_idle);
        if (at < stream.w.size)
            feed(&journal, &server, bytes_of(stream.w.data + at, 1));
    }
}
END_TEST

START_TEST(frames_of_a_server_are_taken_by_the_client_role) {
    uint8_t bytes[512], text[512];
    struct writer w = writer_on(bytes, sizeof(bytes));
    websocket_encode_frame(&w, WEBSOCKET_TEXT, BYTES_LITERAL("hi"));
    websocket_encode_frame(&w, WEBSOCKET_PING, BYTES_LITERAL("p"));
    websocket_encode_close(&w, 1012, BYTES_LITERAL("restart"));
    struct journal journal = {.text = writer_on(text, sizeof(text))};
    for (size_t i = 0; i < w.size; i++)
        feed(&journal, &client, bytes_of(bytes + i, 1));
    ck_assert_uint_eq(journal.close_code, 0);
    ck_assert(
        bytes_equal_string(writer_bytes(&journal.text), "T[2! hi].<ping p><close 1012 restart>"));
}
END_TEST

START_TEST(encoded_headers_are_those_of_rfc_6455_5_7) {
    uint8_t bytes[64];
    struct writer w = writer_on(bytes, sizeof(bytes));
    websocket_encode_frame(&w, WEBSOCKET_TEXT, BYTES_LITERAL("Hello"));
    ck_assert(bytes_equal(writer_bytes(&w), BYTES_LITERAL("\x81\x05Hello")));
    w = writer_on(bytes, sizeof(bytes));
    websocket_encode_masked(&w, WEBSOCKET_TEXT, BYTES_LITERAL("Hello"), (const uint8_t *)MASK);
    ck_assert(bytes_equal(writer_bytes(&w),
                          BYTES_LITERAL("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58")));
    const struct websocket_frame frames[] = {
        {.opcode = WEBSOCKET_TEXT, .is_not_final = true, .payload_size = 3},
        {.opcode = WEBSOCKET_BINARY, .payload_size = 256},
        {.opcode = WEBSOCKET_BINARY, .payload_size = 65536}};
    const struct bytes expected[] = {BYTES_LITERAL("\x01\x03"), BYTES_LITERAL("\x82\x7e\x01\x00"),
                                     BYTES_LITERAL("\x82\x7f\0\0\0\0\0\1\0\0")};
    for (size_t i = 0; i < 3; i++) {
        w = writer_on(bytes, sizeof(bytes));
        websocket_encode_header(&w, &frames[i]);
        ck_assert(bytes_equal(writer_bytes(&w), expected[i]));
        ck_assert_uint_eq(w.size, websocket_header_size(frames[i].payload_size));
    }
}
END_TEST

START_TEST(close_frames_keep_within_125_bytes_and_whole_characters) {
    uint8_t bytes[256];
    struct writer w = writer_on(bytes, sizeof(bytes));
    websocket_encode_close(&w, WEBSOCKET_CLOSE_NO_STATUS, BYTES_LITERAL("unsaid"));
    ck_assert(bytes_equal(writer_bytes(&w), BYTES_LITERAL("\x88\x00")));
    char reason[131];
    for (size_t size = 122; size <= 124; size++) {
        memset(reason, 'r', size);
        w = writer_on(bytes, sizeof(bytes));
        websocket_encode_close(&w, 1008, bytes_of(reason, size));
        ck_assert_uint_eq(bytes[1], size > 123 ? 125 : size + 2);
        ck_assert(w.size <= WEBSOCKET_CLOSE_BYTES_MAX);
    }
    for (size_t shift = 0; shift < 4; shift++) { // a character of four bytes across the limit
        memset(reason, 'r', sizeof(reason));
        memcpy(reason + 120 + shift, "\xf0\x9f\x98\x80", 4);
        w = writer_on(bytes, sizeof(bytes));
        websocket_encode_close(&w, 1008, bytes_of(reason, 120 + shift + 4));
        ck_assert_uint_eq(w.size, 2 + 2 + 120 + shift);
        ck_assert(utf8_is_valid(bytes_skip(writer_bytes(&w), 4)));
    }
}
END_TEST

UNIT_MAIN("gateway/wire/websocket", frame_header_faults_are_protocol_errors,
          message_inside_a_fragmented_one_is_a_protocol_error, close_payloads_are_checked,
          close_gives_code_and_reason, text_that_is_not_utf8_fails_as_soon_as_it_is_seen,
          messages_over_the_limit_fail_by_their_header,
          messages_come_out_the_same_however_they_are_cut,
          control_frame_at_its_limit_is_whole_however_it_is_cut,
          sizes_around_each_encoding_are_decoded, decoder_is_idle_exactly_when_all_zero,
          frames_of_a_server_are_taken_by_the_client_role,
          encoded_headers_are_those_of_rfc_6455_5_7,
          close_frames_keep_within_125_bytes_and_whole_characters)
