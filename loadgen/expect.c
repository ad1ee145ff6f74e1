#include "loadgen/expect.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loadgen/result.h"

enum unit {
    UNIT_COUNT,
    UNIT_RATE,
    UNIT_SHARE,
    UNIT_TIME,
};

static const struct {
    const char *name;
    enum unit unit;
    bool is_fact;
} METRICS[] = {
#define X(name_, unit_, is_fact_, help_) {#name_, UNIT_##unit_, is_fact_},
    EXPECT_METRICS(X)
#undef X
};

static const struct {
    const char *name;
    size_t offset;
} HISTOGRAMS[] = {
#define X(name_, help_) {#name_, offsetof(struct result, name_)},
    RESULT_HISTOGRAMS(X)
#undef X
};

#define METRIC_COUNT (sizeof(METRICS) / sizeof(METRICS[0]))
#define HISTOGRAM_COUNT (sizeof(HISTOGRAMS) / sizeof(HISTOGRAMS[0]))

// Two characters before one: "<=" begins with "<".
static const struct {
    const char *text;
    enum expect_operator operator;
} OPERATORS[] = {
    {"<=", EXPECT_LESS_EQUAL}, {">=", EXPECT_MORE_EQUAL}, {"==", EXPECT_EQUAL},
    {"!=", EXPECT_NOT_EQUAL},  {"<", EXPECT_LESS},        {">", EXPECT_MORE},
    {"=", EXPECT_EQUAL},
};

static const struct {
    const char *text;
    enum unit unit;
    double factor;
} SUFFIXES[] = {
    {"ns", UNIT_TIME, 1},  {"us", UNIT_TIME, 1e3},  {"µs", UNIT_TIME, 1e3}, {"ms", UNIT_TIME, 1e6},
    {"s", UNIT_TIME, 1e9}, {"", UNIT_COUNT, 1},     {"k", UNIT_COUNT, 1e3}, {"M", UNIT_COUNT, 1e6},
    {"", UNIT_RATE, 1},    {"/s", UNIT_RATE, 1},    {"k", UNIT_RATE, 1e3},  {"k/s", UNIT_RATE, 1e3},
    {"M", UNIT_RATE, 1e6}, {"M/s", UNIT_RATE, 1e6}, {"", UNIT_SHARE, 1},    {"%", UNIT_SHARE, 1},
};

static const char *const WANTED[] = {
    [UNIT_COUNT] = "a count: 0, 100, 10k",
    [UNIT_RATE] = "a number a second: 1000, 10k",
    [UNIT_SHARE] = "a share: 99.9%",
    [UNIT_TIME] = "a time: 50ms, 200us, 2s",
};

// The text being read, and where the reader is.
struct reader {
    const char *begin;
    const char *at;
    char *error;
};

static bool fail_at(struct reader *in, const char *where, const char *format, ...)
    PRINTF_LIKE(3, 4);
static bool fail_at(struct reader *in, const char *where, const char *format, ...) {
    int size =
        snprintf(in->error, EXPECT_ERROR_BYTES, "--expect: column %td: ", where - in->begin + 1);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(in->error + size, EXPECT_ERROR_BYTES - (size_t)size, format, arguments);
    va_end(arguments);
    return false;
}

static void skip_spaces(struct reader *in) {
    in->at += strspn(in->at, " \t\n");
}

static bool is_word(const char *word, size_t size, const char *text) {
    return strlen(text) == size && memcmp(word, text, size) == 0;
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

// "99.9" of "p99.9" in parts per million; false for anything but 0 to 100 with four decimals.
static bool parse_percent(const char *text, size_t size, uint32_t *ppm) {
    uint32_t value = 0, unit = 10000;
    bool has_point = false;
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '.' && !has_point && i > 0 && i + 1 < size) {
            has_point = true;
            continue;
        }
        if (!is_digit(text[i]) || (has_point && unit == 1))
            return false;
        if (has_point)
            value += (uint32_t)(text[i] - '0') * (unit /= 10);
        else
            value = value * 10 + (uint32_t)(text[i] - '0') * unit;
        if (value > HISTOGRAM_P100)
            return false;
    }
    *ppm = value;
    return size > 0;
}

static bool parse_statistic(const char *text, size_t size, struct expect_term *term) {
    static const struct {
        const char *name;
        enum expect_statistic statistic;
    } NAMES[] = {{"mean", EXPECT_MEAN}, {"min", EXPECT_MIN}, {"max", EXPECT_MAX}};
    term->metric = EXPECT_LATENCY;
    for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++)
        if (is_word(text, size, NAMES[i].name)) {
            term->statistic = NAMES[i].statistic;
            return true;
        }
    term->statistic = EXPECT_QUANTILE;
    return size > 1 && text[0] == 'p' && parse_percent(text + 1, size - 1, &term->ppm);
}

