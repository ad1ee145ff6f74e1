// Goal: what is under way is known by its packet identifier, no more than the server takes is sent,
// and nothing of a client that is gone is left. Method: two clients over one table, a small window.
#include "loadgen/mqtt_flow.h"
#include "tests/unit/unit.h"

static struct memory_ledger ledger;
static struct mqtt_flows flows;

static void begin(uint32_t window) {
    ck_assert_int_eq(mqtt_flow_init(&flows, &ledger, 2), 0);
    mqtt_flow_set_window(&flows, 0, window);
    mqtt_flow_set_window(&flows, 1, window);
}

static void end(void) {
    mqtt_flow_reset(&flows, 0);
    mqtt_flow_reset(&flows, 1);
    slab_check_empty(&flows.entries);
    memory_release_all(&ledger);
}

static struct mqtt_flow_message message(uint32_t number) {
    return (struct mqtt_flow_message){
        .kind = MQTT_FLOW_PUBLISH, .payload_bytes = 64, .stamp = {.number = number}};
}

static struct mqtt_flow_entry *open_one(uint32_t client, uint32_t number) {
    struct mqtt_flow_message m = message(number);
    return mqtt_flow_open(&flows, client, &m);
}

static bool queue_one(uint32_t client, uint32_t number) {
    struct mqtt_flow_message m = message(number);
    return mqtt_flow_queue(&flows, client, &m);
}

static uint32_t close_one(uint32_t client, uint16_t packet_id) {
    struct mqtt_flow_entry closed;
    return mqtt_flow_close(&flows, client, packet_id, &closed) ? closed.stamp.number : 0;
}

START_TEST(mqtt_flow_closes_in_any_order_and_each_once) {
    static const uint16_t orders[][4] = {{1, 2, 3, 4}, {4, 3, 2, 1}, {2, 4, 1, 3}, {3, 1, 4, 2}};
    for (size_t k = 0; k < 4; k++) {
        begin(10);
        for (uint32_t i = 1; i <= 4; i++)
            ck_assert_uint_eq(open_one(0, 10 * i)->packet_id, i);
        ck_assert_uint_eq(flows.flows[0].open_count, 4);
        for (size_t i = 0; i < 4; i++) {
            ck_assert_uint_eq(close_one(1, orders[k][i]), 0); // another client's
            ck_assert_uint_eq(close_one(0, orders[k][i]), 10u * orders[k][i]);
            ck_assert_uint_eq(close_one(0, orders[k][i]), 0);
        }
        ck_assert_uint_eq(flows.flows[0].open_count, 0);
        ck_assert_uint_eq(flows.flows[0].open, SLAB_NONE);
        end();
    }
}
END_TEST

START_TEST(mqtt_flow_opens_as_many_as_the_server_takes_and_no_more) {
    begin(3);
    for (uint32_t i = 1; i <= 3; i++) {
        ck_assert(mqtt_flow_may_open(&flows, 0));
        open_one(0, i);
    }
    ck_assert(!mqtt_flow_may_open(&flows, 0));
    ck_assert(queue_one(0, 4) && queue_one(0, 5));
    ck_assert_ptr_null(mqtt_flow_open_next(&flows, 0));
    ck_assert_uint_eq(close_one(0, 2), 2);
    ck_assert(!mqtt_flow_may_open(&flows, 0)); // others wait already
    ck_assert_uint_eq(mqtt_flow_open_next(&flows, 0)->stamp.number, 4);
    ck_assert_ptr_null(mqtt_flow_open_next(&flows, 0));
    ck_assert_uint_eq(close_one(0, 1), 1);
    ck_assert_uint_eq(mqtt_flow_open_next(&flows, 0)->stamp.number, 5);
    ck_assert_ptr_null(mqtt_flow_open_next(&flows, 0));
    ck_assert_uint_eq(close_one(0, 3), 3);
    ck_assert(mqtt_flow_may_open(&flows, 0));
    end();
}
END_TEST

