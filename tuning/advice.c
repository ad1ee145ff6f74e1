#include "tuning/advice.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "tuning/advice_rules.h"

#define SUMMARY_PARTS 3 // limits that a summary names

// gateway/host.h and gateway/host.c, the sizes of lanes.
#define LANE_TABLE_MAX (1u << 20)
#define LANE_TABLE_MIN 64u
#define LANES_MAX 256u
#define LANE_DESCRIPTORS_RESERVED 128u
#define LANE_DESCRIPTORS 2u
#define LANE_SPARE_MAX 512u
#define SPREAD_SHARE 32u
#define SPREAD_MIN 512u

// --- words ---------------------------------------------------------------------------------------

void advice_count_text(uint64_t count, char *text, size_t text_size) {
    if (count >= 1000000000)
        snprintf(text, text_size, "%.2f G", (double)count / 1e9);
    else if (count >= 1000000)
        snprintf(text, text_size, "%.2f M", (double)count / 1e6);
    else
        advice_exact_text(count, text, text_size);
}

void advice_exact_text(uint64_t count, char *text, size_t text_size) {
    char digits[24];
    int size = snprintf(digits, sizeof(digits), "%" PRIu64, count);
    size_t used = 0;
    for (int i = 0; i < size && used + 2 < text_size; i++) {
        if (i > 0 && (size - i) % 3 == 0)
            text[used++] = ',';
        text[used++] = digits[i];
    }
    text[used] = 0;
}

void advice_bytes_text(uint64_t bytes, char *text, size_t text_size) {
    static const char *const UNITS[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 1024 && unit < 4) {
        value /= 1024;
        unit++;
    }
    snprintf(text, text_size, unit > 0 && value < 100 ? "%.3g %s" : "%.0f %s", value, UNITS[unit]);
}

const char *advice_verdict_name(enum advice_verdict verdict) {
    switch (verdict) {
    case ADVICE_STOPS:
        return "STOPS";
    case ADVICE_LOW:
        return "LOW";
    case ADVICE_MIND:
        return "mind";
    case ADVICE_OK:
        return "ok";
    }
    UNREACHABLE();
}

// --- rows ----------------------------------------------------------------------------------------

struct advice_row *advice_add(struct advice *advice, const char *name) {
    CHECKF(advice->count < ADVICE_ROWS_MAX, "more than %d rows", ADVICE_ROWS_MAX);
    struct advice_row *row = &advice->rows[advice->count++];
    *row = (struct advice_row){.verdict = ADVICE_OK,
                               .connections = ADVICE_UNBOUNDED,
                               .connections_others = ADVICE_UNBOUNDED};
    snprintf(row->name, sizeof(row->name), "%s", name);
    return row;
}

#define FORMAT_INTO(field)                                                                         \
    do {                                                                                           \
        va_list arguments;                                                                         \
        va_start(arguments, format);                                                               \
        vsnprintf(row->field, sizeof(row->field), format, arguments);                              \
        va_end(arguments);                                                                         \
    } while (0)

void advice_value(struct advice_row *row, const char *format, ...) {
    FORMAT_INTO(value);
}

void advice_bounds(struct advice_row *row, const char *format, ...) {
    FORMAT_INTO(bounds);
}

void advice_why(struct advice_row *row, const char *format, ...) {
    FORMAT_INTO(why);
}

void advice_lift(struct advice_row *row, const char *format, ...) {
    FORMAT_INTO(lift);
}

void advice_bound_both(struct advice *advice, struct advice_row *row, uint64_t connections) {
    char text[32];
    advice_count_text(connections, text, sizeof(text));
    row->connections = row->connections_others = connections;
    advice_bounds(row, "%s connections", text);
    if (connections < advice->wanted)
        row->verdict = ADVICE_LOW;
}

const struct advice_row *advice_lookup(const struct advice *advice, const char *name) {
    for (uint32_t i = 0; i < advice->count; i++)
        if (strcmp(advice->rows[i].name, name) == 0)
            return &advice->rows[i];
    return NULL;
}

