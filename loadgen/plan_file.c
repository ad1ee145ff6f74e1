#include "loadgen/plan_file.h"

#include <yaml.h>

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loadgen/schedule.h"
#include "sched/base/nearest.h"

struct source {
    const char *name;
    yaml_document_t document;
    char *error;
};

// Where something stands: its line, and its path as people write it.
struct place {
    size_t line; // 0: the file as a whole
    char path[96];
};

PRINTF_LIKE(3, 4)
static bool refuse(const struct source *source, const struct place *place, const char *format,
                   ...) {
    char *out = source->error;
    size_t size = 0;
    if (place->line > 0)
        size = (size_t)snprintf(out, LOAD_OPTIONS_ERROR_BYTES, "%.200s:%zu: ", source->name,
                                place->line);
    else
        size = (size_t)snprintf(out, LOAD_OPTIONS_ERROR_BYTES, "%.200s: ", source->name);
    if (place->path[0])
        size += (size_t)snprintf(out + size, LOAD_OPTIONS_ERROR_BYTES - size, "%s: ", place->path);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(out + size, LOAD_OPTIONS_ERROR_BYTES - size, format, arguments);
    va_end(arguments);
    return false;
}

// --- libyaml's tree ------------------------------------------------------------------------------

static yaml_node_t *node_at(struct source *source, int index) {
    return yaml_document_get_node(&source->document, index);
}

// NULL for what is no scalar; "" for a key without a value.
static const char *scalar_of(const yaml_node_t *node) {
    return node && node->type == YAML_SCALAR_NODE ? (const char *)node->data.scalar.value : NULL;
}

static size_t line_of(const yaml_node_t *node) {
    return node ? node->start_mark.line + 1 : 0;
}

static uint32_t pair_count(const yaml_node_t *mapping) {
    return (uint32_t)(mapping->data.mapping.pairs.top - mapping->data.mapping.pairs.start);
}

// A key of a mapping and its value; `at` below pair_count.
struct pair {
    const yaml_node_t *key;
    const yaml_node_t *value;
    const char *name; // of the key; "" when it has none
};

static struct pair pair_at(struct source *source, const yaml_node_t *mapping, uint32_t at) {
    const yaml_node_pair_t *pair = mapping->data.mapping.pairs.start + at;
    struct pair found = {node_at(source, pair->key), node_at(source, pair->value), NULL};
    const char *name = scalar_of(found.key);
    found.name = name ? name : "";
    return found;
}

static const yaml_node_t *value_of(struct source *source, const yaml_node_t *mapping,
                                   const char *key) {
    for (uint32_t i = 0; mapping && i < pair_count(mapping); i++) {
        struct pair pair = pair_at(source, mapping, i);
        if (strcmp(pair.name, key) == 0)
            return pair.value;
    }
    return NULL;
}

// Every key is a name, and stands there once. `prefix` is the path so far, with its dot.
static bool check_keys(struct source *source, const yaml_node_t *mapping, const char *prefix) {
    for (uint32_t i = 0; i < pair_count(mapping); i++) {
        struct pair pair = pair_at(source, mapping, i);
        struct place place = {.line = line_of(pair.key)};
        snprintf(place.path, sizeof(place.path), "%s%.40s", prefix, pair.name);
        if (pair.name[0] == 0)
            return refuse(source, &place, "a key is expected here, as in `duration_s: 60`");
        for (uint32_t j = 0; j < i; j++) {
            struct pair other = pair_at(source, mapping, j);
            if (strcmp(other.name, pair.name) == 0)
                return refuse(source, &place, "this key stands here twice, first in line %zu",
                              line_of(other.key));
        }
    }
    return true;
}

// --- the keys of a phase -------------------------------------------------------------------------

enum key_kind {
    KEY_NAME,
    KEY_NUMBER, // double
    KEY_COUNT,  // uint32_t
    KEY_TRUTH,
    KEY_ARRIVALS,
};

struct key {
    const char *name;
    enum key_kind kind;
    size_t offset; // in struct phase
    double min;
    double max;
    const char *wanted; // "a number a second from 0 to 10,000,000"
};

#define RATE "a number a second from 0 to 10,000,000"
#define PERCENT "a number of percent from 0 to 100"
#define AT(field) offsetof(struct phase, field)

_Static_assert((uint32_t)SCHEDULE_RATE_MAX == 10000000 &&
                   (uint32_t)PLAN_CHURN_RATE_MAX == 1000000 &&
                   (uint32_t)PLAN_DURATION_S_MAX == 604800 &&
                   PLAN_SLOW_BYTES_PER_S_MAX == 1000000000u,
               "the sentences below say so");