START_TEST(mqtt_flow_counts_identifiers_past_those_in_use) {
    begin(MQTT_FLOW_WINDOW_MAX + 1); // more than is kept
    ck_assert_uint_eq(flows.flows[0].window, MQTT_FLOW_WINDOW_MAX);
    ck_assert_uint_eq(open_one(0, 1)->packet_id, 1); // never answered
    for (uint32_t i = 2; i <= MQTT_FLOW_ID_MAX; i++) {
        ck_assert_uint_eq(open_one(0, i)->packet_id, i);
        ck_assert_uint_eq(close_one(0, (uint16_t)i), i);
    }
    ck_assert_uint_eq(open_one(0, 7)->packet_id, 2); // not 0, not 1, none above the limit
    end();
}
END_TEST

START_TEST(mqtt_flow_queues_so_many_and_no_more) {
    begin(1);
    open_one(0, 1);
    for (uint32_t i = 0; i < MQTT_FLOW_QUEUE_MAX; i++)
        ck_assert(queue_one(0, i));
    ck_assert(!queue_one(0, 1));
    ck_assert(queue_one(1, 1));
    end();
}
END_TEST

START_TEST(mqtt_flow_pings_have_no_identifier_and_take_no_place) {
    struct mqtt_flow_message ping = {.kind = MQTT_FLOW_PING};
    struct mqtt_flow_entry closed;
    begin(1);
    ck_assert(!mqtt_flow_close_ping(&flows, 0, &closed));
    ping.stamp.number = 1;
    ck_assert_uint_eq(mqtt_flow_open(&flows, 0, &ping)->packet_id, 0);
    ck_assert(mqtt_flow_may_open(&flows, 0));
    ck_assert_uint_eq(open_one(0, 9)->packet_id, 1);
    ping.stamp.number = 2;
    ck_assert_ptr_nonnull(mqtt_flow_open(&flows, 0, &ping));
    ck_assert_uint_eq(close_one(0, 0), 0); // no message
    ck_assert(mqtt_flow_close_ping(&flows, 0, &closed));
    ck_assert_uint_eq(closed.stamp.number, 1);
    ck_assert(mqtt_flow_close_ping(&flows, 0, &closed));
    ck_assert_uint_eq(closed.stamp.number, 2);
    ck_assert(!mqtt_flow_close_ping(&flows, 0, &closed));
    ck_assert_uint_eq(close_one(0, 1), 9);
    end();
}
END_TEST

START_TEST(mqtt_flow_knows_deliveries_that_were_not_released) {
    begin(1);
    ck_assert_int_eq(mqtt_flow_take(&flows, 0, 7), MQTT_FLOW_NEW);
    ck_assert_int_eq(mqtt_flow_take(&flows, 0, 65535), MQTT_FLOW_NEW);
    ck_assert_int_eq(mqtt_flow_take(&flows, 0, 7), MQTT_FLOW_AGAIN);
    ck_assert_int_eq(mqtt_flow_take(&flows, 1, 7), MQTT_FLOW_NEW);
    ck_assert(mqtt_flow_forget(&flows, 0, 7));
    ck_assert(!mqtt_flow_forget(&flows, 0, 7));
    ck_assert_int_eq(mqtt_flow_take(&flows, 0, 7), MQTT_FLOW_NEW);
    ck_assert_ptr_null(mqtt_flow_lookup(&flows, 0, 7)); // not one of ours
    end();
}
END_TEST

UNIT_MAIN("loadgen/mqtt_flow", mqtt_flow_closes_in_any_order_and_each_once,
          mqtt_flow_opens_as_many_as_the_server_takes_and_no_more,
          mqtt_flow_counts_identifiers_past_those_in_use, mqtt_flow_queues_so_many_and_no_more,
          mqtt_flow_pings_have_no_identifier_and_take_no_place,
          mqtt_flow_knows_deliveries_that_were_not_released)
