// Clients who come back: those that a storm cut, those that the server dropped (--reconnect), and
// those who come in the course of a run. Each waits by the back-off, tries, and waits again:
//
//     comeback_cut, comeback_on_dropped ─▶ WAITING ──timer──▶ TRYING ─▶ live: comeback_on_live
//     comeback_enter (no wait) ──────────────────────────▲      │
//                                   WAITING ◀── longer ──┴──────┘ refused, failed, too late:
//                                                                 comeback_on_failed
//
// Failed attempts are counted by cause, apart from those of the run's beginning: in a storm a
// server may refuse, what counts is when everybody is back. The clock of `recovery` runs from the
// cut, or the drop, until joined again.
//
// Memory: 32 B per connection, touched only by those who are away; in a slab at the client's own
// index, so that nothing needs to be looked up. Nothing at all in runs where nobody comes back. The
// run's thread.
#ifndef FAIRLEAD_COMEBACK_H
#define FAIRLEAD_COMEBACK_H

#include "loadgen/result.h"
#include "sched/timer_wheel.h"

// Before completions are looked at again: some 10 ms of work each, or messages that come and go
// meanwhile would be late by our own doing.
#define COMEBACK_CONNECTS_PER_TURN_MAX 512
#define COMEBACK_CUTS_PER_TURN_MAX 1024

struct run;

enum comeback_why {
    COMEBACK_CUT,     // by us
    COMEBACK_DROPPED, // by the server
    COMEBACK_ENTERS,  // was not there before
};

struct comeback {
    uint32_t slab_word;
    struct timer timer; // waiting: the next attempt; trying: too late
    uint32_t attempt;   // from 1
    uint32_t why;       // enum comeback_why
    uint64_t since_ns;  // cut, dropped, or meant to come
};

_Static_assert(sizeof(struct comeback) == 32, "the memory that the header promises");

struct comebacks {
    struct slab slab;
    struct timer_wheel wheel;
    bool is_on;    // reserved, and the run is not over
    uint32_t away; // clients in it
    double cut_percent;
    double cut_share;  // of the next to be cut, in percent: at 100 it is
    uint32_t cut_next; // connections below it were cut, or left
    bool is_cutting;
};

// Reserves for every client when the plan or --reconnect lets clients come back. 0, or -ENOMEM.
MUST_USE int comeback_init(struct run *run, uint64_t now_ns);

// False where its going would look like the server's loss: it has asked for something that may go
// with it, and the numbers that loss is told by are the tool's own.
bool comeback_may_go(const struct run *run, uint32_t index);

// Resets this share of those that are live, evenly over the rooms: COMEBACK_CUTS_PER_TURN_MAX now,
// as many in each turn until it is done. In place of one that may not go the next one does.
void comeback_cut(struct run *run, double percent, uint64_t now_ns);

// A client that was not there connects now; a failed attempt is tried again.
void comeback_enter(struct run *run, uint32_t index, uint64_t intended_ns);

// It is not wanted any more; if it was cut, it counts as never cut.
void comeback_forget(struct run *run, uint32_t index);

// Is it away, waiting or trying?
bool comeback_has(const struct run *run, uint32_t index);

// From client.c. A live client was lost to the server: comes back with --reconnect.
void comeback_on_dropped(struct run *run, uint32_t index, uint64_t now_ns);

// An attempt failed; true when it was one of these, and is counted.
MUST_USE bool comeback_on_failed(struct run *run, uint32_t index, enum result_failure why);

// It is live; true when it was one of these.
bool comeback_on_live(struct run *run, uint32_t index, uint64_t now_ns);

// While phases are on: connects whose time has come, and gives up those that take too long.
void comeback_turn(struct run *run, uint64_t now_ns);

// When the next of them is due, UINT64_MAX when nobody is away.
uint64_t comeback_next_ns(const struct run *run);

// The run is over: nobody tries any more.
void comeback_end(struct run *run);

#endif
