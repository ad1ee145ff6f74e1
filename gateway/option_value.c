#include "gateway/option_value.h"

#include "sched/base/bytes.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define SIZE_UNITS 4

static const struct {
    const char *suffix;
    uint64_t bytes;
} size_units[SIZE_UNITS] = {
    {"GiB", 1ull << 30}, {"MiB", 1ull << 20}, {"KiB", 1ull << 10}, {"B", 1}};

// Decimal digits only; *end is set behind them. false without a digit or beyond 64 bits.
static bool digits_decode(const char *text, const char **end, uint64_t *value) {
    *value = 0;
    const char *at = text;
    for (; isdigit((unsigned char)*at); at++) {
        uint64_t digit = (uint64_t)(*at - '0');
        if (*value > (UINT64_MAX - digit) / 10)
            return false;
        *value = *value * 10 + digit;
    }
    *end = at;
    return at > text;
}

static bool number_decode(const struct option_spec *spec, const char *text, uint64_t *value) {
    if (spec->automatic && strcmp(text, spec->automatic) == 0) {
        *value = 0;
        return true;
    }
    const char *end;
    if (!digits_decode(text, &end, value))
        return false;
    if (spec->type == OPTION_BYTES && *end) {
        end += strspn(end, " ");
        uint64_t unit = 0;
        for (size_t i = 0; i < SIZE_UNITS; i++)
            if (strcasecmp(end, size_units[i].suffix) == 0)
                unit = size_units[i].bytes;
        if (unit == 0 || *value > spec->max / unit)
            return false;
        *value *= unit;
        end = "";
    }
    return *end == '\0' && *value >= spec->min && *value <= spec->max;
}

static void number_store(const struct option_spec *spec, uint64_t value, void *field) {
    if (spec->field_size == sizeof(uint64_t)) {
        memcpy(field, &value, sizeof(value));
        return;
    }
    uint32_t narrow = (uint32_t)value;
    CHECKF(spec->field_size == sizeof(narrow), "option %s", spec->name);
    memcpy(field, &narrow, sizeof(narrow));
}

static uint64_t number_load(const struct option_spec *spec, const void *field) {
    uint64_t wide = 0;
    uint32_t narrow = 0;
    if (spec->field_size == sizeof(wide)) {
        memcpy(&wide, field, sizeof(wide));
        return wide;
    }
    memcpy(&narrow, field, sizeof(narrow));
    return narrow;
}

static bool bool_decode(const char *text, bool *value) {
    static const char *const words[] = {"false", "no", "off", "true", "yes", "on"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strcasecmp(text, words[i]) == 0) {
            *value = i >= 3;
            return true;
        }
    return false;
}

static bool choice_decode(const struct option_spec *spec, const char *text, void *field) {
    for (uint32_t i = 0; spec->choices[i]; i++)
        if (strcmp(spec->choices[i], text) == 0) {
            number_store(spec, i, field);
            return true;
        }
    return false;
}

// RFC 6454 6.1: scheme "://" host [ ":" port ], nothing behind it; browsers send "null" for pages
// without an origin.
static bool origin_decode(const char *text, char *origin) {
    size_t size = strlen(text);
    if (size > CONFIG_ORIGIN_SIZE_MAX)
        return false;
    for (size_t i = 0; i <= size; i++)
        origin[i] = (char)tolower((unsigned char)text[i]);
    if (strcmp(origin, "*") == 0 || strcmp(origin, "null") == 0)
        return true;
    const char *host = strstr(origin, "://");
    if (!host || host == origin ||
        strspn(origin, "abcdefghijklmnopqrstuvwxyz0123456789+-.") != (size_t)(host - origin))
        return false;
    host += strlen("://");
    return *host && strspn(host, "abcdefghijklmnopqrstuvwxyz0123456789-._~:[]") == strlen(host);
}

// "0-3,8": each CPU once, in the order given.
static bool cpus_decode(const struct option_spec *spec, const char *text, struct config *config) {
    uint16_t cpus[CONFIG_CPUS_MAX];
    uint32_t count = 0;
    if (strcmp(text, spec->automatic) == 0) {
        config->cpu_count = 0;
        return true;
    }
    for (const char *at = text;; at++) {
        uint64_t from, to;
        if (!digits_decode(at, &at, &from))
            return false;
        to = from;
        if (*at == '-' && !digits_decode(at + 1, &at, &to))
            return false;
        if (to < from || to >= UINT16_MAX || to - from >= CONFIG_CPUS_MAX)
            return false;
        for (; from <= to; from++) {
            for (uint32_t i = 0; i < count; i++)
                if (cpus[i] == from)
                    return false;
            if (count == CONFIG_CPUS_MAX)
                return false;
            cpus[count++] = (uint16_t)from;
        }
        if (*at == '\0')
            break;
        if (*at != ',')
            return false;
    }
    memcpy(config->cpus, cpus, count * sizeof(cpus[0]));
    config->cpu_count = count;
    return true;
}

