// Goal: no bytes make the decoder of results crash or take what does not hold together; what it
// takes survives encode → decode, merges, and can be asked for percentiles. Method: the input as
// JSON.
#include "loadgen/result_wire.h"
#include "tests/fuzz/fuzz.h"

static struct result first, second, merged;

static void check_histogram(const struct histogram *h) {
    uint64_t low = histogram_quantile_ns(h, 0), high = histogram_quantile_ns(h, HISTOGRAM_P100);
    CHECK(low <= high && (h->count > 0 || high == 0));
}

static void check_lists(const struct result *a, const struct result *b) {
    static const enum result_list lists[] = {RESULT_LIST_COUNTERS, RESULT_LIST_VERIFY,
                                             RESULT_LIST_HISTOGRAMS};
    static const size_t sizes[] = {sizeof(uint64_t), sizeof(uint64_t), sizeof(struct histogram)};
    for (size_t l = 0; l < sizeof(lists) / sizeof(lists[0]); l++) {
        size_t count = 0;
        const struct result_field *fields = result_fields(lists[l], &count);
        for (size_t i = 0; i < count; i++)
            CHECKF(memcmp((const char *)a + fields[i].offset, (const char *)b + fields[i].offset,
                          sizes[l]) == 0,
                   "%s", fields[i].name);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char error[RESULT_WIRE_ERROR_BYTES];
    json_t *json = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);
    if (json == NULL)
        return 0;
    bool is_good = result_wire_decode(&first, json, error);
    json_decref(json);
    CHECK(is_good == (error[0] == 0));
    if (!is_good)
        return 0;
    check_histogram(&first.latency);
    check_histogram(&first.interval);
    json = result_wire_encode(&first, NULL);
    CHECK(json != NULL);
    CHECKF(result_wire_decode(&second, json, error), "%s", error);
    json_decref(json);
    check_lists(&first, &second);
    CHECK(first.interval_stored == second.interval_stored);
    CHECK(first.phase_row_count == second.phase_row_count);
    result_init(&merged);
    CHECK(result_merge(&merged, &first) && result_merge(&merged, &second));
    CHECK(merged.latency.count == 2 * first.latency.count);
    check_histogram(&merged.latency);
    result_fini(&merged);
    result_fini(&second);
    result_fini(&first);
    return 0;
}
