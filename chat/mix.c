// A cell or source that was never written is blank: nobody is owed anything of it.
#include "chat/mix.h"

#include "chat/publish.h"
#include "sched/base/parcel.h"

static struct blocks *blocks_of(const struct chat *chat) {
    return chat->scheduler->blocks;
}

static bool is_observer(const struct member *member) {
    return member->meta == MEMBER_META_OBSERVER;
}

static bool is_silent(const struct member *member) {
    return member->slab_word & MEMBER_SILENT;
}

static bool is_special(const struct member *member) {
    return mix_track(member->address) != 0 || is_observer(member) || is_silent(member);
}

// --- members -------------------------------------------------------------------------------------

bool mix_reserve(struct chat *chat, uint32_t index, const struct member *member) {
    struct leaf *leaf = leaf_at(chat, index);
    if (leaf->mix != BLOCK_NONE || !is_special(member))
        return true;
    leaf->mix = blocks_acquire(blocks_of(chat), sizeof(struct mix));
    if (leaf->mix == BLOCK_NONE)
        return false;
    struct mix *mix = mix_of(chat, leaf);
    *mix = (struct mix){.sources.block = BLOCK_NONE};
    for (uint32_t track = 0; track < MIX_TRACKS; track++) {
        mix->tracks[track].cells.block = BLOCK_NONE;
        mix->tracks[track].end_parcel = BLOCK_NONE;
    }
    mix->tracks[0].member_count = mix->tracks[0].watcher_count = leaf_member_count(leaf);
    return true;
}

static void count(struct chat *chat, const struct leaf *leaf, const struct member *member,
                  uint32_t by) {
    struct mix *mix = mix_of(chat, leaf);
    if (!mix)
        return;
    struct mix_track *track = &mix->tracks[mix_track(member->address)];
    track->member_count += by;
    track->observer_count += is_observer(member) ? by : 0;
    track->watcher_count += is_silent(member) ? 0 : by;
    mix->special_count += is_special(member) ? by : 0;
}

void mix_add(struct chat *chat, const struct leaf *leaf, const struct member *member) {
    CHECK(leaf->mix != BLOCK_NONE || !is_special(member));
    count(chat, leaf, member, 1);
}

void mix_remove(struct chat *chat, const struct leaf *leaf, const struct member *member) {
    count(chat, leaf, member, UINT32_MAX); // - 1
}

// --- parts ---------------------------------------------------------------------------------------

struct leaf_cell *mix_cell(const struct chat *chat, const struct leaf *leaf, uint32_t track,
                           uint32_t at) {
    if (track == 0)
        return &leaf_parts(chat, leaf)[at].cell;
    const struct leaf_array *cells = &mix_of(chat, leaf)->tracks[track].cells;
    return at < cells->count ? (struct leaf_cell *)blocks_at(blocks_of(chat), cells->block) + at
                             : NULL;
}

struct mix_source *mix_source_at(const struct chat *chat, const struct mix *mix, uint32_t at) {
    return at < mix->sources.count
               ? (struct mix_source *)blocks_at(blocks_of(chat), mix->sources.block) + at
               : NULL;
}

bool mix_reserve_source(struct chat *chat, struct leaf *leaf) {
    struct mix *mix = mix_of(chat, leaf);
    if (!leaf_array_reserve(chat, &mix->sources, sizeof(struct mix_source), leaf->parts.count + 1))
        return false;
    while (mix->sources.count <= leaf->parts.count) {
        mix->sources.count++;
        *mix_source_at(chat, mix, mix->sources.count - 1) =
            (struct mix_source){.payload = PAYLOAD_NONE};
    }
    return true;
}

bool mix_reserve_cell(struct chat *chat, struct leaf *leaf, uint32_t track) {
    struct leaf_array *cells = &mix_of(chat, leaf)->tracks[track].cells;
    if (!leaf_array_reserve(chat, cells, sizeof(struct leaf_cell), leaf->parts.count + 1))
        return false;
    while (cells->count <= leaf->parts.count) {
        cells->count++;
        *mix_cell(chat, leaf, track, cells->count - 1) =
            (struct leaf_cell){BLOCK_NONE, BLOCK_NONE, 0};
    }
    return true;
}