static bool element_decode(const struct option_spec *spec, const char *text, void *element) {
    if (spec->type == OPTION_ADDRESSES)
        return config_address_decode(text, element);
    if (spec->type == OPTION_NETWORKS)
        return config_cidr_decode(text, element);
    return origin_decode(text, element);
}

static bool list_decode(const struct option_spec *spec, const char *text, struct config *config) {
    uint32_t *count = (uint32_t *)((char *)config + spec->count_offset);
    if (*count >= spec->max)
        return false;
    size_t element_size = spec->field_size / spec->max;
    void *element = (char *)config + spec->field_offset + *count * element_size;
    if (!element_decode(spec, text, element))
        return false;
    ++*count;
    return true;
}

static bool field_decode(const struct option_spec *spec, const char *text, void *field) {
    uint64_t number = 0;
    if (spec->type == OPTION_CHOICE)
        return choice_decode(spec, text, field);
    if (!number_decode(spec, text, &number))
        return false;
    number_store(spec, number, field);
    return true;
}

bool option_value_decode(const struct option_spec *spec, const char *text, struct config *config) {
    void *field = (char *)config + spec->field_offset;
    struct config_address address = {0};
    switch (spec->type) {
    case OPTION_BOOL:
        return bool_decode(text, field);
    case OPTION_NUMBER:
    case OPTION_BYTES:
    case OPTION_CHOICE:
        return field_decode(spec, text, field);
    case OPTION_ADDRESS:
        if (!(spec->automatic && strcmp(text, spec->automatic) == 0) &&
            !config_address_decode(text, &address))
            return false;
        memcpy(field, &address, sizeof(address));
        return true;
    case OPTION_ADDRESSES:
    case OPTION_ORIGINS:
    case OPTION_NETWORKS:
        return list_decode(spec, text, config);
    case OPTION_CPUS:
        return cpus_decode(spec, text, config);
    case OPTION_FILE:
    case OPTION_ACTION:
        break;
    }
    UNREACHABLE();
}

static uint32_t rule_bit(const struct option_spec *spec) {
    CHECKF(spec->per_room, "option %s", spec->name);
    return 1u << (spec->field_offset - offsetof(struct config, room)) / sizeof(uint32_t);
}

static void *rule_field(const struct option_spec *spec, struct config_room_rule *rule) {
    return (char *)&rule->settings + spec->field_offset - offsetof(struct config, room);
}

bool option_value_decode_rule(const struct option_spec *spec, const char *text,
                              struct config_room_rule *rule) {
    if (!field_decode(spec, text, rule_field(spec, rule)))
        return false;
    rule->given_mask |= rule_bit(spec);
    return true;
}

bool option_value_is_in_rule(const struct option_spec *spec, const struct config_room_rule *rule) {
    return (rule->given_mask & rule_bit(spec)) != 0;
}

void option_value_fill_rules(struct config *config) {
    for (uint32_t i = 0; i < config->room_rule_count; i++)
        for (size_t at = 0; at < option_table_count; at++) {
            const struct option_spec *spec = &option_table[at];
            struct config_room_rule *rule = &config->room_rules[i];
            if (spec->per_room && !option_value_is_in_rule(spec, rule))
                memcpy(rule_field(spec, rule), (char *)config + spec->field_offset,
                       spec->field_size);
        }
}

const char *option_value_encode_rule(const struct option_spec *spec,
                                     const struct config_room_rule *rule, char *text) {
    struct config as_default = {.room = rule->settings};
    return option_value_encode(spec, &as_default, 0, text);
}

void option_value_clear(const struct option_spec *spec, struct config *config) {
    *(uint32_t *)((char *)config + spec->count_offset) = 0;
}

uint32_t option_value_count(const struct option_spec *spec, const struct config *config) {
    if (!option_spec_is_list(spec))
        return 1;
    return *(const uint32_t *)((const char *)config + spec->count_offset);
}

static void cpus_encode(const struct option_spec *spec, const struct config *config, char *text) {
    struct writer w = writer_on(text, OPTION_VALUE_TEXT_SIZE - 1);
    if (config->cpu_count == 0)
        writer_put_string(&w, spec->automatic);
    for (uint32_t i = 0; i < config->cpu_count; i++) {
        if (i > 0)
            writer_put_string(&w, ",");
        writer_put_u64(&w, config->cpus[i]);
    }
    CHECK(!w.overflow);
    text[w.size] = '\0';
}

static void number_encode(const struct option_spec *spec, uint64_t value, char *text) {
    if (spec->automatic && value == 0) {
        snprintf(text, OPTION_VALUE_TEXT_SIZE, "%s", spec->automatic);
        return;
    }
    size_t unit = SIZE_UNITS - 1;
    for (size_t i = SIZE_UNITS; i-- > 0 && spec->type == OPTION_BYTES;)
        if (value > 0 && value % size_units[i].bytes == 0)
            unit = i;
    snprintf(text, OPTION_VALUE_TEXT_SIZE, "%llu%s",
             (unsigned long long)(value / size_units[unit].bytes),
             size_units[unit].bytes > 1 ? size_units[unit].suffix : "");
}

