#include "gateway/option_file.h"

#include "gateway/option_value.h"

#include <cyaml/cyaml.h>
#include <yaml.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PER_ROOM_MAX 8
#define ITEMS_MAX 4096 // a bound for libcyaml; each list has its own in the table
#define CYAML_MESSAGE_SIZE 256

struct source {
    const char *name;
    struct bytes text;
    yaml_document_t document;
    char *error;
};

struct file_value {
    char *text;
    char **items;
    uint32_t count;
};

struct file_rule {
    char *match;
    char *settings[PER_ROOM_MAX]; // in the order of the per_room options in the table
};

struct file_values {
    struct file_value values[OPTION_COUNT_MAX]; // in the order of the table
    struct file_rule *rules;
    uint32_t rule_count;
};

PRINTF_LIKE(3, 4)
static bool refuse(const struct source *source, size_t line, const char *format, ...) {
    va_list arguments;
    int size = line > 0
                   ? snprintf(source->error, OPTION_ERROR_SIZE, "%.300s:%zu: ", source->name, line)
                   : snprintf(source->error, OPTION_ERROR_SIZE, "%.300s: ", source->name);
    va_start(arguments, format);
    vsnprintf(source->error + size, OPTION_ERROR_SIZE - (size_t)size, format, arguments);
    va_end(arguments);
    return false;
}

// --- Where things stand, by libyaml's tree ---

static const char *scalar_of(const yaml_node_t *node) {
    return node && node->type == YAML_SCALAR_NODE ? (const char *)node->data.scalar.value : NULL;
}

static size_t line_of(const yaml_node_t *node) {
    return node ? node->start_mark.line + 1 : 0;
}

static yaml_node_t *value_of(struct source *source, const yaml_node_t *mapping, const char *key) {
    if (!mapping || mapping->type != YAML_MAPPING_NODE)
        return NULL;
    for (const yaml_node_pair_t *pair = mapping->data.mapping.pairs.start;
         pair < mapping->data.mapping.pairs.top; pair++) {
        const char *name = scalar_of(yaml_document_get_node(&source->document, pair->key));
        if (name && strcmp(name, key) == 0)
            return yaml_document_get_node(&source->document, pair->value);
    }
    return NULL;
}

static yaml_node_t *item_of(struct source *source, const yaml_node_t *sequence, uint32_t index) {
    if (!sequence || sequence->type != YAML_SEQUENCE_NODE)
        return NULL;
    const yaml_node_item_t *item = sequence->data.sequence.items.start + index;
    return item < sequence->data.sequence.items.top
               ? yaml_document_get_node(&source->document, *item)
               : NULL;
}

// --- The shape of the file ---

static bool check_top_pair(struct source *source, const yaml_node_pair_t *pair) {
    const yaml_node_t *key = yaml_document_get_node(&source->document, pair->key);
    const yaml_node_t *value = yaml_document_get_node(&source->document, pair->value);
    const char *name = scalar_of(key);
    if (!name)
        return refuse(source, line_of(key), "an option's name is expected here");
    const struct option_spec *spec = option_table_lookup(name);
    bool is_rooms = strcmp(name, "rooms") == 0;
    if (!is_rooms && !spec)
        return refuse(source, line_of(key), "unknown option %.100s; the nearest is %s", name,
                      option_table_nearest(name, true));
    if (!is_rooms && !option_spec_is_in_file(spec))
        return refuse(source, line_of(key), "%s is for the command line only: --%s", name, name);
    bool is_list = is_rooms || option_spec_is_list(spec);
    if (is_list && value->type != YAML_SEQUENCE_NODE)
        return refuse(source, line_of(key), "%s takes a list, even of one: [\"...\"]", name);
    if (!is_list && value->type != YAML_SCALAR_NODE)
        return refuse(source, line_of(key), "%s takes one value", name);
    return true;
}

