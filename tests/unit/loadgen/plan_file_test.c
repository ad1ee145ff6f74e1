// Goal: a plan's file means what it says or is refused with its line and key. Method: files are
// decoded from memory; every way of being wrong that has a sentence of its own is tried, and every
// prefix of a good file, which must never do worse than be refused.
#include "loadgen/plan_file.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/unit/unit.h"

static struct load_options o;
static struct plan plan;
static char error[LOAD_OPTIONS_ERROR_BYTES];

static void parse_line(const char *line) {
    static char text[1024];
    static char *argv[64];
    int argc = 1;
    argv[0] = "fairlead-load";
    snprintf(text, sizeof(text), "%s", line);
    char *save = NULL;
    for (char *word = strtok_r(text, " ", &save); word; word = strtok_r(NULL, " ", &save))
        argv[argc++] = word;
    ck_assert_msg(load_options_parse(&o, argc, argv, error) == LOAD_OPTIONS_RUN, "%s", error);
}

static bool decode(const char *text) {
    parse_line("mix day.yaml");
    return plan_file_decode("day.yaml", bytes_from_string(text), &plan, &o, error);
}

static void refuses(const char *text, const char *sentence) {
    ck_assert_msg(!decode(text), "taken: %s", text);
    ck_assert_msg(strstr(error, sentence) != NULL, "told '%s', not '%s'", error, sentence);
}

static const char GOOD[] = "options:\n"
                           "  connections: 2000\n"
                           "  room-sizes: zipf:1:2-500\n"
                           "  reconnect: true\n"
                           "  quiet: false\n"
                           "phases:\n"
                           "  - name: night # comment\n"
                           "    duration_s: 600\n"
                           "    measured: false\n"
                           "    publish_rate: 5\n"
                           "    connections_percent: 10\n"
                           "  - duration_s: 1.5e2\n"
                           "    publish_rate: 5\n"
                           "    publish_rate_end: 50.5\n"
                           "    ping_rate: 7\n"
                           "    arrivals: poisson\n"
                           "    churn_rate: 2\n"
                           "    cut_percent: 20\n"
                           "    slow_percent: 5\n"
                           "    slow_bytes_per_s: 2000\n";

START_TEST(plan_file_is_read_whole) {
    ck_assert_msg(decode(GOOD), "%s", error);
    ck_assert(o.connections == 2000 && o.reconnects && !o.is_quiet);
    ck_assert(o.sizes.min == 2 && o.sizes.max == 500 && o.sizes.exponent == 1);
    ck_assert_uint_eq(plan.count, 2);
    const struct phase *a = &plan.phases[0], *b = &plan.phases[1];
    ck_assert_str_eq(a->name, "night");
    ck_assert_str_eq(b->name, "phase 2");
    ck_assert(a->duration_s == 600 && !a->is_measured && a->connections_percent == 10);
    ck_assert(a->publish.begin == 5 && a->publish.end == 5 && !a->is_poisson);
    ck_assert(b->duration_s == 150 && b->is_measured && b->connections_percent == 100);
    ck_assert(b->publish.begin == 5 && b->publish.end == 50.5);
    ck_assert(b->ping.begin == 7 && b->ping.end == 7 && b->is_poisson && b->churn_rate == 2);
    ck_assert(b->cut_percent == 20 && b->slow_percent == 5 && b->slow_bytes_per_s == 2000);
}
END_TEST

START_TEST(plan_file_gives_way_to_the_command_line) {
    parse_line("mix day.yaml --connections 700 --arrivals poisson --speed 100 ws://h:1/p");
    static const char text[] = "options: {connections: 2000, target: 'ws://file/', rate: 3}\n"
                               "phases: [{duration_s: 60}]\n";
    ck_assert_msg(plan_file_decode("d", bytes_from_string(text), &plan, &o, error), "%s", error);
    ck_assert_uint_eq(o.connections, 700);
    ck_assert(o.rate == 3 && plan.phases[0].is_poisson && plan.phases[0].duration_s == 0.6);
    ck_assert_str_eq(o.targets[0], "ws://h:1/p");
    ck_assert_uint_eq(o.target_count, 1);
    parse_line("mix day.yaml");
    ck_assert_msg(plan_file_decode("d", bytes_from_string(text), &plan, &o, error), "%s", error);
    ck_assert_str_eq(o.targets[0], "ws://file/");
    ck_assert_uint_eq(o.target_count, 1);
}
END_TEST

