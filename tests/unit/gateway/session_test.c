// Goal: Phoenix semantics as docs/PROTOCOL.md states them, from bytes to bytes. Method: peers over
// the rig's stand-in streams, real scheduler and chat.
#include "tests/unit/gateway/rig.h"

static void open_default(void) {
    rig_config_default(&rig.config);
    rig.config.room.presence = CONFIG_PRESENCE_OFF;
    rig_open(64, 4);
}

// The join's reply with its epoch cut out, which is random.
static void expect_joined(uint32_t peer, const char *before, const char *after) {
    enum websocket_opcode opcode;
    const char *text = rig_next(peer, &opcode);
    ck_assert_ptr_nonnull(text);
    ck_assert_msg(strncmp(text, before, strlen(before)) == 0, "%s", text);
    ck_assert_msg(strcmp(text + strlen(text) - strlen(after), after) == 0, "%s", text);
}

static void join(uint32_t peer, const char *ref) {
    char text[256], before[256];
    snprintf(text, sizeof(text), "[\"%s\",\"%s\",\"room:lobby\",\"phx_join\",{}]", ref, ref);
    snprintf(before, sizeof(before),
             "[\"%s\",\"%s\",\"room:lobby\",\"phx_reply\",{\"status\":\"ok\","
             "\"response\":{\"epoch\":\"",
             ref, ref);
    rig_text(peer, text);
    rig_turns(2);
    expect_joined(peer, before, "}}]");
}

START_TEST(a_publish_reaches_all_members_with_its_number_and_the_reply_comes_first) {
    open_default();
    uint32_t ada = rig_user("ada"), bob = rig_user("bob");
    join(ada, "1");
    join(bob, "3");
    rig_text(ada, "[\"1\",\"2\",\"room:lobby\",\"shout\",{\"a\":1}]");
    rig_turns(2);
    RIG_EXPECT(ada, "[\"1\",\"2\",\"room:lobby\",\"phx_reply\",{\"status\":\"ok\",\"response\":"
                    "{\"seq\":1}}]");
    RIG_EXPECT(ada, "[null,null,\"room:lobby\",\"shout\",{\"a\":1},1]");
    RIG_EXPECT(bob, "[null,null,\"room:lobby\",\"shout\",{\"a\":1},1]");
    rig_text(bob, "[\"3\",null,\"room:lobby\",\"shout\",[2]]");
    rig_turns(2);
    RIG_EXPECT(bob, "[null,null,\"room:lobby\",\"shout\",[2],2]");
    RIG_EXPECT(ada, "[null,null,\"room:lobby\",\"shout\",[2],2]");
    RIG_EXPECT_NOTHING(ada);
    RIG_EXPECT_NOTHING(bob);
    rig_close();
}
END_TEST

static void expect_error(uint32_t peer, const char *request, const char *reply) {
    rig_text(peer, request);
    rig_turns(2);
    RIG_EXPECT(peer, reply);
    RIG_EXPECT_NOTHING(peer);
}

#define ERROR_REPLY(join_ref, ref, topic, reason)                                                  \
    "[" join_ref "," ref ",\"" topic "\",\"phx_reply\",{\"status\":\"error\",\"response\":"        \
    "{\"reason\":\"" reason "\"}}]"
#define OK_REPLY(join_ref, ref, topic, response)                                                   \
    "[" join_ref "," ref ",\"" topic "\",\"phx_reply\",{\"status\":\"ok\",\"response\":" response  \
    "}]"

