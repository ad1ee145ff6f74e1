// Did a member get every message of its room, once, in order? Told from sequence numbers alone,
// with 16 bytes per member.
//
// A member keeps the highest number it has seen and which of the 64 numbers up to it were seen. A
// number beyond the next one leaves a hole: those are lost, until one of them arrives after all,
// which makes it late (disordered) instead. A number already seen is a duplicate. A number more
// than 64 below the highest cannot be told to be one or the other and counts as disordered. A range
// that the server announced as lost (event `gap`) is counted apart; if one of it comes all the same
// it is a duplicate.
//
// The numbers are the server's, or the load tool's own per room where the server gives none; with
// several publishers those say nothing about order here (is_ordered false; publisher_order.h looks
// at each publisher's): late is then not wrong, also more than 64 late: a server that fell behind
// reads one publisher's backlog after the other's. (A duplicate of so old a message is then not
// known as one.)
// Pure; owned by one thread.
#ifndef FAIRLEAD_VERIFY_H
#define FAIRLEAD_VERIFY_H

#include <stdbool.h>
#include <stdint.h>

#include "sched/base/check.h"

#define VERIFY_WINDOW 64
#define VERIFY_UNKNOWN UINT64_MAX // nothing seen, no watermark given

struct verify_member {
    uint64_t highest;
    uint64_t window; // bit k: highest - k was seen
};

// X(name, unit, help): adds up over members and over parts of a run (result.h).
#define VERIFY_TOTALS(X)                                                                           \
    X(received, "messages", "checked")                                                             \
    X(lost, "messages", "neither delivered nor announced")                                         \
    X(missing, "messages",                                                                         \
      "lost or late: after the last number that came, nothing did until the end")                  \
    X(announced, "messages", "lost, and the member was told so")                                   \
    X(duplicates, "messages", "seen twice, or from before the join")                               \
    X(disordered, "messages", "after a higher number")                                             \
    X(gap_events, "events", "that announced a loss")

struct verify_totals {
#define VERIFY_FIELD(name, unit, help) uint64_t name; // help as in the list
    VERIFY_TOTALS(VERIFY_FIELD)
#undef VERIFY_FIELD
};

// Nothing is known: the first number seen is where checking starts.
void verify_init(struct verify_member *m);

// The join's reply said that everything up to `watermark` is before the join.
void verify_start(struct verify_member *m, uint64_t watermark);

// True when this member sees the number for the first time, as far as can be told.
bool verify_take(struct verify_member *m, struct verify_totals *totals, uint64_t number,
                 bool is_ordered);

// The server announces that from … to are lost. False when that is no range.
MUST_USE bool verify_take_gap(struct verify_member *m, struct verify_totals *totals, uint64_t from,
                              uint64_t to);

// At the end: the room's last number is `last`; what this member has not got up to it is missing.
void verify_finish(const struct verify_member *m, struct verify_totals *totals, uint64_t last);

#endif
