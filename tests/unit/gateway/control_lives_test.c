// Goal: lives are asked for by what identifies them and told in words and dates; a slip in the
// question is a 400 that names the cure. Method: the control plane over sockets, the gateway behind
// it filled in by the test.
#include "tests/unit/gateway/control_client.h"

#include <time.h>

#include "chat/message.h"
#include "io/stream_port.h"
#include "sched/base/clock.h"

#define STATE_OPEN 1 // enum conn_state

static json_t *first(const json_t *root, const char *list) {
    json_t *entry = json_array_get(json_object_get(root, list), 0);
    ck_assert_ptr_nonnull(entry);
    return entry;
}

static const char *string_of(const json_t *root, const char *key) {
    const char *text = json_string_value(json_object_get(root, key));
    return text ? text : "(null)";
}

static json_int_t number_of(const json_t *root, const char *key) {
    const json_t *number = json_object_get(root, key);
    return json_is_integer(number) ? json_integer_value(number) : -1;
}

static struct control_life *add_life(uint8_t kind, const char *name, uint64_t age_ms) {
    struct control_life *life = &gateway.lives[gateway.life_count++];
    life->record.pid = pid_of(1, kind, (struct handle){7, 3});
    life->record.time_ns = clock_monotonic_ns() - age_ms * NS_PER_MS;
    life->record.reason = EXIT_PEER;
    life->record.name_size = (uint8_t)strlen(name);
    memcpy(life->record.name, name, strlen(name));
    return life;
}

// Newest first, as the recorder tells them.
static void add_mark(struct control_life *life, uint32_t type, uint32_t detail, uint64_t age_ms) {
    life->record.marks[life->record.mark_count++] =
        (struct recorder_mark){life->record.time_ns - age_ms * NS_PER_MS, type, detail};
}

START_TEST(a_slip_in_the_question_is_refused_with_its_cure) {
    static const struct {
        const char *query;
        const char *cure;
    } slips[] = {
        {"?name=a", "user, address, pid and limit"},
        {"?User=a", "user, address, pid and limit"},
        {"?user=", "1 to 64 bytes"},
        {"?user", "1 to 64 bytes"},
        {"?user=%00", "1 to 64 bytes"},
        {"?user=%zz", "1 to 64 bytes"},
        {"?address=", "IPv4 or IPv6"},
        {"?address=1.2.3", "IPv4 or IPv6"},
        {"?address=1.2.3.4:80", "IPv4 or IPv6"},
        {"?pid=", "hexadecimal"},
        {"?pid=0", "hexadecimal"},
        {"?pid=-1", "hexadecimal"},
        {"?pid=0x12", "hexadecimal"},
        {"?pid=12345678901234567", "hexadecimal"},
        {"?limit=-1", "0 to 1000"},
        {"?limit=1001", "0 to 1000"},
        {"?limit=", "0 to 1000"},
        {"?limit=1&limit=x", "0 to 1000"},
    };
    struct control *control = open_control();
    for (size_t i = 0; i < sizeof(slips) / sizeof(slips[0]); i++) {
        char path[128];
        snprintf(path, sizeof(path), "/obituaries%s", slips[i].query);
        ck_assert_msg(get(control, path) == 400 && strstr(answer_body(), slips[i].cure), "%s: %s",
                      path, answer);
        snprintf(path, sizeof(path), "/connections%s", slips[i].query);
        ck_assert_int_eq(get(control, path), 400);
    }
    char path[256] = "/obituaries?user=";
    memset(path + strlen(path), 'u', 65);
    ck_assert_int_eq(get(control, path), 400);
    path[strlen(path) - 1] = 0;
    ck_assert_int_eq(get(control, path), 200);
    ck_assert_int_eq(get(control, "/obituaries/"), 404);
    ck_assert_int_eq(ask(control_bound_port(control), "POST /obituaries HTTP/1.1\r\nHost: "
                                                      "localhost\r\nConnection: close\r\n\r\n"),
                     405);
    control_close(control);
}
END_TEST

START_TEST(what_is_asked_for_reaches_the_cores_as_it_was_meant) {
    static const uint8_t v4[16] = {[10] = 0xff, [11] = 0xff, 1, 2, 3, 4};
    struct control *control = open_control();
    ck_assert_int_eq(get(control, "/obituaries"), 200);
    ck_assert_uint_eq(gateway.lives_max, 50);
    ck_assert(gateway.who.pid == 0 && gateway.who.user_size == 0 && !gateway.who.has_address);
    ck_assert_int_eq(get(control, "/connections?user=a%20%C3%BC&address=1.2.3.4&limit=1000"), 200);
    ck_assert_uint_eq(gateway.lives_max, 1000);
    ck_assert(bytes_equal_string(bytes_of(gateway.who.user, gateway.who.user_size), "a \u00fc"));
    ck_assert(gateway.who.has_address);
    ck_assert_mem_eq(gateway.who.address, v4, 16);
    ck_assert_int_eq(get(control, "/obituaries?pid=01100030000000Ab&address=::1"), 200);
    ck_assert_uint_eq(gateway.who.pid, 0x01100030000000ab);
    ck_assert_uint_eq(gateway.who.address[15], 1);
    ck_assert_int_eq(get(control, "/obituaries?limit=0"), 200);
    ck_assert_uint_eq(gateway.lives_max, 0);
    control_close(control);
}
END_TEST

