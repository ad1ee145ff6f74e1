// What a run has seen so far: counted by the client side as it happens, read by the live view, the
// verdict and the report. Plain data, one writer.
//
// Everything that is counted stands in one of the X-macro lists below, and only there: a line added
// is a field of struct result, is written to and read from the wire (result_wire.h) and is merged.
// Two results merge exactly: what was counted adds up, histograms cell by cell, levels and flags as
// each list says.
//
// "Window" is the measured window: after everyone is connected and the warm-up, for --duration-s.
// A message belongs to the window when its *intended* send time does. Loss, duplicates and order
// are counted over the whole run.
//
// Memory: about 4 MB, and 265 KiB for each phase of a plan, all taken at the start.
#ifndef FAIRLEAD_RESULT_H
#define FAIRLEAD_RESULT_H

#include "loadgen/histogram.h"
#include "loadgen/verify.h"
#include "sched/base/check.h"

#define RESULT_INTERVALS_MAX 7200 // seconds; later ones are only counted
#define RESULT_DETAIL_BYTES 320
#define RESULT_PHASES_MAX 64 // of a plan
#define RESULT_PHASE_NAME_BYTES 48

// X(name, unit, help): uint64_t, adds up.
#define RESULT_COUNTERS(X)                                                                         \
    X(offered, "messages", "requests or publishes that the window called for")                     \
    X(sent, "messages", "of the window, handed to a connection")                                   \
    X(answered, "messages", "of the window: replies to requests or publishes")                     \
    X(received, "messages", "in the window: deliveries (rooms), replies (echo)")                   \
    X(sent_all, "messages", "requests or publishes over the whole run")                            \
    X(answered_all, "messages", "replies over the whole run")                                      \
    X(received_all, "messages", "deliveries or replies over the whole run")                        \
    X(rejected, "messages", "publishes or pings that the server answered with an error")           \
    X(unsendable, "messages", "the server did not read: the out-queue was full")                   \
    X(unanswered, "messages", "requests without a reply at the end")                               \
    X(bytes_in_all, "bytes", "read over the whole run")                                            \
    X(bytes_out_all, "bytes", "written over the whole run")                                        \
    X(bytes_in, "bytes", "read in the window")                                                     \
    X(bytes_out, "bytes", "written in the window")                                                 \
    X(heartbeats, "messages", "heartbeats sent")                                                   \
    X(heartbeats_answered, "messages", "replies to heartbeats")                                    \
    X(unsendable_window, "messages", "of the window: tried, and could not be sent")                \
    X(heartbeats_unanswered, "messages", "heartbeats without a reply when waiting ended")          \
    X(strange, "messages", "that this tool did not understand")                                    \
    X(flood_sent, "messages", "pings of the flooding connection")                                  \
    X(flood_answered, "messages", "replies to the flooding connection")                            \
    X(wait_ns, "ns", "in the window: this thread was ready, and others had its CPU")               \
    X(flights_complete, "messages", "that reached every member of their room")                     \
    X(flights_incomplete, "messages", "that some member did not get")                              \
    X(reach_due, "messages", "members of their room, summed over all messages")                    \
    X(reach_received, "messages", "of reach_due: those that got it")                               \
    X(slow_announced, "messages", "announced as lost to readers that --slow-... throttles")        \
    X(slow_gap_events, "events", "such announcements")                                             \
    X(slow_behind, "messages", "that such readers had not read when waiting ended")                \
    X(churn_leaves, "events", "members who left by our own doing")                                 \
    X(churn_joins, "events", "and joined again")                                                   \
    X(churn_skipped, "events", "arrivals of churn whose member was not in its room")               \
    X(turnovers, "connections", "ended by our own doing, to come anew at once")                    \
    X(turnover_skipped, "events", "arrivals of turnover whose connection was not there")           \
    X(storm_cut, "connections", "reset by our own doing, all at once")                             \
    X(storm_back, "connections", "of them: joined again")                                          \
    X(dropped_back, "connections", "that the server had dropped: joined again (--reconnect)")      \
    X(storm_attempts, "connects", "attempts to come back, or to come in the course of the run")    \
    X(storm_refused_http, "connects", "of these attempts: answered, and not with an upgrade")      \
    X(storm_refused_connack, "connects", "of these attempts: the CONNACK said no")                 \
    X(storm_refused_join, "connects", "of these attempts: the join was refused")                   \
    X(storm_unreachable, "connects", "of these attempts: no TCP connection")                       \
    X(storm_timeouts, "connects", "of these attempts: not connected and joined in time")           \
    X(storm_closed, "connects", "of these attempts: closed or broken before joined")               \
    X(storm_local, "connects", "of these attempts: this machine had no ports, files or memory")    \
    X(absent, "messages", "not sent: whoever was meant to was away by our own doing")              \
    X(redelivered, "messages", "MQTT: repeated with the DUP flag, as QoS 1 and 2 may be")          \
    X(foreign, "messages", "of other publishers in our rooms")                                     \
    X(wills_due, "messages", "MQTT: wills of connections that ended, for each watcher")            \
    X(wills_received, "messages", "of them: those that came")                                      \
    X(wills_twice, "messages", "wills that came again")                                            \
    X(wills_wrong, "messages", "wills of connections that had not ended")

