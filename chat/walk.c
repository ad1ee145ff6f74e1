// A leaf's walk: every member gets what was gathered, in order, in slices (chat/leaf.h).
//
// While a walk is under way the array is  [served … | cursor … not yet | … end]; leaf_remove keeps
// it so.
#include "chat/leaf.h"

#include "chat/mix.h"
#include "chat/presence.h"
#include "sched/base/parcel.h"

#define PREFETCH_AHEAD 8

static struct blocks *blocks_of(const struct chat *chat) {
    return chat->scheduler->blocks;
}

void leaf_mark_stale(struct chat *chat, struct member *member) {
    member->slab_word |= MEMBER_STALE;
    counter_add(chat->scheduler->counters, COUNTER_PRESENCE_STALE, 1);
}

// Presence: a member that does not keep up misses it, and asks for a state later.
void leaf_deliver_presence(struct chat *chat, enum leaf_part_kind kind, uint32_t parcel,
                           struct leaf_entry entry) {
    struct member *member = chat_member(chat, entry.member);
    bool is_waiting = member->slab_word & MEMBER_WAITING;
    bool is_stale = member->slab_word & MEMBER_STALE;
    bool is_count = kind == PART_COUNT;
    bool is_state = kind == PART_STATE_ALL || (kind == PART_STATE && is_waiting);
    if (!is_count && !is_state && (kind == PART_STATE || is_waiting || is_stale))
        return;
    if (!chat_port_deliver_state(chat->port, entry.address, parcel)) {
        leaf_mark_stale(chat, member);
    } else if (is_state) {
        member->slab_word &= ~(MEMBER_WAITING | MEMBER_STALE);
    }
}

static void deliver_one(struct chat *chat, const struct leaf_part *part, struct leaf_entry entry) {
    if (LIKELY(part->kind == PART_MESSAGE)) {
        counter_subtract(chat->scheduler->counters, COUNTER_GATHERED, 1);
        chat_port_deliver(chat->port, entry.address, part->cell.parcel);
    } else if (part->kind != PART_PLAIN && part->kind != PART_GAP) {
        leaf_deliver_presence(chat, (enum leaf_part_kind)part->kind, part->cell.parcel, entry);
    } else if (part->exclude != entry.member) {
        chat_port_deliver(chat->port, entry.address, part->cell.parcel);
    }
}

// Returns how many parcels that were.
static uint32_t deliver_parts(struct chat *chat, const struct leaf *leaf, struct leaf_entry entry,
                              uint32_t part_first) {
    const struct leaf_part *parts = leaf_parts(chat, leaf);
    uint32_t deliveries = 0;
    for (uint32_t i = part_first; i < leaf->parts.count; i++) {
        deliveries++;
        const struct leaf_cell *cell = &parts[i].cell;
        if (cell->run > 1 && chat_port_is_empty(chat->port, entry.address)) {
            counter_subtract(chat->scheduler->counters, COUNTER_GATHERED, cell->run);
            chat_port_deliver(chat->port, entry.address, cell->batch);
            i += cell->run - 1;
        } else {
            deliver_one(chat, &parts[i], entry);
        }
    }
    return deliveries;
}

static uint32_t deliver_owed(struct chat *chat, const struct leaf *leaf, struct leaf_entry entry,
                             uint32_t part_first) {
    return leaf->mix == BLOCK_NONE ? deliver_parts(chat, leaf, entry, part_first)
                                   : mix_deliver(chat, leaf, entry, part_first);
}

static struct parcel *parcel_of(const struct chat *chat, const struct leaf *leaf, uint32_t track,
                                uint32_t at) {
    const struct leaf_cell *cell = mix_cell(chat, leaf, track, at);
    return cell && cell->parcel != BLOCK_NONE ? parcel_at(blocks_of(chat), cell->parcel) : NULL;
}