START_TEST(heartbeats_and_pings_are_answered_joined_or_not) {
    open_default();
    uint32_t ada = rig_user("ada");
    rig_text(ada, "[null,\"3\",\"phoenix\",\"heartbeat\",{}]");
    rig_text(ada, "[null,\"4\",\"phoenix\",\"ping\",{\"t\":1.5}]");
    rig_text(ada, "[null,null,\"phoenix\",\"heartbeat\",{}]");
    rig_turn();
    RIG_EXPECT(ada, OK_REPLY("null", "\"3\"", "phoenix", "{}"));
    RIG_EXPECT(ada, OK_REPLY("null", "\"4\"", "phoenix", "{\"t\":1.5}"));
    RIG_EXPECT_NOTHING(ada);
    join(ada, "7");
    rig_text(ada, "[\"7\",\"8\",\"room:lobby\",\"ping\",[1]]");
    rig_text(ada, "[null,\"9\",\"room:lobby\",\"ping\",{}]");
    rig_turn();
    RIG_EXPECT(ada, OK_REPLY("\"7\"", "\"8\"", "room:lobby", "[1]"));
    RIG_EXPECT(ada, OK_REPLY("null", "\"9\"", "room:lobby", "{}"));
    ck_assert_uint_eq(RIG_COUNT(PUBLISHES), 0);
    rig_close();
}
END_TEST

START_TEST(a_large_ping_comes_back_whole) {
    open_default();
    uint32_t ada = rig_user("ada");
    char *text = malloc(40000), *expected = malloc(40000);
    memset(text, 'x', 40000);
    memcpy(text, "[null,\"4\",\"phoenix\",\"ping\",\"", 28);
    memcpy(text + 30000, "\"]", 3);
    snprintf(expected, 40000, OK_REPLY("null", "\"4\"", "phoenix", "%.*s"), 30000 - 28 + 2,
             text + 27);
    rig_text(ada, text);
    rig_turn();
    RIG_EXPECT(ada, expected);
    free(text);
    free(expected);
    rig_close();
}
END_TEST

START_TEST(what_is_not_joined_is_unmatched_and_leaving_it_is_fine) {
    open_default();
    uint32_t ada = rig_user("ada");
    expect_error(ada, "[\"1\",\"2\",\"room:lobby\",\"shout\",{}]",
                 ERROR_REPLY("\"1\"", "\"2\"", "room:lobby", "unmatched topic"));
    expect_error(ada, "[null,\"2\",\"room:lobby\",\"ping\",{}]",
                 ERROR_REPLY("null", "\"2\"", "room:lobby", "unmatched topic"));
    expect_error(ada, "[null,\"2\",\"phoenix\",\"shout\",{}]",
                 ERROR_REPLY("null", "\"2\"", "phoenix", "unmatched topic"));
    expect_error(ada, "[\"1\",\"1\",\"chat:lobby\",\"phx_join\",{}]",
                 ERROR_REPLY("\"1\"", "\"1\"", "chat:lobby", "unmatched topic"));
    expect_error(ada, "[\"1\",\"1\",\"phoenix\",\"phx_join\",{}]",
                 ERROR_REPLY("\"1\"", "\"1\"", "phoenix", "unmatched topic"));
    expect_error(ada, "[\"1\",\"1\",\"room:\",\"phx_join\",{}]",
                 ERROR_REPLY("\"1\"", "\"1\"", "room:", "invalid room name"));
    expect_error(ada, "[\"1\",\"1\",\"room:a/b\",\"phx_join\",{}]",
                 ERROR_REPLY("\"1\"", "\"1\"", "room:a/b", "invalid room name"));
    rig_text(ada, "[\"1\",\"9\",\"room:lobby\",\"phx_leave\",{}]");
    rig_text(ada, "[\"1\",null,\"room:lobby\",\"shout\",{}]");
    rig_turn();
    RIG_EXPECT(ada, OK_REPLY("\"1\"", "\"9\"", "room:lobby", "{}"));
    RIG_EXPECT_NOTHING(ada);
    rig_close();
}
END_TEST

