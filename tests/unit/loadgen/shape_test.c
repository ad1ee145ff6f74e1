// Goal: a shape is read as it was recorded, and every mistake in a file is refused by its line or
// key. Method: one good text, and the same with one thing changed at a time.
#include "loadgen/shape.h"

#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char good[] =
    "{\"shape\":\"fairlead-traffic\",\"format\":1,\"seconds\":2.5,\n"
    "\"begin\":{\"connections\":7,\"members\":8},\"later\":[{}],\n"
    "\"per_second\":{\"connects\":[1,2,3],\"disconnects\":[0,0,1],\"joins\":[4,5,6],\n"
    "\"leaves\":[0,1,0],\"departures\":[0,0,2],\"publishes\":[10,20,30],\n"
    "\"deliveries\":[100,200,4294967295],\"pings\":[0,0,9],\"others\":[\"x\"]},\n"
    "\"publish_bytes\":[[64,71,50],[72,79,0],[80,87,10]],\"publish_gap_us\":[[0,0,1]],\n"
    "\"fan_out\":[[5,5,60]],\"rooms_begin\":[],\"rooms_end\":[[5,5,2]],\"rooms_most\":[[6,6,3]]}\n";

static struct shape shape;
static char error[LOAD_OPTIONS_ERROR_BYTES];

static bool decode(const char *text) {
    json_t *root = json_loads(text, 0, NULL);
    ck_assert_msg(root != NULL, "%s", text);
    bool is_good = shape_decode(&shape, "day.json", root, error);
    json_decref(root);
    return is_good;
}

// The good text with the first `from` replaced.
static const char *with(const char *from, const char *to) {
    static char text[4096];
    const char *at = strstr(good, from);
    ck_assert_msg(at != NULL, "%s", from);
    snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - good), good, to, at + strlen(from));
    return text;
}

START_TEST(a_shape_is_read_as_it_was_recorded) {
    ck_assert_msg(decode(good), "%s", error);
    ck_assert(shape.seconds == 2.5);
    ck_assert_uint_eq(shape.second_count, 3);
    ck_assert_uint_eq(shape.connections, 7);
    ck_assert_uint_eq(shape.members, 8);
    ck_assert_uint_eq(shape.series[SHAPE_joins][1], 5);
    ck_assert_uint_eq(shape.series[SHAPE_deliveries][2], UINT32_MAX);
    ck_assert_uint_eq(shape.sums[SHAPE_publishes], 60);
    ck_assert_uint_eq(shape.publish_bytes.cell_count, 2); // an empty cell is none
    ck_assert_uint_eq(shape.publish_bytes.total, 60);
    ck_assert_uint_eq(shape.publish_bytes.cells[1].high, 87);
    ck_assert_uint_eq(shape.rooms_begin.total, 0);
    ck_assert_uint_eq(shape.rooms_end.cells[0].count, 2);
    ck_assert_uint_eq(shape.rooms_most.cells[0].count, 3);
    ck_assert_msg(decode(with(",\"rooms_most\":[[6,6,3]]", "")), "%s", error); // looked at once
    ck_assert_uint_eq(shape.rooms_most.total, 0);
}
END_TEST

