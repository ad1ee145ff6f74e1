#include "chat/gather.h"

#include "chat/mix.h"
#include "chat/publish.h"
#include "sched/base/parcel.h"

// One part in the making.
struct gather {
    enum leaf_part_kind kind;
    uint32_t exclude;
    uint32_t track; // whose gap it is
    uint64_t payload;
    const struct chat_publish *publish;
    struct bytes records;
    uint64_t from; // as in struct mix_source
    uint64_t to;
    uint32_t size; // in bytes, of the largest format
    bool is_made;  // in some format
};

static struct blocks *blocks_of(const struct chat *chat) {
    return chat->scheduler->blocks;
}

static struct bytes name_of(const struct chat *chat, const struct leaf *leaf) {
    return registry_name(&chat->leaves, leaf->name);
}

static uint32_t encode_message(struct chat *chat, uint32_t index, uint32_t format,
                               const struct chat_publish *publish, uint64_t sequence) {
    const struct leaf *leaf = leaf_at(chat, index);
    uint32_t id =
        chat_port_encode_message(chat->port, format, name_of(chat, leaf), publish, sequence);
    if (UNLIKELY(id == BLOCK_NONE || id == CHAT_NOT_SENT))
        return id;
    struct parcel *parcel = parcel_at(blocks_of(chat), id);
    parcel->room = index;
    parcel->message_count = 1;
    parcel->sequence_from = sequence;
    parcel->close_when_over = leaf->close_when_over;
    return id;
}

static uint32_t encode(struct chat *chat, uint32_t index, uint32_t format,
                       const struct gather *part) {
    struct bytes room = name_of(chat, leaf_at(chat, index));
    switch (part->kind) {
    case PART_MESSAGE:
        return encode_message(chat, index, format, part->publish, part->from);
    case PART_PLAIN:
        return chat_port_encode_whisper(chat->port, format, room, part->publish);
    case PART_GAP:
        return chat_port_encode_gap(chat->port, format, room, part->from, part->to);
    case PART_DIFF:
    case PART_STATE:
    case PART_STATE_ALL:
        return chat_port_encode_presence(chat->port, format, room, part->records,
                                         part->kind != PART_DIFF);
    case PART_COUNT:
        return chat_port_encode_count(chat->port, format, room, (uint32_t)part->from,
                                      (uint32_t)part->to);
    }
    UNREACHABLE();
}

static void note_lost(struct leaf_loss *loss, struct leaf_loss more) {
    loss->from = loss->to ? loss->from : more.from;
    loss->to = more.to;
}

// The audit of a message, for the members of one format.
static void account(struct chat *chat, struct leaf_loss *loss, uint64_t sequence,
                    uint32_t receivers, bool is_made) {
    struct counters *counters = chat->scheduler->counters;
    counter_add(counters, COUNTER_DUE, receivers);
    if (LIKELY(is_made)) {
        counter_add(counters, COUNTER_GATHERED, receivers);
        return;
    }
    counter_add(counters, COUNTER_DROPPED_MEMORY, receivers);
    note_lost(loss, (struct leaf_loss){sequence, sequence});
}

// There is room for it.
static void append(struct chat *chat, uint32_t index, const struct leaf_part *part, uint32_t size) {
    struct leaf *leaf = leaf_at(chat, index);
    leaf_parts(chat, leaf)[leaf->parts.count++] = *part;
    leaf->batch_bytes += size;
    leaf_mark_dirty(chat, index);
    if (!leaf->is_paused && (leaf->batch_bytes >= chat->config.batch_bytes_max ||
                             leaf->parts.count >= LEAF_PARTS_MAX)) {
        leaf->is_paused = true;
        scheduler_pause(chat->scheduler, KIND_LEAF, index);
    }
}

static bool reserve(struct chat *chat, struct leaf *leaf) {
    return leaf_array_reserve(chat, &leaf->parts, sizeof(struct leaf_part), leaf->parts.count + 1);
}

// For a leaf of format 0 alone. Takes the parcel. False: memory was out.
static bool append_plain(struct chat *chat, uint32_t index, const struct leaf_part *part) {
    uint32_t parcel = part->cell.parcel;
    if (UNLIKELY(parcel == BLOCK_NONE))
        return false;
    if (UNLIKELY(!reserve(chat, leaf_at(chat, index)))) {
        parcel_unref(blocks_of(chat), parcel);
        return false;
    }
    append(chat, index, part, parcel_at(blocks_of(chat), parcel)->size);
    return true;
}

static bool push_plain(struct chat *chat, uint32_t index, struct gather *part) {
    struct leaf_part plain = {.cell = {encode(chat, index, 0, part), BLOCK_NONE, 0},
                              .exclude = part->exclude,
                              .kind = (uint32_t)part->kind};
    if (plain.cell.parcel == CHAT_NOT_SENT)
        return true;
    part->is_made = append_plain(chat, index, &plain);
    return part->is_made;
}