START_TEST(a_leave_is_answered_and_closes_the_channel_behind_its_last_message) {
    open_default();
    uint32_t ada = rig_user("ada"), bob = rig_user("bob");
    join(ada, "1");
    join(bob, "1");
    rig_text(bob, "[\"1\",null,\"room:lobby\",\"shout\",1]");
    rig_text(ada, "[\"1\",\"5\",\"room:lobby\",\"phx_leave\",{}]");
    rig_turns(2);
    RIG_EXPECT(ada, OK_REPLY("\"1\"", "\"5\"", "room:lobby", "{}"));
    RIG_EXPECT(ada, "[\"1\",\"1\",\"room:lobby\",\"phx_close\",{}]");
    RIG_EXPECT_NOTHING(ada);
    RIG_EXPECT(bob, "[null,null,\"room:lobby\",\"shout\",1,1]");
    ck_assert_uint_eq(RIG_COUNT(MEMBERS), 1);
    expect_error(ada, "[\"1\",\"6\",\"room:lobby\",\"shout\",1]",
                 ERROR_REPLY("\"1\"", "\"6\"", "room:lobby", "unmatched topic"));
    rig_close();
}
END_TEST

// A gap is encoded late, when its turn to be sent comes: the room must still have a name then.
START_TEST(a_member_that_leaves_is_told_its_gaps_before_the_answer) {
    open_default();
    uint32_t ada = rig_user("ada");
    join(ada, "1");
    struct rig_peer *peer = &rig.peers[ada];
    peer->has_gap = true;
    peer->gap_room =
        chat_member(&rig.chat, conn_at(&rig.gateway, rig_slot(ada)->owner)->members)->leaf;
    peer->gap_from = 3;
    peer->gap_to = 5;
    rig_text(ada, "[\"1\",\"5\",\"room:lobby\",\"phx_leave\",{}]");
    rig_turns(2);
    RIG_EXPECT(ada, "[null,null,\"room:lobby\",\"gap\",{\"from\":3,\"to\":5}]");
    RIG_EXPECT(ada, OK_REPLY("\"1\"", "\"5\"", "room:lobby", "{}"));
    rig_close();
}
END_TEST

START_TEST(a_connection_that_is_closed_is_told_its_gaps_before_the_close_frame) {
    open_default();
    uint32_t ada = rig_user("ada");
    join(ada, "1");
    struct rig_peer *peer = &rig.peers[ada];
    peer->has_gap = true;
    peer->gap_room =
        chat_member(&rig.chat, conn_at(&rig.gateway, rig_slot(ada)->owner)->members)->leaf;
    peer->gap_from = 3;
    peer->gap_to = 3;
    rig_text(ada, "nonsense");
    rig_turns(2);
    RIG_EXPECT(ada, "[null,null,\"room:lobby\",\"gap\",{\"from\":3,\"to\":3}]");
    rig_close();
}
END_TEST

START_TEST(a_second_join_closes_the_first_channel_and_its_refs_die) {
    open_default();
    uint32_t ada = rig_user("ada");
    join(ada, "1");
    rig_text(ada, "[\"4\",\"4\",\"room:lobby\",\"phx_join\",{}]");
    rig_turns(2);
    RIG_EXPECT(ada, "[\"1\",\"1\",\"room:lobby\",\"phx_close\",{}]");
    expect_joined(ada, "[\"4\",\"4\",\"room:lobby\",\"phx_reply\",{\"status\":\"ok\"", "}}]");
    ck_assert_uint_eq(RIG_COUNT(MEMBERS), 1);
    rig_text(ada, "[\"1\",\"5\",\"room:lobby\",\"shout\",1]");
    rig_text(ada, "[\"1\",\"6\",\"room:lobby\",\"phx_leave\",1]");
    rig_turns(2);
    RIG_EXPECT_NOTHING(ada);
    rig_text(ada, "[\"4\",\"7\",\"room:lobby\",\"shout\",1]");
    rig_turns(2);
    RIG_EXPECT(ada, OK_REPLY("\"4\"", "\"7\"", "room:lobby", "{\"seq\":1}"));
    rig_close();
}
END_TEST

