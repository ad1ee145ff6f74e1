// A meta is  new --announce--> shown --leave--> left --announce--> gone
//            new --leave--> gone      hidden --leave--> gone      hidden --promote--> new
// (presence_join, presence_leave, presence_announce; a change of phase settles all at once)
//
// META_NEW:    live, not in any state or diff yet
// META_LEFT:   not live, its leave not in a diff yet
// META_HIDDEN: live, counted and never announced
// none:        live and announced
//
// A user is in the dirty list exactly while USER_DIRTY; it is freed when it has no metas and is not
// dirty.
#include "chat/presence.h"

#include "sched/base/clock.h"
#include "sched/base/hash.h"

#define FINI_AT_ONCE 1024 // users and metas; a room with more is freed in slices
#define USER_DIRTY 0x01000000u
#define USER_SAMPLED 0x02000000u
#define META_NEW 0x01000000u
#define META_LEFT 0x02000000u
#define META_HIDDEN 0x04000000u

_Static_assert(sizeof(struct presence_user) == 24 && sizeof(struct presence_meta) == 24,
               "part of the 256 B budget of a connection");

struct json_block {
    uint16_t size;
    uint8_t bytes[];
};

static struct presence_user *user_at(const struct chat *chat, uint32_t index) {
    return slab_get(&chat->users, index);
}

static struct presence_meta *meta_at(const struct chat *chat, uint32_t index) {
    return slab_get(&chat->metas, index);
}

static bool is_live(const struct presence_meta *meta) {
    return !(meta->slab_word & META_LEFT);
}

void presence_init(struct presence *presence, const struct room_settings *settings) {
    static const uint8_t phases[] = {
        [PRESENCE_LIST] = PHASE_LIST, [PRESENCE_COUNTS] = PHASE_COUNTS, [PRESENCE_OFF] = PHASE_OFF};
    *presence = (struct presence){.table = BLOCK_NONE,
                                  .dirty_head = SLAB_NONE,
                                  .next_ref = 1,
                                  .list_max = settings->presence_list_max,
                                  .phase = phases[settings->presence]};
}

// The table: slots hold user index + 1, probed linearly from hash · capacity / 2^32.

static uint32_t *table_of(const struct chat *chat, const struct presence *presence) {
    return blocks_at(chat->scheduler->blocks, presence->table);
}

static uint32_t home_of(const struct presence *presence, uint32_t hash) {
    return (uint32_t)((uint64_t)hash * presence->capacity >> 32);
}

static uint32_t next_of(const struct presence *presence, uint32_t position) {
    return position + 1 == presence->capacity ? 0 : position + 1;
}

static uint32_t table_find(const struct chat *chat, const struct presence *presence, uint32_t hash,
                           struct bytes name) {
    if (presence->capacity == 0)
        return SLAB_NONE;
    const uint32_t *table = table_of(chat, presence);
    for (uint32_t at = home_of(presence, hash); table[at]; at = next_of(presence, at)) {
        const struct presence_user *user = user_at(chat, table[at] - 1);
        if (user->hash == hash && bytes_equal(text_bytes(&chat->texts, user->name), name))
            return table[at] - 1;
    }
    return SLAB_NONE;
}

static void table_put(const struct chat *chat, const struct presence *presence, uint32_t index) {
    uint32_t *table = table_of(chat, presence);
    uint32_t at = home_of(presence, user_at(chat, index)->hash);
    while (table[at])
        at = next_of(presence, at);
    table[at] = index + 1;
}

