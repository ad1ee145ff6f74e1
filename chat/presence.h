// Who is in a room, kept at its home: per user one entry with a meta per membership (device, tab).
// Announces changes in windows: one diff per window and core, one state per window and core for
// those who just joined.
//
// Phases: LIST (everybody), SAMPLED (above list_max users, until below 9/10 of it: a fixed sample
// of 50, plus exact counts, a last time when the list is back), COUNTS and OFF by the room's
// settings. At most 16 metas of a user are announced; the rest are counted.
//
// A window lasts 100 ms, longer in big rooms, up to 5 s, so that presence takes at most a tenth of
// a core when a delivery costs 2 µs: 20 µs per connection.
#ifndef FAIRLEAD_CHAT_PRESENCE_H
#define FAIRLEAD_CHAT_PRESENCE_H

#include "chat/chat.h"

#define PRESENCE_SAMPLE_USERS 50
#define PRESENCE_METAS_PER_USER_MAX 16
#define PRESENCE_WINDOW_NS (100 * NS_PER_MS)
#define PRESENCE_WINDOW_NS_MAX (5 * NS_PER_S)
#define PRESENCE_WINDOW_NS_PER_CONNECTION (20 * NS_PER_US)
#define PRESENCE_COUNT_INTERVAL_NS NS_PER_S

enum presence_phase {
    PHASE_OFF,
    PHASE_COUNTS,
    PHASE_LIST,
    PHASE_SAMPLED,
};

struct presence_user {
    uint32_t slab_word; // owner bits: USER_*
    uint32_t name;      // text
    uint32_t hash;
    uint32_t metas_head;
    uint32_t dirty_next;
    uint32_t live_count : 26;
    uint32_t shown_count : 6; // live and not hidden
};

struct presence_meta {
    uint32_t slab_word; // owner bits: META_*
    uint32_t next;
    uint32_t previous;
    uint32_t user;
    uint32_t ref;
    uint32_t json; // block, BLOCK_NONE for {}
};

struct presence {
    uint32_t table; // block of `capacity` user slots + 1, open addressing
    uint32_t capacity;
    uint32_t entry_count; // users in the table, those waiting to be announced as gone too
    uint32_t user_count;  // users with a live meta
    uint32_t dirty_head;
    uint32_t next_ref;
    uint32_t list_max;
    uint16_t sample_count;
    uint8_t phase;
};

// What one window has to say. Payloads are owned by the caller then.
struct presence_news {
    uint64_t diff;      // PAYLOAD_NONE: nothing changed
    uint64_t state;     // PAYLOAD_NONE: not asked for
    bool is_state_due;  // state was asked for and could not be made
    bool has_lost_diff; // the diff could not be made: everybody needs a state
};

void presence_init(struct presence *presence, const struct room_settings *settings);

// The room has ended, with members or without: frees all, what is many later (presence_dig).
void presence_fini(struct chat *chat, struct presence *presence);

// Frees what ended rooms left, users and metas, at most *budget.
void presence_dig(struct chat *chat, uint32_t *budget);

// A membership begins: its meta, SLAB_NONE in phase OFF. False: memory is out, nothing changed.
// *is_new_list is set when everybody must get a new state.
MUST_USE bool presence_join(struct chat *chat, struct presence *presence, struct bytes user,
                            struct bytes meta, uint32_t *meta_index, bool *is_new_list);

void presence_leave(struct chat *chat, struct presence *presence, uint32_t meta_index,
                    bool *is_new_list);

// Ends a window: what changed as a diff, and the state when someone wants it.
struct presence_news presence_announce(struct chat *chat, struct presence *presence,
                                       bool is_state_wanted);

static inline bool presence_is_dirty(const struct presence *presence) {
    return presence->dirty_head != SLAB_NONE;
}

// All invariants; for tests and debug builds.
void presence_validate(const struct chat *chat, const struct presence *presence);

#endif