START_TEST(every_mistake_is_refused_by_its_key) {
    static const struct {
        const char *from, *to, *told;
    } mistakes[] = {
        {"fairlead-traffic", "holiday", "day.json: shape: this is no recorded traffic"},
        {"\"format\":1", "\"format\":2", "day.json: format: want 1 (a file of a newer"},
        {"\"seconds\":2.5", "\"seconds\":\"long\"", "day.json: seconds: want how long"},
        {"\"seconds\":2.5", "\"seconds\":0", "day.json: seconds: want how long"},
        {"\"seconds\":2.5", "\"seconds\":3601", "day.json: seconds: want how long"},
        {"\"seconds\":2.5", "\"seconds\":2", "day.json: seconds: 2 s do not have 3 counts"},
        {"\"seconds\":2.5", "\"seconds\":3.1", "day.json: seconds: 3.1 s do not have 3 counts"},
        {"\"connections\":7", "\"connections\":-7",
         "day.json: begin.connections: want a whole number from 0 to 4294967295, not -7"},
        {"\"members\":8", "\"member\":8",
         "day.json: begin.members: want a whole number from 0 to 4294967295, and there is none"},
        {"[4,5,6]", "[4,5.5,6]", "day.json: per_second.joins[1]: want a whole number"},
        {"[4,5,6]", "[4,5,4294967296]", "day.json: per_second.joins[2]: want a whole number"},
        {"[4,5,6]", "[4,5]", "day.json: per_second.joins: want 3 counts as in the lists before"},
        {"[4,5,6]", "[]", "day.json: per_second.joins: want a list of 1 to 3600 counts"},
        {"\"joins\"", "\"join\"", "day.json: per_second.joins: want a list"},
        {"\"per_second\"", "\"per_hour\"", "day.json: per_second.connects: want a list"},
        {"[64,71,50]", "[64,71]", "day.json: publish_bytes[0]: want [lowest, highest, count]"},
        {"[64,71,50]", "[71,64,50]", "day.json: publish_bytes[0]: want the lowest value before"},
        {"[64,71,50]", "[64,71,-1]", "day.json: publish_bytes[0]: want a whole number"},
        {"[80,87,10]", "[71,87,10]", "day.json: publish_bytes[2]: want cells in ascending order"},
        {"[80,87,10]", "[80,87,11]", "day.json: publish_bytes: counts 61 sizes, of 60 messages"},
        {"\"fan_out\":[[5,5,60]]", "\"fan_out\":5", "day.json: fan_out: want a list of at most"},
        {"\"rooms_end\"", "\"rooms_now\"", "day.json: rooms_end: want a list of at most 512"},
    };
    for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
        ck_assert_msg(!decode(with(mistakes[i].from, mistakes[i].to)), "%s", mistakes[i].to);
        ck_assert_msg(strncmp(error, mistakes[i].told, strlen(mistakes[i].told)) == 0, "%s: %s",
                      mistakes[i].to, error);
    }
    ck_assert(!decode("[]"));
    ck_assert(!decode("{}"));
}
END_TEST

START_TEST(lists_are_taken_up_to_their_bounds) {
    for (uint32_t count = SHAPE_CELLS_MAX; count <= SHAPE_CELLS_MAX + 1; count++) {
        json_t *root = json_loads(good, 0, NULL), *list = json_array();
        for (uint32_t i = 0; i < count; i++)
            json_array_append_new(list, json_pack("[i, i, i]", (int)i, (int)i, 1));
        json_object_set_new(root, "publish_gap_us", list);
        ck_assert_int_eq(shape_decode(&shape, "day.json", root, error), count <= SHAPE_CELLS_MAX);
        json_decref(root);
    }
    for (uint32_t count = SHAPE_SECONDS_MAX; count <= SHAPE_SECONDS_MAX + 1; count++) {
        json_t *root = json_loads(good, 0, NULL), *list = json_array();
        for (uint32_t i = 0; i < count; i++)
            json_array_append_new(list, json_integer(0));
        json_t *seconds = json_object_get(root, "per_second");
        const char *key;
        json_t *value;
        json_object_foreach(seconds, key, value) json_object_set(seconds, key, list);
        json_object_set_new(root, "seconds", json_real(3600));
        json_object_set_new(root, "publish_bytes", json_array());
        ck_assert_int_eq(shape_decode(&shape, "day.json", root, error), count <= SHAPE_SECONDS_MAX);
        json_decref(list);
        json_decref(root);
    }
}
END_TEST

static void write_text(const char *path, const char *text) {
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
}

START_TEST(a_file_that_is_no_json_is_refused_by_its_line) {
    char path[64];
    snprintf(path, sizeof(path), "/tmp/fairlead_shape_test_%d", (int)getpid());
    write_text(path, good);
    ck_assert_msg(shape_read(&shape, path, error), "%s", error);
    write_text(path, with("\"leaves\":[0,1,0],", "\"leaves\":[0,1,0,"));
    ck_assert(!shape_read(&shape, path, error));
    char told[128];
    snprintf(told, sizeof(told), "%s:4: column", path);
    ck_assert_msg(strncmp(error, told, strlen(told)) == 0, "%s", error);
    write_text(path, "");
    ck_assert(!shape_read(&shape, path, error));
    write_text(path, with("\"later\":[{}]", "\"format\":1")); // twice
    ck_assert(!shape_read(&shape, path, error));
    unlink(path);
    ck_assert(!shape_read(&shape, path, error));
    ck_assert_ptr_nonnull(strstr(error, "No such file"));
    ck_assert(!shape_read(&shape, "/tmp", error));
    ck_assert_ptr_nonnull(strstr(error, "cannot read /tmp"));
}
END_TEST

UNIT_MAIN("loadgen/shape", a_shape_is_read_as_it_was_recorded, every_mistake_is_refused_by_its_key,
          lists_are_taken_up_to_their_bounds, a_file_that_is_no_json_is_refused_by_its_line)
