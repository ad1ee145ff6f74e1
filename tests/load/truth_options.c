// The options of the truth server (truth.h): one table.
#include "tests/load/truth.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum option_type { OPTION_FLAG, OPTION_COUNT, OPTION_NUMBER };

struct option_row {
    const char *name;
    enum option_type type;
    size_t offset;
};

#define ROW(name, type, field)                                                                     \
    { name, type, offsetof(struct truth_options, field) }

static const struct option_row ROWS[] = {
    ROW("--seed", OPTION_COUNT, seed),
    ROW("--delay-ms", OPTION_NUMBER, delay_ms),
    ROW("--stall-at-s", OPTION_NUMBER, stall_at_s),
    ROW("--stall-ms", OPTION_NUMBER, stall_ms),
    ROW("--drop-one-in", OPTION_COUNT, drop_one_in),
    ROW("--duplicate-one-in", OPTION_COUNT, duplicate_one_in),
    ROW("--duplicate-distance", OPTION_COUNT, duplicate_distance),
    ROW("--reorder-one-in", OPTION_COUNT, reorder_one_in),
    ROW("--reorder-distance", OPTION_COUNT, reorder_distance),
    ROW("--gap-one-in", OPTION_COUNT, gap_one_in),
    ROW("--reset-one-in", OPTION_COUNT, reset_one_in),
    ROW("--reject-one-in", OPTION_COUNT, reject_one_in),
    ROW("--refuse-one-in", OPTION_COUNT, refuse_one_in),
    ROW("--refuse-join-one-in", OPTION_COUNT, refuse_join_one_in),
    ROW("--redeliver-one-in", OPTION_COUNT, redeliver_one_in),
    ROW("--drop-will-one-in", OPTION_COUNT, drop_will_one_in),
    ROW("--double-will-one-in", OPTION_COUNT, double_will_one_in),
    ROW("--wills", OPTION_COUNT, wills_max),
    ROW("--refuse-again", OPTION_COUNT, refuse_again),
    ROW("--close-at-s", OPTION_NUMBER, close_at_s),
    ROW("--close-code", OPTION_COUNT, close_code),
    ROW("--queue-bytes-max", OPTION_COUNT, queue_bytes_max),
    ROW("--message-bytes", OPTION_COUNT, message_bytes),
    ROW("--send-buffer-bytes", OPTION_COUNT, send_buffer_bytes),
    ROW("--no-numbers", OPTION_FLAG, has_no_numbers),
    ROW("--no-heartbeats", OPTION_FLAG, ignores_heartbeats),
    ROW("--no-publish-replies", OPTION_FLAG, answers_no_publish),
};

static const char *const SPEAKS[] = {
#define X(name, text) text,
    TRUTH_SPEAKS(X)
#undef X
};

static void fail(const char *name, const char *value) {
    fprintf(stderr, "truth_server: cannot take %s %s\n", name, value ? value : "");
    exit(2);
}

static bool try_row(struct truth_options *o, const char *name, const char *value, bool *takes) {
    for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        if (strcmp(ROWS[i].name, name) != 0)
            continue;
        void *field = (uint8_t *)o + ROWS[i].offset;
        char *end = NULL;
        *takes = ROWS[i].type != OPTION_FLAG;
        if (ROWS[i].type == OPTION_FLAG) {
            *(bool *)field = true;
            return true;
        }
        if (value == NULL)
            return false;
        if (ROWS[i].type == OPTION_COUNT)
            *(uint64_t *)field = strtoull(value, &end, 10);
        else
            *(double *)field = strtod(value, &end);
        return end != value && *end == 0;
    }
    return false;
}

static bool try_speaks(struct truth_options *o, const char *value) {
    for (size_t i = 0; value && i < sizeof(SPEAKS) / sizeof(SPEAKS[0]); i++)
        if (strcmp(SPEAKS[i], value) == 0) {
            o->speaks = (enum truth_speaks)i;
            return true;
        }
    return false;
}

void truth_options_parse(struct truth_options *o, int argc, char **argv) {
    *o = (struct truth_options){.host = "127.0.0.1",
                                .port = 20600,
                                .seed = 1,
                                .reorder_distance = 1,
                                .close_code = 1012,
                                .message_bytes = 64};
    for (int i = 1; i < argc; i++) {
        char *value = i + 1 < argc ? argv[i + 1] : NULL;
        char *colon = value ? strrchr(value, ':') : NULL;
        bool takes = true;
        if (strcmp(argv[i], "--listen") == 0 && colon) {
            *colon = 0;
            o->host = value;
            o->port = (uint16_t)strtoul(colon + 1, NULL, 10);
        } else if (strcmp(argv[i], "--speaks") == 0) {
            if (!try_speaks(o, value))
                fail(argv[i], value);
        } else if (!try_row(o, argv[i], value, &takes)) {
            fail(argv[i], value);
        }
        i += takes;
    }
}
