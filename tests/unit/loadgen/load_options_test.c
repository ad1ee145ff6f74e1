// Goal: every command line means one thing or is refused with a sentence that helps. Method: lines
// are parsed, limits at max and max + 1, every option of --help is one that the parser knows.
#include "loadgen/load_options.h"

#include <string.h>

#include "tests/unit/unit.h"

static struct load_options o;
static char error[LOAD_OPTIONS_ERROR_BYTES];

// Parses the words of a line, which stay valid until the next call.
static enum load_options_outcome parse(const char *line) {
    static char text[1024];
    static char *argv[64];
    int argc = 1;
    argv[0] = "fairlead-load";
    snprintf(text, sizeof(text), "%s", line);
    char *save = NULL;
    for (char *word = strtok_r(text, " ", &save); word; word = strtok_r(NULL, " ", &save))
        argv[argc++] = word;
    return load_options_parse(&o, argc, argv, error);
}

static void refuses(const char *line, const char *sentence) {
    ck_assert_msg(parse(line) == LOAD_OPTIONS_BAD, "'%s' was taken", line);
    ck_assert_msg(strstr(error, sentence) != NULL, "'%s': told '%s'", line, error);
}

START_TEST(load_options_without_arguments_are_the_example) {
    ck_assert_int_eq(parse(""), LOAD_OPTIONS_RUN);
    ck_assert(o.is_example);
    ck_assert_int_eq(o.scenario, LOAD_OPTIONS_ROOMS);
    ck_assert_uint_eq(o.connections, 200);
    ck_assert_uint_eq(o.room_size, 50);
    ck_assert(o.rate == 200 && o.duration_s == 10);
    ck_assert_uint_eq(load_options_room_count(&o), 4);
    ck_assert_uint_eq(o.target_count, 1);
    ck_assert_str_eq(o.targets[0], LOAD_OPTIONS_TARGET_DEFAULT);
}
END_TEST

START_TEST(load_options_unknown_name_is_refused_with_the_nearest) {
    refuses("--conections 5", "--conections; did you mean --connections?");
    refuses("--payload-byte=5", "--payload-byte; did you mean --payload-bytes?");
    refuses("--hlep", "did you mean --help?");
    refuses("rom", "did you mean rooms?");
    refuses("ecko", "did you mean echo?");
    refuses("-n 5", "options begin with --");
}
END_TEST

START_TEST(load_options_values_are_checked_at_their_bounds) {
    refuses("--connections 0", "out of range: 1 to 4000000");
    ck_assert_int_eq(parse("--connections 1"), LOAD_OPTIONS_RUN);
    ck_assert_int_eq(parse("--connections 4000000"), LOAD_OPTIONS_RUN);
    refuses("--connections 4000001", "out of range");
    refuses("--payload-bytes 54", "out of range");
    ck_assert_int_eq(parse("--payload-bytes 55"), LOAD_OPTIONS_RUN);
    ck_assert_int_eq(parse("--payload-bytes 1048576"), LOAD_OPTIONS_RUN);
    refuses("--payload-bytes 1048577", "out of range");
    refuses("--connections 1.5", "a whole number");
    refuses("--connections -5", "out of range");
    refuses("--connections five", "a whole number, not 'five'");
    refuses("--connections", "wants a value: --connections N");
    refuses("--rate nan", "a number");
    refuses("--rate=", "a number");
    refuses("--quiet=yes", "takes no value");
    refuses("--first-user 9999801", "below 10,000,000");
    ck_assert_int_eq(parse("--first-user 9999800"), LOAD_OPTIONS_RUN);
}
END_TEST