// One parcel of `run` parts from `first` in one format; left out when memory is short: members then
// get the parts.
static void make_batch(struct chat *chat, struct leaf *leaf, uint32_t track, uint32_t first,
                       uint32_t run) {
    struct blocks *blocks = blocks_of(chat);
    size_t size = 0;
    for (uint32_t i = 0; i < run; i++)
        size += parcel_of(chat, leaf, track, first + i)->size;
    uint32_t id = parcel_acquire(blocks, size, PARCEL_ROOM);
    if (id == BLOCK_NONE)
        return;
    struct parcel *batch = parcel_at(blocks, id);
    struct writer writer = writer_on(batch->data, size);
    for (uint32_t i = 0; i < run; i++) {
        const struct parcel *part = parcel_of(chat, leaf, track, first + i);
        writer_put(&writer, bytes_of(part->data, part->size));
        if (i == 0) {
            batch->room = part->room;
            batch->sequence_from = part->sequence_from;
            batch->close_when_over = part->close_when_over;
        }
    }
    batch->message_count = run;
    struct leaf_cell *cell = mix_cell(chat, leaf, track, first);
    cell->batch = id;
    cell->run = run;
}

static bool follows(const struct chat *chat, const struct leaf *leaf, uint32_t track,
                    uint32_t first, uint32_t run) {
    const struct leaf_part *parts = leaf_parts(chat, leaf);
    if (parts[first].kind != PART_MESSAGE || parts[first + run].kind != PART_MESSAGE)
        return false;
    const struct parcel *head = parcel_of(chat, leaf, track, first);
    const struct parcel *next = parcel_of(chat, leaf, track, first + run);
    return head && next && next->sequence_from == head->sequence_from + run;
}

// Runs of room messages whose numbers follow each other become batches.
static void make_batches(struct chat *chat, struct leaf *leaf, uint32_t track) {
    for (uint32_t first = 0; first < leaf->parts.count;) {
        uint32_t run = 1;
        while (first + run < leaf->parts.count && follows(chat, leaf, track, first, run))
            run++;
        if (run > 1)
            make_batch(chat, leaf, track, first, run);
        first += run;
    }
}

static void walk_begin(struct chat *chat, struct leaf *leaf) {
    const struct mix *mix = mix_of(chat, leaf);
    leaf->is_walking = true;
    leaf->cursor = 0;
    if (leaf->members.count <= 1 || leaf->parts.count <= 1)
        return;
    make_batches(chat, leaf, 0);
    for (uint32_t track = 1; mix && track < MIX_EACH; track++)
        if (mix->tracks[track].member_count > 1)
            make_batches(chat, leaf, track);
}

// Members that joined behind some of the parts get the rest, and their place (reserved as they
// came).
static void admit_joining(struct chat *chat, struct leaf *leaf) {
    for (uint32_t i = 0; i < leaf->joining.count; i++) {
        const struct leaf_joining *joining = leaf_joiners(chat, leaf);
        struct member *member = chat_member(chat, joining[i].member);
        struct leaf_entry entry = {joining[i].member, member->address};
        (void)deliver_owed(chat, leaf, entry, joining[i].part_first);
        member->position = leaf->members.count;
        leaf_entries(chat, leaf)[leaf->members.count++] = entry;
    }
    leaf->joining.count = 0;
}

static void drop_parcels(struct chat *chat, struct leaf *leaf) {
    for (uint32_t i = 0; i < leaf->parts.count; i++) {
        const struct leaf_cell *cell = &leaf_parts(chat, leaf)[i].cell;
        if (LIKELY(cell->parcel != BLOCK_NONE))
            parcel_unref(blocks_of(chat), cell->parcel);
        if (cell->batch != BLOCK_NONE)
            parcel_unref(blocks_of(chat), cell->batch);
    }
    if (leaf->mix != BLOCK_NONE)
        mix_drop_parts(chat, leaf, false);
    leaf->parts.count = 0;
    leaf->batch_bytes = 0;
}

static void walk_end(struct chat *chat, struct leaf *leaf, uint32_t index) {
    if (leaf->joining.count > 0)
        admit_joining(chat, leaf);
    drop_parcels(chat, leaf);
    leaf->is_walking = false;
    leaf->is_dirty = false;
    if (leaf->phase == LEAF_ANSWERED)
        leaf_end_begin(chat, index);
    if (leaf->is_paused && leaf->phase == LEAF_LIVE) {
        leaf->is_paused = false;
        scheduler_resume(chat->scheduler, KIND_LEAF, index);
    }
}