// Room for one more user at a load of at most 7/8: a block is used to its end.
static bool table_reserve(struct chat *chat, struct presence *presence) {
    if ((presence->entry_count + 1) * 8ull <= presence->capacity * 7ull)
        return true;
    struct blocks *blocks = chat->scheduler->blocks;
    struct presence old = *presence;
    uint32_t block = blocks_acquire(blocks, (size_t)(old.capacity + 1) * sizeof(uint32_t) * 3 / 2);
    if (block == BLOCK_NONE)
        return false;
    presence->table = block;
    presence->capacity = (uint32_t)(blocks_capacity(blocks, block) / sizeof(uint32_t));
    memset(table_of(chat, presence), 0, presence->capacity * sizeof(uint32_t));
    if (old.table == BLOCK_NONE)
        return true;
    for (uint32_t i = 0; i < old.capacity; i++) {
        uint32_t entry = table_of(chat, &old)[i];
        if (entry)
            table_put(chat, presence, entry - 1);
    }
    blocks_release(blocks, old.table);
    return true;
}

static void table_remove(const struct chat *chat, const struct presence *presence, uint32_t index) {
    uint32_t *table = table_of(chat, presence);
    uint32_t capacity = presence->capacity;
    uint32_t hole = home_of(presence, user_at(chat, index)->hash);
    while (table[hole] != index + 1)
        hole = next_of(presence, hole);
    // Later entries of the same probe sequence move back, so there are no tombstones.
    for (uint32_t at = next_of(presence, hole); table[at]; at = next_of(presence, at)) {
        uint32_t home = home_of(presence, user_at(chat, table[at] - 1)->hash);
        if ((at + capacity - home) % capacity >= (at + capacity - hole) % capacity) {
            table[hole] = table[at];
            hole = at;
        }
    }
    table[hole] = 0;
}

static void user_free(struct chat *chat, struct presence *presence, uint32_t index) {
    struct presence_user *user = user_at(chat, index);
    CHECK(user->metas_head == SLAB_NONE && !(user->slab_word & USER_DIRTY));
    table_remove(chat, presence, index);
    presence->entry_count--;
    if (user->slab_word & USER_SAMPLED)
        presence->sample_count--;
    text_release(&chat->texts, user->name);
    slab_release(&chat->users, index);
}

static void meta_link(struct chat *chat, struct presence_user *user, uint32_t index) {
    struct presence_meta *meta = meta_at(chat, index);
    meta->previous = SLAB_NONE;
    meta->next = user->metas_head;
    if (meta->next != SLAB_NONE)
        meta_at(chat, meta->next)->previous = index;
    user->metas_head = index;
}

// Not counted any more by its user.
static void meta_free(struct chat *chat, uint32_t index) {
    struct presence_meta *meta = meta_at(chat, index);
    if (meta->previous == SLAB_NONE)
        user_at(chat, meta->user)->metas_head = meta->next;
    else
        meta_at(chat, meta->previous)->next = meta->next;
    if (meta->next != SLAB_NONE)
        meta_at(chat, meta->next)->previous = meta->previous;
    if (meta->json != BLOCK_NONE)
        blocks_release(chat->scheduler->blocks, meta->json);
    slab_release(&chat->metas, index);
}

static void mark_dirty(struct chat *chat, struct presence *presence, uint32_t index) {
    struct presence_user *user = user_at(chat, index);
    if (user->slab_word & USER_DIRTY)
        return;
    user->slab_word |= USER_DIRTY;
    user->dirty_next = presence->dirty_head;
    presence->dirty_head = index;
}

// A user may have thousands of devices: hidden ones are newer than the shown, or else those were
// promoted, so at most the shown and those that left in this window stand before the first.
static uint32_t find_hidden(const struct chat *chat, const struct presence_user *user) {
    if (user->live_count == user->shown_count)
        return SLAB_NONE;
    uint32_t at = user->metas_head;
    while (!(meta_at(chat, at)->slab_word & META_HIDDEN))
        at = meta_at(chat, at)->next;
    return at;
}