// The way of nearly all messages: nothing but what it takes.
static void message_plain(struct chat *chat, uint32_t index, const struct chat_publish *publish,
                          uint64_t sequence) {
    struct leaf *leaf = leaf_at(chat, index);
    struct leaf_part part = {
        .cell = {BLOCK_NONE, BLOCK_NONE, 0}, .exclude = SLAB_NONE, .kind = PART_MESSAGE};
    if (LIKELY(leaf->loss.to == 0)) // nothing may pass a gap
        part.cell.parcel = encode_message(chat, index, 0, publish, sequence);
    if (LIKELY(part.cell.parcel != CHAT_NOT_SENT))
        account(chat, &leaf->loss, sequence, leaf_member_count(leaf),
                append_plain(chat, index, &part));
}

// How many members of a track the part is for.
static uint32_t audience_of(const struct mix *mix, uint32_t track, const struct gather *part) {
    switch (part->kind) {
    case PART_GAP:
        return track == part->track ? mix_receiver_count(&mix->tracks[track]) : 0;
    case PART_MESSAGE:
        return mix_receiver_count(&mix->tracks[track]);
    case PART_PLAIN:
        return track == MIX_EACH ? 0 : mix_receiver_count(&mix->tracks[track]);
    case PART_DIFF:
    case PART_STATE:
    case PART_STATE_ALL:
    case PART_COUNT:
        break;
    }
    return mix->tracks[track].watcher_count;
}

// What those who are served one by one are given it from. A message must name its room: it may
// outlive the leaf in their queues. False: memory is out, or, when they need no name, never.
static bool source_make(struct chat *chat, struct leaf *leaf, const struct gather *part,
                        bool is_for_each, struct mix_source *source) {
    *source = (struct mix_source){.from = part->from, .to = part->to};
    source->is_for_each = is_for_each;
    if (part->payload == PAYLOAD_NONE)
        return true;
    source->payload = PAYLOAD_NONE;
    if (is_for_each && part->kind == PART_MESSAGE)
        source->payload = publish_name_room(chat->scheduler, part->payload, name_of(chat, leaf));
    if (source->payload != PAYLOAD_NONE)
        return true;
    payload_ref(chat->scheduler, part->payload, 1);
    source->payload = part->payload;
    source->is_for_each = is_for_each && part->kind != PART_MESSAGE;
    return source->is_for_each == is_for_each;
}

// The part in one format. *parcel is BLOCK_NONE when there is no memory for it.
static void push_track(struct chat *chat, uint32_t index, uint32_t track, struct gather *part,
                       uint32_t *parcel) {
    struct leaf *leaf = leaf_at(chat, index);
    *parcel = encode(chat, index, track, part);
    if (*parcel == BLOCK_NONE || *parcel == CHAT_NOT_SENT)
        return;
    if (track > 0 && !mix_reserve_cell(chat, leaf, track)) {
        parcel_unref(blocks_of(chat), *parcel);
        *parcel = BLOCK_NONE;
        return;
    }
    uint32_t size = parcel_at(blocks_of(chat), *parcel)->size;
    part->size = size > part->size ? size : part->size;
    part->is_made = true;
    if (track > 0)
        *mix_cell(chat, leaf, track, leaf->parts.count) =
            (struct leaf_cell){*parcel, BLOCK_NONE, 0};
}

// For a leaf with several formats. False: memory was out for some.
static bool push_mixed(struct chat *chat, uint32_t index, struct gather *part) {
    struct leaf *leaf = leaf_at(chat, index);
    struct mix *mix = mix_of(chat, leaf);
    bool fits = reserve(chat, leaf) && mix_reserve_source(chat, leaf);
    bool is_told = true;
    uint32_t plain = BLOCK_NONE;
    for (uint32_t track = 0; track < MIX_EACH; track++) {
        uint32_t audience = audience_of(mix, track, part);
        if (audience == 0)
            continue;
        uint32_t parcel = BLOCK_NONE;
        if (fits && (part->kind != PART_MESSAGE || mix_loss(leaf, mix, track)->to == 0))
            push_track(chat, index, track, part, &parcel);
        if (parcel == CHAT_NOT_SENT)
            continue;
        is_told &= parcel != BLOCK_NONE;
        plain = track == 0 ? parcel : plain;
        if (part->kind == PART_MESSAGE)
            account(chat, mix_loss(leaf, mix, track), part->from, audience, parcel != BLOCK_NONE);
    }
    uint32_t audience = audience_of(mix, MIX_EACH, part);
    struct leaf_loss *loss = &mix->tracks[MIX_EACH].loss;
    bool is_for_each = audience > 0 && fits && (part->kind != PART_MESSAGE || loss->to == 0);
    struct mix_source source;
    if (fits && (is_for_each || part->is_made)) {
        is_for_each &= source_make(chat, leaf, part, is_for_each, &source);
        if (is_for_each && part->publish)
            part->size = (uint32_t)part->publish->body.size > part->size
                             ? (uint32_t)part->publish->body.size
                             : part->size;
        part->is_made |= is_for_each;
        *mix_source_at(chat, mix, leaf->parts.count) = source;
        append(chat, index,
               &(struct leaf_part){.cell = {plain, BLOCK_NONE, 0},
                                   .exclude = part->exclude,
                                   .kind = (uint32_t)part->kind},
               part->size);
    }
    if (audience > 0 && part->kind == PART_MESSAGE)
        account(chat, loss, part->from, audience, is_for_each);
    return is_told && (audience == 0 || is_for_each);
}