START_TEST(a_pending_join_takes_no_pushes_but_can_be_left_and_joined_again) {
    open_default();
    uint32_t ada = rig_user("ada");
    rig_text(ada, "[\"1\",\"1\",\"room:lobby\",\"phx_join\",{}]");
    rig_text(ada, "[\"1\",\"2\",\"room:lobby\",\"shout\",{}]");
    rig_text(ada, "[\"1\",\"3\",\"room:lobby\",\"phx_leave\",{}]");
    rig_text(ada, "[\"long-one\",\"4\",\"room:lobby\",\"phx_join\",{}]");
    rig_text(ada, "[\"5\",\"5\",\"room:lobby\",\"phx_join\",{}]");
    rig_turns(2);
    RIG_EXPECT(ada, ERROR_REPLY("\"1\"", "\"2\"", "room:lobby", "unmatched topic"));
    RIG_EXPECT(ada, OK_REPLY("\"1\"", "\"3\"", "room:lobby", "{}"));
    RIG_EXPECT(ada, "[\"1\",\"1\",\"room:lobby\",\"phx_close\",{}]");
    RIG_EXPECT(ada, "[\"long-one\",\"long-one\",\"room:lobby\",\"phx_close\",{}]");
    expect_joined(ada, "[\"5\",\"5\",\"room:lobby\",\"phx_reply\",{\"status\":\"ok\"", "}}]");
    RIG_EXPECT_NOTHING(ada);
    ck_assert_uint_eq(RIG_COUNT(MEMBERS), 1);
    rig_close();
}
END_TEST

START_TEST(a_connection_that_goes_while_its_join_is_pending_leaves_nothing) {
    open_default();
    uint32_t ada = rig_user("ada");
    rig_text(ada, "[\"x\",\"y\",\"room:lobby\",\"phx_join\",{}]");
    rig_hangup(ada);
    rig_turns(3);
    ck_assert_uint_eq(RIG_COUNT(MEMBERS), 0);
    rig_close();
}
END_TEST

START_TEST(refs_of_any_form_come_back_as_they_were) {
    open_default();
    uint32_t ada = rig_user("ada");
    static const char *const pairs[][2] = {
        {"\"1\"", "\"2\""}, {"null", "\"2\""},    {"\"01\"", "\"01\""}, {"\"2147483648\"", "null"},
        {"null", "null"},   {"\"a-b\"", "\"c\""}, {"\"\"", "\"7\""},
    };
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        char request[256], reply[256];
        snprintf(request, sizeof(request), "[%s,%s,\"room:a\",\"phx_join\",{}]", pairs[i][0],
                 pairs[i][1]);
        snprintf(reply, sizeof(reply), "[%s,%s,\"room:a\",\"phx_reply\",{\"status\":\"ok\"",
                 pairs[i][0], pairs[i][1]);
        rig_text(ada, request);
        rig_turns(2);
        expect_joined(ada, reply, "}}]");
        snprintf(request, sizeof(request), "[%s,\"88\",\"room:a\",\"phx_leave\",{}]", pairs[i][0]);
        snprintf(reply, sizeof(reply), OK_REPLY("%s", "\"88\"", "room:a", "{}"), pairs[i][0]);
        rig_text(ada, request);
        rig_turn();
        RIG_EXPECT(ada, reply);
        snprintf(reply, sizeof(reply), "[%s,%s,\"room:a\",\"phx_close\",{}]", pairs[i][0],
                 pairs[i][0]);
        RIG_EXPECT(ada, reply);
    }
    rig_close();
}
END_TEST

START_TEST(two_refs_that_are_too_long_together_are_refused_by_name) {
    open_default();
    uint32_t ada = rig_user("ada");
    char ref[64], request[256], reply[256];
    memset(ref, 'r', 32);
    ref[32] = 0;
    snprintf(request, sizeof(request), "[\"%s\",\"s%.31s\",\"room:a\",\"phx_join\",{}]", ref, ref);
    snprintf(reply, sizeof(reply), ERROR_REPLY("\"%s\"", "\"s%.31s\"", "room:a", "ref too long"),
             ref, ref);
    expect_error(ada, request, reply);
    rig_close();
}
END_TEST

