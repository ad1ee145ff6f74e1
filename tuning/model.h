// What a machine will hold, by what things cost on it: from the costs that
// `fairlead tune --measure` found, how many idle connections, deliveries a
// second, users. Pure: numbers in, numbers out.
//
// The model is linear and knows three limits: memory, descriptors (what the
// server itself plans for) and CPU. An idle connection takes bytes, and a
// heartbeat's CPU every heartbeat_s. A message takes CPU by the size of its
// room; between the sizes that were measured the cost is interpolated on a
// log-log scale, beyond them its last slope goes on. CPUs are taken up to
// model_share_max, because a queue in front of a server that is busy all the
// time grows without end.
//
// A server that gathers what a member gets within one turn into one send ("merging") needs less for
// a message the busier it is: of the CPU for a message to R members, `send_ns` is spent once a send
// and member, `frame_ns` once a message and member, `own_ns` once a message. Rates without a word
// about merging count a send for every delivery: what holds for many rooms that talk seldom. The
// knee of a given number of connections counts with it: turns as long as half the latency bound.
//
// LIMITATION: no network card, no disk, and all rooms alike. Several schedulers
// are taken to share the work evenly.
#ifndef FAIRLEAD_MODEL_H
#define FAIRLEAD_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "sched/base/check.h"

#define MODEL_FANOUTS_MAX 8
#define MODEL_SHARE_MAX 0.95 // of each CPU, however short the messages
#define MODEL_WHY_BYTES 160

struct model_fanout {
    double members;
    double publish_ns; // the server's CPU for one message to so many, near full load, unmerged
};

// What a message's CPU is made of; all zero: merging is not known.
struct model_parts {
    double own_ns;
    double send_ns;
    double frame_ns;
    double merge_max; // the most messages in a send that was measured: no knee counts with more
};

// One run: what was done in it, and the CPU that it took.
struct model_point {
    double publishes;
    double sends;
    double deliveries;
    double cpu_ns;
};

// Bytes and CPU of the server alone.
struct model_costs {
    double user_bytes;   // of an idle connection, in the process
    double kernel_bytes; // and in the kernel
    double fixed_bytes;  // of a server that holds nothing
    double connect_ns;   // TCP, upgrade and join
    double heartbeat_ns; // of a connection that says nothing else; 0: not measured
    struct model_parts parts;
    uint32_t fanout_count;
    struct model_fanout fanouts[MODEL_FANOUTS_MAX]; // ascending by members
};

struct model_machine {
    double memory_bytes;    // that the server may take, its kernel half included
    double connections_max; // by descriptors; 0: no limit known
    double cpus;            // that its schedulers have
};

struct model_question {
    double users;               // 0: as many as fit
    double room_members;        // of each room
    double messages_per_minute; // of each user; 0: as many as fit (wants users)
    double heartbeat_s;
    double slo_ns;      // p99 of a delivery; 0: none
    double connections; // that talk, for the knee; 0: no knee is told
};

enum model_limit {
    MODEL_BY_NOTHING,
    MODEL_BY_MEMORY,
    MODEL_BY_DESCRIPTORS,
    MODEL_BY_CPU,
    MODEL_BY_SLO, // one message alone takes longer than the bound
    MODEL_LIMIT_COUNT,
};

struct model_answer {
    double idle_connections;
    enum model_limit idle_limit;
    double idle_memory_bytes; // of so many
    double idle_cpus;

    double share_max;        // of the CPUs, for messages of this room size
    double publishes_per_s;  // with all CPUs on messages
    double deliveries_per_s; // the same, to all members
    double connects_per_s;

    double knee_publishes_per_s; // of so many connections, merging and latency bound included
    double knee_merge;           // messages in a send, there

    double users;                 // those asked for, or as many as fit
    enum model_limit users_limit; // what stops more, or, when they do not fit, these
    bool users_fit;
    double users_messages_per_minute; // asked for, or as many as fit
    double users_memory_bytes;
    double users_cpus;
    double users_deliveries_per_s;
};

// Whether the costs can be computed with; false: `why` (MODEL_WHY_BYTES) says
// what is missing.
MUST_USE bool model_costs_validate(const struct model_costs *costs, char *why);

// CPU of one message to `members`; at least one fan-out was measured.
double model_publish_ns(const struct model_costs *costs, double members);

// The parts by least squares of relative errors over the runs, none below zero. false: fewer than
// three runs, or they are too much alike to tell the parts apart; `parts` is zero then.
MUST_USE bool model_fit(const struct model_point *points, uint32_t point_count,
                        struct model_parts *parts);

// CPU of one message that was measured with `merge` messages in a send, as it would be alone.
double model_unmerged_ns(const struct model_parts *parts, double members, double publish_ns,
                         double merge);

// How full a CPU may be when its work comes in pieces of service_ns at random
// times and 99 % of them shall be done slo_ns after they came. 0: a single
// piece takes longer. (M/D/1; its p99 of waiting is close to ln(100) × mean of
// waiting: Kingman's exponential tail.)
double model_share_max(double service_ns, double slo_ns);

// What an idle connection's heartbeats take in an hour.
double model_idle_hour_ns(const struct model_costs *costs, double heartbeat_s);

// Memory of so many idle connections, the server's fixed memory included.
double model_memory_bytes(const struct model_costs *costs, double connections);

// How many idle connections fit into so much memory.
double model_connections_in(const struct model_costs *costs, double bytes);

void model_answer(const struct model_costs *costs, const struct model_machine *machine,
                  const struct model_question *question, struct model_answer *answer);

const char *model_limit_name(enum model_limit limit);

#endif