uint64_t advice_lane_connections(uint64_t nofile, uint32_t schedulers) {
    uint64_t table = LANE_TABLE_MAX;
    while (table > LANE_TABLE_MIN && table > nofile)
        table /= 2;
    uint64_t usable = table - (table / 16 < LANE_SPARE_MAX ? table / 16 : LANE_SPARE_MAX);
    uint64_t left = nofile > LANE_DESCRIPTORS_RESERVED ? nofile - LANE_DESCRIPTORS_RESERVED : 0;
    uint64_t lanes = left / LANE_DESCRIPTORS / schedulers;
    uint64_t share = (lanes < LANES_MAX ? lanes : LANES_MAX) * usable;
    if (schedulers == 1)
        return share;
    // SO_REUSEPORT fills schedulers unevenly: the fullest gets that much more than the mean.
    uint64_t mean = share * SPREAD_SHARE / (SPREAD_SHARE + 1);
    if (share - mean < SPREAD_MIN)
        mean = share > SPREAD_MIN ? share - SPREAD_MIN : 0;
    return mean * schedulers > share ? mean * schedulers : share;
}

// --- order and summary ---------------------------------------------------------------------------

// What bounds connections comes first, the lowest bound at the top (of either kind of server);
// then the rest, by how much it matters. The order of the rules breaks ties.
static int compare(const void *a, const void *b) {
    const struct advice_row *left = a, *right = b;
    if ((left->verdict == ADVICE_STOPS) != (right->verdict == ADVICE_STOPS))
        return left->verdict == ADVICE_STOPS ? -1 : 1;
    if (left->connections != right->connections)
        return left->connections < right->connections ? -1 : 1;
    if (left->connections_others != right->connections_others)
        return left->connections_others < right->connections_others ? -1 : 1;
    return (int)left->verdict - (int)right->verdict;
}

// Stable, of a few dozen rows.
static void sort_rows(struct advice *advice) {
    for (uint32_t i = 1; i < advice->count; i++) {
        struct advice_row row = advice->rows[i];
        uint32_t at = i;
        for (; at > 0 && compare(&advice->rows[at - 1], &row) > 0; at--)
            advice->rows[at] = advice->rows[at - 1];
        advice->rows[at] = row;
    }
}

static uint64_t bound_of(const struct advice_row *row, bool others) {
    return others ? row->connections_others : row->connections;
}

// The row with the lowest bound above (not of) those that were named, NULL when there is none.
static const struct advice_row *next_bound(const struct advice *advice, bool others,
                                           const struct advice_row *after) {
    const struct advice_row *best = NULL;
    for (uint32_t i = 0; i < advice->count; i++) {
        const struct advice_row *row = &advice->rows[i];
        uint64_t bound = bound_of(row, others);
        if (bound == ADVICE_UNBOUNDED)
            continue;
        bool is_later = after == NULL || bound > bound_of(after, others) ||
                        (bound == bound_of(after, others) && row > after);
        if (is_later && (best == NULL || bound < bound_of(best, others)))
            best = row;
    }
    return best;
}

// "file-max 2,466,170: 2.47 M connections; then memory 22.6 GiB: 5.17 M; then …"
static uint64_t summarize(const struct advice *advice, bool others, char *text) {
    const struct advice_row *row = next_bound(advice, others, NULL);
    uint64_t first = row ? bound_of(row, others) : ADVICE_UNBOUNDED;
    size_t used = 0;
    text[0] = 0;
    for (uint32_t i = 0; i < SUMMARY_PARTS && row != NULL; i++) {
        char count[32];
        advice_count_text(bound_of(row, others), count, sizeof(count));
        int size = snprintf(text + used, ADVICE_SUMMARY_BYTES - used, "%s%s %s: %s%s",
                            i > 0 ? "; then " : "", row->name, row->value, count,
                            i == 0 ? " connections" : "");
        if (size < 0 || used + (size_t)size >= ADVICE_SUMMARY_BYTES)
            break;
        used += (size_t)size;
        row = next_bound(advice, others, row);
    }
    return first;
}

void advice_make(struct advice *advice, const struct machine *machine, uint64_t wanted) {
    *advice = (struct advice){.wanted = wanted, .is_wanted_asked = wanted > 0};
    advice->schedulers = machine_cpu_count(machine);
    if (advice->schedulers > ADVICE_SCHEDULERS_MAX)
        advice->schedulers = ADVICE_SCHEDULERS_MAX;
    if (wanted == 0)
        advice->wanted = advice_memory_connections(machine);
    advice_rules_kernel(advice, machine);
    advice_rules_limits(advice, machine);
    advice_rules_memory(advice, machine);
    advice_rules_network(advice, machine);
    advice_rules_cpus(advice, machine);
    sort_rows(advice);
    advice->connections = summarize(advice, false, advice->summary);
    advice->connections_others = summarize(advice, true, advice->summary_others);
    if (advice->count > 0 && advice->rows[0].verdict == ADVICE_STOPS) {
        advice->connections = 0;
        snprintf(advice->summary, sizeof(advice->summary), "none: %.400s", advice->rows[0].why);
    }
}
