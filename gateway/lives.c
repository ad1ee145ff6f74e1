#include "gateway/lives.h"

#include <string.h>

#include "gateway/conn_move.h"
#include "gateway/mqtt_session.h"
#include "sched/base/clock.h"

static bool fits_name(const struct control_who *who, struct bytes name) {
    return who->user_size == 0 || bytes_equal(name, bytes_of(who->user, who->user_size));
}

static bool fits_address(const struct control_who *who, const uint8_t *address) {
    return !who->has_address ||
           (address && memcmp(address, who->address, sizeof(who->address)) == 0);
}

static void put_name(struct control_name *to, struct bytes name) {
    to->size = (uint8_t)name.size;
    if (name.size > 0)
        memcpy(to->bytes, name.data, name.size);
}

static bool lacks_room(const struct control_life *life, uint32_t mark) {
    return strcmp(recorder_event_detail_name(life->record.marks[mark].type), "room") == 0 &&
           life->mark_rooms[mark].size == 0;
}

// The tag's place; tags->count when it has none.
static uint32_t place_of(const struct lives_tags *tags, uint32_t tag) {
    uint32_t at = 0;
    while (at < tags->count && tags->tags[at] != tag)
        at++;
    return at;
}

void lives_tags_gather(struct lives_tags *tags, const struct control_lives *lives) {
    for (uint32_t i = 0; i < lives->life_count; i++)
        for (uint32_t mark = 0; mark < lives->lives[i].record.mark_count; mark++) {
            uint32_t tag = lives->lives[i].record.marks[mark].detail;
            if (lacks_room(&lives->lives[i], mark) && tags->count < LIVES_TAGS_MAX &&
                place_of(tags, tag) == tags->count)
                tags->tags[tags->count++] = tag;
        }
}

void lives_tags_name(const struct core *core, struct lives_tags *tags) {
    for (uint32_t i = 0; i < tags->count; i++)
        if (tags->names[i].size == 0)
            put_name(&tags->names[i], chat_tag_name(&core->chat, tags->tags[i]));
}

void lives_tags_fill(const struct lives_tags *tags, struct control_lives *lives) {
    for (uint32_t i = 0; i < lives->life_count; i++)
        for (uint32_t mark = 0; mark < lives->lives[i].record.mark_count; mark++) {
            struct control_life *life = &lives->lives[i];
            uint32_t place = place_of(tags, life->record.marks[mark].detail);
            if (lacks_room(life, mark) && place < tags->count)
                life->mark_rooms[mark] = tags->names[place];
        }
}

void lives_obituaries(const struct core *core, const struct control_who *who,
                      struct control_lives *lives) {
    const struct recorder *recorder = &core->scheduler.recorder;
    const struct recorder_obituary *obituary;
    lives->total = recorder->obituary_count;
    for (uint32_t age = 0; lives->life_count < lives->lives_max &&
                           (obituary = recorder_lookup_obituary(recorder, age)) != NULL;
         age++) {
        bool is_room = pid_kind(obituary->pid) == KIND_ROOM;
        if ((who->pid != PID_NONE && who->pid != obituary->pid) ||
            !fits_name(who, bytes_of(obituary->name, obituary->name_size)) ||
            !fits_address(who, obituary->has_address ? obituary->address : NULL) ||
            (is_room && who->user_size > 0)) // a room of that name is no user
            continue;
        struct control_life *life = &lives->lives[lives->life_count++];
        life->record = *obituary;
    }
}

static void put_rooms(const struct core *core, uint32_t first, struct control_life *life) {
    for (uint32_t at = first; at != SLAB_NONE; at = chat_member(&core->chat, at)->next) {
        if (life->room_count < CONTROL_LIFE_ROOMS_MAX)
            put_name(&life->rooms[life->room_count], chat_room_name(&core->chat, at));
        life->room_count++;
    }
}

// The name's first bytes, cut between two characters.
static void put_client_id(struct control_name *to, struct bytes id) {
    if (id.size > CONTROL_ROOM_NAME_SIZE_MAX) {
        id.size = CONTROL_ROOM_NAME_SIZE_MAX;
        while (id.size > 0 && (id.data[id.size] & 0xc0) == 0x80)
            id.size--;
    }
    put_name(to, id);
}

static void put_mqtt(const struct core *core, const struct conn *conn, struct control_life *life) {
    const struct gateway *gateway = &core->gateway;
    life->is_mqtt = true;
    life->is_mqtt_ws = conn_has(conn, CONN_MQTT_WS);
    if (conn->session == SLAB_NONE)
        return;
    const struct mqtt_session *session = mqtt_session_at(gateway, conn->session);
    life->mqtt_version = mqtt_session_has(session, MQTT_SESSION_5) ? MQTT_5 : MQTT_3_1_1;
    put_client_id(&life->client_id, mqtt_session_client_id(gateway, conn->session));
    put_rooms(core, session->members, life);
}