// What the member is owed, from part_first on, and the end. Its place in the arrays is the
// caller's.
static uint32_t end_member(struct chat *chat, struct leaf *leaf, struct leaf_entry entry,
                           uint32_t part_first) {
    uint32_t deliveries = 0;
    if (leaf->parts.count > part_first)
        deliveries = deliver_owed(chat, leaf, entry, part_first);
    struct member *member = chat_member(chat, entry.member);
    uint32_t track = mix_track(entry.address);
    uint32_t parcel =
        track == MIX_EACH ? CHAT_NOT_SENT : *mix_end_parcel(leaf, mix_of(chat, leaf), track);
    mix_remove(chat, leaf, member);
    if (member->slab_word & MEMBER_MOVING && leaf->actor.slab_word & ACTOR_DOOMED)
        chat_port_torn(chat->port, member->owner, entry.member);
    else
        chat_port_ended(chat->port, member->owner, entry.member, parcel);
    counter_subtract(chat->scheduler->counters, COUNTER_MEMBERS, 1);
    counter_add(chat->scheduler->counters, COUNTER_MEMBERS_ENDED, 1);
    if (member->slab_word & MEMBER_MOVING) { // the answer to its move is still to come
        member->slab_word |= MEMBER_ORPHAN;
        member->leaf = SLAB_NONE;
    } else {
        slab_release(&chat->members, entry.member);
    }
    return deliveries + 1;
}

// The last member of the leaf, of those who joined last first.
static uint32_t end_last(struct chat *chat, struct leaf *leaf) {
    if (leaf->joining.count > 0) {
        struct leaf_joining last = leaf_joiners(chat, leaf)[--leaf->joining.count];
        struct leaf_entry entry = {last.member, chat_member(chat, last.member)->address};
        return end_member(chat, leaf, entry, last.part_first);
    }
    struct leaf_entry entry = leaf_entries(chat, leaf)[--leaf->members.count];
    bool is_served = leaf->is_walking && leaf->members.count < leaf->cursor;
    if (is_served)
        leaf->cursor = leaf->members.count;
    return end_member(chat, leaf, entry, is_served ? leaf->parts.count : 0);
}

void leaf_end_all(struct chat *chat, uint32_t index, void (*on_meta)(void *context, uint32_t meta),
                  void *context) {
    struct leaf *leaf = leaf_at(chat, index);
    while (leaf_member_count(leaf) > 0) {
        uint32_t member = leaf->joining.count > 0
                              ? leaf_joiners(chat, leaf)[leaf->joining.count - 1].member
                              : leaf_entries(chat, leaf)[leaf->members.count - 1].member;
        if (on_meta && !(chat_member(chat, member)->slab_word & MEMBER_MOVING))
            on_meta(context, chat_member(chat, member)->meta);
        (void)end_last(chat, leaf);
    }
    leaf_drop_ends(chat, leaf);
    drop_parcels(chat, leaf);
}

// A slice of the walk that ends the memberships. Returns true when it is done.
static bool end_slice(struct chat *chat, struct leaf *leaf, uint32_t index, uint32_t *budget) {
    while (leaf_member_count(leaf) > 0 && *budget > 0) {
        uint32_t deliveries = end_last(chat, leaf);
        *budget -= deliveries < *budget ? deliveries : *budget;
    }
    if (leaf_member_count(leaf) > 0)
        return false;
    leaf_drop_ends(chat, leaf);
    leaf->phase = LEAF_LIVE;
    walk_end(chat, leaf, index);
    return true;
}

// Nothing is gathered before the walk is done.
static void pause(struct chat *chat, struct leaf *leaf, uint32_t index) {
    if (leaf->is_paused)
        return;
    leaf->is_paused = true;
    scheduler_pause(chat->scheduler, KIND_LEAF, index);
}

// Members from the cursor on, while there is budget.
static void serve_plain(struct chat *chat, struct leaf *leaf, uint32_t *budget) {
    uint32_t end = leaf->members.count;
    for (; leaf->cursor<end && * budget> 0; leaf->cursor++) {
        const struct leaf_entry *entry = &leaf_entries(chat, leaf)[leaf->cursor];
        if (leaf->cursor + PREFETCH_AHEAD < end)
            chat_port_prefetch(chat->port, entry[PREFETCH_AHEAD].address);
        uint32_t deliveries = deliver_parts(chat, leaf, *entry, 0);
        *budget -= deliveries < *budget ? deliveries : *budget;
    }
}