static void drop_cells(struct chat *chat, struct leaf_array *cells) {
    for (uint32_t i = 0; i < cells->count; i++) {
        const struct leaf_cell *cell =
            (struct leaf_cell *)blocks_at(blocks_of(chat), cells->block) + i;
        if (cell->parcel != BLOCK_NONE)
            parcel_unref(blocks_of(chat), cell->parcel);
        if (cell->batch != BLOCK_NONE)
            parcel_unref(blocks_of(chat), cell->batch);
    }
    cells->count = 0;
}

void mix_drop_parts(struct chat *chat, struct leaf *leaf, bool is_final) {
    struct mix *mix = mix_of(chat, leaf);
    if (!mix)
        return;
    for (uint32_t i = 0; i < mix->sources.count; i++) {
        uint64_t payload = mix_source_at(chat, mix, i)->payload;
        if (payload != PAYLOAD_NONE)
            payload_unref(chat->scheduler, payload);
    }
    mix->sources.count = 0;
    for (uint32_t track = 1; track < MIX_EACH; track++)
        drop_cells(chat, &mix->tracks[track].cells);
    if (mix->special_count > 0 && !is_final)
        return;
    for (uint32_t track = 1; track < MIX_EACH; track++)
        leaf_array_free(chat, &mix->tracks[track].cells);
    leaf_array_free(chat, &mix->sources);
    blocks_release(blocks_of(chat), leaf->mix);
    leaf->mix = BLOCK_NONE;
}

// --- delivery ------------------------------------------------------------------------------------

// A member that is owed some parts.
struct debt {
    struct chat *chat;
    const struct leaf *leaf;
    const struct mix *mix;
    struct leaf_entry entry;
    uint32_t track;
    bool is_observer;
};

static struct debt debt_of(struct chat *chat, const struct leaf *leaf, struct leaf_entry entry) {
    const struct member *member = chat_member(chat, entry.member);
    return (struct debt){.chat = chat,
                         .leaf = leaf,
                         .mix = mix_of(chat, leaf),
                         .entry = entry,
                         .track = mix_track(member->address),
                         .is_observer = is_observer(member)};
}

// Whether a part, a message or a gap, is for this member.
static bool is_owed(const struct debt *debt, uint32_t at) {
    if (debt->is_observer)
        return false;
    if (debt->track == MIX_EACH) {
        const struct mix_source *source = mix_source_at(debt->chat, debt->mix, at);
        return source && source->is_for_each;
    }
    const struct leaf_cell *cell = mix_cell(debt->chat, debt->leaf, debt->track, at);
    return cell && cell->parcel != BLOCK_NONE;
}

// One room message by itself, from a payload that names the room.
static void deliver_message(const struct debt *debt, uint64_t payload, uint64_t sequence,
                            uint32_t address) {
    struct chat *chat = debt->chat;
    counter_subtract(chat->scheduler->counters, COUNTER_GATHERED, 1);
    struct chat_delivery delivery = {.owner = chat_member(chat, debt->entry.member)->owner,
                                     .member = debt->entry.member,
                                     .address = address,
                                     .payload = payload,
                                     .publish = publish_view(chat->scheduler, payload),
                                     .sequence = sequence};
    chat_port_deliver_each(chat->port, &delivery);
}

static void tell_gap(const struct debt *debt, uint64_t from, uint64_t to) {
    chat_port_gap_each(debt->chat->port, chat_member(debt->chat, debt->entry.member)->owner,
                       debt->entry.member, from, to);
}