START_TEST(load_options_that_contradict_each_other_are_refused) {
    refuses("rooms --raw-echo", "the protocol ws-echo has no rooms");
    refuses("rooms tcp://h:7", "the protocol tcp-echo has no rooms");
    refuses("echo --protocol tcp",
            "did you mean tcp-echo? (phoenix, ws-echo, tcp-echo, mqtt, mqtt-ws)");
    refuses("echo --protocol mqt", "did you mean mqtt?");
    refuses("echo --protocol mtq", "did you mean mqtt?");
    refuses("rooms ws://h/ --qos 1", "--qos belongs to the protocols mqtt and mqtt-ws, not to");
    refuses("rooms tcp://h:7 --shared-group g", "the protocol tcp-echo has no rooms");
    refuses("echo tcp://h:7 --shared-group g", "--shared-group belongs to the protocols mqtt");
    refuses("rooms mqtt://h --qos 3", "--qos 3 is out of range: 0 to 2");
    refuses("rooms mqtt://h --mqtt-version 4", "--mqtt-version wants 5 or 3.1.1, not '4'");
    refuses("rooms mqtt://h --topic-prefix a/#", "--topic-prefix wants at most 64 bytes");
    refuses("rooms mqtt://h --topic-prefix $a/", "--topic-prefix wants at most 64 bytes");
    refuses("rooms mqtt://h --shared-group a/b", "--shared-group wants a name");
    refuses("storm mqtt://h --shared-group g", "in which everybody stays, not to storm");
    refuses("rooms mqtt://h --shared-group g --churn-rate 1", "not to --churn-rate");
    refuses("rooms mqtt://h --event x", "--event is Phoenix's");
    refuses("rooms mqtt://h --flood", "--flood sends Phoenix pings, which mqtt has none of");
    refuses("echo --protocol tcp-echo", "wants a target: tcp://host:port");
    refuses("echo --protocol tcp-echo ws://h/", "wants tcp:// URLs, not ws://h/");
    refuses("echo --protocol ws-echo ws://h/ tcp://h:7", "wants ws:// URLs, not tcp://h:7");
    refuses("echo --protocol phoenix --raw-echo", "--raw-echo means --protocol ws-echo");
    refuses("echo --burst 5", "belongs to the open loop of the scenario rooms");
    refuses("rooms --burst 5 --rate 0", "belongs to the open loop");
    refuses("rooms --hold-until-signal", "belongs to the scenario hold");
    refuses("echo --raw-echo --flood", "--flood sends Phoenix pings");
    refuses("--room-size 5 --talkers 6", "more than --room-size 5");
    ck_assert_int_eq(parse("--room-size 5 --talkers 5"), LOAD_OPTIONS_RUN);
    refuses("ws://a/ ws://b/ --spread-destinations 3", "is for one target");
    refuses("rooms --cut-percent 5", "--cut-percent belongs to the scenario storm");
    refuses("storm --slow-percent 5", "--slow-percent belongs to the scenario slow");
    refuses("rooms --slow-bytes-per-s 5", "belongs to the scenario slow");
    refuses("hold --churn-rate 5", "--churn-rate belongs to the scenarios rooms, storm and slow");
    refuses("rooms --speed 5", "--speed belongs to the scenarios mix and replay");
    refuses("storm --closed 5", "--closed belongs to the scenarios echo and rooms");
    refuses("rooms --rate 0 --churn-rate 5", "--churn-rate belongs to the open loop");
    refuses("rooms --closed 5 --rate-end 5", "--rate-end belongs to the open loop");
    refuses("echo --rate 0 --arrivals poisson", "belongs to the open loop");
    refuses("mix", "mix wants a file of phases");
    refuses("--event phx_join", "reserved");
    refuses("--event a\"b", "without quotes");
}
END_TEST

START_TEST(load_options_with_a_grammar_of_their_own_are_read) {
    refuses("--room-sizes zipf:1:9-2", "--room-sizes wants zipf:S:MIN-MAX");
    refuses("--room-sizes zipf:1:2-201", "largest room wants 201 members, --connections is 200");
    refuses("--room-sizes zipf:1:2-9 --room-size 4", "exclude each other");
    ck_assert_int_eq(parse("--room-sizes zipf:1:2-200 --talkers 200"), LOAD_OPTIONS_RUN);
    ck_assert(o.sizes.min == 2 && o.sizes.max == 200 && o.sizes.exponent == 1);
    refuses("--room-sizes zipf:1:2-20 --talkers 21", "more than the largest of --room-sizes, 20");
    refuses("--arrivals random", "--arrivals wants even or poisson, not 'random'");
    ck_assert_int_eq(parse("--arrivals poisson"), LOAD_OPTIONS_RUN);
    ck_assert(o.is_poisson && o.rate_end < 0 && o.seed == 1);
    refuses("storm --backoff often", "--backoff wants phoenix, fixed:MS or exponential:MIN-MAX");
    ck_assert_int_eq(parse("storm --backoff fixed:9"), LOAD_OPTIONS_RUN);
    ck_assert(o.backoff.kind == BACKOFF_FIXED && o.backoff.min_ms == 9);
    ck_assert_int_eq(parse("rooms --rate 5 --rate-end 0"), LOAD_OPTIONS_RUN);
    ck_assert(o.rate_end == 0 && !o.is_closed);
    ck_assert_int_eq(parse("storm --rate 0"), LOAD_OPTIONS_RUN);
    ck_assert(!o.is_closed); // nothing is published then
    ck_assert_int_eq(parse("mix day.yaml"), LOAD_OPTIONS_RUN);
    ck_assert_str_eq(o.plan_file, "day.yaml");
}
END_TEST

