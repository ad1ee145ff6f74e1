// Replay: a recorded shape as a plan. What is played of it, per second of the recording:
//
//   publishes, pings         as many, even or Poisson within the second
//   joins, departures        members who come and go: connections, one room each
//   leaves                   members who leave and join again while their connection goes on
//   (churn) sizes                    each publish's payload by publish_bytes (sampler.h) rooms,
//   fan-out           rooms of the recorded sizes, spoken in as recorded (room_mix.h)
//
// Time runs --speed times as fast: as much of everything happens as was recorded, in less time. A
// recording of more seconds than a plan has phases is played in longer steps of as much each.
//
// LIMITATION: a connection that was in several rooms is played as one for each; one that joined
// none is not played. Made before the run, then the run's thread's.
#ifndef FAIRLEAD_LOADGEN_REPLAY_H
#define FAIRLEAD_LOADGEN_REPLAY_H

#include "loadgen/plan.h"
#include "loadgen/room_mix.h"
#include "loadgen/sampler.h"
#include "loadgen/shape.h"

#define REPLAY_PING_BYTES 64
#define REPLAY_ROOMS_TRIED_MAX 8  // for one publish, while rooms fill or empty
#define REPLAY_OWED_AT_ONCE_MAX 3 // beside the one that is due

struct replay {
    struct shape shape;
    struct room_mix rooms; // without rooms: --room-size or --room-sizes was given
    struct sampler bytes;
    bool has_bytes; // else all messages have --payload-bytes
    uint64_t small; // recorded messages that are smaller than a stamp is, played larger
    uint64_t large;
    bool holds_bytes; // the latest size was not sent yet
    uint64_t owed;    // publishes that found nobody yet
};

// Reads o->plan_file; sets the options that argv did not (connections, rooms, payloads), then the
// phases at --speed, and checks all of it. NULL with a sentence.
struct replay *replay_read(struct plan *plan, struct load_options *o,
                           char error[LOAD_OPTIONS_ERROR_BYTES]);

void replay_close(struct replay *replay);

// The phases of a shape, unscaled, and how many members are there at once at most. False with a
// sentence when nothing happened in it.
MUST_USE bool replay_make_plan(const struct shape *shape, double speed, struct plan *plan,
                               uint32_t *members_max, char error[LOAD_OPTIONS_ERROR_BYTES]);

// One line of what is not played as it was recorded; empty when all is.
void replay_describe(const struct replay *replay, char *text, size_t text_size);

static inline uint32_t replay_next_bytes(struct replay *replay) {
    return sampler_next(&replay->bytes);
}

#endif