START_TEST(reserved_events_are_refused) {
    open_default();
    uint32_t ada = rig_user("ada");
    join(ada, "1");
    static const char *const events[] = {"phx_reply",      "phx_close",     "phx_x", "heartbeat",
                                         "presence_state", "presence_diff", "gap"};
    for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
        char request[128], reply[256];
        snprintf(request, sizeof(request), "[\"1\",\"2\",\"room:lobby\",\"%s\",{}]", events[i]);
        snprintf(reply, sizeof(reply),
                 ERROR_REPLY("\"1\"", "\"2\"", "room:lobby", "reserved event"));
        expect_error(ada, request, reply);
    }
    rig_close();
}
END_TEST

START_TEST(whispers_reach_the_others_without_a_number) {
    open_default();
    uint32_t ada = rig_user("ada"), bob = rig_user("bob");
    join(ada, "1");
    join(bob, "1");
    rig_text(ada, "[\"1\",\"2\",\"room:lobby\",\"whisper\",{\"typing\":true}]");
    rig_turns(2);
    RIG_EXPECT(ada, OK_REPLY("\"1\"", "\"2\"", "room:lobby", "{}"));
    RIG_EXPECT_NOTHING(ada);
    RIG_EXPECT(bob, "[null,null,\"room:lobby\",\"whisper\",{\"typing\":true}]");
    RIG_EXPECT_NOTHING(bob);
    rig_close();
}
END_TEST

START_TEST(channels_of_a_connection_are_limited) {
    open_default();
    uint32_t ada = rig_user("ada");
    for (int i = 0; i < 5; i++) {
        char text[128];
        snprintf(text, sizeof(text), "[\"1\",\"1\",\"room:%d\",\"phx_join\",{}]", i);
        rig_text(ada, text);
        rig_turns(2);
        if (i < 4)
            expect_joined(ada, "[\"1\",\"1\"", "}}]");
    }
    RIG_EXPECT(ada, ERROR_REPLY("\"1\"", "\"1\"", "room:4", "too many channels joined"));
    rig_text(ada, "[\"9\",\"9\",\"room:2\",\"phx_join\",{}]");
    rig_turns(2);
    RIG_EXPECT(ada, "[\"1\",\"1\",\"room:2\",\"phx_close\",{}]");
    expect_joined(ada, "[\"9\",\"9\",\"room:2\",\"phx_reply\",{\"status\":\"ok\"", "}}]");
    rig_close();
}
END_TEST

START_TEST(rooms_are_limited_and_the_refused_join_leaves_nothing) {
    rig_config_default(&rig.config);
    rig.config.rooms_max = 2;
    rig_open(16, 1);
    uint32_t ada = rig_user("ada");
    rig_text(ada, "[\"1\",\"1\",\"room:a\",\"phx_join\",{}]");
    rig_text(ada, "[\"2\",\"2\",\"room:b\",\"phx_join\",{}]");
    rig_turns(2);
    expect_joined(ada, "[\"1\",\"1\"", "}}]");
    expect_joined(ada, "[\"2\",\"2\"", "}}]");
    rig_text(ada, "[\"2\",\"3\",\"room:b\",\"phx_leave\",{}]");
    rig_turns(2);
    rig.peers[ada].out_read = rig.peers[ada].out_size;
    rig_text(ada, "[\"x\",\"y\",\"room:c\",\"phx_join\",{}]");
    rig_turns(2);
    RIG_EXPECT(ada, ERROR_REPLY("\"x\"", "\"y\"", "room:c", "too many rooms"));
    rig_close();
}
END_TEST