static void deliver_presence_each(const struct debt *debt, enum leaf_part_kind kind,
                                  const struct mix_source *source) {
    struct chat *chat = debt->chat;
    struct member *member = chat_member(chat, debt->entry.member);
    bool is_waiting = member->slab_word & MEMBER_WAITING;
    bool is_state = kind == PART_STATE_ALL || (kind == PART_STATE && is_waiting);
    bool is_stale = member->slab_word & MEMBER_STALE;
    if (kind != PART_COUNT && !is_state && (kind == PART_STATE || is_waiting || is_stale))
        return;
    struct chat_presence presence = {.owner = member->owner,
                                     .member = debt->entry.member,
                                     .address = debt->entry.address,
                                     .room = registry_name(&chat->leaves, debt->leaf->name),
                                     .is_state = is_state,
                                     .is_count = kind == PART_COUNT};
    if (kind == PART_COUNT) {
        presence.users = (uint32_t)source->from;
        presence.connections = (uint32_t)source->to;
    } else {
        presence.records = records_view(chat->scheduler, source->payload);
    }
    if (!chat_port_presence_each(chat->port, &presence))
        leaf_mark_stale(chat, member);
    else if (is_state)
        member->slab_word &= ~(MEMBER_WAITING | MEMBER_STALE);
}

static uint32_t deliver_each(const struct debt *debt, uint32_t part_first) {
    const struct leaf_part *parts = leaf_parts(debt->chat, debt->leaf);
    uint32_t deliveries = 0;
    for (uint32_t i = part_first; i < debt->leaf->parts.count; i++) {
        const struct mix_source *source = mix_source_at(debt->chat, debt->mix, i);
        if (!source || !source->is_for_each)
            continue;
        enum leaf_part_kind kind = (enum leaf_part_kind)parts[i].kind;
        deliveries++;
        if (kind == PART_MESSAGE || kind == PART_GAP) {
            if (debt->is_observer)
                continue;
            if (kind == PART_GAP)
                tell_gap(debt, source->from, source->to);
            else
                deliver_message(debt, source->payload, source->from, debt->entry.address);
        } else if (!is_silent(chat_member(debt->chat, debt->entry.member))) {
            deliver_presence_each(debt, kind, source);
        }
    }
    return deliveries;
}

// One part in a shared format. Returns how many parts that were: those of a batch.
static uint32_t deliver_cell(const struct debt *debt, const struct leaf_part *part,
                             const struct leaf_cell *cell) {
    struct chat *chat = debt->chat;
    switch ((enum leaf_part_kind)part->kind) {
    case PART_MESSAGE:
        if (debt->is_observer)
            break;
        if (cell->run > 1 && chat_port_is_empty(chat->port, debt->entry.address)) {
            counter_subtract(chat->scheduler->counters, COUNTER_GATHERED, cell->run);
            chat_port_deliver(chat->port, debt->entry.address, cell->batch);
            return cell->run;
        }
        counter_subtract(chat->scheduler->counters, COUNTER_GATHERED, 1);
        chat_port_deliver(chat->port, debt->entry.address, cell->parcel);
        break;
    case PART_PLAIN:
    case PART_GAP:
        if (!debt->is_observer && part->exclude != debt->entry.member)
            chat_port_deliver(chat->port, debt->entry.address, cell->parcel);
        break;
    case PART_COUNT:
    case PART_DIFF:
    case PART_STATE:
    case PART_STATE_ALL:
        if (!is_silent(chat_member(chat, debt->entry.member)))
            leaf_deliver_presence(chat, (enum leaf_part_kind)part->kind, cell->parcel, debt->entry);
        break;
    }
    return 1;
}

uint32_t mix_deliver(struct chat *chat, const struct leaf *leaf, struct leaf_entry entry,
                     uint32_t part_first) {
    struct debt debt = debt_of(chat, leaf, entry);
    if (debt.track == MIX_EACH)
        return deliver_each(&debt, part_first);
    const struct leaf_part *parts = leaf_parts(chat, leaf);
    uint32_t deliveries = 0;
    for (uint32_t i = part_first; i < leaf->parts.count;) {
        const struct leaf_cell *cell = mix_cell(chat, leaf, debt.track, i);
        if (!cell || cell->parcel == BLOCK_NONE) {
            i++;
            continue;
        }
        i += deliver_cell(&debt, &parts[i], cell);
        deliveries++;
    }
    return deliveries;
}

