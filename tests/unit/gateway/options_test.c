#include "gateway/options.h"

#include "gateway/option_file.h"
#include "gateway/option_value.h"
#include "tests/unit/unit.h"

#include <stdarg.h>
#include <string.h>

#define ARGUMENTS_MAX 80

static char error[OPTION_ERROR_SIZE];

// The arguments end with NULL.
static bool decode(struct options *options, const char *first, ...) {
    char *argv[ARGUMENTS_MAX];
    int argc = 0;
    va_list arguments;
    va_start(arguments, first);
    for (const char *at = first; at; at = va_arg(arguments, const char *))
        argv[argc++] = (char *)(uintptr_t)at;
    va_end(arguments);
    error[0] = '\0';
    return options_decode(options, argc, argv, error);
}

static bool error_has(const char *text) {
    return strstr(error, text) != NULL;
}

START_TEST(an_unknown_option_names_the_nearest) {
    struct options options;
    ck_assert(!decode(&options, "--conections-max", "5", NULL));
    ck_assert_msg(error_has("--conections-max") && error_has("nearest is --connections-max"), "%s",
                  error);
    ck_assert(!decode(&options, "--lsiten=1", NULL));
    ck_assert_msg(error_has("nearest is --listen"), "%s", error);
    ck_assert(!decode(&options, "--room_policy=close", NULL));
    ck_assert_msg(error_has("nearest is --room-policy"), "%s", error);
    ck_assert(!decode(&options, "--", NULL));
    ck_assert(!decode(&options, "--a-name-far-longer-than-any-option-has-and-longer-than-the-space",
                      "x", NULL));
    ck_assert(error_has("unknown option"));
}
END_TEST

START_TEST(what_is_no_option_is_refused) {
    struct options options;
    ck_assert(!decode(&options, "8080", NULL));
    ck_assert(error_has("\"8080\""));
    ck_assert(!decode(&options, "-l", "1", NULL));
    ck_assert(!decode(&options, "", NULL));
    ck_assert(!decode(&options, "--echo", "true", NULL));
    ck_assert(!decode(&options, "--version=1", NULL));
    ck_assert(error_has("--version takes no value"));
}
END_TEST

START_TEST(a_missing_value_says_what_is_expected) {
    struct options options;
    ck_assert(!decode(&options, "--schedulers", NULL));
    ck_assert_msg(error_has("--schedulers needs a value") && error_has("1 to 60"), "%s", error);
}
END_TEST