START_TEST(an_obituary_tells_dates_and_words_the_oldest_event_first) {
    struct control *control = open_control();
    struct control_life *life = add_life(KIND_CONNECTION, "alice", 5000);
    add_mark(life, RECORDER_ENDED, STREAM_END_RESET, 0);
    add_mark(life, RECORDER_CLOSE_SENT, 1008, 10);
    add_mark(life, RECORDER_JOINED, 0xabc, 2000);
    add_mark(life, RECORDER_JOINED, 0xdef, 2500);
    add_mark(life, RECORDER_DRAINED, 0, 3000);
    life->mark_rooms[2] = (struct control_name){5, "lobby"};
    uint64_t wall_ns = clock_realtime_ns();
    ck_assert_int_eq(get(control, "/obituaries"), 200);
    json_t *root = answer_json();
    ck_assert_int_eq(number_of(root, "ended_total"), 1000);
    const json_t *told = first(root, "obituaries");
    ck_assert_str_eq(string_of(told, "pid"), "0110000030000007");
    ck_assert_str_eq(string_of(told, "user"), "alice");
    ck_assert_str_eq(string_of(told, "kind"), "connection");
    ck_assert_str_eq(string_of(told, "reason"), "peer");
    ck_assert(json_is_null(json_object_get(told, "address")));
    ck_assert_str_eq(string_of(root, "addresses"),
                     "addresses are not recorded: start with --peer-addresses");
    int year, month, day, hour, minute, second, ms;
    ck_assert_int_eq(sscanf(string_of(told, "ended"), "%d-%d-%dT%d:%d:%d.%dZ", &year, &month, &day,
                            &hour, &minute, &second, &ms),
                     7);
    struct tm parts = {.tm_year = year - 1900,
                       .tm_mon = month - 1,
                       .tm_mday = day,
                       .tm_hour = hour,
                       .tm_min = minute,
                       .tm_sec = second};
    int64_t told_ms = (int64_t)timegm(&parts) * 1000 + ms;
    int64_t meant_ms = (int64_t)(wall_ns / NS_PER_MS) - 5000;
    ck_assert_int_ge(told_ms, meant_ms - 2);     // the two clocks are read one after the other
    ck_assert_int_le(told_ms, meant_ms + 60000); // and the asking takes its time
    const json_t *events = json_object_get(told, "events");
    static const char *const names[] = {"drained", "joined", "joined", "close_sent",
                                        "stream_ended"};
    static const int before_ms[] = {3000, 2500, 2000, 10, 0};
    ck_assert_uint_eq(json_array_size(events), 5);
    for (size_t i = 0; i < 5; i++) {
        const json_t *event = json_array_get(events, i);
        ck_assert_str_eq(string_of(event, "event"), names[i]);
        ck_assert_int_eq(number_of(event, "before_end_ms"), before_ms[i]);
    }
    ck_assert(json_is_null(json_object_get(json_array_get(events, 1), "room")));
    ck_assert_str_eq(string_of(json_array_get(events, 1), "room_tag"), "000def");
    ck_assert_str_eq(string_of(json_array_get(events, 2), "room"), "lobby");
    ck_assert_int_eq(number_of(json_array_get(events, 3), "code"), 1008);
    ck_assert_str_eq(string_of(json_array_get(events, 4), "by"), "reset");
    json_decref(root);
    control_close(control);
}
END_TEST

START_TEST(the_latest_of_all_cores_come_first) {
    struct control *control = open_control();
    (void)add_life(KIND_CONNECTION, "old", 9000);
    (void)add_life(KIND_ROOM, "newest", 10);
    (void)add_life(KIND_CONNECTION, "middle", 4000);
    gateway.cores_silent = 1;
    ck_assert_int_eq(get(control, "/obituaries?limit=3"), 200);
    json_t *root = answer_json();
    ck_assert_str_eq(string_of(first(root, "obituaries"), "room"), "newest");
    ck_assert_ptr_null(json_object_get(first(root, "obituaries"), "user"));
    ck_assert_str_eq(string_of(json_array_get(json_object_get(root, "obituaries"), 2), "user"),
                     "old");
    ck_assert_str_eq(json_string_value(json_array_get(json_object_get(root, "cores_silent"), 0)),
                     "core 0");
    json_decref(root);
    control_close(control);
}
END_TEST

