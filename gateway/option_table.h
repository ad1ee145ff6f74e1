// The table of every option of `fairlead serve`: the flags, the keys of the YAML file, --help,
// --print-config, the error texts and the table in docs/OPERATING.md all come from it. Constant,
// any thread. To add an option: a field in struct config, a row in option_table.c.
#ifndef FAIRLEAD_OPTION_TABLE_H
#define FAIRLEAD_OPTION_TABLE_H

#include "gateway/config.h"

enum option_section {
    OPTION_LISTENING,
    OPTION_SIZE_OF_HOST,
    OPTION_CLIENTS,
    OPTION_TIME,
    OPTION_BUDGETS,
    OPTION_TUNING,
    OPTION_ROOMS,
    OPTION_MQTT,
    OPTION_PROCESS,
    OPTION_SECTION_COUNT,
};

enum option_type {
    OPTION_BOOL,      // a flag alone means true
    OPTION_NUMBER,    // uint32_t or uint64_t by `field_size`
    OPTION_BYTES,     // uint32_t; 64KiB, 16MiB
    OPTION_CHOICE,    // an enum, by `choices`
    OPTION_ADDRESS,   // struct config_address
    OPTION_ADDRESSES, // repeatable; a sequence in YAML, as the next two
    OPTION_ORIGINS,
    OPTION_NETWORKS,
    OPTION_CPUS, // 0-3,8
    OPTION_FILE, // flags only, as the next
    OPTION_ACTION,
};

enum option_action {
    OPTION_ACTION_SERVE,
    OPTION_ACTION_HELP,
    OPTION_ACTION_VERSION,
    OPTION_ACTION_CHECK_CONFIG,
    OPTION_ACTION_PRINT_CONFIG,
    OPTION_ACTION_PRINT_MEMORY,
};

struct option_spec {
    const char *name; // without the dashes
    enum option_type type;
    enum option_section section;
    uint16_t field_size;   // bytes in struct config
    uint32_t field_offset; // in struct config
    uint32_t count_offset; // of the element count, for lists
    uint64_t min, max;     // for lists: max is how many
    const char *fallback;  // the default, as text; NULL: an empty list
    const char *automatic; // a word that stands for 0 or none ("auto", "off"), or NULL
    const char *choices[5];
    bool per_room; // may also stand in a room rule
    enum option_action action;
    const char *value_name; // HOST:PORT
    const char *help;
};

#define OPTION_COUNT_MAX 64
#define OPTION_ERROR_SIZE 1024 // one sentence

extern const struct option_spec option_table[];
extern const size_t option_table_count;

// By name, or NULL.
const struct option_spec *option_table_lookup(const char *name);

// The name with the fewest edits to `name`. `in_file`: among the keys of the YAML file only.
const char *option_table_nearest(const char *name, bool in_file);

// The same among the keys of a room rule.
const char *option_table_nearest_in_rule(const char *name);

bool option_spec_is_list(const struct option_spec *spec);

// Whether the option may stand in the YAML file.
bool option_spec_is_in_file(const struct option_spec *spec);

const char *option_section_title(enum option_section section);

#endif
