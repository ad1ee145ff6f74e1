// Goal: a core finds the lives that are asked for, all of them and no others, however many slices a
// walk takes. Method: the rig's gateway, seen as a core.
#include "tests/unit/gateway/rig.h"

#include <arpa/inet.h>

#include "gateway/lives.h"
#include "gateway/wire/mqtt_connect.h"

#define JOIN(room) "[\"1\",\"1\",\"room:" room "\",\"phx_join\",{}]"

static struct core core; // what of it lives.c reads; copied for each question
static struct control_life found[RIG_PEERS_MAX];

static void open_rig(uint32_t connections_max) {
    rig_config_default(&rig.config);
    rig.config.peer_addresses = true;
    rig_open(connections_max, 2);
}

static const struct core *as_core(void) {
    core.scheduler = rig.scheduler;
    core.gateway = rig.gateway;
    core.chat = rig.chat;
    core.streams = rig.streams;
    return &core;
}

static struct control_who who_is(const char *user) {
    struct control_who who = {.user_size = (uint32_t)strlen(user)};
    memcpy(who.user, user, who.user_size);
    return who;
}

static uint32_t obituaries(const struct control_who *who, uint32_t lives_max) {
    struct control_lives lives = {.lives = found, .lives_max = lives_max};
    memset(found, 0, sizeof(found));
    lives_obituaries(as_core(), who, &lives);
    ck_assert_uint_eq(lives.total, rig.scheduler.recorder.obituary_count);
    return lives.life_count;
}

static uint32_t connections(const struct control_who *who, uint32_t lives_max) {
    struct control_lives lives = {.lives = found, .lives_max = lives_max};
    uint64_t cursor = 0;
    memset(found, 0, sizeof(found));
    while (!lives_connections(as_core(), who, &lives, &cursor))
        continue;
    return lives.life_count;
}

static bool is_named(uint32_t life, const char *name) {
    return bytes_equal_string(bytes_of(found[life].record.name, found[life].record.name_size),
                              name);
}

static uint32_t user_from(const char *user, const char *ip) {
    char request[256];
    struct sockaddr_in client = {.sin_family = AF_INET};
    inet_pton(AF_INET, ip, &client.sin_addr);
    uint32_t peer = rig_connect_as(STREAM_ACCEPTED, (struct sockaddr *)&client);
    snprintf(request, sizeof(request), RIG_UPGRADE("/socket/websocket?user=%s&vsn=2.0.0", ""),
             user);
    rig_string(peer, request);
    rig_turn();
    return peer;
}

// As the control plane does after it has the lives.
static void name_rooms(uint32_t life_count) {
    struct control_lives lives = {.lives = found, .life_count = life_count};
    static struct lives_tags tags;
    tags = (struct lives_tags){0};
    lives_tags_gather(&tags, &lives);
    lives_tags_name(as_core(), &tags);
    lives_tags_fill(&tags, &lives);
}

START_TEST(the_dead_are_found_by_user_address_and_pid) {
    open_rig(8);
    static const char *const users[] = {"alice", "bob", "alice", "carl"};
    static const char *const ips[] = {"10.0.0.1", "10.0.0.1", "10.0.0.2", "10.0.0.3"};
    for (uint32_t i = 0; i < 4; i++)
        rig_hangup(user_from(users[i], ips[i]));
    struct control_who any = {0};
    ck_assert_uint_eq(obituaries(&any, 8), 4);
    ck_assert(is_named(0, "carl") && is_named(3, "alice"));
    ck_assert_uint_eq(obituaries(&any, 2), 2);
    ck_assert(is_named(0, "carl"));
    ck_assert_uint_eq(obituaries(&any, 0), 0);
    struct control_who alice = who_is("alice"), nobody = who_is("alic");
    ck_assert_uint_eq(obituaries(&alice, 8), 2);
    ck_assert_uint_eq(found[0].record.address[15], 2); // the latest first
    ck_assert_uint_eq(obituaries(&nobody, 8), 0);
    struct control_who there = {.has_address = true, .address = {[10] = 0xff, 0xff, 10, 0, 0, 1}};
    ck_assert_uint_eq(obituaries(&there, 8), 2);
    ck_assert(is_named(0, "bob") && is_named(1, "alice"));
    alice.has_address = true;
    memcpy(alice.address, there.address, 16);
    ck_assert_uint_eq(obituaries(&alice, 8), 1);
    struct control_who pid = {.pid = found[0].record.pid};
    ck_assert_uint_eq(obituaries(&pid, 8), 1);
    pid.pid += 100ull << 28; // a later owner of the slot
    ck_assert_uint_eq(obituaries(&pid, 8), 0);
    rig_close();
}
END_TEST