// The payload may not name the room yet, when nobody was served one by one.
static void hand_over_message(const struct debt *debt, const struct mix_source *source,
                              uint32_t address) {
    struct chat *chat = debt->chat;
    uint64_t payload = publish_name_room(chat->scheduler, source->payload,
                                         registry_name(&chat->leaves, debt->leaf->name));
    if (payload == PAYLOAD_NONE) {
        counter_subtract(chat->scheduler->counters, COUNTER_GATHERED, 1);
        counter_add(chat->scheduler->counters, COUNTER_DROPPED_MEMORY, 1);
        tell_gap(debt, source->from, source->from);
        return;
    }
    deliver_message(debt, payload, source->from, address);
    payload_unref(chat->scheduler, payload);
}

void mix_hand_over(struct chat *chat, struct leaf *leaf, struct leaf_entry entry,
                   uint32_t part_first, uint32_t address) {
    struct debt debt = debt_of(chat, leaf, entry);
    for (uint32_t i = part_first; i < leaf->parts.count; i++) {
        enum leaf_part_kind kind = (enum leaf_part_kind)leaf_parts(chat, leaf)[i].kind;
        if ((kind != PART_MESSAGE && kind != PART_GAP) || !is_owed(&debt, i))
            continue;
        const struct mix_source *source = mix_source_at(chat, debt.mix, i);
        CHECKF(source, "member %u is owed part %u, made from nothing", entry.member, i);
        if (kind == PART_GAP)
            tell_gap(&debt, source->from, source->to);
        else
            hand_over_message(&debt, source, address);
    }
    const struct leaf_loss *loss = mix_loss(leaf, mix_of(chat, leaf), debt.track);
    if (loss->to && !debt.is_observer)
        tell_gap(&debt, loss->from, loss->to);
}

uint32_t mix_owed(const struct chat *chat, const struct leaf *leaf, struct leaf_entry entry,
                  uint32_t part_first) {
    struct debt debt = debt_of((struct chat *)chat, leaf, entry);
    uint32_t owed = 0;
    for (uint32_t i = part_first; i < leaf->parts.count; i++)
        owed += leaf_parts(chat, leaf)[i].kind == PART_MESSAGE && is_owed(&debt, i);
    return owed;
}

// --- checks --------------------------------------------------------------------------------------

void mix_validate(const struct chat *chat, const struct leaf *leaf) {
    const struct mix *mix = mix_of(chat, leaf);
    struct mix counted = {0};
    for (uint32_t i = 0; i < leaf_member_count(leaf); i++) {
        uint32_t index = i < leaf->members.count
                             ? leaf_entries(chat, leaf)[i].member
                             : leaf_joiners(chat, leaf)[i - leaf->members.count].member;
        const struct member *member = chat_member(chat, index);
        struct mix_track *track = &counted.tracks[mix_track(member->address)];
        track->member_count++;
        track->observer_count += is_observer(member);
        track->watcher_count += !is_silent(member);
        counted.special_count += is_special(member);
    }
    CHECK(mix || counted.special_count == 0);
    if (!mix)
        return;
    CHECK(mix->special_count == counted.special_count);
    for (uint32_t track = 0; track < MIX_TRACKS; track++) {
        CHECK(mix->tracks[track].member_count == counted.tracks[track].member_count);
        CHECK(mix->tracks[track].observer_count == counted.tracks[track].observer_count);
        CHECK(mix->tracks[track].watcher_count == counted.tracks[track].watcher_count);
        CHECK(mix->tracks[track].cells.count <= leaf->parts.count + 1);
    }
    CHECK(mix->sources.count <= leaf->parts.count + 1);
}
