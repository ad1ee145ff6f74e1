// What one core tells the control plane about lives: obituaries, connections that are open, actors
// by kind. Walks over all connections or actors go in slices of LIVES_SLICE slots, one per go of
// the actor that answers, so that they delay nobody else's turn. Owned by the core's thread.
#ifndef FAIRLEAD_LIVES_H
#define FAIRLEAD_LIVES_H

#include "gateway/control_port.h"
#include "gateway/core.h"

#define LIVES_SLICE 2048
#define LIVES_TAGS_MAX 256

// Obituaries that fit `who`, the newest first, up to lives->lives_max.
void lives_obituaries(const struct core *core, const struct control_who *who,
                      struct control_lives *lives);

// Rooms that events speak of by their tag: their names, as far as this core knows them. A core
// knows the rooms that have members or their home here.
struct lives_tags {
    uint32_t count;
    uint32_t tags[LIVES_TAGS_MAX];
    struct control_name names[LIVES_TAGS_MAX];
};

// Adds the tags of marks whose room is not named yet; those that find no place stay without a name.
void lives_tags_gather(struct lives_tags *tags, const struct control_lives *lives);

void lives_tags_name(const struct core *core, struct lives_tags *tags);

// Names the marks' rooms.
void lives_tags_fill(const struct lives_tags *tags, struct control_lives *lives);

// The next slice of open connections; *cursor is 0 at first. True: that was the last.
MUST_USE bool lives_connections(const struct core *core, const struct control_who *who,
                                struct control_lives *lives, uint64_t *cursor);

// The next slice of those that are to move, as above.
MUST_USE bool lives_move(struct core *core, struct control_move *move, uint64_t *cursor);

// The same of all actors.
MUST_USE bool lives_actors(const struct core *core, struct control_kinds *kinds, uint64_t *cursor);

#endif