// "name, name, name" of everything that may be expected.
static const char *list_names(char *text, size_t text_size) {
    int size = snprintf(text, text_size, "p99, mean, max");
    for (size_t i = 1; i < HISTOGRAM_COUNT; i++)
        size += snprintf(text + size, text_size - (size_t)size, ", %s.p99", HISTOGRAMS[i].name);
    for (size_t i = 0; i < METRIC_COUNT; i++)
        size += snprintf(text + size, text_size - (size_t)size, ", %s", METRICS[i].name);
    CHECK((size_t)size < text_size);
    return text;
}

static bool parse_name(struct reader *in, struct expect_term *term) {
    const char *name = in->at;
    size_t size = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_.");
    in->at += size;
    for (size_t i = 0; i < METRIC_COUNT; i++)
        if (is_word(name, size, METRICS[i].name)) {
            term->metric = (enum expect_metric)i;
            return true;
        }
    if (parse_statistic(name, size, term))
        return true;
    const char *point = memchr(name, '.', size);
    size_t histogram_size = point ? (size_t)(point - name) : 0;
    for (uint32_t i = 0; point && i < HISTOGRAM_COUNT; i++)
        if (is_word(name, histogram_size, HISTOGRAMS[i].name)) {
            term->histogram = i;
            return parse_statistic(point + 1, size - histogram_size - 1, term) ||
                   fail_at(in, point + 1,
                           "'%.*s' is none of p0 to p100 (four decimals at most), mean, min, max",
                           (int)(size - histogram_size - 1), point + 1);
        }
    char names[480];
    return fail_at(in, name, "nothing is called '%.*s'; there are %s", (int)(size < 40 ? size : 40),
                   name, list_names(names, sizeof(names)));
}

static bool parse_operator(struct reader *in, struct expect_term *term) {
    for (size_t i = 0; i < sizeof(OPERATORS) / sizeof(OPERATORS[0]); i++) {
        size_t size = strlen(OPERATORS[i].text);
        if (strncmp(in->at, OPERATORS[i].text, size) == 0) {
            term->operator= OPERATORS[i].operator;
            in->at += size;
            return true;
        }
    }
    return fail_at(in, in->at, "want one of < <= > >= = !=");
}

static enum unit unit_of(const struct expect_term *term) {
    return term->metric == EXPECT_LATENCY ? UNIT_TIME : METRICS[term->metric].unit;
}

static bool parse_value(struct reader *in, struct expect_term *term) {
    const char *begin = in->at;
    enum unit unit = unit_of(term);
    // strtod alone would also take inf, nan, hexadecimal and an exponent.
    size_t number_size = strspn(begin, "0123456789.");
    size_t size = strcspn(begin, ", \t\n");
    char *end = NULL;
    char number[32];
    snprintf(number, sizeof(number), "%.*s", (int)(number_size < 31 ? number_size : 31), begin);
    term->value = strtod(number, &end);
    in->at = begin + size;
    for (size_t i = 0; i < sizeof(SUFFIXES) / sizeof(SUFFIXES[0]); i++)
        if (SUFFIXES[i].unit == unit && number_size > 0 && number_size < sizeof(number) &&
            *end == 0 && is_word(begin + number_size, size - number_size, SUFFIXES[i].text)) {
            term->value *= SUFFIXES[i].factor;
            return true;
        }
    return fail_at(in, begin, "want %s, not '%.*s'", WANTED[unit], (int)(size < 40 ? size : 40),
                   begin);
}

// The expectation as written, without its spaces.
static void keep_text(struct expect_term *term, const char *from, const char *to) {
    size_t size = 0;
    for (; from < to && size + 1 < sizeof(term->text); from++)
        if (strchr(" \t\n", *from) == NULL)
            term->text[size++] = *from;
    term->text[size] = 0;
}

static bool parse_term(struct reader *in, struct expect_term *term) {
    const char *begin = in->at;
    if (!parse_name(in, term))
        return false;
    skip_spaces(in);
    if (!parse_operator(in, term))
        return false;
    skip_spaces(in);
    if (!parse_value(in, term))
        return false;
    keep_text(term, begin, in->at);
    return true;
}

bool expect_parse(struct expect *e, const char *text, char error[EXPECT_ERROR_BYTES]) {
    struct reader in = {.begin = text, .at = text, .error = error};
    for (;;) {
        skip_spaces(&in);
        if (e->count == EXPECT_TERMS_MAX)
            return fail_at(&in, in.at, "more than %d expectations", EXPECT_TERMS_MAX);
        if (*in.at == 0 || *in.at == ',')
            return fail_at(&in, in.at, "want an expectation such as p99<50ms");
        struct expect_term term = {0};
        if (!parse_term(&in, &term))
            return false;
        e->terms[e->count++] = term;
        skip_spaces(&in);
        if (*in.at == 0)
            return true;
        if (*in.at != ',')
            return fail_at(&in, in.at, "want a comma before the next expectation");
        in.at++;
    }
}

// Of nothing there is no share: NAN.
static double share(uint64_t part, uint64_t whole) {
    return whole == 0 ? (double)NAN : 100 * (double)part / (double)whole;
}