static void put_connection(const struct core *core, uint32_t index, struct control_life *life) {
    const struct gateway *gateway = &core->gateway;
    const struct scheduler *scheduler = &core->scheduler;
    const struct conn *conn = conn_at(gateway, index);
    struct recorder_obituary *record = &life->record;
    record->pid = scheduler_pid(scheduler, KIND_CONNECTION, index);
    record->time_ns = scheduler->now_ns;
    if (conn->user != TEXT_NONE) {
        struct bytes user = text_bytes(&gateway->users, conn->user);
        record->name_size = (uint8_t)user.size;
        memcpy(record->name, user.data, user.size);
    }
    record->has_address = addresses_lookup(&gateway->addresses, index, record->address);
    record->mark_count = (uint8_t)recorder_read(
        &scheduler->recorder, recorder_actor(KIND_CONNECTION, index), record->marks);
    life->state = conn_state(conn);
    life->is_paused_queue = conn_has(conn, CONN_PAUSED_QUEUE);
    life->is_paused_busy = conn_has(conn, CONN_PAUSED_BUSY);
    life->is_stale = conn_has(conn, CONN_STALE);
    life->is_doomed = conn_has(conn, CONN_DOOMED);
    uint64_t now_s = scheduler->now_ns / NS_PER_S;
    life->silent_s = now_s > conn->heard_s ? (uint32_t)(now_s - conn->heard_s) : 0;
    life->room_queue_bytes = stream_room_bytes(&core->streams, conn->stream);
    life->control_queue_bytes = stream_control_bytes(&core->streams, conn->stream);
    if (conn_has(conn, CONN_MQTT))
        put_mqtt(core, conn, life);
    else
        put_rooms(core, conn->members, life);
}

static bool fits_connection(const struct gateway *gateway, const struct control_who *who,
                            uint32_t index) {
    const struct conn *conn = conn_at(gateway, index);
    uint8_t address[16];
    struct bytes user = {0};
    if (conn->user != TEXT_NONE && who->user_size > 0)
        user = text_bytes(&gateway->users, conn->user);
    return fits_name(who, user) &&
           (!who->has_address ||
            (addresses_lookup(&gateway->addresses, index, address) && fits_address(who, address)));
}

bool lives_connections(const struct core *core, const struct control_who *who,
                       struct control_lives *lives, uint64_t *cursor) {
    const struct slab *slab = &core->scheduler.kinds[KIND_CONNECTION].slab;
    lives->total = slab->used_count;
    if (who->pid != PID_NONE) {
        if (pid_kind(who->pid) == KIND_CONNECTION && lives->lives_max > 0 &&
            scheduler_lookup(&core->scheduler, who->pid) &&
            fits_connection(&core->gateway, who, pid_slot(who->pid).index))
            put_connection(core, pid_slot(who->pid).index, &lives->lives[lives->life_count++]);
        return true;
    }
    uint32_t end = slab->touched_count;
    if (end - *cursor > LIVES_SLICE && *cursor < end)
        end = (uint32_t)*cursor + LIVES_SLICE;
    for (; *cursor < end && lives->life_count < lives->lives_max; ++*cursor) {
        uint32_t index = (uint32_t)*cursor;
        if (slab_is_used(slab, index) && fits_connection(&core->gateway, who, index))
            put_connection(core, index, &lives->lives[lives->life_count++]);
    }
    return *cursor >= slab->touched_count || lives->life_count >= lives->lives_max;
}

static void move_one(struct core *core, struct control_move *move, uint32_t index) {
    if (!fits_connection(&core->gateway, &move->who, index) ||
        (move->who.pid != PID_NONE &&
         move->who.pid != scheduler_pid(&core->scheduler, KIND_CONNECTION, index)))
        return;
    move->found++;
    move->mqtt += conn_has(conn_at(&core->gateway, index), CONN_MQTT);
    move->begun += conn_move_begin(&core->gateway, index, move->to_core) == 0;
}

bool lives_move(struct core *core, struct control_move *move, uint64_t *cursor) {
    const struct slab *slab = &core->scheduler.kinds[KIND_CONNECTION].slab;
    if (core->id == move->to_core)
        return true;
    for (uint32_t left = LIVES_SLICE; *cursor < slab->touched_count && left > 0; ++*cursor, left--)
        if (slab_is_used(slab, (uint32_t)*cursor))
            move_one(core, move, (uint32_t)*cursor);
    return *cursor >= slab->touched_count;
}

static void begin_kind(const struct core *core, uint8_t id, struct control_kinds *kinds) {
    const struct scheduler_kind *kind = &core->scheduler.kinds[id];
    kinds->kinds[kinds->kind_count++] =
        (struct control_kind){.name = kind->behaviour->name,
                              .core = core->id,
                              .kind = id,
                              .version = kind->behaviour->version,
                              .slot_size = kind->behaviour->slot_size,
                              .count = kind->slab.used_count,
                              .high_water = kind->slab.used_high_water,
                              .slots_max = kind->slab.slots_max,
                              .mailbox_max = kind->behaviour->mailbox_max};
}

// The cursor: kind in the upper half, slot in the lower.
bool lives_actors(const struct core *core, struct control_kinds *kinds, uint64_t *cursor) {
    uint8_t id = (uint8_t)(*cursor >> 32);
    uint32_t index = (uint32_t)*cursor;
    for (uint32_t left = LIVES_SLICE; id < ACTOR_KINDS_MAX; id++, index = 0) {
        const struct slab *slab = &core->scheduler.kinds[id].slab;
        if (!core->scheduler.kinds[id].behaviour)
            continue;
        if (index == 0)
            begin_kind(core, id, kinds);
        struct control_kind *kind = &kinds->kinds[kinds->kind_count - 1];
        for (; index < slab->touched_count && left > 0; index++, left--) {
            const struct actor *actor = slab_at(slab, index);
            if (!(actor->slab_word & SLAB_USED))
                continue;
            kind->mailbox_total += actor->mailbox_count;
            if (actor->mailbox_count > kind->mailbox_fullest)
                kind->mailbox_fullest = actor->mailbox_count;
        }
        if (index < slab->touched_count) {
            *cursor = (uint64_t)id << 32 | index;
            return false;
        }
    }
    return true;
}
