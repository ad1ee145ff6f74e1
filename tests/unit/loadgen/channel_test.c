// Goal: objects arrive whole, in order, however the bytes are cut; what is no line of JSON, too
// long, or never read ends the conversation with its own outcome. Method: a socket pair, the far
// end written by hand.
#include "loadgen/channel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/unit.h"

#define LINE_MAX_BYTES 200

static struct channel c;
static int far;

static void open_pair(void) {
    int pair[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    channel_init(&c, pair[0], LINE_MAX_BYTES);
    far = pair[1];
}

static void close_pair(void) {
    channel_fini(&c);
    if (far >= 0)
        close(far);
}

static void far_writes(const char *text) {
    ck_assert_int_eq(write(far, text, strlen(text)), (ssize_t)strlen(text));
}

static enum channel_outcome receive(void) {
    json_t *message = NULL;
    enum channel_outcome outcome = channel_receive(&c, &message);
    ck_assert_int_eq(outcome == CHANNEL_MESSAGE, message != NULL);
    json_decref(message);
    return outcome;
}

static int receive_number(void) {
    json_t *message = NULL;
    ck_assert_int_eq(channel_receive(&c, &message), CHANNEL_MESSAGE);
    int n = (int)json_integer_value(json_object_get(message, "n"));
    json_decref(message);
    return n;
}

START_TEST(channel_receives_objects_one_byte_at_a_time) {
    open_pair();
    static const char text[] = "{\"n\":1}\n{\"n\":2}\n";
    int got = 0;
    for (size_t i = 0; i + 1 < sizeof(text); i++) {
        ck_assert_int_eq(write(far, &text[i], 1), 1);
        if (text[i] == '\n')
            ck_assert_int_eq(receive_number(), ++got);
        ck_assert_int_eq(receive(), CHANNEL_NOTHING);
    }
    ck_assert_int_eq(got, 2);
    close_pair();
}
END_TEST

START_TEST(channel_receives_what_came_before_the_peer_closed) {
    open_pair();
    far_writes("{\"n\":1}\n{\"n\":2}\n{\"n\":");
    close(far), far = -1;
    ck_assert_int_eq(receive_number(), 1);
    ck_assert_int_eq(receive_number(), 2);
    ck_assert_int_eq(receive(), CHANNEL_CLOSED);
    close_pair();
}
END_TEST

START_TEST(channel_tells_a_line_that_is_no_object) {
    static const char *const bad[] = {"HTTP/1.1 400 Bad\033Request\r\n",
                                      "[1]\n",
                                      "\n",
                                      "{\n",
                                      "{\"n\":1,\"n\":2}\n",
                                      "{\"n\":1} x\n"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        open_pair();
        far_writes(bad[i]);
        ck_assert_int_eq(receive(), CHANNEL_NOT_JSON);
        if (i == 0)
            ck_assert_str_eq(channel_peek(&c), "HTTP/1.1 400 Bad?Request?");
        close_pair();
    }
}
END_TEST

START_TEST(channel_bounds_a_line) {
    for (int size = LINE_MAX_BYTES - 1; size <= LINE_MAX_BYTES + 1; size++) {
        for (int ends = 0; ends < 2; ends++) {
            open_pair();
            char line[LINE_MAX_BYTES + 8];
            int at = snprintf(line, sizeof(line), "{\"n\":1}%*s", size - 7, "");
            ck_assert_int_eq(at, size);
            if (ends)
                line[at++] = '\n';
            line[at] = 0;
            far_writes(line);
            enum channel_outcome fits = ends ? CHANNEL_MESSAGE : CHANNEL_NOTHING;
            ck_assert_int_eq(receive(), size <= LINE_MAX_BYTES ? fits : CHANNEL_TOO_LONG);
            close_pair();
        }
    }
}
END_TEST

START_TEST(channel_sends_what_the_socket_does_not_take_later) {
    open_pair();
    size_t size = 1 << 20;
    char *text = malloc(size + 1);
    ck_assert_ptr_nonnull(text);
    memset(text, 'x', size);
    text[size] = 0;
    ck_assert(channel_send(&c, json_pack("{s:s}", "t", text)));
    ck_assert(channel_send(&c, json_pack("{s:i}", "n", 7)));
    ck_assert(channel_has_waiting(&c));
    struct channel other;
    channel_init(&other, far, 2 << 20);
    far = -1;
    json_t *message = NULL;
    while (channel_receive(&other, &message) == CHANNEL_NOTHING)
        ck_assert(channel_flush(&c));
    ck_assert_str_eq(json_string_value(json_object_get(message, "t")), text);
    json_decref(message);
    ck_assert(channel_flush(&c));
    ck_assert(!channel_has_waiting(&c));
    ck_assert_int_eq(channel_receive(&other, &message), CHANNEL_MESSAGE);
    ck_assert_int_eq(json_integer_value(json_object_get(message, "n")), 7);
    json_decref(message);
    channel_fini(&other);
    free(text);
    close_pair();
}
END_TEST

START_TEST(channel_send_fails_once_the_peer_is_gone_or_there_is_no_message) {
    open_pair();
    close(far), far = -1;
    ck_assert(!channel_send(&c, json_pack("{s:i}", "n", 1)));
    close_pair();
    open_pair();
    ck_assert(!channel_send(&c, NULL));
    ck_assert(!channel_send(&c, json_pack("{s:i}", "n", 1))); // not half a conversation
    close_pair();
}
END_TEST

UNIT_MAIN("loadgen/channel", channel_receives_objects_one_byte_at_a_time,
          channel_receives_what_came_before_the_peer_closed, channel_tells_a_line_that_is_no_object,
          channel_bounds_a_line, channel_sends_what_the_socket_does_not_take_later,
          channel_send_fails_once_the_peer_is_gone_or_there_is_no_message)