static bool check_rule(struct source *source, const yaml_node_t *rule) {
    if (rule->type != YAML_MAPPING_NODE)
        return refuse(source, line_of(rule),
                      "a room rule is expected: match: \"room:...\" and settings");
    for (const yaml_node_pair_t *pair = rule->data.mapping.pairs.start;
         pair < rule->data.mapping.pairs.top; pair++) {
        const yaml_node_t *key = yaml_document_get_node(&source->document, pair->key);
        const char *name = scalar_of(key);
        const struct option_spec *spec = name ? option_table_lookup(name) : NULL;
        if (name && (strcmp(name, "match") == 0 || (spec && spec->per_room)))
            continue;
        return refuse(source, line_of(key), "unknown room setting %.100s; the nearest is %s",
                      name ? name : "", option_table_nearest_in_rule(name ? name : ""));
    }
    return true;
}

static bool check_shape(struct source *source) {
    const yaml_node_t *root = yaml_document_get_root_node(&source->document);
    if (root->type != YAML_MAPPING_NODE)
        return refuse(source, line_of(root), "lines of the form `option: value` are expected");
    for (const yaml_node_pair_t *pair = root->data.mapping.pairs.start;
         pair < root->data.mapping.pairs.top; pair++)
        if (!check_top_pair(source, pair))
            return false;
    const yaml_node_t *rules = value_of(source, root, "rooms"), *rule;
    for (uint32_t i = 0; (rule = item_of(source, rules, i)); i++)
        if (!check_rule(source, rule))
            return false;
    return true;
}

// --- The values, by libcyaml ---

struct cyaml_complaint {
    char message[CYAML_MESSAGE_SIZE]; // the first line that libcyaml logged
    size_t line;                      // 0: not said
};

// libcyaml logs "Load: <what>", then a backtrace of "in … (line: N, column: M)".
static void on_cyaml_log(cyaml_log_t level, void *context, const char *format, va_list arguments) {
    struct cyaml_complaint *complaint = context;
    char text[CYAML_MESSAGE_SIZE];
    vsnprintf(text, sizeof(text), format, arguments);
    text[strcspn(text, "\n")] = '\0';
    const char *line = strstr(text, "(line: ");
    if (line && complaint->line == 0)
        complaint->line = strtoul(line + strlen("(line: "), NULL, 10);
    else if (complaint->message[0] == '\0')
        snprintf(complaint->message, sizeof(complaint->message), "%s",
                 strncmp(text, "Load: ", 6) == 0 ? text + 6 : text);
}

static struct cyaml_schema_field text_field(const char *key, size_t offset, enum cyaml_flag flags) {
    return (struct cyaml_schema_field){
        .key = key,
        .data_offset = (uint32_t)offset,
        .value = {.type = CYAML_STRING,
                  .flags = CYAML_FLAG_POINTER | flags,
                  .data_size = sizeof(char),
                  .string = {.min = 0, .max = CYAML_UNLIMITED}},
    };
}

static struct cyaml_schema_field list_field(const char *key, size_t offset, size_t count_offset,
                                            const struct cyaml_schema_value *entry, uint32_t size) {
    return (struct cyaml_schema_field){
        .key = key,
        .data_offset = (uint32_t)offset,
        .count_offset = (uint32_t)count_offset,
        .count_size = sizeof(uint32_t),
        .value = {.type = CYAML_SEQUENCE,
                  .flags = CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,
                  .data_size = size,
                  .sequence = {.entry = entry, .min = 0, .max = ITEMS_MAX}},
    };
}

struct schema {
    struct cyaml_schema_value item, rule, top;
    struct cyaml_schema_field rule_fields[PER_ROOM_MAX + 2];
    struct cyaml_schema_field fields[OPTION_COUNT_MAX + 2];
};