static uint32_t user_make(struct chat *chat, struct presence *presence, uint32_t hash,
                          struct bytes name) {
    if (!table_reserve(chat, presence))
        return SLAB_NONE;
    uint32_t index;
    struct presence_user *user = slab_acquire(&chat->users, &index);
    if (!user)
        return SLAB_NONE;
    user->name = text_acquire(&chat->texts, name);
    if (user->name == TEXT_NONE) {
        slab_release(&chat->users, index);
        return SLAB_NONE;
    }
    user->hash = hash;
    user->metas_head = SLAB_NONE;
    user->dirty_next = SLAB_NONE;
    table_put(chat, presence, index);
    presence->entry_count++;
    return index;
}

static struct presence_meta *meta_make(struct chat *chat, struct bytes json, uint32_t *index) {
    struct blocks *blocks = chat->scheduler->blocks;
    struct presence_meta *meta = slab_acquire(&chat->metas, index);
    if (!meta)
        return NULL;
    meta->json = BLOCK_NONE;
    if (json.size == 0 || bytes_equal_string(json, "{}"))
        return meta;
    meta->json = blocks_acquire(blocks, sizeof(struct json_block) + json.size);
    if (meta->json == BLOCK_NONE) {
        slab_release(&chat->metas, *index);
        return NULL;
    }
    struct json_block *copy = blocks_at(blocks, meta->json);
    copy->size = (uint16_t)json.size;
    memcpy(copy->bytes, json.data, json.size);
    return meta;
}

// Every meta of the user becomes hidden, or shown up to the limit, as part of a new state for all:
// leaves that were still to be announced are settled by it.
static void user_settle(struct chat *chat, uint32_t index, bool is_shown) {
    struct presence_user *user = user_at(chat, index);
    uint32_t shown = 0;
    uint32_t next;
    for (uint32_t at = user->metas_head; at != SLAB_NONE; at = next) {
        struct presence_meta *meta = meta_at(chat, at);
        next = meta->next;
        if (!is_live(meta)) {
            meta_free(chat, at);
            continue;
        }
        bool show = is_shown && shown < PRESENCE_METAS_PER_USER_MAX;
        shown += show;
        meta->slab_word &= ~(META_NEW | META_HIDDEN);
        meta->slab_word |= show ? 0 : META_HIDDEN;
    }
    user->shown_count = shown & 63u;
}

static void free_gone_users(struct chat *chat, struct presence *presence) {
    for (uint32_t at = 0; at < presence->capacity;) {
        uint32_t entry = table_of(chat, presence)[at];
        // Removal moves a later entry back to this position: look at it again.
        if (entry && user_at(chat, entry - 1)->metas_head == SLAB_NONE)
            user_free(chat, presence, entry - 1);
        else
            at++;
    }
}

// A new phase: everybody gets a new state.
static void change_phase(struct chat *chat, struct presence *presence, enum presence_phase phase) {
    presence->phase = (uint8_t)phase;
    presence->sample_count = 0;
    while (presence->dirty_head != SLAB_NONE) {
        struct presence_user *user = user_at(chat, presence->dirty_head);
        presence->dirty_head = user->dirty_next;
        user->slab_word &= ~USER_DIRTY;
    }
    for (uint32_t at = 0; at < presence->capacity; at++) {
        uint32_t entry = table_of(chat, presence)[at];
        if (!entry)
            continue;
        struct presence_user *user = user_at(chat, entry - 1);
        bool is_shown = phase == PHASE_LIST ||
                        (user->live_count > 0 && presence->sample_count < PRESENCE_SAMPLE_USERS);
        user->slab_word &= ~USER_SAMPLED;
        if (phase == PHASE_SAMPLED && is_shown) {
            user->slab_word |= USER_SAMPLED;
            presence->sample_count++;
        }
        user_settle(chat, entry - 1, is_shown);
    }
    free_gone_users(chat, presence);
}