START_TEST(presence_shows_who_is_here_with_their_meta) {
    rig_config_default(&rig.config);
    rig_open(16, 1);
    uint32_t ada = rig_user("ada"), bob = rig_user("b%22b");
    rig_text(ada, "[\"1\",\"1\",\"room:a\",\"phx_join\",{\"meta\":{\"d\": \"phone\"}}]");
    rig_turns(3);
    expect_joined(ada, "[\"1\",\"1\",\"room:a\",\"phx_reply\",{\"status\":\"ok\"", "}}]");
    rig_wait_ms(300);
    RIG_EXPECT(ada, "[null,null,\"room:a\",\"presence_state\",{\"ada\":{\"metas\":[{\"d\": "
                    "\"phone\",\"phx_ref\":\"1\"}]}}]");
    RIG_EXPECT_NOTHING(ada);
    rig_text(bob, "[\"1\",\"1\",\"room:a\",\"phx_join\",{\"meta\":{ }}]");
    rig_wait_ms(300);
    RIG_EXPECT(ada, "[null,null,\"room:a\",\"presence_diff\",{\"joins\":{\"b\\\"b\":{\"metas\":["
                    "{\"phx_ref\":\"2\"}]}},\"leaves\":{}}]");
    rig_hangup(bob);
    rig_wait_ms(300);
    RIG_EXPECT(ada, "[null,null,\"room:a\",\"presence_diff\",{\"joins\":{},\"leaves\":{\"b\\\"b\":"
                    "{\"metas\":[{\"phx_ref\":\"2\"}]}}}]");
    RIG_EXPECT_NOTHING(ada);
    rig_close();
}
END_TEST

START_TEST(a_meta_must_be_an_object_within_its_limit) {
    open_default();
    uint32_t ada = rig_user("ada");
    for (int size = 255; size <= 257; size++) {
        char request[512], pad[300];
        memset(pad, 'p', sizeof(pad));
        snprintf(request, sizeof(request),
                 "[\"1\",\"1\",\"room:a\",\"phx_join\",{\"meta\":{\"a\":\"%.*s\"}}]", size - 8,
                 pad);
        rig_text(ada, request);
        rig_turns(2);
        if (size == 257)
            RIG_EXPECT(ada, ERROR_REPLY("\"1\"", "\"1\"", "room:a", "invalid meta"));
        else
            expect_joined(ada, "[\"1\",\"1\",\"room:a\",\"phx_reply\",{\"status\":\"ok\"", "}}]");
        rig_text(ada, "[\"1\",\"2\",\"room:a\",\"phx_leave\",{}]");
        rig_turns(2);
        rig.peers[ada].out_read = rig.peers[ada].out_size;
    }
    expect_error(ada, "[\"1\",\"1\",\"room:a\",\"phx_join\",{\"meta\":[1]}]",
                 ERROR_REPLY("\"1\"", "\"1\"", "room:a", "invalid meta"));
    rig_close();
}
END_TEST

START_TEST(binary_pushes_are_broadcast_as_binary) {
    open_default();
    uint32_t ada = rig_user("ada"), bob = rig_user("bob");
    join(ada, "1");
    join(bob, "1");
    rig_frame(ada, WEBSOCKET_BINARY,
              BYTES_LITERAL("\x00\x01\x02\x0a\x04"
                            "1"
                            "22"
                            "room:lobby"
                            "blob"
                            "\xff\xfe"));
    rig_turns(2);
    RIG_EXPECT(ada, OK_REPLY("\"1\"", "\"22\"", "room:lobby", "{\"seq\":1}"));
    RIG_EXPECT_FRAME(bob, WEBSOCKET_BINARY, "\x02\x0a\x04room:lobbyblob\xff\xfe");
    RIG_EXPECT_FRAME(ada, WEBSOCKET_BINARY, "\x02\x0a\x04room:lobbyblob\xff\xfe");
    rig_close();
}
END_TEST

START_TEST(strict_phoenix_leaves_the_number_out) {
    rig_config_default(&rig.config);
    rig.config.room.presence = CONFIG_PRESENCE_OFF;
    rig.config.strict_phoenix = true;
    rig_open(16, 1);
    uint32_t ada = rig_user("ada");
    join(ada, "1");
    rig_text(ada, "[\"1\",null,\"room:lobby\",\"shout\",{}]");
    rig_turns(2);
    RIG_EXPECT(ada, "[null,null,\"room:lobby\",\"shout\",{}]");
    rig_close();
}
END_TEST

