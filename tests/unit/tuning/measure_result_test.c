// Goal: a measurement survives its JSON, and a spoilt one is refused by the field's name. Method:
// round trip; each required field taken out in turn.
#include "tuning/measure_result.h"

#include "tests/unit/unit.h"

#include <math.h>
#include <string.h>

static char error[MEASURE_ERROR_BYTES];
static struct measure_result whole, again;

static void fill(void) {
    whole = (struct measure_result){.cpu_count = 2,
                                    .memory_available_bytes = 16e9,
                                    .fixed_bytes = 13e6,
                                    .user_bytes = 231.5,
                                    .kernel_bytes = 3983,
                                    .connect_ns = 36e3,
                                    .heartbeat_ns = 9e3,
                                    .connections_max = {4e6, 8e6}};
    for (int side = 0; side < MEASURE_SIDE_COUNT; side++) {
        struct measure_side *s = &whole.sides[side];
        s->is_measured = true;
        s->schedulers = 1 + (uint32_t)side;
        s->shares_cpu = side == MEASURE_ALL;
        s->fanout_count = 2;
        s->parts = (struct model_parts){4e3, 1500, 200, 9};
        s->fanouts[0] = (struct measure_fanout){.members = 1, .publish_ns = 5e3};
        s->fanouts[1] = (struct measure_fanout){
            .members = 100, .publish_ns = 170e3, .client_was_limit = true, .p99_ns = NAN};
    }
    measure_remark(&whole, "noisy: %d", 7);
}

START_TEST(it_reads_back_as_it_was_written) {
    fill();
    json_t *json = measure_result_encode(&whole);
    ck_assert_msg(measure_result_decode(json, &again, error), "%s", error);
    ck_assert_uint_eq(again.cpu_count, 2);
    ck_assert(again.user_bytes == 231.5 && again.kernel_bytes == 3983);
    ck_assert(again.connections_max[MEASURE_ALL] == 8e6);
    ck_assert_uint_eq(again.sides[MEASURE_ALL].schedulers, 2);
    ck_assert(again.sides[MEASURE_ALL].shares_cpu && !again.sides[MEASURE_ONE].shares_cpu);
    ck_assert_uint_eq(again.sides[MEASURE_ONE].fanout_count, 2);
    ck_assert(again.sides[MEASURE_ONE].fanouts[1].publish_ns == 170e3);
    ck_assert(again.sides[MEASURE_ONE].fanouts[1].client_was_limit);
    ck_assert(again.sides[MEASURE_ONE].fanouts[1].p99_ns == 0); // was no number
    struct model_costs costs;
    ck_assert(measure_result_costs(&again, MEASURE_ALL, &costs));
    ck_assert(costs.fanouts[1].members == 100);
    ck_assert(costs.parts.own_ns == 4e3 && costs.parts.send_ns == 1500 &&
              costs.parts.frame_ns == 200);
    ck_assert(costs.parts.merge_max == 9);
    json_decref(json);
}
END_TEST

START_TEST(without_the_second_side_it_is_still_good) {
    fill();
    whole.sides[MEASURE_ALL].is_measured = false;
    json_t *json = measure_result_encode(&whole);
    struct model_costs costs;
    ck_assert_msg(measure_result_decode(json, &again, error), "%s", error);
    ck_assert(!measure_result_costs(&again, MEASURE_ALL, &costs));
    json_decref(json);
}
END_TEST

START_TEST(a_missing_field_is_named) {
    const char *const fields[] = {"cpu_count",   "memory_available_bytes", "fixed_bytes",
                                  "user_bytes",  "kernel_bytes",           "connect_ns",
                                  "heartbeat_ns"};
    fill();
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        json_t *json = measure_result_encode(&whole);
        json_object_del(json, fields[i]);
        ck_assert(!measure_result_decode(json, &again, error));
        ck_assert_msg(strstr(error, fields[i]) != NULL, "%s: %s", fields[i], error);
        json_object_set_new(json, fields[i], json_string("many"));
        ck_assert(!measure_result_decode(json, &again, error));
        json_decref(json);
    }
    json_t *json = measure_result_encode(&whole);
    json_object_del(json, "one");
    ck_assert(!measure_result_decode(json, &again, error));
    json_decref(json);
    json = json_pack("[i]", 1);
    ck_assert(!measure_result_decode(json, &again, error));
    json_decref(json);
}
END_TEST

START_TEST(a_spoilt_fanout_is_named) {
    fill();
    json_t *json = measure_result_encode(&whole);
    json_t *rows = json_object_get(json_object_get(json, "one"), "fanouts");
    json_object_del(json_array_get(rows, 1), "publish_ns");
    ck_assert(!measure_result_decode(json, &again, error));
    ck_assert_msg(strstr(error, "one.fanouts[1].publish_ns") != NULL, "%s", error);
    json_object_set_new(json_object_get(json, "one"), "fanouts", json_integer(3));
    ck_assert(!measure_result_decode(json, &again, error));
    json_decref(json);
    json = measure_result_encode(&whole);
    rows = json_object_get(json_object_get(json, "one"), "fanouts");
    for (int i = 0; i < MODEL_FANOUTS_MAX; i++)
        json_array_append(rows, json_array_get(rows, 0));
    ck_assert(!measure_result_decode(json, &again, error));
    json_decref(json);
}
END_TEST

START_TEST(remarks_are_bounded) {
    fill();
    for (int i = 0; i < MEASURE_REMARKS_MAX + 3; i++)
        measure_remark(&whole, "%d", i);
    ck_assert_uint_eq(whole.remark_count, MEASURE_REMARKS_MAX);
}
END_TEST

UNIT_MAIN("tuning/measure_result", it_reads_back_as_it_was_written,
          without_the_second_side_it_is_still_good, a_missing_field_is_named,
          a_spoilt_fanout_is_named, remarks_are_bounded)