bool presence_join(struct chat *chat, struct presence *presence, struct bytes name,
                   struct bytes json, uint32_t *meta_index, bool *is_new_list) {
    *meta_index = SLAB_NONE;
    if (presence->phase == PHASE_OFF)
        return true;
    uint32_t hash = (uint32_t)(hash_bytes(chat->config.seed, name) >> 32);
    uint32_t index = table_find(chat, presence, hash, name);
    bool is_made = index == SLAB_NONE;
    if (is_made)
        index = user_make(chat, presence, hash, name);
    if (index == SLAB_NONE)
        return false;
    struct presence_meta *meta = meta_make(chat, json, meta_index);
    if (!meta) {
        if (is_made)
            user_free(chat, presence, index);
        return false;
    }
    struct presence_user *user = user_at(chat, index);
    bool is_first = user->live_count == 0;
    if (presence->phase == PHASE_SAMPLED && !(user->slab_word & USER_SAMPLED) && is_first &&
        presence->sample_count < PRESENCE_SAMPLE_USERS) {
        user->slab_word |= USER_SAMPLED;
        presence->sample_count++;
    }
    bool is_shown = (presence->phase == PHASE_LIST || user->slab_word & USER_SAMPLED) &&
                    user->shown_count < PRESENCE_METAS_PER_USER_MAX;
    meta->slab_word |= is_shown ? META_NEW : META_HIDDEN;
    meta->user = index;
    meta->ref = presence->next_ref++;
    meta_link(chat, user, *meta_index);
    user->live_count++;
    if (is_shown) {
        user->shown_count++;
        mark_dirty(chat, presence, index);
    }
    presence->user_count += is_first;
    if (presence->phase == PHASE_LIST && presence->user_count > presence->list_max) {
        change_phase(chat, presence, PHASE_SAMPLED);
        *is_new_list = true;
    }
    return true;
}

void presence_leave(struct chat *chat, struct presence *presence, uint32_t meta_index,
                    bool *is_new_list) {
    if (presence->phase == PHASE_OFF)
        return;
    struct presence_meta *meta = meta_at(chat, meta_index);
    CHECK(is_live(meta));
    uint32_t index = meta->user;
    struct presence_user *user = user_at(chat, index);
    user->live_count--;
    if (!(meta->slab_word & META_HIDDEN))
        user->shown_count--;
    if (meta->slab_word & (META_NEW | META_HIDDEN)) {
        meta_free(chat, meta_index);
    } else {
        meta->slab_word |= META_LEFT;
        mark_dirty(chat, presence, index);
    }
    bool may_show = presence->phase == PHASE_LIST || user->slab_word & USER_SAMPLED;
    uint32_t hidden = may_show ? find_hidden(chat, user) : SLAB_NONE;
    if (hidden != SLAB_NONE && user->shown_count < PRESENCE_METAS_PER_USER_MAX) {
        struct presence_meta *promoted = meta_at(chat, hidden);
        promoted->slab_word = (promoted->slab_word & ~META_HIDDEN) | META_NEW;
        user->shown_count++;
        mark_dirty(chat, presence, index);
    }
    presence->user_count -= user->live_count == 0;
    if (user->metas_head == SLAB_NONE && !(user->slab_word & USER_DIRTY))
        user_free(chat, presence, index);
    if (presence->phase == PHASE_SAMPLED &&
        presence->user_count * 10ull < presence->list_max * 9ull) {
        change_phase(chat, presence, PHASE_LIST);
        *is_new_list = true;
    }
}

static struct bytes json_of(const struct chat *chat, const struct presence_meta *meta) {
    if (meta->json == BLOCK_NONE)
        return (struct bytes){0};
    const struct json_block *json = blocks_at(chat->scheduler->blocks, meta->json);
    return bytes_of(json->bytes, json->size);
}