START_TEST(what_is_no_phoenix_message_closes_with_its_code) {
    open_default();
    static const struct {
        const char *text;
        const char *close;
    } cases[] = {
        {"{", "1007 message is not valid JSON"},
        {"[null,null,\"a\",\"b\",{}]x", "1007 message is not valid JSON"},
        {"{}", "1003 message is not an array"},
        {"[null,null,\"a\",\"b\"]", "1003 message has fewer than five elements"},
        {"[1,null,\"a\",\"b\",{}]", "1003 join_ref is neither a string nor null"},
        {"[null,1,\"a\",\"b\",{}]", "1003 ref is neither a string nor null"},
        {"[null,null,null,\"b\",{}]", "1003 topic is not a string"},
        {"[null,null,\"a\",7,{}]", "1003 event is not a string"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint32_t ada = rig_user("ada");
        join(ada, "1");
        rig_text(ada, cases[i].text);
        rig_text(ada, "[null,\"3\",\"phoenix\",\"heartbeat\",{}]");
        rig_turn();
        RIG_EXPECT_CLOSE(ada, cases[i].close);
        ck_assert_uint_eq(RIG_COUNT(MEMBERS), 0);
    }
    ck_assert_uint_eq(RIG_COUNT(CLOSED_UTF8), 2);
    ck_assert_uint_eq(RIG_COUNT(CLOSED_MESSAGE), 6);
    uint32_t bob = rig_user("bob");
    rig_frame(bob, WEBSOCKET_BINARY, BYTES_LITERAL("\x01"));
    rig_turn();
    RIG_EXPECT_CLOSE(bob, "1003 binary message is not a push");
    rig_close();
}
END_TEST

START_TEST(names_over_their_limit_close_and_at_it_pass) {
    open_default();
    for (int size = 127; size <= 129; size++) {
        char name[160], request[256];
        uint32_t ada = rig_user("ada");
        memset(name, 'n', sizeof(name));
        snprintf(request, sizeof(request), "[\"1\",\"1\",\"room:%.*s\",\"phx_join\",{}]", size,
                 name);
        rig_text(ada, request);
        rig_turns(2);
        if (size <= 128)
            expect_joined(ada, "[\"1\",\"1\",\"room:nnn", "}}]");
        else
            RIG_EXPECT_CLOSE(ada, "1003 topic is too long");
    }
    rig_close();
}
END_TEST

START_TEST(the_end_of_a_room_is_a_phx_error_behind_what_was_said_and_its_members_may_join_again) {
    open_default();
    uint32_t ada = rig_user("ada"), bob = rig_user("bob");
    join(ada, "1");
    join(bob, "3");
    rig_text(ada, "[\"9\",\"9\",\"room:other\",\"phx_join\",{}]");
    rig_turns(2);
    expect_joined(ada, "[\"9\",\"9\",\"room:other\"", "}}]");
    rig_text(bob, "[\"3\",\"4\",\"room:lobby\",\"shout\",{\"a\":1}]");
    (void)scheduler_turn(&rig.scheduler, rig.now_ns);
    rig_text(bob, "[\"3\",\"5\",\"room:lobby\",\"shout\",{\"a\":2}]"); // in its mailbox
    ck_assert(chat_room_end(&rig.chat, BYTES_LITERAL("lobby"), EXIT_KILLED));
    rig_turns(3);
    RIG_EXPECT(bob, OK_REPLY("\"3\"", "\"4\"", "room:lobby", "{\"seq\":1}"));
    RIG_EXPECT(bob, ERROR_REPLY("\"3\"", "\"5\"", "room:lobby", "room restarted"));
    RIG_EXPECT(bob, "[null,null,\"room:lobby\",\"shout\",{\"a\":1},1]");
    RIG_EXPECT(bob, "[null,null,\"room:lobby\",\"phx_error\",{}]");
    RIG_EXPECT(ada, "[null,null,\"room:lobby\",\"shout\",{\"a\":1},1]");
    RIG_EXPECT(ada, "[null,null,\"room:lobby\",\"phx_error\",{}]");
    ck_assert_uint_eq(RIG_COUNT(MEMBERS), 1);
    expect_error(bob, "[\"3\",\"6\",\"room:lobby\",\"shout\",{}]",
                 ERROR_REPLY("\"3\"", "\"6\"", "room:lobby", "unmatched topic"));
    join(bob, "7");
    rig_text(ada, "[\"9\",\"10\",\"room:other\",\"shout\",{}]"); // the other room lives on
    rig_turns(2);
    RIG_EXPECT(ada, OK_REPLY("\"9\"", "\"10\"", "room:other", "{\"seq\":1}"));
    RIG_EXPECT(ada, "[null,null,\"room:other\",\"shout\",{},1]");
    RIG_EXPECT_NOTHING(bob);
    rig_close();
}
END_TEST

START_TEST(a_join_that_meets_the_end_of_its_room_is_refused_and_leaves_nothing) {
    open_default();
    uint32_t ada = rig_user("ada"), bob = rig_user("bob");
    join(ada, "1");
    rig.scheduler.reductions_per_turn = 1; // the join gets as far as the room's mailbox
    rig_text(bob, "[\"3\",\"3\",\"room:lobby\",\"phx_join\",{}]");
    (void)scheduler_turn(&rig.scheduler, rig.now_ns);
    ck_assert(chat_room_end(&rig.chat, BYTES_LITERAL("lobby"), EXIT_KILLED));
    rig.scheduler.reductions_per_turn = 4096;
    rig_turns(3);
    RIG_EXPECT(bob, ERROR_REPLY("\"3\"", "\"3\"", "room:lobby", "room restarted"));
    RIG_EXPECT_NOTHING(bob);
    join(bob, "4");
    rig_close();
}
END_TEST

START_TEST(who_cannot_be_told_of_the_end_of_its_room_is_closed) {
    open_default();
    uint32_t ada = rig_user("ada");
    join(ada, "1");
    ck_assert(chat_room_end(&rig.chat, BYTES_LITERAL("lobby"), EXIT_KILLED));
    size_t bytes_max = rig.blocks.bytes_max;
    rig.blocks.bytes_max = rig.blocks.bytes_used;
    (void)scheduler_turn(&rig.scheduler, rig.now_ns);
    (void)chat_flush(&rig.chat);
    rig.blocks.bytes_max = bytes_max;
    rig_turns(2);
    RIG_EXPECT_CLOSE(ada, "1013 out of memory");
    rig_close();
}
END_TEST

UNIT_MAIN("gateway/session",
          a_publish_reaches_all_members_with_its_number_and_the_reply_comes_first,
          a_member_that_leaves_is_told_its_gaps_before_the_answer,
          a_connection_that_is_closed_is_told_its_gaps_before_the_close_frame,
          heartbeats_and_pings_are_answered_joined_or_not, a_large_ping_comes_back_whole,
          what_is_not_joined_is_unmatched_and_leaving_it_is_fine,
          a_leave_is_answered_and_closes_the_channel_behind_its_last_message,
          a_second_join_closes_the_first_channel_and_its_refs_die,
          a_pending_join_takes_no_pushes_but_can_be_left_and_joined_again,
          a_connection_that_goes_while_its_join_is_pending_leaves_nothing,
          refs_of_any_form_come_back_as_they_were,
          two_refs_that_are_too_long_together_are_refused_by_name, reserved_events_are_refused,
          whispers_reach_the_others_without_a_number, channels_of_a_connection_are_limited,
          rooms_are_limited_and_the_refused_join_leaves_nothing,
          presence_shows_who_is_here_with_their_meta, a_meta_must_be_an_object_within_its_limit,
          binary_pushes_are_broadcast_as_binary, strict_phoenix_leaves_the_number_out,
          what_is_no_phoenix_message_closes_with_its_code,
          names_over_their_limit_close_and_at_it_pass,
          the_end_of_a_room_is_a_phx_error_behind_what_was_said_and_its_members_may_join_again,
          a_join_that_meets_the_end_of_its_room_is_refused_and_leaves_nothing,
          who_cannot_be_told_of_the_end_of_its_room_is_closed)
