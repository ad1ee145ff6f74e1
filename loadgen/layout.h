// Who is in which room, and as what. Connections fill rooms one after another, so the members of a
// room are neighbours; in each room come first the plain members (some of whom talk), then the slow
// readers, then those who leave and join (churners):
//
//     first                                                        first + size
//     | plain: 0 … plain_count − 1 | slow: slow_count | churners: churner_count |
//
// Rooms are of one size (no table at all), of sizes that a list gives, or of a Zipf mix
// `zipf:S:MIN-MAX`: sorted by size, the sizes fall from MAX to MIN in proportion to 1 / rank^S, as
// those of cities and chat rooms do, for however many rooms the connections fill. The last room
// takes what is left over.
//
// Memory: nothing for rooms of one size; a mix 4 B per connection and 4 B per room. All look-ups
// are O(1). Made once, constant then.
#ifndef FAIRLEAD_LAYOUT_H
#define FAIRLEAD_LAYOUT_H

#include <stdbool.h>
#include <stdint.h>

#include "sched/base/check.h"
#include "sched/base/memory.h"

#define LAYOUT_EXPONENT_MIN 0.1
#define LAYOUT_EXPONENT_MAX 4.0

// How large the rooms are.
struct layout_sizes {
    uint32_t min;
    uint32_t max;    // min: rooms of one size
    double exponent; // S; 0 for one size
    // A part of the rooms (split.h): those from first_room on, of what so many connections fill.
    uint32_t whole_connections; // 0: no part, all of them
    uint32_t first_room;
    // In place of all that: each room's size, falling, for exactly all connections. Borrowed.
    const uint32_t *list;
    uint32_t list_count;
};

// "zipf:1.2:2-5000", or a whole number for rooms of one size. False: *sizes is unchanged.
MUST_USE bool layout_parse_sizes(struct layout_sizes *sizes, const char *text);

// What layout_parse_sizes takes, for the sentence that refuses a text.
const char *layout_sizes_wanted(void);

// How many rooms `connections` fill.
uint32_t layout_count_rooms(const struct layout_sizes *sizes, uint32_t connections);

struct layout_config {
    struct layout_sizes sizes;
    uint32_t connections;
    double slow_percent;  // of all connections, spread over the rooms; together with churn_percent
    double churn_percent; // at most 100; at least one member of each room stays plain
};

struct layout {
    uint32_t connections;
    uint32_t room_count;
    uint32_t room_size; // of one size; 0: a mix
    uint32_t before;    // connections of the whole before those of this part
    double slow_share;
    double churn_share;
    uint32_t *room_of;  // a mix: by connection
    uint32_t *first_of; // a mix: by room, and one more at the end
};

// Reserves in the ledger. 0, or -ENOMEM.
MUST_USE int layout_init(struct layout *l, struct memory_ledger *ledger,
                         const struct layout_config *config);

static inline uint32_t layout_room_of(const struct layout *l, uint32_t connection) {
    return l->room_size ? connection / l->room_size : l->room_of[connection];
}

static inline uint32_t layout_first(const struct layout *l, uint32_t room) {
    return l->room_size ? room * l->room_size : l->first_of[room];
}

static inline uint32_t layout_size(const struct layout *l, uint32_t room) {
    uint32_t first = layout_first(l, room);
    if (!l->room_size)
        return l->first_of[room + 1] - first;
    uint32_t left = l->connections - first;
    return left < l->room_size ? left : l->room_size;
}

// How the members of a room divide; they add up to its size.
struct layout_parts {
    uint32_t plain_count; // at least 1
    uint32_t slow_count;
    uint32_t churner_count;
};

struct layout_parts layout_parts_of(const struct layout *l, uint32_t room);

enum layout_role {
    LAYOUT_PLAIN,
    LAYOUT_SLOW,
    LAYOUT_CHURNER,
};

enum layout_role layout_role_of(const struct layout *l, uint32_t connection);

// All churners, or all slow readers: O(rooms), for start-up.
uint32_t layout_count_role(const struct layout *l, enum layout_role role);

void layout_validate(const struct layout *l);

#endif
