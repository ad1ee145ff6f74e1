// Rooms as a recorded shape has them: how many of which size, and which of them is spoken in next.
//
// Sizes: the quantiles of the recorded rooms, as many as the connections fill, the largest first;
// what rounding leaves over is one member more or less in some of them. Choice: a room is spoken in
// as often as the fan-out of the recorded messages says of rooms of its size; rooms of one size
// share alike. Rooms that were partly filled, on average, are those that the fan-out divided by
// that share says. A fan-out that no room comes near (within a factor of two: rooms that were
// filling up) is shared by all rooms. The choice follows the shares as a sampler does (sampler.h).
//
// Which of several rooms of one size it is, the recorded gaps decide: a gap is drawn from them, and
// the room is taken whose last message is nearest to that long ago, in proportion, of those that
// spoke about then and of some others. So a conversation goes on where it is lively and rests where
// it rests, while the rate of all rooms together stays what it is.
//
// Memory: 20 B per room and 1 MiB, taken at the start. One thread.
#ifndef FAIRLEAD_LOADGEN_ROOM_MIX_H
#define FAIRLEAD_LOADGEN_ROOM_MIX_H

#include "loadgen/sampler.h"
#include "loadgen/shape.h"

struct room_mix {
    uint32_t room_count;
    uint32_t *sizes;      // falling, none 0; their sum is what the config said
    uint64_t *upto;       // by room: where its part of [0, 2^63) ends
    uint64_t position;    // of the choice among all rooms
    bool has_gaps;        // else nothing below is used
    uint64_t begin_ns;    // of the first message, 0: there was none yet
    int64_t *spoken_ns;   // by room: when last, since then; at first, as if it were going on
    uint32_t class_count; // of rooms that share alike
    struct room_class *classes;
    uint64_t history_count;
    struct room_mix_spoken *history; // the latest messages, a ring
    uint64_t message_count;          // of the recording; so many less gaps.total have none
    double gap_factor;               // ns for each us of the recording
    struct sampler gaps;
    struct rng rng;
};

struct room_mix_config {
    const struct shape_histogram *rooms;   // by members; at least one
    const struct shape_histogram *fan_out; // of messages; may be empty: all rooms alike
    const struct shape_histogram *gaps;    // us between messages of a room; empty: rooms alike
    double fill;      // of its members a room had so many when spoken in, 0…1
    double speed;     // gaps are so many times as short
    uint32_t members; // at least 1, of all rooms together
    uint64_t seed;
};

// False when memory is out.
MUST_USE bool room_mix_init(struct room_mix *mix, const struct room_mix_config *config);

void room_mix_fini(struct room_mix *mix);

// The room of a message that is meant for this time; times do not fall.
uint32_t room_mix_next(struct room_mix *mix, uint64_t now_ns);

#endif