START_TEST(plan_file_names_line_and_key_of_a_wrong_value) {
    refuses("phases:\n  - duration_s: 5\n  - duration_s: 5\n  - duration_s: 5\n"
            "    publish_rate: fast\n",
            "day.yaml:5: phases[2].publish_rate: want a number a second from 0 to 10,000,000, not "
            "'fast'");
    refuses("phases:\n- duration_s: -1\n", "day.yaml:2: phases[0].duration_s: want a number of");
    refuses("phases:\n- duration_s: 0\n", "not '0'");
    refuses("phases:\n- duration_s: 604801\n", "0.001 to 604,800, not '604801'");
    refuses("phases:\n- duration_s: 1\n  publish_rate: 10000001\n", "not '10000001'");
    refuses("phases:\n- duration_s: 1\n  publish_rate: nan\n", "not 'nan'");
    refuses("phases:\n- duration_s: 1\n  publish_rate:\n", "not ''");
    refuses("phases:\n- duration_s: 1\n  arrivals: often\n", "want even or poisson, not 'often'");
    refuses("phases:\n- duration_s: 1\n  measured: yes\n", "want true or false, not 'yes'");
    refuses("phases:\n- duration_s: 1\n  cut_percent: 100.5\n", "from 0 to 100, not '100.5'");
    refuses("phases:\n- duration_s: 1\n  slow_bytes_per_s: 1.5\n", "a whole number of bytes");
    refuses("phases:\n- duration_s: 1\n  churn_rate: [1, 2]\n", ", not a list");
    refuses("phases:\n- duration_s: 1\n  name: {a: b}\n", ", not a mapping");
    refuses("phases:\n- duration_s: 1\n  name: ''\n", "a name of 1 to 39 bytes");
    refuses("phases:\n- duration_s: 1\n  name: 1234567890123456789012345678901234567890\n",
            "a name of 1 to 39 bytes");
}
END_TEST

START_TEST(plan_file_names_the_nearest_key) {
    refuses("phases:\n  - duration_s: 5\n    publsh_rate: 5\n",
            "day.yaml:3: phases[0].publsh_rate: no such key; did you mean publish_rate?");
    refuses("phase:\n  - duration_s: 5\n", "day.yaml:1: phase: no such key; did you mean phases?");
    refuses("phases: []\noption:\n  rate: 5\n", "day.yaml:2: option: no such key; did you mean "
                                                "options?");
    refuses("duration_s: 5\n", "day.yaml:1: duration_s: belongs to a phase");
    refuses("options:\n  conections: 5\nphases:\n- duration_s: 1\n",
            "day.yaml:2: options.conections: no option --conections; did you mean --connections?");
}
END_TEST

START_TEST(plan_file_options_are_checked_as_on_the_command_line) {
    refuses("options:\n  rate: 5\n  connections: many\n",
            "day.yaml:3: options.connections: --connections wants a whole number, not 'many'");
    refuses("options:\n  quiet: maybe\n", "--quiet wants true or false");
    refuses("options:\n  connections: [1]\n", "day.yaml:2: options.connections: want one value");
    refuses("options: 5\n", "day.yaml:1: options: want options by their names");
    refuses("options:\n  room-size: 5\n  room-sizes: zipf:1:2-5\n", "exclude each other");
    refuses("options:\n  cut-percent: 5\n", "belongs to the scenario storm");
}
END_TEST

START_TEST(plan_file_of_another_shape_is_refused) {
    refuses("", "the file is empty");
    refuses("# nothing but this\n", "the file is empty");
    refuses("phases\n", "want `options:` and `phases:` at the top");
    refuses("- phases\n", "want `options:` and `phases:` at the top");
    refuses("options:\n  rate: 5\n", "phases: want a list of phases");
    refuses("phases: 5\n", "day.yaml:1: phases: want a list of phases");
    refuses("phases: []\n", "want at least one phase");
    refuses("phases:\n  - 5\n", "day.yaml:2: phases[0]: want keys and values");
    refuses("phases:\n  - name: x\n", "day.yaml:2: phases[0]: duration_s is missing");
    refuses("phases:\n- duration_s: 1\n  duration_s: 2\n",
            "day.yaml:3: phases[0].duration_s: this "
            "key stands here twice, first in line 2");
    refuses("phases:\n- duration_s: 1\nphases: []\n", "phases: this key stands here twice");
    refuses("phases:\n- [a]: 1\n", "a key is expected here");
    refuses("phases:\n- duration_s: 1\n---\nphases: []\n", "a second YAML document");
}
END_TEST