START_TEST(a_living_connection_tells_its_state_and_rooms) {
    struct control *control = open_control();
    struct control_life *life = add_life(KIND_CONNECTION, "bob", 0);
    life->state = STATE_OPEN;
    life->is_paused_busy = true;
    life->silent_s = 12;
    life->room_queue_bytes = 345;
    life->record.has_address = true;
    memcpy(life->record.address, (const uint8_t[16]){[10] = 0xff, [11] = 0xff, 9, 8, 7, 6}, 16);
    life->room_count = CONTROL_LIFE_ROOMS_MAX + 3;
    for (uint32_t i = 0; i < CONTROL_LIFE_ROOMS_MAX; i++)
        life->rooms[i] = (struct control_name){1, {(uint8_t)('a' + i)}};
    config.peer_addresses = true;
    ck_assert_int_eq(get(control, "/connections"), 200);
    json_t *root = answer_json();
    const json_t *told = first(root, "connections");
    ck_assert_str_eq(string_of(root, "addresses"), "recorded");
    ck_assert_int_eq(number_of(root, "open_total"), 1000);
    ck_assert_str_eq(string_of(told, "address"), "9.8.7.6");
    ck_assert_str_eq(string_of(told, "state"), "open");
    ck_assert(json_is_true(json_object_get(told, "paused_for_busy_room")));
    ck_assert(json_is_false(json_object_get(told, "doomed")));
    ck_assert_int_eq(number_of(told, "silent_s"), 12);
    ck_assert_int_eq(number_of(told, "room_queue_bytes"), 345);
    ck_assert_int_eq(number_of(told, "rooms_count"), CONTROL_LIFE_ROOMS_MAX + 3);
    ck_assert_uint_eq(json_array_size(json_object_get(told, "rooms")), CONTROL_LIFE_ROOMS_MAX);
    json_decref(root);
    control_close(control);
}
END_TEST

START_TEST(a_connection_tells_what_it_speaks) {
    struct control *control = open_control();
    struct control_life *life = add_life(KIND_CONNECTION, "bob", 0);
    life->state = STATE_OPEN;
    ck_assert_int_eq(get(control, "/connections"), 200);
    json_t *root = answer_json();
    ck_assert_str_eq(string_of(first(root, "connections"), "protocol"), "phoenix");
    ck_assert_ptr_null(json_object_get(first(root, "connections"), "client_id"));
    json_decref(root);
    life->is_mqtt = life->is_mqtt_ws = true;
    life->mqtt_version = 5;
    life->client_id = (struct control_name){3, "dev"};
    ck_assert_int_eq(get(control, "/connections"), 200);
    root = answer_json();
    ck_assert_str_eq(string_of(first(root, "connections"), "protocol"), "mqtt 5.0");
    ck_assert_str_eq(string_of(first(root, "connections"), "over"), "websocket");
    ck_assert_str_eq(string_of(first(root, "connections"), "client_id"), "dev");
    json_decref(root);
    control_close(control);
}
END_TEST

START_TEST(what_is_not_recorded_is_said) {
    struct control *control = open_control();
    ck_assert_int_eq(get(control, "/obituaries"), 200);
    ck_assert_ptr_nonnull(strstr(answer_body(), "\"recorder\": \"on\""));
    config.obituaries = 0;
    ck_assert_int_eq(get(control, "/obituaries"), 200);
    ck_assert_ptr_nonnull(strstr(answer_body(), "start with --obituaries 1024"));
    config.recorder_mib = 0;
    config.trusted_proxy_count = 1;
    ck_assert_int_eq(get(control, "/obituaries"), 200);
    ck_assert_ptr_nonnull(strstr(answer_body(), "start with --recorder-mib 4"));
    ck_assert_ptr_nonnull(strstr(answer_body(), "behind trusted proxies"));
    control_close(control);
}
END_TEST

START_TEST(actors_are_told_by_core_and_kind) {
    struct control *control = open_control();
    gateway.cores_silent = 2;
    ck_assert_int_eq(get(control, "/actors"), 200);
    json_t *root = answer_json();
    const json_t *told = first(root, "actors");
    ck_assert_str_eq(string_of(told, "name"), "rooms");
    ck_assert_int_eq(number_of(told, "core"), 1);
    ck_assert_int_eq(number_of(told, "version"), 3);
    ck_assert_int_eq(number_of(told, "count"), 4);
    ck_assert_int_eq(number_of(told, "high_water"), 5);
    ck_assert_int_eq(number_of(told, "mailbox_fullest"), 6);
    ck_assert_uint_eq(json_array_size(json_object_get(root, "cores_silent")), 1);
    json_decref(root);
    control_close(control);
}
END_TEST

UNIT_MAIN("gateway/control_lives", a_slip_in_the_question_is_refused_with_its_cure,
          what_is_asked_for_reaches_the_cores_as_it_was_meant,
          an_obituary_tells_dates_and_words_the_oldest_event_first,
          the_latest_of_all_cores_come_first, a_living_connection_tells_its_state_and_rooms,
          a_connection_tells_what_it_speaks, what_is_not_recorded_is_said,
          actors_are_told_by_core_and_kind)