// `schema` comes zeroed: a field without a key ends an array.
static void schema_init(struct schema *schema) {
    size_t rule_count = 0, field_count = 0;
    schema->item = text_field("", 0, 0).value;
    schema->item.data_size = sizeof(char *);
    schema->rule_fields[rule_count++] = text_field("match", offsetof(struct file_rule, match), 0);
    for (size_t i = 0, setting = 0; i < option_table_count; i++) {
        const struct option_spec *spec = &option_table[i];
        size_t offset = offsetof(struct file_values, values) + i * sizeof(struct file_value);
        if (!option_spec_is_in_file(spec))
            continue;
        schema->fields[field_count++] =
            option_spec_is_list(spec)
                ? list_field(spec->name, offset + offsetof(struct file_value, items),
                             offset + offsetof(struct file_value, count), &schema->item,
                             sizeof(char *))
                : text_field(spec->name, offset, CYAML_FLAG_OPTIONAL);
        if (!spec->per_room)
            continue;
        CHECK(setting < PER_ROOM_MAX);
        schema->rule_fields[rule_count++] = text_field(
            spec->name, offsetof(struct file_rule, settings) + setting++ * sizeof(char *),
            CYAML_FLAG_OPTIONAL);
    }
    schema->rule = (struct cyaml_schema_value){.type = CYAML_MAPPING,
                                               .data_size = sizeof(struct file_rule),
                                               .mapping = {.fields = schema->rule_fields}};
    schema->fields[field_count] = list_field("rooms", offsetof(struct file_values, rules),
                                             offsetof(struct file_values, rule_count),
                                             &schema->rule, sizeof(struct file_rule));
    schema->top = (struct cyaml_schema_value){.type = CYAML_MAPPING,
                                              .flags = CYAML_FLAG_POINTER,
                                              .data_size = sizeof(struct file_values),
                                              .mapping = {.fields = schema->fields}};
}

// --- The values into the settings ---

static bool refuse_value(struct source *source, const yaml_node_t *node,
                         const struct option_spec *spec, const char *text) {
    char allowed[OPTION_ALLOWED_TEXT_SIZE];
    return refuse(source, line_of(node), "%s: \"%.100s\" is not allowed; %s", spec->name, text,
                  option_value_allowed(spec, allowed));
}

static bool apply_list(struct source *source, const struct option_spec *spec,
                       const struct file_value *value, const yaml_node_t *node,
                       struct config *config) {
    if (value->count > spec->max)
        return refuse(source, line_of(node), "%s: %u entries, at most %llu are allowed", spec->name,
                      value->count, (unsigned long long)spec->max);
    option_value_clear(spec, config);
    for (uint32_t i = 0; i < value->count; i++)
        if (!option_value_decode(spec, value->items[i], config))
            return refuse_value(source, item_of(source, node, i), spec, value->items[i]);
    return true;
}

static bool apply_rule(struct source *source, const struct file_rule *from, const yaml_node_t *node,
                       struct config *config) {
    struct config_room_rule *rule = &config->room_rules[config->room_rule_count++];
    *rule = (struct config_room_rule){0};
    size_t size = strlen(from->match);
    if (size == 0 || size > CONFIG_ROOM_PATTERN_SIZE_MAX)
        return refuse(source, line_of(value_of(source, node, "match")),
                      "match: a pattern of 1 to %d bytes is expected: \"room:lobby-*\"",
                      CONFIG_ROOM_PATTERN_SIZE_MAX);
    // Every topic begins so; what could never match is a mistake.
    if (from->match[0] != '*' && from->match[0] != '?' && strncmp(from->match, "room:", 5) != 0)
        return refuse(source, line_of(value_of(source, node, "match")),
                      "match: \"%.100s\" matches no room; patterns begin with room: or *",
                      from->match);
    memcpy(rule->pattern, from->match, size);
    for (size_t i = 0, setting = 0; i < option_table_count; i++) {
        const struct option_spec *spec = &option_table[i];
        if (!spec->per_room)
            continue;
        const char *text = from->settings[setting++];
        if (text && !option_value_decode_rule(spec, text, rule))
            return refuse_value(source, value_of(source, node, spec->name), spec, text);
    }
    return true;
}