// X(name, unit, help): uint64_t, the largest of the parts.
#define RESULT_PEAKS(X)                                                                            \
    X(received_last_ns, "ns", "when the last of received_all came, CLOCK_MONOTONIC")               \
    X(missed_worst_ppm, "millionths", "of one message's members: the most that did not get it")

// X(name, help): struct histogram, adds up cell by cell.
#define RESULT_HISTOGRAMS(X)                                                                       \
    X(latency, "window: reply or delivery, from the intended time")                                \
    X(service, "window: latency less that message's own send lag")                                 \
    X(first, "window, rooms: the first receiver of each message")                                  \
    X(median, "window, rooms: the median receiver of each message")                                \
    X(last, "window, rooms: the last receiver of each message")                                    \
    X(send_lag, "window: handed over later than intended")                                         \
    X(connect, "from the intended connect time to joined")                                         \
    X(heartbeat, "from a heartbeat's intended time to its reply")                                  \
    X(recovery, "storm: from the cut to joined again")                                             \
    X(slow, "window: deliveries to readers that --slow-... throttles")                             \
    X(rejoin, "churn: from asking to join again to joined")                                        \
    X(will, "MQTT: from a connection's end to its will at a watcher")                              \
    X(reply, "window, where publishes and pings go on beside each other: replies to pings")

// X(name, help): uint32_t, adds up (live_max: the sum of each one's own peak).
#define RESULT_LEVELS(X)                                                                           \
    X(wanted, "connections asked for")                                                             \
    X(live, "connections joined now")                                                              \
    X(live_max, "most connections joined at once")

// X(name, help): bool, true when true for any part.
#define RESULT_FLAGS(X)                                                                            \
    X(has_sequence, "the server numbers its messages")                                             \
    X(is_order_checked, "order could be told from the numbers: see verify.h")                      \
    X(was_interrupted, "Ctrl-C ended the run")

// X(name, help): a sentence, of the first part that has one.
#define RESULT_TEXTS(X)                                                                            \
    X(detail, "of the first failure")                                                              \
    X(rejected_detail, "the first reason that the server gave for rejecting a message")            \
    X(flood_end, "why the flooding connection ended; no failure of the others")                    \
    X(limit, "set by who merges: which part's client was the limit, and why; empty otherwise")

// Snapshots, one a second. X(name): uint64_t; the first list adds up, the second takes the worst.
// Percentiles of several parts are not percentiles of the whole: who has the parts' histograms of
// that second sets them anew (agents do).
#define RESULT_INTERVAL_SUMS(X)                                                                    \
    X(live)                                                                                        \
    X(sent)                                                                                        \
    X(received)                                                                                    \
    X(failures)
#define RESULT_INTERVAL_WORST(X)                                                                   \
    X(p50_ns)                                                                                      \
    X(p90_ns)                                                                                      \
    X(p99_ns)                                                                                      \
    X(p999_ns)                                                                                     \
    X(max_ns)                                                                                      \
    X(client_memory_bytes)                                                                         \
    X(server_memory_bytes)