static const struct key KEYS[] = {
    {"name", KEY_NAME, AT(name), 1, PLAN_NAME_BYTES - 1, "a name of 1 to 39 bytes"},
    {"duration_s", KEY_NUMBER, AT(duration_s), 0.001, PLAN_DURATION_S_MAX,
     "a number of seconds from 0.001 to 604,800"},
    {"measured", KEY_TRUTH, AT(is_measured), 0, 0, "true or false"},
    {"arrivals", KEY_ARRIVALS, AT(is_poisson), 0, 0, "even or poisson"},
    {"publish_rate", KEY_NUMBER, AT(publish.begin), 0, SCHEDULE_RATE_MAX, RATE},
    {"publish_rate_end", KEY_NUMBER, AT(publish.end), 0, SCHEDULE_RATE_MAX, RATE},
    {"ping_rate", KEY_NUMBER, AT(ping.begin), 0, SCHEDULE_RATE_MAX, RATE},
    {"ping_rate_end", KEY_NUMBER, AT(ping.end), 0, SCHEDULE_RATE_MAX, RATE},
    {"turnover_rate", KEY_NUMBER, AT(turnover_rate), 0, PLAN_CHURN_RATE_MAX,
     "a number of connections a second from 0 to 1,000,000"},
    {"churn_rate", KEY_NUMBER, AT(churn_rate), 0, PLAN_CHURN_RATE_MAX,
     "a number of members a second from 0 to 1,000,000"},
    {"connections_percent", KEY_NUMBER, AT(connections_percent), 0, 100, PERCENT},
    {"cut_percent", KEY_NUMBER, AT(cut_percent), 0, 100, PERCENT},
    {"slow_percent", KEY_NUMBER, AT(slow_percent), 0, 100, PERCENT},
    {"slow_bytes_per_s", KEY_COUNT, AT(slow_bytes_per_s), 1, PLAN_SLOW_BYTES_PER_S_MAX,
     "a whole number of bytes a second from 1 to 1,000,000,000"},
};

#define KEY_TOTAL (sizeof(KEYS) / sizeof(KEYS[0]))

static const struct key *lookup_key(const char *name) {
    for (size_t i = 0; i < KEY_TOTAL; i++)
        if (strcmp(KEYS[i].name, name) == 0)
            return &KEYS[i];
    return NULL;
}

static const char *nearest_key(const char *name) {
    const char *best = KEYS[0].name;
    for (size_t i = 1; i < KEY_TOTAL; i++)
        if (nearest_distance(name, KEYS[i].name) < nearest_distance(name, best))
            best = KEYS[i].name;
    return best;
}

static bool parse_number(const struct key *key, const char *text, double *value) {
    char *end = NULL;
    errno = 0;
    *value = strtod(text, &end);
    return end != text && *end == 0 && errno == 0 && *value >= key->min && *value <= key->max &&
           (key->kind != KEY_COUNT || *value == floor(*value));
}

// False when `text` is not what the key wants.
static bool set_key(const struct key *key, const char *text, struct phase *phase) {
    uint8_t *field = (uint8_t *)phase + key->offset;
    double number;
    switch (key->kind) {
    case KEY_NAME:
        snprintf((char *)field, PLAN_NAME_BYTES, "%s", text);
        return text[0] != 0 && strlen(text) < PLAN_NAME_BYTES;
    case KEY_NUMBER:
        return parse_number(key, text, (double *)(void *)field);
    case KEY_COUNT:
        if (!parse_number(key, text, &number))
            return false;
        *(uint32_t *)(void *)field = (uint32_t)number;
        return true;
    case KEY_TRUTH:
        *(bool *)field = strcmp(text, "true") == 0;
        return *(bool *)field || strcmp(text, "false") == 0;
    case KEY_ARRIVALS:
        *(bool *)field = strcmp(text, "poisson") == 0;
        return *(bool *)field || strcmp(text, "even") == 0;
    }
    UNREACHABLE();
}

// --- phases --------------------------------------------------------------------------------------