const char *option_value_encode(const struct option_spec *spec, const struct config *config,
                                uint32_t index, char *text) {
    const char *field = (const char *)config + spec->field_offset;
    if (option_spec_is_list(spec))
        field += index * (spec->field_size / spec->max);
    switch (spec->type) {
    case OPTION_BOOL:
        snprintf(text, OPTION_VALUE_TEXT_SIZE, "%s", *(const bool *)field ? "true" : "false");
        return text;
    case OPTION_NUMBER:
    case OPTION_BYTES:
        number_encode(spec, number_load(spec, field), text);
        return text;
    case OPTION_CHOICE:
        snprintf(text, OPTION_VALUE_TEXT_SIZE, "%s", spec->choices[number_load(spec, field)]);
        return text;
    case OPTION_ADDRESS:
        if (((const struct config_address *)field)->port == 0) {
            snprintf(text, OPTION_VALUE_TEXT_SIZE, "%s", spec->automatic);
            return text;
        }
        return config_address_encode((const struct config_address *)field, text);
    case OPTION_ADDRESSES:
        return config_address_encode((const struct config_address *)field, text);
    case OPTION_ORIGINS:
        snprintf(text, OPTION_VALUE_TEXT_SIZE, "%s", field);
        return text;
    case OPTION_NETWORKS:
        return config_cidr_encode((const struct config_cidr *)field, text);
    case OPTION_CPUS:
        cpus_encode(spec, config, text);
        return text;
    case OPTION_FILE:
    case OPTION_ACTION:
        break;
    }
    UNREACHABLE();
}

static const char *size_text(uint64_t bytes, char *text) {
    static const struct option_spec plain = {.type = OPTION_BYTES};
    number_encode(&plain, bytes, text);
    return text;
}

const char *option_value_range(const struct option_spec *spec, char *text) {
    char least[OPTION_VALUE_TEXT_SIZE], most[OPTION_VALUE_TEXT_SIZE];
    text[0] = '\0';
    if (spec->type == OPTION_BYTES)
        snprintf(text, OPTION_ALLOWED_TEXT_SIZE, "%.20s to %.20s", size_text(spec->min, least),
                 size_text(spec->max, most));
    else if (spec->type == OPTION_NUMBER)
        snprintf(text, OPTION_ALLOWED_TEXT_SIZE, "%llu to %llu", (unsigned long long)spec->min,
                 (unsigned long long)spec->max);
    else if (spec->type == OPTION_CHOICE)
        option_value_allowed(spec, text);
    return text;
}

static void numbers_allowed(const struct option_spec *spec, char *text) {
    char range[OPTION_ALLOWED_TEXT_SIZE];
    option_value_range(spec, range);
    if (spec->type == OPTION_BYTES)
        snprintf(text, OPTION_ALLOWED_TEXT_SIZE, "a size from %.60s (bytes, KiB or MiB)", range);
    else
        snprintf(text, OPTION_ALLOWED_TEXT_SIZE, "a whole number from %.60s%s%s", range,
                 spec->automatic ? ", or " : "", spec->automatic ? spec->automatic : "");
}

const char *option_value_allowed(const struct option_spec *spec, char *text) {
    const char *form = "";
    switch (spec->type) {
    case OPTION_BOOL:
        form = "true or false";
        break;
    case OPTION_NUMBER:
    case OPTION_BYTES:
        numbers_allowed(spec, text);
        return text;
    case OPTION_CHOICE: {
        struct writer w = writer_on(text, OPTION_ALLOWED_TEXT_SIZE - 1);
        for (size_t i = 0; spec->choices[i]; i++) {
            writer_put_string(&w, i == 0 ? "" : spec->choices[i + 1] ? ", " : " or ");
            writer_put_string(&w, spec->choices[i]);
        }
        text[w.size] = '\0';
        return text;
    }
    case OPTION_ADDRESS:
    case OPTION_ADDRESSES:
        form = "an IP address or localhost, and a port: 127.0.0.1:8080, [::1]:8080";
        break;
    case OPTION_ORIGINS:
        form = "an origin without a path: https://chat.example.org, or *";
        break;
    case OPTION_NETWORKS:
        form = "a network or an address: 10.0.0.0/8, fd00::/8, 192.0.2.1";
        break;
    case OPTION_CPUS:
        form = "CPU numbers, each once: 0-3,8, or auto";
        break;
    case OPTION_FILE:
        form = "a file name";
        break;
    case OPTION_ACTION:
        form = "no value";
        break;
    }
    snprintf(text, OPTION_ALLOWED_TEXT_SIZE, "%s%s", form,
             spec->type == OPTION_ADDRESS && spec->automatic ? ", or off" : "");
    return text;
}