START_TEST(a_bad_value_names_option_value_and_what_is_allowed) {
    static const char *const bad[][3] = {
        {"--listen", "8080", "127.0.0.1:8080"},
        {"--control", "off", "port"},
        {"--page", "on", "off"},
        {"--echo=maybe", "", "true or false"},
        {"--connections-max", "-1", "1 to 100000000"},
        {"--connections-max", "18446744073709551617", "1 to 100000000"},
        {"--connections-max", "1e6", "1 to 100000000"},
        {"--rooms-max", "", "1 to 268435455"},
        {"--idle-timeout-s", "60s", "1 to 86400"},
        {"--message-bytes-max", "65MiB", "1KiB to 64MiB"},
        {"--message-bytes-max", "64KB", "KiB"},
        {"--message-bytes-max", "17592186044417MiB", "64MiB"},
        {"--presence", "List", "list, counts or off"},
        {"--room-policy", "drop", "drop_oldest or close"},
        {"--origins", "chat.example.org", "https://"},
        {"--origins", "https://chat.example.org/", "without a path"},
        {"--trusted-proxies", "10.0.0.0/33", "10.0.0.0/8"},
        {"--cpus", "1,1", "each once"},
        {"--cpus", "3-1", "each once"},
        {"--cpus", "1,", "each once"},
        {"--cpus", "0-400", "each once"},
        {"--cpus", "", "each once"},
        {"--log-level", "trace", "error, warn, info or debug"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct options options;
        bool has_value = !strchr(bad[i][0], '=');
        ck_assert_msg(!decode(&options, bad[i][0], has_value ? bad[i][1] : NULL, NULL), "%s %s",
                      bad[i][0], bad[i][1]);
        ck_assert_msg(error_has(bad[i][1]) && error_has("is not allowed") && error_has(bad[i][2]),
                      "%s", error);
    }
}
END_TEST

// max - 1, max, max + 1 and the same for min, for every number in the table.
START_TEST(numbers_hold_their_bounds) {
    for (size_t i = 0; i < option_table_count; i++) {
        const struct option_spec *spec = &option_table[i];
        if (spec->type != OPTION_NUMBER && spec->type != OPTION_BYTES)
            continue;
        struct config config;
        char text[32];
        const uint64_t good[] = {spec->min, spec->min + 1, spec->max - 1, spec->max};
        options_defaults(&config);
        for (size_t at = 0; at < 4; at++) {
            snprintf(text, sizeof(text), "%llu", (unsigned long long)good[at]);
            ck_assert_msg(option_value_decode(spec, text, &config), "%s %s", spec->name, text);
        }
        snprintf(text, sizeof(text), "%llu", (unsigned long long)spec->max + 1);
        ck_assert_msg(!option_value_decode(spec, text, &config), "%s %s", spec->name, text);
        snprintf(text, sizeof(text), "%lld", (long long)spec->min - 1);
        ck_assert_msg(!option_value_decode(spec, text, &config), "%s %s", spec->name, text);
        char encoded[OPTION_VALUE_TEXT_SIZE];
        struct config again = config;
        option_value_encode(spec, &config, 0, encoded);
        ck_assert(option_value_decode(spec, encoded, &again));
        ck_assert_mem_eq(&again, &config, sizeof(config));
    }
}
END_TEST

START_TEST(defaults_are_those_of_the_manual) {
    struct options options;
    char text[CONFIG_ADDRESS_TEXT_SIZE];
    ck_assert(options_decode(&options, 0, NULL, error));
    const struct config *config = &options.config;
    ck_assert_int_eq(options.action, OPTION_ACTION_SERVE);
    ck_assert_uint_eq(config->listen_count, 1);
    ck_assert_str_eq(config_address_encode(&config->listen[0], text), "127.0.0.1:8080");
    ck_assert_str_eq(config_address_encode(&config->control, text), "127.0.0.1:8081");
    ck_assert_uint_eq(config->page.port, 0);
    ck_assert_uint_eq(config->schedulers, 0);
    ck_assert_uint_eq(config->connections_max, 0);
    ck_assert_uint_eq(config->message_bytes_max, 65536);
    ck_assert_uint_eq(config->out_queue_bytes_max, 65536);
    ck_assert_uint_eq(config->send_buffer_bytes, 65536);
    ck_assert_uint_eq(config->idle_timeout_s, 60);
    ck_assert_uint_eq(config->handshake_timeout_s, 10);
    ck_assert_uint_eq(config->channels_per_socket_max, 100);
    ck_assert_uint_eq(config->min_wait_us, 100);
    ck_assert_uint_eq(config->park_after_s, 2);
    ck_assert_uint_eq(config->recv_buffers, 512);
    ck_assert_uint_eq(config->recv_buffer_bytes, 4096);
    ck_assert_uint_eq(config->room.presence_list_max, 1000);
    ck_assert_int_eq(config->room.presence, CONFIG_PRESENCE_LIST);
    ck_assert_int_eq(config->room.policy, CONFIG_POLICY_DROP_OLDEST);
    ck_assert_int_eq(config->log_level, LOG_INFO);
    ck_assert(!config->echo && !config->allow_anonymous && !config->strict_phoenix);
}
END_TEST

START_TEST(both_forms_of_flags_set_every_type) {
    struct options options;
    ck_assert_msg(decode(&options, "--listen", "[::1]:18310", "--listen=127.0.0.1:18311", "--echo",
                         "--allow-anonymous=yes", "--strict-phoenix=off", "--cpus=3,0-1",
                         "--message-bytes-max", "16MiB", "--presence=counts", "--origins",
                         "HTTPS://Chat.Example.Org:8443", "--trusted-proxies", "fd00::/8",
                         "--connections-max=100000000", "--page=127.0.0.1:18312", NULL),
                  "%s", error);
    const struct config *config = &options.config;
    ck_assert_uint_eq(config->listen_count, 2);
    ck_assert_uint_eq(config->listen[0].port, 18310);
    ck_assert(config->echo && config->allow_anonymous && !config->strict_phoenix);
    ck_assert_uint_eq(config->cpu_count, 3);
    ck_assert_uint_eq(config->cpus[0], 3);
    ck_assert_uint_eq(config->cpus[2], 1);
    ck_assert_uint_eq(config->message_bytes_max, 16u << 20);
    ck_assert_int_eq(config->room.presence, CONFIG_PRESENCE_COUNTS);
    ck_assert_str_eq(config->origins[0], "https://chat.example.org:8443");
    ck_assert_uint_eq(config->trusted_proxies[0].prefix_bits, 8);
    ck_assert_uint_eq(config->connections_max, 100000000);
}
END_TEST

START_TEST(lists_hold_their_bound) {
    char *argv[CONFIG_LISTEN_MAX + 1];
    char text[CONFIG_LISTEN_MAX + 1][40];
    struct options options;
    for (int i = 0; i <= CONFIG_LISTEN_MAX; i++) {
        snprintf(text[i], sizeof(text[i]), "--listen=127.0.0.1:%d", 18300 + i);
        argv[i] = text[i];
    }
    ck_assert(options_decode(&options, CONFIG_LISTEN_MAX - 1, argv, error));
    ck_assert(options_decode(&options, CONFIG_LISTEN_MAX, argv, error));
    ck_assert_uint_eq(options.config.listen_count, CONFIG_LISTEN_MAX);
    ck_assert(!options_decode(&options, CONFIG_LISTEN_MAX + 1, argv, error));
    ck_assert_msg(error_has("at most 16"), "%s", error);
}
END_TEST

START_TEST(one_port_has_one_use) {
    struct options options;
    ck_assert(!decode(&options, "--listen=127.0.0.1:8081", NULL));
    ck_assert_msg(error_has("--control"), "%s", error);
    ck_assert(!decode(&options, "--page=127.0.0.1:8080", NULL));
    ck_assert_msg(error_has("--page"), "%s", error);
    ck_assert(!decode(&options, "--page=127.0.0.1:8081", NULL));
    ck_assert(!decode(&options, "--listen=[::1]:1", "--listen=[::1]:1", NULL));
    ck_assert_msg(error_has("twice"), "%s", error);
}
END_TEST

static bool read_text(const char *text, struct config *config) {
    error[0] = '\0';
    options_defaults(config);
    return option_file_decode("f.yaml", bytes_from_string(text), config, error);
}

START_TEST(a_bad_file_names_its_line) {
    static const char *const bad[][2] = {
        {"listen: [\"127.0.0.1:1\"]\n\nehco: true\n",
         "f.yaml:3: unknown option ehco; the nearest is echo"},
        {"echo: true\nrooom: []\n", "f.yaml:2: unknown option rooom; the nearest is rooms"},
        {"echo: true\nschedulers: 0\n",
         "f.yaml:2: schedulers: \"0\" is not allowed; a whole number"},
        {"listen:\n  - \"127.0.0.1:1\"\n  - here\n", "f.yaml:3: listen: \"here\""},
        {"listen: 127.0.0.1:1\n", "f.yaml:1: listen takes a list"},
        {"\nrooms: x\n", "f.yaml:2: rooms takes a list"},
        {"echo: [true]\n", "f.yaml:1: echo takes one value"},
        {"echo: true\necho: true\n", "f.yaml:"},
        {"echo: true\n  x: 1\n", "f.yaml:2: "},
        {"- echo\n", "f.yaml:1: lines of the form"},
        {"config: other.yaml\n", "f.yaml:1: config is for the command line only"},
        {"print-config: true\n", "f.yaml:1: print-config is for the command line only"},
        {"echo: &a true\nstrict-phoenix: *a\n", "f.yaml:"},
        {"echo: true\n---\necho: false\n", "f.yaml:"},
        {"? [a]\n: b\n", "f.yaml:1: an option's name"},
        {"rooms:\n  - match: \"room:a\"\n    presense: list\n",
         "f.yaml:3: unknown room setting presense; the nearest is presence"},
        {"rooms:\n  - match: \"room:a\"\n  - match: \"room:b\"\n    presence: all\n",
         "f.yaml:4: presence: \"all\" is not allowed; list, counts or off"},
        {"rooms:\n  - match: \"lobby-*\"\n", "f.yaml:2: match: \"lobby-*\" matches no room"},
        {"rooms:\n  - match: \"\"\n", "f.yaml:2: match: a pattern"},
        {"rooms:\n  - presence: off\n", "f.yaml:2: Missing required mapping field: match"},
        {"rooms: [a]\n", "f.yaml:1: a room rule is expected"},
        {"echo: \"\x01\"\n", "f.yaml:1: "},
        {"echo:\n", "f.yaml:1: echo: \"\" is not allowed"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct config config;
        ck_assert_msg(!read_text(bad[i][0], &config), "%s", bad[i][0]);
        ck_assert_msg(strstr(error, bad[i][1]) == error, "%s gave: %s", bad[i][0], error);
    }
}
END_TEST

START_TEST(an_empty_file_changes_nothing) {
    struct config config, defaults;
    options_defaults(&defaults);
    ck_assert(read_text("", &config));
    ck_assert_mem_eq(&config, &defaults, sizeof(config));
    ck_assert(read_text("# nothing\n", &config));
    ck_assert_mem_eq(&config, &defaults, sizeof(config));
}
END_TEST

// No prefix of a good file may crash; what parses must keep the bounds.
START_TEST(every_prefix_of_a_file_is_read_or_refused) {
    static const char text[] = "listen: [\"127.0.0.1:1\", \"[::1]:2\"]\nconnections-max: 500\n"
                               "rooms:\n  - match: \"room:a?*\"\n    presence-list-max: 7\n";
    for (size_t size = 0; size < sizeof(text); size++) {
        struct config config;
        options_defaults(&config);
        if (option_file_decode("f.yaml", bytes_of(text, size), &config, error))
            ck_assert_uint_le(config.listen_count, 2);
        else
            ck_assert(error_has("f.yaml"));
    }
}
END_TEST

START_TEST(room_rules_hold_their_bound) {
    static char text[8192];
    struct config config;
    for (uint32_t rules = CONFIG_ROOM_RULES_MAX - 1; rules <= CONFIG_ROOM_RULES_MAX + 1; rules++) {
        struct writer w = writer_on(text, sizeof(text) - 1);
        writer_put_string(&w, "rooms:\n");
        for (uint32_t i = 0; i < rules; i++)
            writer_put_string(&w, "  - match: \"room:a\"\n    presence-list-max: 7\n");
        text[w.size] = '\0';
        ck_assert(!w.overflow);
        ck_assert_int_eq(read_text(text, &config), rules <= CONFIG_ROOM_RULES_MAX);
    }
    ck_assert_msg(error_has("at most 64"), "%s", error);
}
END_TEST

static void write_file(char *path, const char *text) {
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    FILE *file = fdopen(fd, "w");
    fputs(text, file);
    fclose(file);
}

START_TEST(flags_override_the_file_and_rules_inherit_the_result) {
    char path[] = "/tmp/fairlead-options-"
                  "XX"
                  "XX"
                  "XX";
    struct options options;
    write_file(path, "listen: [\"127.0.0.1:18301\", \"127.0.0.1:18302\"]\npresence: off\n"
                     "idle-timeout-s: 30\nrooms:\n  - match: \"room:a\"\n    room-policy: close\n"
                     "  - match: \"*\"\n    presence: list\n");
    ck_assert_msg(
        decode(&options, "--listen=127.0.0.1:18303", "--config", path, "--presence=counts", NULL),
        "%s", error);
    const struct config *config = &options.config;
    ck_assert_uint_eq(config->listen_count, 1);
    ck_assert_uint_eq(config->listen[0].port, 18303);
    ck_assert_uint_eq(config->idle_timeout_s, 30);
    ck_assert_uint_eq(config->room_rule_count, 2);
    ck_assert_int_eq(config->room_rules[0].settings.policy, CONFIG_POLICY_CLOSE);
    ck_assert_int_eq(config->room_rules[0].settings.presence, CONFIG_PRESENCE_COUNTS);
    ck_assert_int_eq(config->room_rules[1].settings.presence, CONFIG_PRESENCE_LIST);
    ck_assert_int_eq(config->room_rules[1].settings.policy, CONFIG_POLICY_DROP_OLDEST);
    ck_assert_uint_eq(config->room_rules[1].settings.presence_list_max, 1000);
    remove(path);
    ck_assert(!decode(&options, "--config", path, NULL));
    ck_assert_msg(error_has("cannot read") && error_has(path), "%s", error);
    ck_assert(!decode(&options, "--config", "/", NULL));
    ck_assert_msg(error_has("cannot read /: Is a directory"), "%s", error);
}
END_TEST

START_TEST(a_printed_configuration_reads_back_the_same) {
    char *argv[] = {"--listen=[::1]:18310",
                    "--listen=0.0.0.0:18311",
                    "--echo",
                    "--cpus=3,0-1",
                    "--message-bytes-max=16MiB",
                    "--out-queue-bytes-max=1025",
                    "--origins=*",
                    "--origins=null",
                    "--trusted-proxies=10.0.0.0/8",
                    "--connections-max=7",
                    "--page=[2001:db8::1]:18312",
                    "--config",
                    NULL};
    char path[] = "/tmp/fairlead-options-"
                  "XX"
                  "XX"
                  "XX";
    write_file(path, "rooms:\n  - match: \"room:\\\"\\\\ \\xe4*\"\n    presence: counts\n"
                     "  - match: \"*\"\n    room-policy: close\n    presence-list-max: 9\n");
    argv[12] = path;
    for (int with = 0; with < 2; with++) {
        static struct options first, second;
        ck_assert_msg(options_decode(&first, with ? 13 : 0, argv, error), "%s", error);
        char *text = NULL;
        size_t size = 0;
        FILE *out = open_memstream(&text, &size);
        options_print_config(out, &first.config);
        fclose(out);
        options_defaults(&second.config);
        ck_assert_msg(option_file_decode("printed", bytes_of(text, size), &second.config, error),
                      "%s\n%s", error, text);
        option_value_fill_rules(&second.config);
        ck_assert_uint_eq(second.config.room_rule_count, with ? 2 : 0);
        ck_assert_str_eq(second.config.room_rules[0].pattern, first.config.room_rules[0].pattern);
        ck_assert_mem_eq(&second.config, &first.config, sizeof(first.config));
        free(text);
    }
    remove(path);
}
END_TEST

START_TEST(help_names_every_option_within_100_columns) {
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    options_print_help(out);
    fclose(out);
    for (size_t i = 0; i < option_table_count; i++) {
        char flag[64];
        snprintf(flag, sizeof(flag), "\n  --%s", option_table[i].name);
        ck_assert_msg(strstr(text, flag) != NULL, "%s", flag);
    }
    for (const char *line = text; *line; line += strcspn(line, "\n") + 1)
        ck_assert_uint_le(strcspn(line, "\n"), 100);
    free(text);
}
END_TEST

START_TEST(actions_are_told_apart) {
    struct options options;
    ck_assert(decode(&options, "--help", NULL));
    ck_assert_int_eq(options.action, OPTION_ACTION_HELP);
    ck_assert(decode(&options, "--version", NULL));
    ck_assert_int_eq(options.action, OPTION_ACTION_VERSION);
    ck_assert(decode(&options, "--check-config", NULL));
    ck_assert_int_eq(options.action, OPTION_ACTION_CHECK_CONFIG);
    ck_assert(!decode(&options, "--check-config", "--schedulers=none", NULL));
}
END_TEST

UNIT_MAIN("gateway/options", an_unknown_option_names_the_nearest, what_is_no_option_is_refused,
          a_missing_value_says_what_is_expected, a_bad_value_names_option_value_and_what_is_allowed,
          numbers_hold_their_bounds, defaults_are_those_of_the_manual,
          both_forms_of_flags_set_every_type, lists_hold_their_bound, one_port_has_one_use,
          a_bad_file_names_its_line, an_empty_file_changes_nothing,
          every_prefix_of_a_file_is_read_or_refused, room_rules_hold_their_bound,
          flags_override_the_file_and_rules_inherit_the_result,
          a_printed_configuration_reads_back_the_same, help_names_every_option_within_100_columns,
          actions_are_told_apart)