// Writes (or with no room, measures) the records of a user's metas that carry `flag`, or for 0 of
// all shown.
static size_t put_records(const struct chat *chat, const struct presence_user *user, uint32_t flag,
                          enum presence_change change, uint8_t *out) {
    size_t size = 0;
    struct bytes name = text_bytes(&chat->texts, user->name);
    for (uint32_t at = user->metas_head; at != SLAB_NONE; at = meta_at(chat, at)->next) {
        const struct presence_meta *meta = meta_at(chat, at);
        bool is_meant =
            flag ? (meta->slab_word & flag) != 0 : !(meta->slab_word & (META_LEFT | META_HIDDEN));
        if (!is_meant)
            continue;
        struct bytes json = json_of(chat, meta);
        struct presence_record record = {.ref = meta->ref,
                                         .meta_size = (uint16_t)json.size,
                                         .user_size = (uint8_t)name.size,
                                         .change = (uint8_t)change};
        if (out) {
            memcpy(out + size, &record, sizeof(record));
            memcpy(out + size + sizeof(record), name.data, name.size);
            if (json.size > 0)
                memcpy(out + size + sizeof(record) + name.size, json.data, json.size);
        }
        size += sizeof(record) + name.size + json.size;
    }
    return size;
}

static size_t put_diff(const struct chat *chat, const struct presence *presence, uint8_t *out) {
    size_t size = 0;
    for (uint32_t pass = 0; pass < 2; pass++) {
        for (uint32_t at = presence->dirty_head; at != SLAB_NONE;) {
            const struct presence_user *user = user_at(chat, at);
            size += put_records(chat, user, pass ? META_LEFT : META_NEW,
                                pass ? PRESENCE_LEAVES : PRESENCE_JOINS, out ? out + size : NULL);
            at = user->dirty_next;
        }
    }
    return size;
}

static size_t put_state(const struct chat *chat, const struct presence *presence, uint8_t *out) {
    size_t size = 0;
    for (uint32_t i = 0; i < presence->capacity; i++) {
        uint32_t entry = table_of(chat, presence)[i];
        if (entry)
            size += put_records(chat, user_at(chat, entry - 1), 0, PRESENCE_IS,
                                out ? out + size : NULL);
    }
    return size;
}

// A payload of records: the size first.
static uint64_t pack(struct chat *chat, const struct presence *presence,
                     size_t (*put)(const struct chat *, const struct presence *, uint8_t *)) {
    size_t size = put(chat, presence, NULL);
    uint64_t payload = payload_acquire(chat->scheduler, sizeof(uint64_t) + size);
    if (payload == PAYLOAD_NONE)
        return PAYLOAD_NONE;
    uint8_t *data = payload_data(chat->scheduler, payload);
    uint64_t stored = put(chat, presence, data + sizeof(uint64_t));
    CHECK(stored == size);
    memcpy(data, &stored, sizeof(stored));
    return payload;
}

struct presence_news presence_announce(struct chat *chat, struct presence *presence,
                                       bool is_state_wanted) {
    struct presence_news news = {.diff = PAYLOAD_NONE, .state = PAYLOAD_NONE};
    if (presence_is_dirty(presence) && put_diff(chat, presence, NULL) > 0) {
        news.diff = pack(chat, presence, put_diff);
        news.has_lost_diff = news.diff == PAYLOAD_NONE;
    }
    while (presence->dirty_head != SLAB_NONE) {
        uint32_t index = presence->dirty_head;
        struct presence_user *user = user_at(chat, index);
        presence->dirty_head = user->dirty_next;
        user->slab_word &= ~USER_DIRTY;
        uint32_t next;
        for (uint32_t at = user->metas_head; at != SLAB_NONE; at = next) {
            struct presence_meta *meta = meta_at(chat, at);
            next = meta->next;
            meta->slab_word &= ~META_NEW;
            if (!is_live(meta))
                meta_free(chat, at);
        }
        if (user->metas_head == SLAB_NONE)
            user_free(chat, presence, index);
    }
    if (is_state_wanted || news.has_lost_diff) {
        news.state = pack(chat, presence, put_state);
        news.is_state_due = news.state == PAYLOAD_NONE;
    }
    return news;
}

