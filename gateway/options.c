// Two walks over the arguments: the first finds --config and every mistake of form, the second puts
// the flags over what the file gave. A list given by flags replaces the file's list.
#include "gateway/options.h"

#include "gateway/option_file.h"
#include "gateway/option_value.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define NAME_SIZE_MAX 64

struct argument {
    const struct option_spec *spec;
    const char *value; // NULL: none was given
};

PRINTF_LIKE(2, 3)
static bool refuse(char *error, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error, OPTION_ERROR_SIZE, format, arguments);
    va_end(arguments);
    return false;
}

static bool needs_value(const struct option_spec *spec) {
    return spec->type != OPTION_BOOL && spec->type != OPTION_ACTION;
}

// Reads the option at argv[*at] and moves *at behind it.
static bool next_argument(int argc, char *const *argv, int *at, struct argument *argument,
                          char *error) {
    const char *text = argv[(*at)++];
    if (strncmp(text, "--", 2) != 0)
        return refuse(error, "\"%.100s\" is no option: options begin with --, see --help", text);
    const char *equals = strchr(text, '=');
    size_t size = equals ? (size_t)(equals - text) - 2 : strlen(text) - 2;
    char name[NAME_SIZE_MAX];
    snprintf(name, sizeof(name), "%.*s", (int)(size < NAME_SIZE_MAX ? size : NAME_SIZE_MAX),
             text + 2);
    argument->spec = option_table_lookup(name);
    argument->value = equals ? equals + 1 : NULL;
    if (!argument->spec)
        return refuse(error, "unknown option --%s; the nearest is --%s", name,
                      option_table_nearest(name, false));
    if (argument->spec->type == OPTION_ACTION && equals)
        return refuse(error, "--%s takes no value", name);
    if (!needs_value(argument->spec) || equals)
        return true;
    if (*at == argc) {
        char allowed[OPTION_ALLOWED_TEXT_SIZE];
        return refuse(error, "--%s needs a value: %s", name,
                      option_value_allowed(argument->spec, allowed));
    }
    argument->value = argv[(*at)++];
    return true;
}

static bool apply(const struct argument *argument, bool *seen, struct config *config, char *error) {
    const struct option_spec *spec = argument->spec;
    if (!option_spec_is_in_file(spec))
        return true;
    if (option_spec_is_list(spec)) {
        if (!*seen)
            option_value_clear(spec, config);
        if (option_value_count(spec, config) >= spec->max)
            return refuse(error, "--%s: at most %llu are allowed", spec->name,
                          (unsigned long long)spec->max);
    }
    *seen = true;
    const char *value = argument->value ? argument->value : "true";
    if (option_value_decode(spec, value, config))
        return true;
    char allowed[OPTION_ALLOWED_TEXT_SIZE];
    return refuse(error, "--%s: \"%.100s\" is not allowed; %s", spec->name, value,
                  option_value_allowed(spec, allowed));
}

// What no single option can see.
static bool check_together(const struct config *config, char *error) {
    char text[CONFIG_ADDRESS_TEXT_SIZE];
    if (config->listen_count == 0)
        return refuse(error, "listen: at least one address is needed");
    for (uint32_t i = 0; i < config->listen_count; i++) {
        const struct config_address *address = &config->listen[i];
        bool twice = false;
        for (uint32_t j = 0; j < i; j++)
            twice |= memcmp(address, &config->listen[j], sizeof(*address)) == 0;
        if (twice)
            return refuse(error, "--listen: %s is given twice",
                          config_address_encode(address, text));
        if (memcmp(address, &config->control, sizeof(*address)) == 0 ||
            memcmp(address, &config->page, sizeof(*address)) == 0)
            return refuse(error, "%s is given to --listen and to --%s: one port, one use",
                          config_address_encode(address, text),
                          memcmp(address, &config->page, sizeof(*address)) == 0 ? "page"
                                                                                : "control");
    }
    if (config->page.port && memcmp(&config->page, &config->control, sizeof(config->page)) == 0)
        return refuse(error, "--page: %s serves the page already, as --control",
                      config_address_encode(&config->page, text));
    return true;
}

void options_defaults(struct config *config) {
    memset(config, 0, sizeof(*config));
    for (size_t i = 0; i < option_table_count; i++)
        if (option_table[i].fallback)
            CHECKF(option_value_decode(&option_table[i], option_table[i].fallback, config),
                   "default of --%s", option_table[i].name);
}

bool options_decode(struct options *options, int argc, char *const *argv, char *error) {
    bool seen[OPTION_COUNT_MAX] = {false};
    struct argument argument;
    options_defaults(&options->config);
    options->action = OPTION_ACTION_SERVE;
    options->file = NULL;
    for (int at = 0; at < argc;) {
        if (!next_argument(argc, argv, &at, &argument, error))
            return false;
        if (argument.spec->type == OPTION_FILE)
            options->file = argument.value;
        if (argument.spec->type == OPTION_ACTION)
            options->action = argument.spec->action;
    }
    if (options->action == OPTION_ACTION_HELP || options->action == OPTION_ACTION_VERSION)
        return true;
    if (options->file && !option_file_read(options->file, &options->config, error))
        return false;
    for (int at = 0; at < argc;)
        if (!next_argument(argc, argv, &at, &argument, error) ||
            !apply(&argument, &seen[argument.spec - option_table], &options->config, error))
            return false;
    option_value_fill_rules(&options->config);
    return check_together(&options->config, error);
}