START_TEST(plan_file_that_is_no_yaml_is_refused_with_its_line) {
    refuses("phases:\n  - duration_s: 'open\n", "day.yaml:");
    refuses("phases:\n\t- duration_s: 5\n", "day.yaml:2: ");
    refuses("phases: [\n", "day.yaml:2: ");
    refuses("a: b: c\n", "day.yaml:1: ");
    refuses("phases:\n- *unknown\n", "day.yaml:2: ");
    refuses("\x01\x02", "day.yaml:");
}
END_TEST

START_TEST(plan_file_faults_of_the_whole_plan_have_their_line) {
    refuses("phases:\n- duration_s: 1\n  slow_percent: 5\n",
            "day.yaml:3: phases[0].slow_percent: how slow?");
    refuses("phases:\n- duration_s: 1\n- duration_s: 1\n  measured: false\n- duration_s: 1\n",
            "day.yaml:4: phases[1].measured: phases that are not measured");
    refuses("phases:\n- duration_s: 1\n- duration_s: 1\n  publish_rate: 6000000\n",
            "day.yaml:4: phases[1].publish_rate: 6000000 publishes a second are");
    refuses("phases:\n- duration_s: 600000\n- duration_s: 600000\n", "day.yaml:2: phases: all");
    refuses("options:\n  speed: 1000\nphases:\n- duration_s: 1\n", "too short to be one");
}
END_TEST

START_TEST(plan_file_of_too_many_phases_is_refused) {
    static char text[4096] = "phases:\n";
    size_t size = strlen(text);
    for (uint32_t i = 0; i < PLAN_PHASES_MAX; i++)
        size += (size_t)snprintf(text + size, sizeof(text) - size, "- duration_s: 1\n");
    ck_assert_msg(decode(text), "%s", error);
    ck_assert_uint_eq(plan.count, PLAN_PHASES_MAX);
    snprintf(text + size, sizeof(text) - size, "- duration_s: 1\n");
    refuses(text, "day.yaml:66: phases[64]: more than 64 phases");
}
END_TEST

START_TEST(plan_file_cut_anywhere_does_no_harm) {
    for (size_t size = 0; size < sizeof(GOOD) - 1; size++) {
        char *copy = malloc(size + 1); // its own block, so that reading on is seen
        memcpy(copy, GOOD, size);
        parse_line("mix day.yaml");
        error[0] = 0;
        bool good = plan_file_decode("day.yaml", bytes_of(copy, size), &plan, &o, error);
        ck_assert(good || strncmp(error, "day.yaml:", 9) == 0);
        free(copy);
    }
}
END_TEST

START_TEST(plan_file_that_cannot_be_read_is_refused) {
    parse_line("mix /nonexistent/day.yaml");
    ck_assert(!plan_file_read(&plan, &o, error));
    ck_assert_str_eq(error, "/nonexistent/day.yaml: No such file or directory");
    parse_line("mix /");
    ck_assert(!plan_file_read(&plan, &o, error));
    ck_assert_str_eq(error, "/: Is a directory");
    int fd = memfd_create("plan", MFD_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    char line[64];
    ck_assert_int_eq(ftruncate(fd, PLAN_FILE_BYTES_MAX + 1), 0);
    snprintf(line, sizeof(line), "mix /proc/self/fd/%d", fd);
    parse_line(line);
    ck_assert(!plan_file_read(&plan, &o, error));
    ck_assert_msg(strstr(error, "more than 1048576 bytes") != NULL, "%s", error);
    ck_assert_int_eq(ftruncate(fd, 0), 0);
    ck_assert_int_eq(write(fd, GOOD, sizeof(GOOD) - 1), sizeof(GOOD) - 1);
    ck_assert_msg(plan_file_read(&plan, &o, error), "%s", error);
    close(fd);
}
END_TEST

UNIT_MAIN("loadgen/plan_file", plan_file_is_read_whole, plan_file_gives_way_to_the_command_line,
          plan_file_names_line_and_key_of_a_wrong_value, plan_file_names_the_nearest_key,
          plan_file_options_are_checked_as_on_the_command_line,
          plan_file_of_another_shape_is_refused, plan_file_that_is_no_yaml_is_refused_with_its_line,
          plan_file_faults_of_the_whole_plan_have_their_line,
          plan_file_of_too_many_phases_is_refused, plan_file_cut_anywhere_does_no_harm,
          plan_file_that_cannot_be_read_is_refused)
