#include "tuning/measure_result.h"

#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

// Every number of the JSON: its name is its path.
struct number_row {
    const char *name;
    size_t offset;
    bool is_required;
};

#define NUMBER(field, required)                                                                    \
    { #field, offsetof(struct measure_result, field), required }
static const struct number_row NUMBERS[] = {
    NUMBER(memory_total_bytes, false),
    NUMBER(memory_available_bytes, true),
    NUMBER(connections_few, false),
    NUMBER(connections_many, false),
    NUMBER(rooms_of, false),
    NUMBER(fixed_bytes, true),
    NUMBER(user_bytes, true),
    NUMBER(kernel_bytes, true),
    NUMBER(kernel_client_bytes, false),
    NUMBER(available_fell_bytes, false),
    NUMBER(connect_ns, true),
    NUMBER(heartbeat_ns, true),
    NUMBER(heartbeats_per_s, false),
    NUMBER(seconds, false),
};
#undef NUMBER
#define NUMBER(field, required)                                                                    \
    { #field, offsetof(struct measure_fanout, field), required }
static const struct number_row FANOUT_NUMBERS[] = {
    NUMBER(members, true),          NUMBER(publish_ns, true),
    NUMBER(publishes_per_s, false), NUMBER(measured_ns, false),
    NUMBER(merge, false),           NUMBER(process_ns, false),
    NUMBER(server_cpu, false),      NUMBER(deliveries_per_s, false),
    NUMBER(p99_ns, false),          NUMBER(client_cpu, false),
};
#undef NUMBER
#define NUMBER(field)                                                                              \
    { #field, offsetof(struct model_parts, field), false }
static const struct number_row PART_NUMBERS[] = {NUMBER(own_ns), NUMBER(send_ns), NUMBER(frame_ns),
                                                 NUMBER(merge_max)};
#undef NUMBER
#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static const char *const SIDE_NAMES[MEASURE_SIDE_COUNT] = {"one", "all"};

void measure_remark(struct measure_result *result, const char *format, ...) {
    if (result->remark_count == MEASURE_REMARKS_MAX)
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(result->remarks[result->remark_count++], MEASURE_REMARK_BYTES, format, arguments);
    va_end(arguments);
}

bool measure_result_costs(const struct measure_result *result, enum measure_side_name side,
                          struct model_costs *costs) {
    char why[MODEL_WHY_BYTES];
    const struct measure_side *s = &result->sides[side];
    *costs = (struct model_costs){.user_bytes = result->user_bytes,
                                  .kernel_bytes = result->kernel_bytes,
                                  .fixed_bytes = result->fixed_bytes,
                                  .connect_ns = result->connect_ns,
                                  .heartbeat_ns = result->heartbeat_ns,
                                  .parts = s->parts,
                                  .fanout_count = s->is_measured ? s->fanout_count : 0};
    for (uint32_t i = 0; i < costs->fanout_count && i < MODEL_FANOUTS_MAX; i++)
        costs->fanouts[i] = (struct model_fanout){s->fanouts[i].members, s->fanouts[i].publish_ns};
    return model_costs_validate(costs, why);
}

// --- encoding ------------------------------------------------------------------------------------

static void encode_numbers(json_t *object, const void *from, const struct number_row *rows,
                           size_t row_count) {
    for (size_t i = 0; i < row_count; i++) {
        double value;
        memcpy(&value, (const char *)from + rows[i].offset, sizeof(value));
        json_object_set_new(object, rows[i].name, isfinite(value) ? json_real(value) : json_null());
    }
}

static json_t *encode_side(const struct measure_side *side, double connections_max) {
    json_t *object = json_object(), *fanouts = json_array();
    json_object_set_new(object, "schedulers", json_integer(side->schedulers));
    json_object_set_new(object, "shares_cpu", json_boolean(side->shares_cpu));
    json_object_set_new(object, "connections_max", json_real(connections_max));
    encode_numbers(object, &side->parts, PART_NUMBERS, COUNT_OF(PART_NUMBERS));
    for (uint32_t i = 0; i < side->fanout_count; i++) {
        json_t *row = json_object();
        encode_numbers(row, &side->fanouts[i], FANOUT_NUMBERS, COUNT_OF(FANOUT_NUMBERS));
        json_object_set_new(row, "client_was_limit",
                            json_boolean(side->fanouts[i].client_was_limit));
        json_array_append_new(fanouts, row);
    }
    json_object_set_new(object, "fanouts", fanouts);
    return object;
}

json_t *measure_result_encode(const struct measure_result *result) {
    json_t *object = json_object();
    json_object_set_new(object, "cpu_count", json_integer(result->cpu_count));
    encode_numbers(object, result, NUMBERS, COUNT_OF(NUMBERS));
    json_object_set_new(object, "was_stopped", json_boolean(result->was_stopped));
    json_t *causes = json_array();
    for (uint32_t i = 0; i < result->cause_count; i++)
        json_array_append_new(
            causes, json_pack("{s:s, s:f, s:f, s:b}", "cache", result->causes[i].name, "objects",
                              result->causes[i].count, "size", result->causes[i].size, "is_client",
                              (int)result->causes[i].is_client));
    json_object_set_new(object, "kernel_causes", causes);
    for (int side = 0; side < MEASURE_SIDE_COUNT; side++)
        if (result->sides[side].is_measured)
            json_object_set_new(object, SIDE_NAMES[side],
                                encode_side(&result->sides[side], result->connections_max[side]));
    json_t *remarks = json_array();
    for (uint32_t i = 0; i < result->remark_count; i++)
        json_array_append_new(remarks, json_string(result->remarks[i]));
    json_object_set_new(object, "remarks", remarks);
    return object;
}

// --- decoding ------------------------------------------------------------------------------------

static bool decode_numbers(const json_t *object, void *into, const struct number_row *rows,
                           size_t row_count, const char *where, char *error) {
    for (size_t i = 0; i < row_count; i++) {
        const json_t *value = json_object_get(object, rows[i].name);
        double number = json_is_number(value) ? json_number_value(value) : NAN;
        if (rows[i].is_required && !isfinite(number)) {
            snprintf(error, MEASURE_ERROR_BYTES, "%s%s is missing or no number", where,
                     rows[i].name);
            return false;
        }
        if (!isfinite(number))
            number = 0;
        memcpy((char *)into + rows[i].offset, &number, sizeof(number));
    }
    return true;
}

static bool decode_side(const json_t *object, const char *name, struct measure_side *side,
                        double *connections_max, char *error) {
    char where[64];
    size_t i;
    const json_t *row, *fanouts = json_object_get(object, "fanouts");
    if (!json_is_array(fanouts) || json_array_size(fanouts) > MODEL_FANOUTS_MAX) {
        snprintf(error, MEASURE_ERROR_BYTES, "%s.fanouts wants a list of 1 to %d", name,
                 MODEL_FANOUTS_MAX);
        return false;
    }
    json_array_foreach(fanouts, i, row) {
        snprintf(where, sizeof(where), "%s.fanouts[%zu].", name, i);
        if (!decode_numbers(row, &side->fanouts[i], FANOUT_NUMBERS, COUNT_OF(FANOUT_NUMBERS), where,
                            error))
            return false;
        side->fanouts[i].client_was_limit = json_is_true(json_object_get(row, "client_was_limit"));
        side->fanout_count++;
    }
    (void)!decode_numbers(object, &side->parts, PART_NUMBERS, COUNT_OF(PART_NUMBERS), "", error);
    side->schedulers = (uint32_t)json_integer_value(json_object_get(object, "schedulers"));
    side->shares_cpu = json_is_true(json_object_get(object, "shares_cpu"));
    *connections_max = json_number_value(json_object_get(object, "connections_max"));
    side->is_measured = true;
    return true;
}

bool measure_result_decode(const json_t *json, struct measure_result *result, char *error) {
    *result = (struct measure_result){0};
    const json_t *cpus = json_object_get(json, "cpu_count");
    if (!json_is_integer(cpus) || json_integer_value(cpus) < 1) {
        snprintf(error, MEASURE_ERROR_BYTES, "cpu_count is missing or no number");
        return false;
    }
    result->cpu_count = (uint32_t)json_integer_value(cpus);
    result->was_stopped = json_is_true(json_object_get(json, "was_stopped"));
    if (!decode_numbers(json, result, NUMBERS, COUNT_OF(NUMBERS), "", error))
        return false;
    for (int side = 0; side < MEASURE_SIDE_COUNT; side++) {
        const json_t *object = json_object_get(json, SIDE_NAMES[side]);
        if (object != NULL && !decode_side(object, SIDE_NAMES[side], &result->sides[side],
                                           &result->connections_max[side], error))
            return false;
    }
    struct model_costs costs;
    if (!measure_result_costs(result, MEASURE_ONE, &costs)) {
        char why[MODEL_WHY_BYTES];
        (void)!model_costs_validate(&costs, why);
        snprintf(error, MEASURE_ERROR_BYTES, "it lacks %s", why);
        return false;
    }
    return true;
}