static bool decode_key(struct source *source, const struct pair *pair, const char *prefix,
                       struct phase *phase) {
    struct place place = {.line = line_of(pair->key)};
    snprintf(place.path, sizeof(place.path), "%s%.40s", prefix, pair->name);
    const struct key *key = lookup_key(pair->name);
    if (key == NULL)
        return refuse(source, &place, "no such key; did you mean %s?", nearest_key(pair->name));
    const char *text = scalar_of(pair->value);
    place.line = line_of(pair->value);
    if (text == NULL)
        return refuse(source, &place, "want %s, not a %s", key->wanted,
                      pair->value->type == YAML_SEQUENCE_NODE ? "list" : "mapping");
    if (!set_key(key, text, phase))
        return refuse(source, &place, "want %s, not '%.60s'", key->wanted, text);
    return true;
}

static bool decode_phase(struct source *source, const yaml_node_t *node, uint32_t index,
                         const struct load_options *o, struct plan *plan) {
    char prefix[32], name[PLAN_NAME_BYTES];
    struct place place = {.line = line_of(node)};
    snprintf(place.path, sizeof(place.path), "phases[%u]", index);
    snprintf(prefix, sizeof(prefix), "phases[%u].", index);
    snprintf(name, sizeof(name), "phase %u", index + 1);
    struct phase *phase = plan_add(plan, name);
    if (phase == NULL)
        return refuse(source, &place, "more than %d phases", PLAN_PHASES_MAX);
    if (node->type != YAML_MAPPING_NODE)
        return refuse(source, &place, "want keys and values of a phase, as in `duration_s: 60`");
    if (!check_keys(source, node, prefix))
        return false;
    phase->is_poisson = o->is_poisson;
    phase->publish.end = phase->ping.end = -1;
    for (uint32_t i = 0; i < pair_count(node); i++) {
        struct pair pair = pair_at(source, node, i);
        if (!decode_key(source, &pair, prefix, phase))
            return false;
    }
    if (phase->duration_s == 0)
        return refuse(source, &place, "duration_s is missing: how many seconds does it last?");
    if (phase->publish.end < 0)
        phase->publish.end = phase->publish.begin;
    if (phase->ping.end < 0)
        phase->ping.end = phase->ping.begin;
    return true;
}

static bool decode_phases(struct source *source, const yaml_node_t *list,
                          const struct load_options *o, struct plan *plan) {
    struct place place = {.line = line_of(list), .path = "phases"};
    if (list == NULL || list->type != YAML_SEQUENCE_NODE)
        return refuse(source, &place,
                      "want a list of phases: lines that begin with `- duration_s: 60`");
    const yaml_node_item_t *items = list->data.sequence.items.start;
    uint32_t count = (uint32_t)(list->data.sequence.items.top - items);
    if (count == 0)
        return refuse(source, &place, "want at least one phase");
    for (uint32_t i = 0; i < count; i++)
        if (!decode_phase(source, node_at(source, items[i]), i, o, plan))
            return false;
    return true;
}

// --- options -------------------------------------------------------------------------------------

static bool apply_options(struct source *source, const yaml_node_t *mapping,
                          struct load_options *o) {
    struct place place = {.line = line_of(mapping), .path = "options"};
    if (mapping == NULL)
        return true;
    bool is_empty = scalar_of(mapping) && scalar_of(mapping)[0] == 0;
    if (is_empty)
        return true;
    if (mapping->type != YAML_MAPPING_NODE)
        return refuse(source, &place, "want options by their names: `connections: 2000`");
    if (!check_keys(source, mapping, "options."))
        return false;
    for (uint32_t i = 0; i < pair_count(mapping); i++) {
        struct pair pair = pair_at(source, mapping, i);
        char sentence[LOAD_OPTIONS_ERROR_BYTES];
        const char *text = scalar_of(pair.value);
        place.line = line_of(pair.key);
        snprintf(place.path, sizeof(place.path), "options.%.40s", pair.name);
        if (text == NULL)
            return refuse(source, &place, "want one value");
        if (!load_options_set(o, pair.name, text, sentence))
            return refuse(source, &place, "%s", sentence);
    }
    place = (struct place){.line = line_of(mapping), .path = "options"};
    char sentence[LOAD_OPTIONS_ERROR_BYTES];
    return load_options_check(o, sentence) || refuse(source, &place, "%s", sentence);
}

// --- the file ------------------------------------------------------------------------------------

