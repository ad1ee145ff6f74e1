// What `fairlead tune --measure` found, as data: kept in JSON, so that later questions need no
// second measurement (--from FILE). The JSON's names are those of the fields.
#ifndef FAIRLEAD_MEASURE_RESULT_H
#define FAIRLEAD_MEASURE_RESULT_H

#include <jansson.h>

#include "tuning/measure_sample.h"
#include "tuning/model.h"

#define MEASURE_REMARKS_MAX 16
#define MEASURE_REMARK_BYTES 240
#define MEASURE_ERROR_BYTES 1024
#define MEASURE_CAUSES_MAX 12

// One fan-out as it was measured, near full load.
struct measure_fanout {
    double members;
    double publishes_per_s;
    double deliveries_per_s;
    double publish_ns;  // as it would be alone; else as measured where the parts are not known
    double measured_ns; // whole CPU where it is the server's own, else its threads
    double merge;       // deliveries in a send; 0: not known
    double process_ns;  // its threads
    double server_cpu;  // CPUs' worth of its threads
    double client_cpu;
    double p99_ns;
    bool client_was_limit;
};

// A server with one scheduler, and one with all.
enum measure_side_name { MEASURE_ONE, MEASURE_ALL, MEASURE_SIDE_COUNT };

struct measure_side {
    bool is_measured;
    uint32_t schedulers;
    bool shares_cpu; // with the client
    struct model_parts parts;
    uint32_t fanout_count;
    struct measure_fanout fanouts[MODEL_FANOUTS_MAX];
};

struct measure_result {
    // The machine.
    uint32_t cpu_count;
    double memory_total_bytes;
    double memory_available_bytes;              // before anything was started
    double files_max;                           // that the host may still open; 0: not known
    double connections_max[MEASURE_SIDE_COUNT]; // by descriptors; 0: memory ends first
    // Memory of an idle connection.
    double connections_few; // the slope is between these two
    double connections_many;
    double rooms_of;
    double fixed_bytes;
    double user_bytes;
    double kernel_bytes;        // server's half
    double kernel_client_bytes; // client's
    bool has_caches;
    uint32_t cause_count;
    struct measure_cache causes[MEASURE_CAUSES_MAX]; // both ends, objects per connection
    double available_fell_bytes; // of the host, per connection, both programs and both halves
    // CPU of the server.
    double connect_ns;
    double heartbeat_ns;
    double heartbeats_per_s; // at which it was measured
    struct measure_side sides[MEASURE_SIDE_COUNT];
    double seconds; // it took
    bool was_stopped;
    uint32_t remark_count;
    char remarks[MEASURE_REMARKS_MAX][MEASURE_REMARK_BYTES];
};

void measure_remark(struct measure_result *result, const char *format, ...) PRINTF_LIKE(2, 3);

// For the model; false when that side (or everything) was not measured.
MUST_USE bool measure_result_costs(const struct measure_result *result, enum measure_side_name side,
                                   struct model_costs *costs);

// The caller's to json_decref.
json_t *measure_result_encode(const struct measure_result *result);

// false: `error` (MEASURE_ERROR_BYTES) names the field that is missing or no number.
MUST_USE bool measure_result_decode(const json_t *json, struct measure_result *result, char *error);

#endif