static void serve_mixed(struct chat *chat, struct leaf *leaf, uint32_t *budget) {
    uint32_t end = leaf->members.count;
    for (; leaf->cursor<end && * budget> 0; leaf->cursor++) {
        const struct leaf_entry *entry = &leaf_entries(chat, leaf)[leaf->cursor];
        if (leaf->cursor + PREFETCH_AHEAD < end &&
            address_format(entry[PREFETCH_AHEAD].address) != ADDRESS_EACH)
            chat_port_prefetch(chat->port, entry[PREFETCH_AHEAD].address);
        uint32_t deliveries = mix_deliver(chat, leaf, *entry, 0);
        *budget -= deliveries < *budget ? deliveries : *budget;
    }
}

// One slice, at most *budget deliveries and those to one member. Returns true when the walk is
// done.
static bool walk_slice(struct chat *chat, struct leaf *leaf, uint32_t index, uint32_t *budget) {
    if (!leaf->is_walking)
        walk_begin(chat, leaf);
    if (UNLIKELY(leaf->phase == LEAF_ENDED))
        return end_slice(chat, leaf, index, budget);
    if (leaf->mix == BLOCK_NONE)
        serve_plain(chat, leaf, budget);
    else
        serve_mixed(chat, leaf, budget);
    if (leaf->cursor < leaf->members.count) {
        pause(chat, leaf, index);
        return false;
    }
    walk_end(chat, leaf, index);
    return true;
}

// The oldest dirty leaf, out of the list.
static uint32_t dirty_pop(struct chat *chat) {
    uint32_t index = chat->dirty_head;
    chat->dirty_head = leaf_at(chat, index)->dirty_next;
    if (chat->dirty_head == SLAB_NONE)
        chat->dirty_tail = SLAB_NONE;
    return index;
}

bool chat_flush(struct chat *chat) {
    uint32_t budget = chat->config.turn_deliveries_max;
    while (chat->dirty_head != SLAB_NONE && budget > 0) {
        uint32_t index = dirty_pop(chat);
        if (walk_slice(chat, leaf_at(chat, index), index, &budget))
            leaf_close_if_unused(chat, index);
        else
            leaf_push_dirty(chat, index); // behind the others, who have their go in the next turn
    }
    uint32_t graves_budget = chat->config.turn_deliveries_max / 4 + 2;
    presence_dig(chat, &graves_budget);
    return chat->dirty_head != SLAB_NONE || chat->graves != BLOCK_NONE;
}

static void drop_parts(struct chat *chat, const struct leaf *leaf, struct leaf_entry entry,
                       uint32_t part_first) {
    uint32_t dropped = 0;
    if (leaf->mix != BLOCK_NONE)
        dropped = mix_owed(chat, leaf, entry, part_first);
    else
        for (uint32_t i = part_first; i < leaf->parts.count; i++)
            dropped += leaf_parts(chat, leaf)[i].kind == PART_MESSAGE;
    counter_subtract(chat->scheduler->counters, COUNTER_GATHERED, dropped);
    counter_add(chat->scheduler->counters, COUNTER_DROPPED_CLOSED, dropped);
}

// Takes the entry at `hole` out: served entries stay before the cursor, others behind it.
static void close_hole(const struct chat *chat, struct leaf *leaf, uint32_t hole) {
    struct leaf_entry *entries = leaf_entries(chat, leaf);
    if (leaf->is_walking && hole < leaf->cursor) {
        leaf->cursor--;
        entries[hole] = entries[leaf->cursor];
        chat_member(chat, entries[hole].member)->position = hole;
        hole = leaf->cursor;
    }
    leaf->members.count--;
    if (hole == leaf->members.count)
        return;
    entries[hole] = entries[leaf->members.count];
    chat_member(chat, entries[hole].member)->position = hole;
}

static struct leaf_joining *joining_get(const struct chat *chat, const struct leaf *leaf,
                                        uint32_t member_index) {
    struct leaf_joining *joining = leaf_joiners(chat, leaf);
    uint32_t at = 0;
    while (joining[at].member != member_index) {
        at++;
        CHECKF(at < leaf->joining.count, "member %u is nowhere in its leaf", member_index);
    }
    return &joining[at];
}