START_TEST(load_options_take_both_spellings_and_words_anywhere) {
    ck_assert_int_eq(parse("--rate=12.5 echo ws://h:1/p --connections 7 --quiet"),
                     LOAD_OPTIONS_RUN);
    ck_assert_int_eq(o.scenario, LOAD_OPTIONS_ECHO);
    ck_assert(o.rate == 12.5 && o.is_quiet && !o.is_closed && !o.is_example);
    ck_assert_uint_eq(o.connections, 7);
    ck_assert_str_eq(o.targets[0], "ws://h:1/p");
    ck_assert_int_eq(parse("echo --raw-echo"), LOAD_OPTIONS_RUN);
    ck_assert_str_eq(o.targets[0], "ws://127.0.0.1:8080/echo");
    ck_assert_int_eq(parse("--target ws://a --target ws://b"), LOAD_OPTIONS_RUN);
    ck_assert_uint_eq(o.target_count, 2);
}
END_TEST

START_TEST(load_options_closed_loop_is_chosen_by_either_option) {
    ck_assert_int_eq(parse("echo --closed 5"), LOAD_OPTIONS_RUN);
    ck_assert(o.is_closed && o.closed == 5);
    ck_assert_int_eq(parse("echo --rate 0"), LOAD_OPTIONS_RUN);
    ck_assert(o.is_closed && o.closed == 0);
    ck_assert_int_eq(parse("echo"), LOAD_OPTIONS_RUN);
    ck_assert(!o.is_closed);
}
END_TEST

START_TEST(load_options_help_names_each_option_that_the_parser_knows) {
    ck_assert_int_eq(parse("rooms --help --nonsense"), LOAD_OPTIONS_HELP);
    ck_assert_int_eq(parse("--version"), LOAD_OPTIONS_VERSION);
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    load_options_print_help(out);
    fclose(out);
    uint32_t option_count = 0;
    for (char *at = strstr(text, "\n  --"); at; at = strstr(at + 1, "\n  --")) {
        char name[64], line[80];
        ck_assert_int_eq(sscanf(at, "\n  %63s", name), 1);
        snprintf(line, sizeof(line), "%s", name);
        enum load_options_outcome outcome = parse(line);
        ck_assert_msg(outcome != LOAD_OPTIONS_BAD || strstr(error, "no option") == NULL, "%s",
                      error);
        option_count++;
    }
    ck_assert_uint_ge(option_count, 25);
    for (char *line = text; *line;) {
        size_t columns = 0;
        for (; *line && *line != '\n'; line++)
            columns += ((uint8_t)*line & 0xc0) != 0x80;
        ck_assert_uint_le(columns, 100);
        line += *line == '\n';
    }
    free(text);
}
END_TEST

UNIT_MAIN("loadgen/load_options", load_options_without_arguments_are_the_example,
          load_options_unknown_name_is_refused_with_the_nearest,
          load_options_values_are_checked_at_their_bounds,
          load_options_that_contradict_each_other_are_refused,
          load_options_with_a_grammar_of_their_own_are_read,
          load_options_take_both_spellings_and_words_anywhere,
          load_options_closed_loop_is_chosen_by_either_option,
          load_options_help_names_each_option_that_the_parser_knows)