// One row per phase of a plan: X(name): uint64_t, adds up.
#define RESULT_PHASE_COUNTERS(X)                                                                   \
    X(offered)                                                                                     \
    X(sent)                                                                                        \
    X(answered)                                                                                    \
    X(received)                                                                                    \
    X(failures)

// Why a connection did not come about, or ended.
enum result_failure {
    RESULT_UNREACHABLE,  // no TCP connection: refused, no route, timed out
    RESULT_HTTP,         // answered, and not with 101
    RESULT_NOT_HTTP,     // answered something that is no WebSocket upgrade
    RESULT_REFUSED,      // MQTT: CONNACK said no
    RESULT_NOT_MQTT,     // answered something that is no CONNACK
    RESULT_JOIN,         // the join was refused
    RESULT_TIMEOUT,      // not connected and joined in time
    RESULT_CLOSED_EARLY, // closed by the peer before it had joined
    RESULT_LOCAL,        // this machine: no ports, no files, no memory
    RESULT_CLOSED,       // closed by the server after it had joined
    RESULT_RESET,        // ended without a close frame after it had joined
    RESULT_PROTOCOL,     // the server broke RFC 6455, or MQTT
    RESULT_FAILURE_COUNT,
};

#define RESULT_FAILURE_BEFORE_JOIN RESULT_CLOSED // the causes below this one

#define RESULT_FIELD_U64(name, ...) uint64_t name;
#define RESULT_FIELD_U32(name, ...) uint32_t name;
#define RESULT_FIELD_BOOL(name, ...) bool name;
#define RESULT_FIELD_TEXT(name, ...) char name[RESULT_DETAIL_BYTES];
#define RESULT_FIELD_HISTOGRAM(name, ...) struct histogram name;

#define RESULT_CPU_UNKNOWN (-1.0)

// Totals since the run began, but for the percentiles, which are of the last second.
struct result_interval {
    double at_s; // since the run began
    uint32_t phase;
    RESULT_INTERVAL_SUMS(RESULT_FIELD_U64)
    RESULT_INTERVAL_WORST(RESULT_FIELD_U64) // memory: 0 when not known
    double client_cpu; // share of one core in the last second; merged: the busiest part's
    double server_cpu; // the same of a server on this machine; either RESULT_CPU_UNKNOWN
};

enum result_phase {
    RESULT_CONNECT,
    RESULT_WARMUP,
    RESULT_MEASURE,
    RESULT_STRAGGLERS,
    RESULT_DONE,
    RESULT_PHASE_COUNT,
};

struct result_window {
    uint64_t begin_ns; // CLOCK_MONOTONIC
    uint64_t end_ns;
    uint64_t intended_from_ns; // what was meant for these times belongs to the window; begin and
    uint64_t intended_to_ns;   // end are when the tool got to it, a turn later
    uint64_t begin_wall_ns;    // CLOCK_REALTIME
    uint64_t end_wall_ns;
    uint64_t cpu_ns; // of this process, user and system
    uint64_t user_ns;
    uint64_t syscalls;
    uint64_t late_max_ns; // the loop came round so much later than it wanted, at worst
};

// A phase of the plan. The histogram is the result's own, taken by result_add_phase.
struct result_phase_row {
    char name[RESULT_PHASE_NAME_BYTES];
    bool is_measured;
    double duration_s; // as planned
    uint64_t begin_ns; // CLOCK_MONOTONIC; 0: not reached
    uint64_t end_ns;   // 0: not over
    RESULT_PHASE_COUNTERS(RESULT_FIELD_U64)
    struct histogram *latency;
};

#define RESULT_PARTS_MAX 64
#define RESULT_PART_ADDRESS_BYTES 96

