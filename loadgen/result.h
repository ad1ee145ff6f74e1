// What a run has seen so far: counted by the client side as it happens, read by the progress line,
// the verdict and the report. Plain data, one writer, no behaviour but its beginning.
//
// "Window" is the measured window: after everyone is connected and the warm-up, for --duration-s.
// A message belongs to the window when its *intended* send time does. Loss, duplicates and order
// are counted over the whole run.
#ifndef FAIRLEAD_RESULT_H
#define FAIRLEAD_RESULT_H

#include "loadgen/histogram.h"
#include "loadgen/verify.h"

#define RESULT_INTERVALS_MAX 7200 // seconds; later ones are only counted
#define RESULT_DETAIL_BYTES 320

// Why a connection did not come about, or ended.
enum result_failure {
    RESULT_UNREACHABLE,  // no TCP connection: refused, no route, timed out
    RESULT_HTTP,         // answered, and not with 101
    RESULT_NOT_HTTP,     // answered something that is no WebSocket upgrade
    RESULT_JOIN,         // the join was refused
    RESULT_TIMEOUT,      // not connected and joined in time
    RESULT_CLOSED_EARLY, // closed by the peer before it had joined
    RESULT_LOCAL,        // this machine: no ports, no files, no memory
    RESULT_CLOSED,       // closed by the server after it had joined
    RESULT_RESET,        // ended without a close frame after it had joined
    RESULT_PROTOCOL,     // the server broke RFC 6455
    RESULT_FAILURE_COUNT,
};

#define RESULT_FAILURE_BEFORE_JOIN RESULT_CLOSED // the causes below this one

struct result_interval {
    double at_s; // since the run began
    uint32_t phase;
    uint32_t live;
    uint64_t sent;
    uint64_t received;
    uint64_t p50_ns;
    uint64_t p99_ns;
    uint64_t max_ns;
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

struct result {
    enum result_phase phase;
    uint64_t begin_ns;
    uint64_t connected_ns; // when the last connection had joined, 0 before
    uint32_t wanted;
    uint32_t live;
    uint32_t live_max;
    uint32_t failures[RESULT_FAILURE_COUNT];
    enum result_failure detail_of;
    char detail[RESULT_DETAIL_BYTES]; // of the first failure, one sentence

    struct result_window window;
    uint64_t offered;  // requests or publishes that the window called for
    uint64_t sent;     // of the window, handed to a connection
    uint64_t answered; // of the window: replies to requests or publishes
    uint64_t received; // in the window: deliveries (rooms), replies (echo)
    uint64_t sent_all; // over the whole run
    uint64_t answered_all;
    uint64_t received_all;
    uint64_t received_last_ns; // when the last of them came
    uint64_t rejected;         // publishes or pings that the server answered with an error
    char rejected_detail[RESULT_DETAIL_BYTES]; // the first such reason
    uint64_t unsendable;                       // the server did not read: the out-queue was full
    uint64_t unanswered;                       // requests without a reply at the end
    uint64_t bytes_in_all;
    uint64_t bytes_out_all;
    uint64_t bytes_in; // of the window
    uint64_t bytes_out;
    uint64_t heartbeats;
    uint64_t heartbeats_answered;
    uint64_t strange; // messages that this tool did not understand
    uint64_t flood_sent;
    uint64_t flood_answered;
    char flood_end[RESULT_DETAIL_BYTES]; // why the flooding connection ended; no failure of the
                                         // others

    struct verify_totals verify;
    bool has_sequence;     // the server numbers its messages
    bool is_order_checked; // see verify.h
    uint64_t flights_complete;
    uint64_t flights_incomplete; // some member did not get it

    bool was_interrupted;
    uint32_t interval_count;
    uint32_t interval_stored;
    struct result_interval intervals[RESULT_INTERVALS_MAX];

    struct histogram latency;  // window: reply or delivery, from the intended time
    struct histogram first;    // window, rooms: the first receiver of each message
    struct histogram last;     // window, rooms: the last receiver of each message
    struct histogram send_lag; // window: handed over later than intended
    struct histogram connect;  // from the intended connect time to joined
    struct histogram interval; // latency, since the last snapshot
};

// Keeps the first failure's sentence.
void result_count_failure(struct result *r, enum result_failure why, const char *format, ...)
    PRINTF_LIKE(3, 4);

void result_init(struct result *r);

// Takes a snapshot of the last second and begins the next.
void result_snapshot(struct result *r, uint64_t now_ns);

const char *result_failure_name(enum result_failure why);
const char *result_phase_name(enum result_phase phase);

// Connections that never joined.
uint32_t result_refused_count(const struct result *r);

// Connections that joined and did not stay.
uint32_t result_dropped_count(const struct result *r);

#endif