// The first part that the member was not given yet.
static uint32_t part_first_of(const struct chat *chat, const struct leaf *leaf,
                              uint32_t member_index) {
    uint32_t position = chat_member(chat, member_index)->position;
    if (position == SLAB_NONE)
        return joining_get(chat, leaf, member_index)->part_first;
    return leaf->is_walking && position < leaf->cursor ? leaf->parts.count : 0;
}

void leaf_remove(struct chat *chat, uint32_t member_index, bool flush) {
    struct member *member = chat_member(chat, member_index);
    struct leaf *leaf = leaf_at(chat, member->leaf);
    struct leaf_entry entry = {member_index, member->address};
    uint32_t part_first = part_first_of(chat, leaf, member_index);
    if (leaf->parts.count > part_first) {
        if (flush)
            (void)deliver_owed(chat, leaf, entry, part_first);
        else
            drop_parts(chat, leaf, entry, part_first);
    }
    mix_remove(chat, leaf, member);
    if (member->position != SLAB_NONE) {
        close_hole(chat, leaf, member->position);
        return;
    }
    struct leaf_joining *joining = joining_get(chat, leaf, member_index);
    *joining = leaf_joiners(chat, leaf)[--leaf->joining.count];
}

static void entries_swap(const struct chat *chat, struct leaf *leaf, uint32_t a, uint32_t b) {
    struct leaf_entry *entries = leaf_entries(chat, leaf);
    struct leaf_entry entry = entries[a];
    entries[a] = entries[b];
    entries[b] = entry;
    chat_member(chat, entries[a].member)->position = a;
    chat_member(chat, entries[b].member)->position = b;
}

// The parts are all behind it: it counts as served, or joins behind them.
static void mark_served(const struct chat *chat, struct leaf *leaf, uint32_t member_index) {
    struct member *member = chat_member(chat, member_index);
    if (member->position == SLAB_NONE)
        joining_get(chat, leaf, member_index)->part_first = leaf->parts.count;
    else
        entries_swap(chat, leaf, member->position, leaf->cursor++);
}

void leaf_readdress(struct chat *chat, uint32_t member_index, uint32_t address) {
    struct member *member = chat_member(chat, member_index);
    uint32_t index = member->leaf;
    struct leaf *leaf = leaf_at(chat, index);
    uint32_t part_first = part_first_of(chat, leaf, member_index);
    bool is_behind = leaf->parts.count > part_first;
    struct leaf_entry entry = {member_index, member->address};
    mix_hand_over(chat, leaf, entry, part_first, address);
    if (is_behind && !leaf->is_walking && member->position != SLAB_NONE) {
        pause(chat, leaf, index);
        walk_begin(chat, leaf);
    }
    if (is_behind)
        mark_served(chat, leaf, member_index);
    mix_remove(chat, leaf, member);
    member->address = address;
    mix_add(chat, leaf, member);
    if (member->position != SLAB_NONE)
        leaf_entries(chat, leaf)[member->position].address = address;
    bool gets_presence = !(member->slab_word & MEMBER_SILENT);
    if (gets_presence && !(member->slab_word & MEMBER_MOVING)) {
        member->slab_word = (member->slab_word & ~MEMBER_STALE) | MEMBER_WAITING;
        leaf_want_state(chat, index, false);
    }
}

void leaf_validate(const struct chat *chat, uint32_t index) {
    const struct leaf *leaf = leaf_at(chat, index);
    CHECK(leaf->cursor <= leaf->members.count || !leaf->is_walking);
    CHECK(leaf->is_dirty || leaf->parts.count == 0);
    CHECK(leaf->phase == LEAF_LIVE || (leaf->is_paused && leaf->room == PID_NONE));
    CHECK((leaf->phase == LEAF_ENDED && leaf->is_dirty) || leaf->end_parcel == BLOCK_NONE);
    mix_validate(chat, leaf);
    for (uint32_t i = 0; i < leaf->members.count; i++) {
        const struct member *member = chat_member(chat, leaf_entries(chat, leaf)[i].member);
        CHECK(member->position == i && member->leaf == index);
        CHECK(!(member->slab_word & (MEMBER_PENDING | MEMBER_ORPHAN)));
    }
}