START_TEST(the_rooms_of_events_are_named_while_there_are_such) {
    open_rig(8);
    uint32_t peer = rig_user("alice");
    rig_text(peer, JOIN("lobby"));
    rig_turns(3);
    rig_hangup(peer);
    struct control_who alice = who_is("alice");
    ck_assert_uint_eq(obituaries(&alice, 8), 1);
    uint32_t at = 0;
    while (found[0].record.marks[at].type != RECORDER_JOINED)
        ck_assert_uint_lt(++at, found[0].record.mark_count);
    const struct control_name *room = &found[0].mark_rooms[at];
    ck_assert_uint_eq(room->size, 0);
    name_rooms(1);
    ck_assert(bytes_equal_string(bytes_of(room->bytes, room->size), "lobby"));
    rig_wait_ms(61000); // the room dies, and has an obituary of its own
    ck_assert_uint_eq(obituaries(&alice, 8), 1);
    name_rooms(1);
    ck_assert_uint_eq(found[0].mark_rooms[at].size, 0);
    struct control_who lobby = who_is("lobby");
    ck_assert_uint_eq(obituaries(&lobby, 8), 0); // a room is no user
    ck_assert_uint_eq(obituaries(&(struct control_who){0}, 8), 2);
    ck_assert(is_named(0, "lobby"));
    rig_close();
}
END_TEST

START_TEST(the_living_are_found_with_state_and_rooms) {
    open_rig(8);
    uint32_t alice = user_from("alice", "10.0.0.1");
    rig_text(alice, JOIN("lobby"));
    rig_text(alice, JOIN("den"));
    (void)user_from("bob", "10.0.0.2");
    uint32_t raw = rig_connect();
    rig_turns(3);
    rig_wait_ms(5000);
    struct control_who who = who_is("alice");
    ck_assert_uint_eq(connections(&who, 8), 1);
    ck_assert_uint_eq(found[0].state, CONN_OPEN);
    ck_assert_uint_eq(found[0].room_count, 2);
    ck_assert_uint_eq(found[0].rooms[0].size, 3);
    ck_assert_uint_eq(found[0].silent_s, 5);
    ck_assert_uint_eq(found[0].record.mark_count, 4);
    ck_assert_uint_eq(found[0].record.time_ns, rig.now_ns);
    who.pid = found[0].record.pid;
    ck_assert_uint_eq(connections(&who, 8), 1);
    who.pid = pid_of(0, KIND_ROOM, (struct handle){0, 0});
    ck_assert_uint_eq(connections(&who, 8), 0);
    struct control_who there = {.has_address = true, .address = {[10] = 0xff, 0xff, 10, 0, 0, 2}};
    ck_assert_uint_eq(connections(&there, 8), 1);
    ck_assert(is_named(0, "bob"));
    ck_assert_uint_eq(connections(&(struct control_who){0}, 8), 3);
    ck_assert_uint_eq(connections(&(struct control_who){0}, 2), 2);
    ck_assert_uint_eq(connections(&(struct control_who){0}, 0), 0);
    rig_hangup(raw);
    rig_close();
}
END_TEST

START_TEST(a_living_mqtt_client_tells_its_version_and_id_cut_at_a_character) {
    uint8_t id[130], packet[256];
    open_rig(8);
    memset(id, 'i', sizeof(id));
    memcpy(id + 127, "€", 3);
    struct writer w = writer_on(packet, sizeof(packet));
    mqtt_encode_connect(&w, &(struct mqtt_connect){.version = MQTT_3_1_1,
                                                   .is_clean = true,
                                                   .has_user_name = true,
                                                   .user_name = BYTES_LITERAL("ada"),
                                                   .client_id = bytes_of(id, sizeof(id))});
    uint32_t peer = rig_connect();
    rig_bytes(peer, bytes_of(packet, 1));
    ck_assert_uint_eq(connections(&(struct control_who){0}, 8), 1);
    ck_assert(found[0].is_mqtt);
    ck_assert_uint_eq(found[0].mqtt_version, 0);
    rig_bytes(peer, bytes_skip(writer_bytes(&w), 1));
    rig_turns(2);
    struct control_who who = who_is("ada");
    ck_assert_uint_eq(connections(&who, 8), 1);
    ck_assert_uint_eq(found[0].mqtt_version, MQTT_3_1_1);
    ck_assert(!found[0].is_mqtt_ws);
    ck_assert_uint_eq(found[0].client_id.size, 127);
    struct control_move move = {.who = who, .to_core = 1};
    uint64_t cursor = 0;
    while (!lives_move((struct core *)(uintptr_t)as_core(), &move, &cursor))
        continue;
    ck_assert_uint_eq(move.found, 1);
    ck_assert_uint_eq(move.mqtt, 1);
    ck_assert_uint_eq(move.begun, 0);
    rig_hangup(peer);
    rig_turns(4);
    rig_close();
}
END_TEST