static double value_of_metric(enum expect_metric metric, const struct expect_seen *seen) {
    const struct result *r = seen->result;
    uint64_t gone = r->verify.lost + r->verify.missing;
    switch (metric) {
    case EXPECT_loss:
        return (double)gone;
    case EXPECT_announced:
        return (double)r->verify.announced;
    case EXPECT_duplicates:
        return (double)r->verify.duplicates;
    case EXPECT_disorder:
        return (double)r->verify.disordered;
    case EXPECT_unanswered:
        return (double)r->unanswered;
    case EXPECT_rejected:
        return (double)r->rejected;
    case EXPECT_dropped:
        return result_dropped_count(r);
    case EXPECT_refused:
        return result_refused_count(r);
    case EXPECT_will_loss:
        return (double)result_wills_missing(r);
    case EXPECT_will_duplicates:
        return (double)(r->wills_twice + r->wills_wrong);
    case EXPECT_reach:
        return share(r->reach_received, r->reach_due);
    case EXPECT_connections:
        return r->live_max;
    case EXPECT_rate:
        return seen->sent_per_s;
    case EXPECT_received:
        return seen->received_per_s;
    case EXPECT_achieved:
        return share(r->sent, r->offered);
    case EXPECT_cpu:
        return seen->cpu * 100;
    case EXPECT_LATENCY:
        break;
    }
    UNREACHABLE();
}

static const struct histogram *histogram_of(const struct expect_term *term,
                                            const struct result *r) {
    return (const void *)((const uint8_t *)r + HISTOGRAMS[term->histogram].offset);
}

static double value_of_latency(const struct expect_term *term, const struct histogram *h) {
    if (h->count == 0)
        return (double)NAN;
    switch (term->statistic) {
    case EXPECT_QUANTILE:
        return (double)histogram_quantile_ns(h, term->ppm);
    case EXPECT_MEAN:
        return histogram_mean_ns(h);
    case EXPECT_MIN:
        return (double)h->min_ns;
    case EXPECT_MAX:
        return (double)h->max_ns;
    }
    UNREACHABLE();
}

static bool compare(enum expect_operator operator, double seen, double wanted) {
    switch (operator) {
    case EXPECT_LESS:
        return seen < wanted;
    case EXPECT_LESS_EQUAL:
        return seen <= wanted;
    case EXPECT_MORE:
        return seen > wanted;
    case EXPECT_MORE_EQUAL:
        return seen >= wanted;
    case EXPECT_EQUAL:
        return seen == wanted;
    case EXPECT_NOT_EQUAL:
        return seen != wanted;
    }
    UNREACHABLE();
}

static void print_value(char text[EXPECT_VALUE_BYTES], enum unit unit, double value) {
    switch (unit) {
    case UNIT_COUNT:
        snprintf(text, EXPECT_VALUE_BYTES, "%.0f", value);
        return;
    case UNIT_RATE:
        snprintf(text, EXPECT_VALUE_BYTES, "%.8g/s", value);
        return;
    case UNIT_SHARE:
        snprintf(text, EXPECT_VALUE_BYTES, "%.8g %%", value);
        return;
    case UNIT_TIME:
        snprintf(text, EXPECT_VALUE_BYTES, "%.7g ms", value / 1e6);
        return;
    }
    UNREACHABLE();
}

enum expect_outcome expect_judge(const struct expect_term *term, const struct expect_seen *seen,
                                 char value[EXPECT_VALUE_BYTES]) {
    double number = term->metric == EXPECT_LATENCY
                        ? value_of_latency(term, histogram_of(term, seen->result))
                        : value_of_metric(term->metric, seen);
    if (isnan(number)) {
        snprintf(value, EXPECT_VALUE_BYTES, "not measured");
        return EXPECT_UNMEASURED;
    }
    print_value(value, unit_of(term), number);
    return compare(term->operator, number, term->value) ? EXPECT_HOLDS : EXPECT_FAILS;
}

bool expect_is_fact(const struct expect_term *term) {
    return term->metric != EXPECT_LATENCY && METRICS[term->metric].is_fact;
}

bool expect_has(const struct expect *e, enum expect_metric metric) {
    for (uint32_t i = 0; i < e->count; i++)
        if (e->terms[i].metric == metric)
            return true;
    return false;
}

uint32_t expect_list_failed(const struct expect *e, const struct expect_seen *seen, bool facts,
                            char *text, size_t text_size) {
    uint32_t count = 0;
    size_t size = 0;
    text[0] = 0;
    for (uint32_t i = 0; i < e->count; i++) {
        const struct expect_term *term = &e->terms[i];
        char value[EXPECT_VALUE_BYTES];
        if (expect_is_fact(term) != facts || expect_judge(term, seen, value) == EXPECT_HOLDS)
            continue;
        snprintf(text + size, text_size - size, "%sexpected %s, it was %s", count ? "; " : "",
                 term->text, value);
        size = strlen(text);
        count++;
    }
    return count;
}