static bool apply(struct source *source, const struct file_values *from, struct config *config) {
    const yaml_node_t *root = yaml_document_get_root_node(&source->document);
    for (size_t i = 0; i < option_table_count; i++) {
        const struct option_spec *spec = &option_table[i];
        const struct file_value *value = &from->values[i];
        const yaml_node_t *node = value_of(source, root, spec->name);
        if (node && option_spec_is_list(spec) && !apply_list(source, spec, value, node, config))
            return false;
        if (value->text && !option_value_decode(spec, value->text, config))
            return refuse_value(source, node, spec, value->text);
    }
    const yaml_node_t *rules = value_of(source, root, "rooms");
    if (from->rule_count > CONFIG_ROOM_RULES_MAX)
        return refuse(source, line_of(rules), "rooms: %u rules, at most %d are allowed",
                      from->rule_count, CONFIG_ROOM_RULES_MAX);
    config->room_rule_count = 0;
    for (uint32_t i = 0; i < from->rule_count; i++)
        if (!apply_rule(source, &from->rules[i], item_of(source, rules, i), config))
            return false;
    return true;
}

static bool load(struct source *source, struct config *config) {
    struct schema schema = {0};
    struct cyaml_complaint complaint = {0};
    struct file_values *values = NULL;
    schema_init(&schema);
    const cyaml_config_t cyaml = {.log_fn = on_cyaml_log,
                                  .log_ctx = &complaint,
                                  .mem_fn = cyaml_mem,
                                  .log_level = CYAML_LOG_WARNING,
                                  .flags = CYAML_CFG_NO_ALIAS};
    cyaml_err_t status = cyaml_load_data(source->text.data, source->text.size, &cyaml, &schema.top,
                                         (cyaml_data_t **)&values, NULL);
    if (status != CYAML_OK)
        return refuse(source, complaint.line, "%s",
                      complaint.message[0] ? complaint.message : cyaml_strerror(status));
    bool good = apply(source, values, config);
    cyaml_free(&cyaml, &schema.top, values, 0);
    return good;
}

bool option_file_decode(const char *name, struct bytes text, struct config *config, char *error) {
    struct source source = {.name = name, .text = text, .error = error};
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser))
        return refuse(&source, 0, "no memory");
    yaml_parser_set_input_string(&parser, text.data, text.size);
    bool good = yaml_parser_load(&parser, &source.document);
    if (!good) {
        refuse(&source, parser.problem_mark.line + 1, "%s",
               parser.problem ? parser.problem : "not YAML");
        yaml_parser_delete(&parser);
        return false;
    }
    if (yaml_document_get_root_node(&source.document)) // else nothing but comments
        good = check_shape(&source) && load(&source, config);
    yaml_document_delete(&source.document);
    yaml_document_t second;
    if (good && yaml_parser_load(&parser, &second)) {
        const yaml_node_t *root = yaml_document_get_root_node(&second);
        if (root)
            good = refuse(&source, line_of(root),
                          "a second YAML document begins here; only one is read");
        yaml_document_delete(&second);
    }
    yaml_parser_delete(&parser);
    return good;
}

bool option_file_read(const char *path, struct config *config, char *error) {
    FILE *file = fopen(path, "re");
    uint8_t *text = malloc(OPTION_FILE_BYTES_MAX + 1);
    size_t size = file && text ? fread(text, 1, OPTION_FILE_BYTES_MAX + 1, file) : 0;
    bool good = false;
    if (!file || !text || ferror(file))
        snprintf(error, OPTION_ERROR_SIZE, "--config: cannot read %.300s: %s", path,
                 strerror(errno));
    else if (size > OPTION_FILE_BYTES_MAX)
        snprintf(error, OPTION_ERROR_SIZE, "--config: %.300s is larger than 1 MiB", path);
    else
        good = option_file_decode(path, bytes_of(text, size), config, error);
    free(text);
    if (file)
        fclose(file);
    return good;
}