START_TEST(a_walk_over_many_goes_in_slices) {
    uint32_t slots = LIVES_SLICE + 1;
    open_rig(slots);
    // Slots that were touched and are free again stand between those in use.
    struct slab *slab = &rig.scheduler.kinds[KIND_CONNECTION].slab;
    uint32_t first = rig_user("first"), index;
    for (uint32_t i = 1; i < slots - 1; i++)
        ((struct actor *)slab_acquire(slab, &index))->mailbox_tail = SLAB_NONE;
    uint32_t last = rig_user("last");
    ck_assert_uint_eq(rig_slot(last)->owner, slots - 1);
    for (uint32_t i = 1; i < slots - 1; i++)
        slab_release(slab, i);
    struct control_who who = who_is("last");
    struct control_lives lives = {.lives = found, .lives_max = 8};
    uint64_t cursor = 0;
    ck_assert(!lives_connections(as_core(), &who, &lives, &cursor));
    ck_assert_uint_eq(cursor, LIVES_SLICE);
    ck_assert(lives_connections(as_core(), &who, &lives, &cursor));
    ck_assert_uint_eq(lives.life_count, 1);
    rig_hangup(first);
    rig_close();
}
END_TEST

START_TEST(actors_are_counted_with_their_fullest_mailbox) {
    static struct control_kinds kinds;
    open_rig(8);
    uint32_t peer = rig_user("alice");
    rig_text(peer, JOIN("a"));
    rig_turns(3);
    uint64_t room = 0;
    for (uint32_t i = 0; i < 3; i++) {
        room = scheduler_pid(&rig.scheduler, KIND_ROOM, 0);
        scheduler_send(&rig.scheduler,
                       &(struct message){.target = room,
                                         .type = CHAT_WANT_STATE,
                                         .sender = scheduler_pid(&rig.scheduler, KIND_LEAF, 0)});
    }
    uint64_t cursor = 0;
    kinds.kind_count = 0;
    while (!lives_actors(as_core(), &kinds, &cursor))
        continue;
    uint32_t rooms = 0;
    for (uint32_t i = 0; i < kinds.kind_count; i++) {
        const struct control_kind *kind = &kinds.kinds[i];
        ck_assert(i == 0 || kind->kind > kinds.kinds[i - 1].kind);
        if (kind->kind == KIND_CONNECTION)
            ck_assert_uint_eq(kind->count, 1);
        if (kind->kind != KIND_ROOM)
            continue;
        rooms++;
        ck_assert_str_eq(kind->name, "rooms");
        ck_assert_uint_eq(kind->mailbox_fullest, 3);
        ck_assert_uint_eq(kind->mailbox_total, 3);
        ck_assert_uint_eq(kind->count, 1);
    }
    ck_assert_uint_eq(rooms, 1);
    rig_turn();
    rig_close();
}
END_TEST

START_TEST(no_more_tags_are_gathered_than_there_is_room_for) {
    static struct lives_tags tags;
    struct control_lives lives = {.lives = found};
    memset(found, 0, sizeof(found));
    tags = (struct lives_tags){0};
    for (uint32_t tag = 1; tag <= 2 * LIVES_TAGS_MAX; tag++) {
        struct recorder_obituary *record = &found[tag / RECORDER_MARKS_MAX].record;
        record->marks[record->mark_count++] =
            (struct recorder_mark){.type = tag % 2 ? RECORDER_JOINED : RECORDER_LEFT,
                                   .detail = tag > LIVES_TAGS_MAX - 1 ? tag / 2 : tag};
        lives.life_count = tag / RECORDER_MARKS_MAX + 1;
        if (tag == LIVES_TAGS_MAX - 1) {
            lives_tags_gather(&tags, &lives);
            ck_assert_uint_eq(tags.count, LIVES_TAGS_MAX - 1);
            lives_tags_gather(&tags, &lives); // all are there already
            ck_assert_uint_eq(tags.count, LIVES_TAGS_MAX - 1);
        }
    }
    found[0].record.marks[0].detail = 1000000;
    found[1].record.marks[0].detail = 1000001;
    lives_tags_gather(&tags, &lives);
    ck_assert_uint_eq(tags.count, LIVES_TAGS_MAX);
    ck_assert_uint_eq(tags.tags[LIVES_TAGS_MAX - 1], 1000000);
    lives_tags_fill(&tags, &lives); // names nothing, reads nothing beyond
    ck_assert_uint_eq(found[1].mark_rooms[0].size, 0);
}
END_TEST

UNIT_MAIN("gateway/lives", no_more_tags_are_gathered_than_there_is_room_for,
          the_dead_are_found_by_user_address_and_pid,
          the_rooms_of_events_are_named_while_there_are_such,
          the_living_are_found_with_state_and_rooms,
          a_living_mqtt_client_tells_its_version_and_id_cut_at_a_character,
          a_walk_over_many_goes_in_slices, actors_are_counted_with_their_fullest_mailbox)