// What one agent of several did: for the report, so that a slow one is seen. Does not travel.
struct result_part {
    char address[RESULT_PART_ADDRESS_BYTES];
    uint32_t wanted;
    uint32_t live_max;
    uint64_t sent;
    uint64_t received;
    uint64_t lag_p99_ns;
    uint64_t late_max_ns;
    bool is_here;                    // the server is on its machine
    char machine[160];               // "host: 2 CPUs, Linux 6.18.5 x86_64"
    double cpu;                      // share of one core in the window
    char limit[RESULT_DETAIL_BYTES]; // empty when its client was not the limit
};

struct result {
    enum result_phase phase;
    uint64_t begin_ns;
    uint64_t connected_ns; // when the last connection had joined, 0 before
    RESULT_LEVELS(RESULT_FIELD_U32)
    uint32_t failures[RESULT_FAILURE_COUNT];
    enum result_failure detail_of;
    RESULT_TEXTS(RESULT_FIELD_TEXT)

    struct result_window window;
    RESULT_COUNTERS(RESULT_FIELD_U64)
    RESULT_PEAKS(RESULT_FIELD_U64)
    struct verify_totals verify;
    RESULT_FLAGS(RESULT_FIELD_BOOL)

    uint32_t interval_count;
    uint32_t interval_stored;
    struct result_interval intervals[RESULT_INTERVALS_MAX];
    uint32_t phase_row_count;
    struct result_phase_row phase_rows[RESULT_PHASES_MAX];

    uint32_t part_count; // 0: this process did it alone; else the verdict on clients is theirs
    struct result_part parts[RESULT_PARTS_MAX];

    RESULT_HISTOGRAMS(RESULT_FIELD_HISTOGRAM)
    struct histogram interval; // latency, since the last snapshot
};

// One line of a list above, for whoever walks them all: the wire, JSON, tests.
struct result_field {
    const char *name;
    const char *unit; // "" when it has none
    const char *help;
    size_t offset; // in struct result
};

enum result_list {
    RESULT_LIST_COUNTERS,   // uint64_t
    RESULT_LIST_VERIFY,     // uint64_t, those of struct verify_totals
    RESULT_LIST_PEAKS,      // uint64_t
    RESULT_LIST_HISTOGRAMS, // struct histogram
    RESULT_LIST_LEVELS,     // uint32_t
    RESULT_LIST_FLAGS,      // bool
    RESULT_LIST_TEXTS,      // char[RESULT_DETAIL_BYTES]
    RESULT_LIST_COUNT,
};

// The fields of a list; they live as long as the program.
const struct result_field *result_fields(enum result_list list, size_t *count);

// Keeps the first failure's sentence.
void result_count_failure(struct result *r, enum result_failure why, const char *format, ...)
    PRINTF_LIKE(3, 4);

void result_init(struct result *r);

// Gives back what result_add_phase took.
void result_fini(struct result *r);

// The next phase of the plan, in order, before the run begins. NULL when memory is out or there are
// RESULT_PHASES_MAX already.
MUST_USE struct result_phase_row *result_add_phase(struct result *r, const char *name,
                                                   bool is_measured, double duration_s);

// Takes a snapshot of the last second and begins the next. The row is the caller's to complete
// (CPU, memory); NULL when there are RESULT_INTERVALS_MAX already.
struct result_interval *result_snapshot(struct result *r, uint64_t now_ns);

// Adds a part of the same run, seen by another process, perhaps on another machine: as if one had
// recorded both. Clocks of two machines are not compared: of times on CLOCK_MONOTONIC `into` keeps
// its own beginnings and the longest durations. False when memory for phases is out or the parts'
// phases are not those of one plan; `into` is then worthless.
MUST_USE bool result_merge(struct result *into, const struct result *from);

const char *result_failure_name(enum result_failure why);
const char *result_phase_name(enum result_phase phase);

// Connections that never joined.
uint32_t result_refused_count(const struct result *r);

// Wills that are due and did not come. A late one of a life that ended unaccepted may make up for
// another.
static inline uint64_t result_wills_missing(const struct result *r) {
    return r->wills_due > r->wills_received ? r->wills_due - r->wills_received : 0;
}

// Connections that joined and did not stay.
uint32_t result_dropped_count(const struct result *r);

#endif
