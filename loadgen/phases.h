// A plan carried out: which phase is on, what each one asks for and when, and what it had of it.
// Where the plan came from does not matter here.
//
//     phases_begin ──▶ phase 0 ──▶ phase 1 ──▶ … ──▶ over
//                        each at the time that was computed at the beginning (from_ns), however
//                        late the loop comes round to it; phases_end at any moment
//
// What was due before a phase's end is sent before the next one begins, as far as one turn goes;
// what is then left over is not sent at all, and shows as offered and not sent. The run's thread.
#ifndef FAIRLEAD_PHASES_H
#define FAIRLEAD_PHASES_H

#include "loadgen/plan.h"
#include "loadgen/schedule.h"

#define PHASES_ARRIVALS_PER_TURN_MAX 4096 // before completions are looked at again

struct run;

struct phases {
    struct plan_needs needs;
    uint32_t at; // the phase that is on
    bool is_on;
    bool cut_is_due;                       // of the phase that is on, and was not done yet
    uint64_t from_ns[PLAN_PHASES_MAX + 1]; // of each phase, and the end of the last
    struct schedule publishes;
    struct schedule pings;
    struct schedule churns;
    struct schedule turns; // connections that end and come anew
    struct schedule moves; // connections that come or go, to reach the phase's share of them
    uint32_t up;           // so many are to be up now, the first by client_of_rank
    uint64_t offered;      // by measured phases that are over
    int64_t absent;       // arrivals of the phase that is on, for which nobody was there; less than
                          // 0: made up for those of phases before
    uint32_t next_talker; // arrivals take turns
    uint32_t next_asker;
    uint32_t next_turn; // rank
};

// Measures the plan and adds its rows to the result. False when memory is out.
MUST_USE bool phases_init(struct run *run);

// How many of the connections are to be up, at a phase's share of them.
uint32_t phases_up_at(const struct run *run, double percent);

// The first phase begins at begin_ns; sets run->measure_from_ns and measure_to_ns.
void phases_begin(struct run *run, uint64_t begin_ns);

// Does what is due.
void phases_turn(struct run *run, uint64_t now_ns);

// When something is due next, SCHEDULE_NEVER when nothing is.
uint64_t phases_next_ns(const struct run *run);

// Over, if it was not already: nothing is due any more.
void phases_end(struct run *run, uint64_t now_ns);

// Requests and publishes that the measured phases called for until `until_ns`.
uint64_t phases_offered(const struct run *run, uint64_t until_ns);

// An arrival of the phase that is on found nobody up, by our own doing (cut, gone); -1: one that
// did is made up for.
void phases_note_absent(struct run *run, int32_t change);

#endif