// What is left of the room: who was a member when it ended, and who was still to be announced as
// gone. Nobody looks anything up in it any more. True when all is freed.
static bool dissolve(struct chat *chat, struct presence *presence, uint32_t *budget) {
    for (; presence->capacity > 0 && *budget > 0; presence->capacity--, --*budget) {
        uint32_t entry = table_of(chat, presence)[presence->capacity - 1];
        if (!entry)
            continue;
        const struct presence_user *user = user_at(chat, entry - 1);
        for (; user->metas_head != SLAB_NONE && *budget > 1; --*budget)
            meta_free(chat, user->metas_head);
        if (user->metas_head != SLAB_NONE)
            return false;
        text_release(&chat->texts, user->name);
        slab_release(&chat->users, entry - 1);
    }
    if (presence->capacity > 0)
        return false;
    if (presence->table != BLOCK_NONE)
        blocks_release(chat->scheduler->blocks, presence->table);
    presence->table = BLOCK_NONE;
    return true;
}

struct grave {
    uint32_t next; // block
    struct presence presence;
};

void presence_fini(struct chat *chat, struct presence *presence) {
    struct blocks *blocks = chat->scheduler->blocks;
    uint32_t budget = FINI_AT_ONCE;
    if (dissolve(chat, presence, &budget))
        return;
    uint32_t block = blocks_acquire(blocks, sizeof(struct grave));
    if (block == BLOCK_NONE) { // no memory to put it off
        budget = UINT32_MAX;
        CHECK(dissolve(chat, presence, &budget));
        return;
    }
    *(struct grave *)blocks_at(blocks, block) =
        (struct grave){.next = chat->graves, .presence = *presence};
    chat->graves = block;
}

void presence_dig(struct chat *chat, uint32_t *budget) {
    struct blocks *blocks = chat->scheduler->blocks;
    while (chat->graves != BLOCK_NONE) {
        uint32_t block = chat->graves;
        struct grave *grave = blocks_at(blocks, block);
        if (!dissolve(chat, &grave->presence, budget))
            return;
        chat->graves = grave->next;
        blocks_release(blocks, block);
    }
}

// The user's metas are linked both ways, are its own, and as many as it counts.
static void user_validate(const struct chat *chat, uint32_t index) {
    const struct presence_user *user = user_at(chat, index);
    uint32_t live = 0;
    uint32_t shown = 0;
    uint32_t previous = SLAB_NONE;
    for (uint32_t at = user->metas_head; at != SLAB_NONE; at = meta_at(chat, at)->next) {
        const struct presence_meta *meta = meta_at(chat, at);
        CHECK(meta->user == index && meta->previous == previous);
        previous = at;
        live += is_live(meta);
        shown += is_live(meta) && !(meta->slab_word & META_HIDDEN);
    }
    CHECK(live == user->live_count && shown == user->shown_count);
    CHECK(shown <= PRESENCE_METAS_PER_USER_MAX);
    CHECK(user->metas_head != SLAB_NONE || user->slab_word & USER_DIRTY);
}

void presence_validate(const struct chat *chat, const struct presence *presence) {
    uint32_t entries = 0;
    uint32_t live_users = 0;
    uint32_t sampled = 0;
    for (uint32_t i = 0; i < presence->capacity; i++) {
        uint32_t entry = table_of(chat, presence)[i];
        if (!entry)
            continue;
        const struct presence_user *user = user_at(chat, entry - 1);
        user_validate(chat, entry - 1);
        entries++;
        live_users += user->live_count > 0;
        sampled += (user->slab_word & USER_SAMPLED) != 0;
        CHECK(table_find(chat, presence, user->hash, text_bytes(&chat->texts, user->name)) ==
              entry - 1);
    }
    CHECK(entries == presence->entry_count && live_users == presence->user_count);
    CHECK(sampled == presence->sample_count && sampled <= PRESENCE_SAMPLE_USERS);
}
