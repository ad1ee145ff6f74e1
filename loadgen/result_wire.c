// Both directions walk the same tables, `struct result_field` of result.c and those below.
#include "loadgen/result_wire.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loadgen/histogram.h"
#include "sched/base/hash.h"

static const char *const LIST_NAMES[] = {
    [RESULT_LIST_COUNTERS] = "counters", [RESULT_LIST_VERIFY] = "verify",
    [RESULT_LIST_PEAKS] = "peaks",       [RESULT_LIST_HISTOGRAMS] = "histograms",
    [RESULT_LIST_LEVELS] = "levels",     [RESULT_LIST_FLAGS] = "flags",
    [RESULT_LIST_TEXTS] = "texts",
};
_Static_assert(sizeof(LIST_NAMES) / sizeof(char *) == RESULT_LIST_COUNT, "each has a name");

struct wire_u64 {
    const char *name;
    size_t offset;
};

#define WINDOW(field)                                                                              \
    { #field, offsetof(struct result_window, field) }
static const struct wire_u64 WINDOW_FIELDS[] = {
    WINDOW(begin_ns),      WINDOW(end_ns),      WINDOW(intended_from_ns), WINDOW(intended_to_ns),
    WINDOW(begin_wall_ns), WINDOW(end_wall_ns), WINDOW(cpu_ns),           WINDOW(user_ns),
    WINDOW(syscalls),      WINDOW(late_max_ns),
};
#define FIELD_COUNT(table) (sizeof(table) / sizeof((table)[0]))
_Static_assert(FIELD_COUNT(WINDOW_FIELDS) * sizeof(uint64_t) == sizeof(struct result_window),
               "all of it travels");

#define PHASE_COUNTER(field) {#field, offsetof(struct result_phase_row, field)},
static const struct wire_u64 PHASE_FIELDS[] = {
    RESULT_PHASE_COUNTERS(PHASE_COUNTER){"begin_ns", offsetof(struct result_phase_row, begin_ns)},
    {"end_ns", offsetof(struct result_phase_row, end_ns)}};

// A row of intervals is an array: at_s, phase, client_cpu, server_cpu, then these.
#define INTERVAL(field) {#field, offsetof(struct result_interval, field)},
static const struct wire_u64 INTERVAL_FIELDS[] = {RESULT_INTERVAL_SUMS(INTERVAL)
                                                      RESULT_INTERVAL_WORST(INTERVAL)};
#define INTERVAL_FIRST 4

#define TOP_FIELD(field)                                                                           \
    { #field, offsetof(struct result, field) }
static const struct wire_u64 TOP_FIELDS[] = {TOP_FIELD(begin_ns), TOP_FIELD(connected_ns)};

static const void *at_const(const void *base, size_t offset) {
    return (const char *)base + offset;
}

static void *at(void *base, size_t offset) {
    return (char *)base + offset;
}

// --- encoding ------------------------------------------------------------------------------------

static json_t *encode_u64(uint64_t value) {
    if (value <= INT64_MAX)
        return json_integer((json_int_t)value);
    char text[24];
    snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
    return json_string(text);
}

static json_t *encode_real(double value) {
    return json_real(isfinite(value) ? value : 0);
}

// Takes `value`; an empty object or array is left out. False when memory is out.
static bool put(json_t *object, const char *name, json_t *value) {
    if (value == NULL)
        return false;
    bool is_empty = (json_is_object(value) && json_object_size(value) == 0) ||
                    (json_is_array(value) && json_array_size(value) == 0);
    if (!is_empty)
        return json_object_set_new(object, name, value) == 0;
    json_decref(value);
    return true;
}

static bool put_u64(json_t *object, const char *name, uint64_t value) {
    return value == 0 || put(object, name, encode_u64(value));
}

static bool put_table(json_t *object, const struct wire_u64 *fields, size_t count,
                      const void *base) {
    for (size_t i = 0; i < count; i++)
        if (!put_u64(object, fields[i].name, *(const uint64_t *)at_const(base, fields[i].offset)))
            return false;
    return true;
}

// Finishes a value under construction: itself, or NULL and nothing left of it.
static json_t *finish(json_t *value, bool is_whole) {
    if (is_whole)
        return value;
    json_decref(value);
    return NULL;
}

static json_t *encode_histogram(const struct histogram *h) {
    json_t *o = json_object();
    if (o == NULL || h->count == 0)
        return o;
    json_t *cells = json_array();
    bool fits = cells != NULL;
    uint32_t before = 0;
    for (uint32_t i = 0; fits && i < HISTOGRAM_CELL_COUNT; i++) {
        if (h->cells[i] == 0)
            continue;
        fits = json_array_append_new(cells, json_integer(i - before)) == 0 &&
               json_array_append_new(cells, encode_u64(h->cells[i])) == 0;
        before = i;
    }
    fits = put_u64(o, "count", h->count) && put_u64(o, "sum", h->sum_ns) &&
           put_u64(o, "min", h->min_ns) && put_u64(o, "max", h->max_ns) &&
           put_u64(o, "saturated", h->saturated) && fits;
    fits = put(o, "cells", cells) && fits;
    return finish(o, fits);
}

static bool put_field(json_t *o, enum result_list list, const char *name, const void *value) {
    switch (list) {
    case RESULT_LIST_COUNTERS:
    case RESULT_LIST_VERIFY:
    case RESULT_LIST_PEAKS:
        return put_u64(o, name, *(const uint64_t *)value);
    case RESULT_LIST_HISTOGRAMS:
        return put(o, name, encode_histogram(value));
    case RESULT_LIST_LEVELS:
        return put_u64(o, name, *(const uint32_t *)value);
    case RESULT_LIST_FLAGS:
        return !*(const bool *)value || put(o, name, json_true());
    case RESULT_LIST_TEXTS:
        // What a server said may be no UTF-8, and JSON holds nothing else.
        return *(const char *)value == 0 || json_object_set_new(o, name, json_string(value)) == 0 ||
               put(o, name, json_string("(a text that is not UTF-8)"));
    case RESULT_LIST_COUNT:
        break;
    }
    UNREACHABLE();
}

static json_t *encode_list(const struct result *r, enum result_list list) {
    json_t *o = json_object();
    size_t count = 0;
    const struct result_field *fields = result_fields(list, &count);
    bool fits = o != NULL;
    for (size_t i = 0; fits && i < count; i++)
        fits = put_field(o, list, fields[i].name, at_const(r, fields[i].offset));
    return finish(o, fits);
}

static json_t *encode_failures(const struct result *r) {
    json_t *o = json_object();
    bool fits = o != NULL;
    for (int i = 0; fits && i < RESULT_FAILURE_COUNT; i++)
        fits = put_u64(o, result_failure_name((enum result_failure)i), r->failures[i]);
    return finish(o, fits);
}

static json_t *encode_interval(const struct result_interval *row) {
    json_t *values = json_array();
    bool fits = values != NULL && json_array_append_new(values, encode_real(row->at_s)) == 0 &&
                json_array_append_new(values, json_integer(row->phase)) == 0 &&
                json_array_append_new(values, encode_real(row->client_cpu)) == 0 &&
                json_array_append_new(values, encode_real(row->server_cpu)) == 0;
    for (size_t i = 0; fits && i < FIELD_COUNT(INTERVAL_FIELDS); i++) {
        uint64_t value = *(const uint64_t *)at_const(row, INTERVAL_FIELDS[i].offset);
        fits = json_array_append_new(values, encode_u64(value)) == 0;
    }
    return finish(values, fits);
}

static json_t *encode_intervals(const struct result *r, uint32_t first) {
    json_t *rows = json_array();
    bool fits = rows != NULL;
    for (uint32_t i = first; fits && i < r->interval_stored; i++)
        fits = json_array_append_new(rows, encode_interval(&r->intervals[i])) == 0;
    return finish(rows, fits);
}

static json_t *encode_phase(const struct result_phase_row *row, bool has_latency) {
    json_t *o = json_object();
    bool fits = o != NULL && put(o, "name", json_string(row->name)) &&
                put(o, "is_measured", json_boolean(row->is_measured)) &&
                put(o, "duration_s", encode_real(row->duration_s)) &&
                put_table(o, PHASE_FIELDS, FIELD_COUNT(PHASE_FIELDS), row) &&
                (!has_latency || put(o, "latency", encode_histogram(row->latency)));
    return finish(o, fits);
}

static json_t *encode_phases(const struct result *r, bool has_latency) {
    json_t *rows = json_array();
    bool fits = rows != NULL;
    for (uint32_t i = 0; fits && i < r->phase_row_count; i++)
        fits = json_array_append_new(rows, encode_phase(&r->phase_rows[i], has_latency)) == 0;
    return finish(rows, fits);
}

json_t *result_wire_encode(const struct result *r, const struct histogram *second) {
    bool is_all = second == NULL;
    json_t *window = json_object(), *o = json_object();
    bool fits = o != NULL && window != NULL &&
                put_table(window, WINDOW_FIELDS, FIELD_COUNT(WINDOW_FIELDS), &r->window);
    fits = put(o, "window", window) && fits;
    fits = fits && put(o, "phase", json_string(result_phase_name(r->phase))) &&
           put_table(o, TOP_FIELDS, FIELD_COUNT(TOP_FIELDS), r) &&
           put(o, "failures", encode_failures(r)) &&
           put(o, "detail_of", json_string(result_failure_name(r->detail_of))) &&
           put_u64(o, "interval_count", r->interval_count) &&
           put(o, "interval", encode_histogram(is_all ? &r->interval : second)) &&
           put(o, "phases", encode_phases(r, is_all));
    uint32_t first = is_all || r->interval_stored == 0 ? 0 : r->interval_stored - 1;
    fits = fits && put(o, "intervals", encode_intervals(r, first));
    for (int list = 0; fits && list < RESULT_LIST_COUNT; list++)
        if (is_all || list != RESULT_LIST_HISTOGRAMS)
            fits = put(o, LIST_NAMES[list], encode_list(r, (enum result_list)list));
    return finish(o, fits);
}

// --- decoding ------------------------------------------------------------------------------------

struct decoder {
    char *error; // RESULT_WIRE_ERROR_BYTES
};

// People see it: no control characters.
static void clean(char *text) {
    for (; *text != 0; text++)
        if ((*text >= 0 && *text < 0x20) || *text == 0x7f)
            *text = '?';
}

static bool refuse(struct decoder *d, const char *format, ...) PRINTF_LIKE(2, 3);
static bool refuse(struct decoder *d, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(d->error, RESULT_WIRE_ERROR_BYTES, format, arguments);
    va_end(arguments);
    clean(d->error);
    return false;
}

// As long as a number must be that needs to be a text.
static bool is_decimal(const char *text) {
    size_t size = strlen(text);
    return (size == 19 || size == 20) && strspn(text, "0123456789") == size;
}

static bool decode_u64(struct decoder *d, const char *name, const json_t *value, uint64_t max,
                       uint64_t *out) {
    if (json_is_integer(value) && json_integer_value(value) >= 0) {
        *out = (uint64_t)json_integer_value(value);
    } else if (json_is_string(value) && is_decimal(json_string_value(value))) {
        errno = 0;
        *out = strtoull(json_string_value(value), NULL, 10);
        if (errno != 0)
            return refuse(d, "%.40s does not fit 64 bits", name);
    } else {
        return refuse(d, "%.40s is no whole number", name);
    }
    if (*out > max)
        return refuse(d, "%.40s is %llu, more than %llu", name, (unsigned long long)*out,
                      (unsigned long long)max);
    return true;
}

static bool decode_real(struct decoder *d, const char *name, const json_t *value, double *out) {
    *out = json_number_value(value);
    return json_is_number(value) || refuse(d, "%.40s is no number", name);
}

static bool is_object(struct decoder *d, const char *name, const json_t *value) {
    return json_is_object(value) || refuse(d, "%.40s is no object", name);
}

static bool is_array(struct decoder *d, const char *name, const json_t *value, size_t max) {
    if (!json_is_array(value))
        return refuse(d, "%.40s is no array", name);
    if (json_array_size(value) > max)
        return refuse(d, "%.40s has %zu elements, more than %zu", name, json_array_size(value),
                      max);
    return true;
}

static bool decode_text(struct decoder *d, const char *name, const json_t *value, char *out,
                        size_t capacity) {
    if (!json_is_string(value))
        return refuse(d, "%.40s is no text", name);
    size_t size = json_string_length(value);
    size = size < capacity ? size : capacity - 1;
    memcpy(out, json_string_value(value), size);
    out[size] = 0;
    clean(out);
    return true;
}

// The field of that name in a table; other names are not ours.
static bool decode_table(struct decoder *d, const char *what, const json_t *object,
                         const struct wire_u64 *fields, size_t count, void *base) {
    const char *name;
    const json_t *value;
    json_object_foreach((json_t *)object, name, value) {
        size_t i = 0;
        while (i < count && strcmp(fields[i].name, name) != 0)
            i++;
        if (i == count)
            return refuse(d, "%s has no field %.40s", what, name);
        if (!decode_u64(d, name, value, UINT64_MAX, at(base, fields[i].offset)))
            return false;
    }
    return true;
}

static bool decode_cells(struct decoder *d, const char *name, const json_t *cells,
                         struct histogram *h) {
    if (!is_array(d, name, cells, (size_t)2 * HISTOGRAM_CELL_COUNT))
        return false;
    uint64_t cell = 0, sum = 0;
    for (size_t i = 0; i + 1 < json_array_size(cells); i += 2) {
        uint64_t step = 0, count = 0;
        if (!decode_u64(d, name, json_array_get(cells, i), HISTOGRAM_CELL_COUNT, &step) ||
            !decode_u64(d, name, json_array_get(cells, i + 1), RESULT_WIRE_CELL_MAX, &count))
            return false;
        cell += step;
        if (cell >= HISTOGRAM_CELL_COUNT || count == 0 || (i > 0 && step == 0))
            return refuse(d, "%.40s has a cell out of place", name);
        h->cells[cell] = count;
        sum += count; // at most 33,792 × 2^56 would not fit: stop at the first that is too many
        if (sum > RESULT_WIRE_CELL_MAX)
            return refuse(d, "%.40s counts too many", name);
    }
    if (sum != h->count || json_array_size(cells) % 2 != 0)
        return refuse(d, "%.40s counts %llu, its cells %llu", name, (unsigned long long)h->count,
                      (unsigned long long)sum);
    return true;
}

static bool fits_cells(const struct histogram *h) {
    uint32_t low = 0, high = HISTOGRAM_CELL_COUNT - 1;
    while (h->cells[low] == 0)
        low++;
    while (h->cells[high] == 0)
        high--;
    return h->min_ns <= h->max_ns && histogram_cell(h->min_ns) == low &&
           histogram_cell(h->max_ns) == high && h->saturated <= h->cells[HISTOGRAM_CELL_COUNT - 1];
}

static bool decode_histogram(struct decoder *d, const char *name, const json_t *object,
                             struct histogram *h) {
    static const struct wire_u64 fields[] = {
        {"count", offsetof(struct histogram, count)},
        {"sum", offsetof(struct histogram, sum_ns)},
        {"min", offsetof(struct histogram, min_ns)},
        {"max", offsetof(struct histogram, max_ns)},
        {"saturated", offsetof(struct histogram, saturated)},
    };
    if (!is_object(d, name, object))
        return false;
    h->min_ns = 0; // what is left out is zero
    for (size_t i = 0; i < FIELD_COUNT(fields); i++) {
        const json_t *value = json_object_get(object, fields[i].name);
        if (value != NULL && !decode_u64(d, name, value, UINT64_MAX, at(h, fields[i].offset)))
            return false;
    }
    if (!decode_cells(d, name, json_object_get(object, "cells"), h))
        return false;
    if (h->count == 0 || !fits_cells(h))
        return refuse(d, "%.40s: minimum and maximum do not fit its cells", name);
    return true;
}

static bool decode_field(struct decoder *d, enum result_list list, const char *name,
                         const json_t *value, void *out) {
    uint64_t level = 0;
    switch (list) {
    case RESULT_LIST_COUNTERS:
    case RESULT_LIST_VERIFY:
    case RESULT_LIST_PEAKS:
        return decode_u64(d, name, value, UINT64_MAX, out);
    case RESULT_LIST_HISTOGRAMS:
        return decode_histogram(d, name, value, out);
    case RESULT_LIST_LEVELS:
        if (!decode_u64(d, name, value, RESULT_WIRE_LEVEL_MAX, &level))
            return false;
        *(uint32_t *)out = (uint32_t)level;
        return true;
    case RESULT_LIST_FLAGS:
        *(bool *)out = json_is_true(value);
        return json_is_boolean(value) || refuse(d, "%.40s is no boolean", name);
    case RESULT_LIST_TEXTS:
        return decode_text(d, name, value, out, RESULT_DETAIL_BYTES);
    case RESULT_LIST_COUNT:
        break;
    }
    UNREACHABLE();
}

static bool decode_list(struct decoder *d, struct result *r, enum result_list list,
                        const json_t *object) {
    size_t count = 0;
    const struct result_field *fields = result_fields(list, &count);
    const char *name;
    const json_t *value;
    if (!is_object(d, LIST_NAMES[list], object))
        return false;
    json_object_foreach((json_t *)object, name, value) {
        size_t i = 0;
        while (i < count && strcmp(fields[i].name, name) != 0)
            i++;
        if (i == count)
            return refuse(d, "%s has no field %.40s", LIST_NAMES[list], name);
        if (!decode_field(d, list, name, value, at(r, fields[i].offset)))
            return false;
    }
    return true;
}

static bool lookup_failure(const char *name, enum result_failure *out) {
    for (int i = 0; name != NULL && i < RESULT_FAILURE_COUNT; i++)
        if (strcmp(result_failure_name((enum result_failure)i), name) == 0) {
            *out = (enum result_failure)i;
            return true;
        }
    return false;
}

static bool decode_failures(struct decoder *d, struct result *r, const json_t *object) {
    const char *name;
    const json_t *value;
    if (!is_object(d, "failures", object))
        return false;
    json_object_foreach((json_t *)object, name, value) {
        enum result_failure why;
        uint64_t count = 0;
        if (!lookup_failure(name, &why))
            return refuse(d, "no failure is called %.40s", name);
        if (!decode_u64(d, name, value, RESULT_WIRE_LEVEL_MAX, &count))
            return false;
        r->failures[why] = (uint32_t)count;
    }
    return true;
}

static bool decode_interval(struct decoder *d, const json_t *values, struct result_interval *row) {
    static const char name[] = "an interval";
    uint64_t phase = 0;
    if (!is_array(d, name, values, INTERVAL_FIRST + FIELD_COUNT(INTERVAL_FIELDS)))
        return false;
    if (json_array_size(values) != INTERVAL_FIRST + FIELD_COUNT(INTERVAL_FIELDS))
        return refuse(d, "%s is cut", name);
    if (!decode_real(d, name, json_array_get(values, 0), &row->at_s) ||
        !decode_u64(d, name, json_array_get(values, 1), RESULT_PHASE_COUNT - 1, &phase) ||
        !decode_real(d, name, json_array_get(values, 2), &row->client_cpu) ||
        !decode_real(d, name, json_array_get(values, 3), &row->server_cpu))
        return false;
    row->phase = (uint32_t)phase;
    for (size_t i = 0; i < FIELD_COUNT(INTERVAL_FIELDS); i++)
        if (!decode_u64(d, name, json_array_get(values, INTERVAL_FIRST + i), UINT64_MAX,
                        at(row, INTERVAL_FIELDS[i].offset)))
            return false;
    return true;
}

static bool decode_intervals(struct decoder *d, struct result *r, const json_t *rows) {
    if (!is_array(d, "intervals", rows, RESULT_INTERVALS_MAX))
        return false;
    for (size_t i = 0; i < json_array_size(rows); i++)
        if (!decode_interval(d, json_array_get(rows, i), &r->intervals[i]))
            return false;
    r->interval_stored = (uint32_t)json_array_size(rows);
    return true;
}

static bool decode_phase(struct decoder *d, struct result *r, const json_t *object) {
    char text[RESULT_PHASE_NAME_BYTES];
    double duration_s = 0;
    if (!is_object(d, "a phase", object) ||
        !decode_text(d, "name", json_object_get(object, "name"), text, sizeof(text)) ||
        !decode_real(d, "duration_s", json_object_get(object, "duration_s"), &duration_s))
        return false;
    bool is_measured = json_is_true(json_object_get(object, "is_measured"));
    struct result_phase_row *row = result_add_phase(r, text, is_measured, duration_s);
    if (row == NULL)
        return refuse(d, "no memory for phase %s", text);
    for (size_t i = 0; i < FIELD_COUNT(PHASE_FIELDS); i++) {
        const char *name = PHASE_FIELDS[i].name;
        const json_t *value = json_object_get(object, name);
        if (value != NULL &&
            !decode_u64(d, name, value, UINT64_MAX, at(row, PHASE_FIELDS[i].offset)))
            return false;
    }
    const json_t *latency = json_object_get(object, "latency");
    return latency == NULL || decode_histogram(d, "latency", latency, row->latency);
}

static bool decode_phases(struct decoder *d, struct result *r, const json_t *rows) {
    if (!is_array(d, "phases", rows, RESULT_PHASES_MAX))
        return false;
    for (size_t i = 0; i < json_array_size(rows); i++)
        if (!decode_phase(d, r, json_array_get(rows, i)))
            return false;
    return true;
}

static bool decode_phase_name(struct decoder *d, struct result *r, const json_t *value) {
    for (int i = 0; json_is_string(value) && i < RESULT_PHASE_COUNT; i++)
        if (strcmp(result_phase_name((enum result_phase)i), json_string_value(value)) == 0) {
            r->phase = (enum result_phase)i;
            return true;
        }
    return refuse(d, "phase is none of a run's");
}

static bool decode_member(struct decoder *d, struct result *r, const char *name,
                          const json_t *value) {
    uint64_t count = 0;
    for (int list = 0; list < RESULT_LIST_COUNT; list++)
        if (strcmp(name, LIST_NAMES[list]) == 0)
            return decode_list(d, r, (enum result_list)list, value);
    for (size_t i = 0; i < FIELD_COUNT(TOP_FIELDS); i++)
        if (strcmp(name, TOP_FIELDS[i].name) == 0)
            return decode_u64(d, name, value, INT64_MAX, at(r, TOP_FIELDS[i].offset));
    if (strcmp(name, "phase") == 0)
        return decode_phase_name(d, r, value);
    if (strcmp(name, "failures") == 0)
        return decode_failures(d, r, value);
    if (strcmp(name, "detail_of") == 0)
        return lookup_failure(json_string_value(value), &r->detail_of) ||
               refuse(d, "detail_of is no failure");
    if (strcmp(name, "window") == 0)
        return is_object(d, name, value) &&
               decode_table(d, name, value, WINDOW_FIELDS, FIELD_COUNT(WINDOW_FIELDS), &r->window);
    if (strcmp(name, "interval") == 0)
        return decode_histogram(d, name, value, &r->interval);
    if (strcmp(name, "intervals") == 0)
        return decode_intervals(d, r, value);
    if (strcmp(name, "phases") == 0)
        return decode_phases(d, r, value);
    if (strcmp(name, "interval_count") == 0) {
        bool is_good = decode_u64(d, name, value, UINT32_MAX, &count);
        r->interval_count = (uint32_t)count;
        return is_good;
    }
    return refuse(d, "a result has no %.40s", name);
}

bool result_wire_decode(struct result *r, const json_t *json, char error[RESULT_WIRE_ERROR_BYTES]) {
    struct decoder d = {.error = error};
    const char *name;
    const json_t *value;
    result_init(r);
    error[0] = 0;
    bool is_good = is_object(&d, "a result", json);
    if (is_good)
        json_object_foreach((json_t *)json, name, value) {
            is_good = decode_member(&d, r, name, value);
            if (!is_good)
                break;
        }
    if (is_good)
        return true;
    result_fini(r);
    result_init(r);
    return false;
}

// --- what both sides must agree on ---------------------------------------------------------------

static uint64_t mix(uint64_t seed, const char *name) {
    return hash_bytes(seed, bytes_from_string(name));
}

static uint64_t mix_table(uint64_t seed, const struct wire_u64 *fields, size_t count) {
    for (size_t i = 0; i < count; i++)
        seed = mix(seed, fields[i].name);
    return seed;
}

uint64_t result_wire_fingerprint(void) {
    uint64_t sum = 1; // the form itself: raise it when that changes
    for (int list = 0; list < RESULT_LIST_COUNT; list++) {
        size_t count = 0;
        const struct result_field *fields = result_fields((enum result_list)list, &count);
        for (size_t i = 0; i < count; i++)
            sum = mix(sum, fields[i].name);
    }
    for (int i = 0; i < RESULT_FAILURE_COUNT; i++)
        sum = mix(sum, result_failure_name((enum result_failure)i));
    sum = mix_table(sum, WINDOW_FIELDS, FIELD_COUNT(WINDOW_FIELDS));
    sum = mix_table(sum, PHASE_FIELDS, FIELD_COUNT(PHASE_FIELDS));
    return mix_table(sum, INTERVAL_FIELDS, FIELD_COUNT(INTERVAL_FIELDS));
}
