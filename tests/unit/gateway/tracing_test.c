// Goal: an order traces the actors that make up what it names, and nobody else; what is read back
// names messages. Method: the rig's gateway, lent to a core.
#include "tests/unit/gateway/rig.h"

#include "gateway/tracing.h"

#define JOIN(room) "[\"1\",\"1\",\"room:" room "\",\"phx_join\",{}]"
#define SHOUT(room) "[\"1\",\"2\",\"room:" room "\",\"shout\",{}]"

static struct core core;
static struct control_trace_event events[TRACE_EVENTS_MAX];
static struct control_trace trace;

// The scheduler is lent, not copied: flags are set in its slabs, the rest comes back.
static uint32_t begin(const struct control_trace_order *order) {
    uint64_t cursor = 0;
    uint32_t actor_count = 0;
    core.scheduler = rig.scheduler;
    core.gateway = rig.gateway;
    core.chat = rig.chat;
    while (!tracing_begin(&core, order, &cursor, &actor_count))
        continue;
    rig.scheduler = core.scheduler;
    return actor_count;
}

static struct control_trace_order order_of(const char *room, const char *user, uint64_t pid) {
    struct control_trace_order order = {.until_ns = rig.now_ns + 100 * NS_PER_S,
                                        .who = {.pid = pid, .user_size = (uint32_t)strlen(user)},
                                        .room = {.size = (uint8_t)strlen(room)}};
    memcpy(order.room.bytes, room, strlen(room));
    memcpy(order.who.user, user, strlen(user));
    return order;
}

static void read_trace(void) {
    core.scheduler = rig.scheduler;
    trace = (struct control_trace){.events = events, .events_max = TRACE_EVENTS_MAX};
    tracing_read(&core, &trace);
}

static uint32_t count_of(const char *kind, enum trace_what what, const char *message) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < trace.event_count; i++)
        count += strcmp(events[i].kind, kind) == 0 && events[i].event.what == what &&
                 (!message || (events[i].message && strcmp(events[i].message, message) == 0));
    return count;
}

static void open_rig(void) {
    rig_config_default(&rig.config);
    rig_open(8, 2);
    ck_assert_int_eq(trace_init(&rig.scheduler.trace, &rig.ledger), 0);
}

START_TEST(a_room_is_traced_at_its_home_and_its_leaf) {
    open_rig();
    uint32_t alice = rig_user("alice"), bob = rig_user("bob");
    rig_text(alice, JOIN("a"));
    rig_text(bob, JOIN("b"));
    rig_turns(3);
    struct control_trace_order order = order_of("a", "", 0), nowhere = order_of("c", "", 0);
    ck_assert_uint_eq(begin(&nowhere), 0);
    ck_assert_uint_eq(begin(&order), 2);
    rig_text(alice, SHOUT("a"));
    rig_text(bob, SHOUT("b"));
    rig_turns(3);
    read_trace();
    ck_assert(trace.is_on);
    ck_assert_uint_eq(trace.actor_count, 2);
    ck_assert_uint_eq(count_of("rooms", TRACE_RECEIVE, "publish"), 1);
    ck_assert_uint_eq(count_of("rooms", TRACE_SEND, "relay"), 1);
    ck_assert_uint_eq(count_of("leaves", TRACE_RECEIVE, "relay"), 1);
    ck_assert_uint_eq(count_of("connections", TRACE_BYTES, NULL), 0);
    ck_assert_uint_eq(trace.kept, trace.event_count);
    ck_assert_uint_eq(events[0].sequence, rig.scheduler.trace.event_count); // the newest first
    trace_stop(&rig.scheduler);
    rig_close();
}
END_TEST

START_TEST(a_user_is_traced_in_all_connections_of_that_name) {
    open_rig();
    uint32_t phone = rig_user("alice"), bob = rig_user("bob"), desk = rig_user("alice");
    rig_text(phone, JOIN("a"));
    rig_text(bob, JOIN("a"));
    rig_turns(3);
    struct control_trace_order order = order_of("", "alice", 0), nobody = order_of("", "alic", 0);
    ck_assert_uint_eq(begin(&nobody), 0);
    ck_assert_uint_eq(begin(&order), 2);
    rig_text(phone, SHOUT("a"));
    rig_text(bob, SHOUT("a"));
    rig_turns(3);
    rig_hangup(desk);
    read_trace();
    ck_assert_uint_eq(count_of("connections", TRACE_BYTES, NULL), 1);
    ck_assert_uint_eq(count_of("connections", TRACE_SEND, "publish"), 1);
    ck_assert_uint_eq(count_of("connections", TRACE_EXIT, NULL), 1);
    ck_assert_uint_eq(count_of("rooms", TRACE_RECEIVE, NULL), 0);
    rig_turns(2);
    trace_stop(&rig.scheduler);
    rig_close();
}
END_TEST

START_TEST(a_pid_is_traced_alone_and_a_timer_is_named) {
    open_rig();
    uint32_t alice = rig_user("alice");
    (void)rig_user("bob");
    uint64_t pid = scheduler_pid(&rig.scheduler, KIND_CONNECTION, rig_slot(alice)->owner);
    struct control_trace_order order = order_of("", "", pid),
                               gone = order_of("", "", pid + (1ull << 28));
    ck_assert_uint_eq(begin(&gone), 0);
    ck_assert_uint_eq(begin(&order), 1);
    rig_wait_ms(12000); // past the handshake's timeout
    read_trace();
    ck_assert_uint_eq(count_of("connections", TRACE_RECEIVE, "timer"), 1);
    ck_assert_uint_eq(count_of("connections", TRACE_IN, NULL),
                      count_of("connections", TRACE_OUT, NULL));
    trace_stop(&rig.scheduler);
    rig_close();
}
END_TEST

START_TEST(no_more_is_read_than_was_asked_for) {
    open_rig();
    uint32_t alice = rig_user("alice");
    struct control_trace_order order = order_of("", "alice", 0);
    ck_assert_uint_eq(begin(&order), 1);
    for (uint32_t i = 0; i < 10; i++)
        rig_text(alice, SHOUT("a"));
    core.scheduler = rig.scheduler;
    trace = (struct control_trace){.events = events, .events_max = 7};
    tracing_read(&core, &trace);
    ck_assert_uint_eq(trace.event_count, 7);
    ck_assert_uint_eq(trace.kept, 30); // in, bytes, out
    ck_assert_uint_eq(events[0].event.what, TRACE_OUT);
    trace_stop(&rig.scheduler);
    rig_close();
}
END_TEST

START_TEST(every_message_of_chat_has_a_name_of_its_own) {
    for (uint16_t type = CHAT_JOIN; type <= CHAT_MOVE_REFUSED; type++) {
        ck_assert_ptr_nonnull(chat_message_name(type));
        for (uint16_t other = CHAT_JOIN; other < type; other++)
            ck_assert_str_ne(chat_message_name(type), chat_message_name(other));
    }
    ck_assert_ptr_null(chat_message_name(CHAT_MOVE_REFUSED + 1));
    ck_assert_ptr_null(chat_message_name(MESSAGE_TIMER));
}
END_TEST

UNIT_MAIN("gateway/tracing", a_room_is_traced_at_its_home_and_its_leaf,
          a_user_is_traced_in_all_connections_of_that_name,
          a_pid_is_traced_alone_and_a_timer_is_named, no_more_is_read_than_was_asked_for,
          every_message_of_chat_has_a_name_of_its_own)