static bool check_top(struct source *source, const yaml_node_t *root) {
    struct place place = {.line = line_of(root)};
    if (root->type != YAML_MAPPING_NODE)
        return refuse(source, &place, "want `options:` and `phases:` at the top");
    if (!check_keys(source, root, ""))
        return false;
    for (uint32_t i = 0; i < pair_count(root); i++) {
        struct pair pair = pair_at(source, root, i);
        if (strcmp(pair.name, "options") == 0 || strcmp(pair.name, "phases") == 0)
            continue;
        bool is_key = lookup_key(pair.name) != NULL;
        bool is_near =
            nearest_distance(pair.name, "options") < nearest_distance(pair.name, "phases");
        place.line = line_of(pair.key);
        snprintf(place.path, sizeof(place.path), "%.40s", pair.name);
        if (is_key)
            return refuse(source, &place, "belongs to a phase, under `phases:`");
        return refuse(source, &place,
                      "no such key; did you mean %s? (an option stands under "
                      "`options:`)",
                      is_near ? "options" : "phases");
    }
    return true;
}

// The line where the key of a fault stands, or else its phase.
static struct place place_of(struct source *source, const yaml_node_t *list,
                             const struct plan_fault *fault) {
    struct place place = {.line = line_of(list)};
    if (fault->phase == PLAN_PHASES_MAX) {
        snprintf(place.path, sizeof(place.path), "%s", fault->key);
        return place;
    }
    const yaml_node_t *phase = node_at(source, list->data.sequence.items.start[fault->phase]);
    const yaml_node_t *value = value_of(source, phase, fault->key);
    place.line = line_of(value ? value : phase);
    snprintf(place.path, sizeof(place.path), "phases[%u].%s", fault->phase, fault->key);
    return place;
}

static bool decode_document(struct source *source, struct plan *plan, struct load_options *o) {
    const yaml_node_t *root = yaml_document_get_root_node(&source->document);
    struct place whole = {0};
    struct plan_fault fault;
    if (root == NULL)
        return refuse(source, &whole, "the file is empty; want a list under `phases:`");
    if (!check_top(source, root) || !apply_options(source, value_of(source, root, "options"), o))
        return false;
    const yaml_node_t *list = value_of(source, root, "phases");
    *plan = (struct plan){0};
    if (!decode_phases(source, list, o, plan))
        return false;
    plan_scale(plan, &(struct plan_scale){.speed = o->speed, .rates = 1});
    if (plan_check(plan, o, &fault))
        return true;
    struct place place = place_of(source, list, &fault);
    return refuse(source, &place, "%s", fault.text);
}

static bool refuse_syntax(const struct source *source, const yaml_parser_t *parser) {
    struct place place = {.line = parser->problem_mark.line + 1};
    return refuse(source, &place, "%s%s%s", parser->problem ? parser->problem : "this is no YAML",
                  parser->context ? ", " : "", parser->context ? parser->context : "");
}

bool plan_file_decode(const char *name, struct bytes text, struct plan *plan,
                      struct load_options *o, char error[LOAD_OPTIONS_ERROR_BYTES]) {
    struct source source = {.name = name, .error = error};
    struct place place = {0};
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser))
        return refuse(&source, &place, "no memory");
    yaml_parser_set_input_string(&parser, text.data, text.size);
    if (!yaml_parser_load(&parser, &source.document)) {
        refuse_syntax(&source, &parser);
        yaml_parser_delete(&parser);
        return false;
    }
    bool good = decode_document(&source, plan, o);
    yaml_document_delete(&source.document);
    yaml_document_t second;
    if (good && !yaml_parser_load(&parser, &second)) {
        good = refuse_syntax(&source, &parser);
    } else if (good) {
        const yaml_node_t *root = yaml_document_get_root_node(&second);
        place.line = line_of(root);
        if (root)
            good = refuse(&source, &place, "a second YAML document begins here; one is read");
        yaml_document_delete(&second);
    }
    yaml_parser_delete(&parser);
    return good;
}

bool plan_file_read(struct plan *plan, struct load_options *o,
                    char error[LOAD_OPTIONS_ERROR_BYTES]) {
    const char *path = o->plan_file;
    FILE *file = fopen(path, "re");
    uint8_t *text = malloc(PLAN_FILE_BYTES_MAX + 1);
    size_t size = file && text ? fread(text, 1, PLAN_FILE_BYTES_MAX + 1, file) : 0;
    bool good = false;
    if (!file || !text || ferror(file))
        option_row_fail(error, "%.200s: %s", path, strerror(errno));
    else if (size > PLAN_FILE_BYTES_MAX)
        option_row_fail(error, "%.200s: a plan of more than %u bytes", path, PLAN_FILE_BYTES_MAX);
    else
        good = plan_file_decode(path, bytes_of(text, size), plan, o, error);
    free(text);
    if (file)
        fclose(file);
    return good;
}