static bool push(struct chat *chat, uint32_t index, struct gather *part) {
    return leaf_at(chat, index)->mix == BLOCK_NONE ? push_plain(chat, index, part)
                                                   : push_mixed(chat, index, part);
}

// --- gaps ----------------------------------------------------------------------------------------

static void push_gap(struct chat *chat, uint32_t index, uint32_t track) {
    struct leaf *leaf = leaf_at(chat, index);
    struct mix *mix = mix_of(chat, leaf);
    struct leaf_loss *loss = mix_loss(leaf, mix, track);
    uint32_t receivers = mix ? mix_receiver_count(&mix->tracks[track]) : leaf_member_count(leaf);
    if (receivers == 0)
        loss->to = 0; // those who were owed it have left
    if (loss->to == 0)
        return;
    struct gather part = {
        .kind = PART_GAP, .exclude = SLAB_NONE, .track = track, .from = loss->from, .to = loss->to};
    if (!push(chat, index, &part))
        return;
    loss->to = 0;
    counter_add(chat->scheduler->counters, COUNTER_GAPS, part.is_made ? receivers : 0);
}

void gather_gaps_owed(struct chat *chat, uint32_t index) {
    uint32_t tracks = leaf_at(chat, index)->mix == BLOCK_NONE ? 1 : MIX_TRACKS;
    for (uint32_t track = 0; track < tracks; track++)
        push_gap(chat, index, track);
}

void gather_lost(struct chat *chat, uint32_t index, struct leaf_loss loss) {
    struct leaf *leaf = leaf_at(chat, index);
    struct mix *mix = mix_of(chat, leaf);
    uint32_t tracks = mix ? MIX_TRACKS : 1;
    for (uint32_t track = 0; track < tracks; track++)
        note_lost(mix_loss(leaf, mix, track), loss);
    gather_gaps(chat, index);
}

void gather_forget_gaps(struct chat *chat, uint32_t index) {
    struct leaf *leaf = leaf_at(chat, index);
    struct mix *mix = mix_of(chat, leaf);
    uint32_t tracks = mix ? MIX_TRACKS : 1;
    for (uint32_t track = 0; track < tracks; track++)
        mix_loss(leaf, mix, track)->to = 0;
}

bool gather_is_whole(const struct chat *chat, uint32_t index, uint32_t address) {
    struct leaf *leaf = leaf_at(chat, index);
    struct mix *mix = mix_of(chat, leaf);
    return mix_loss(leaf, mix, mix ? mix_track(address) : 0)->to == 0;
}

// --- what there is to tell -----------------------------------------------------------------------

void gather_message(struct chat *chat, uint32_t index, uint64_t payload,
                    const struct chat_publish *publish, uint64_t sequence) {
    gather_gaps(chat, index);
    if (leaf_at(chat, index)->mix == BLOCK_NONE) {
        message_plain(chat, index, publish, sequence);
        return;
    }
    struct gather part = {.kind = PART_MESSAGE,
                          .exclude = SLAB_NONE,
                          .payload = payload,
                          .publish = publish,
                          .from = sequence};
    (void)push_mixed(chat, index, &part);
}

void gather_whisper(struct chat *chat, uint32_t index, const struct chat_publish *publish,
                    uint32_t publisher) {
    struct gather part = {.kind = PART_PLAIN, .exclude = publisher, .publish = publish};
    if (!push(chat, index, &part))
        counter_add(chat->scheduler->counters, COUNTER_WHISPERS_DROPPED, 1);
}

bool gather_presence(struct chat *chat, uint32_t index, uint64_t payload,
                     enum leaf_part_kind kind) {
    struct gather part = {.kind = kind,
                          .exclude = SLAB_NONE,
                          .payload = payload,
                          .records = records_view(chat->scheduler, payload)};
    return push(chat, index, &part);
}

bool gather_count(struct chat *chat, uint32_t index, uint32_t users, uint32_t connections) {
    struct gather part = {
        .kind = PART_COUNT, .exclude = SLAB_NONE, .from = users, .to = connections};
    return push(chat, index, &part);
}
