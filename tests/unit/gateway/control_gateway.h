// A gateway of two cores for the tests of control plane and metrics: what control_port.h asks for,
// answered from a struct that the test fills in. Included by one test program each.
#ifndef FAIRLEAD_TESTS_CONTROL_GATEWAY_H
#define FAIRLEAD_TESTS_CONTROL_GATEWAY_H

#include "gateway/control_port.h"

#define GATEWAY_CORES 2

struct gateway {
    struct counters counters[GATEWAY_CORES];
    struct memory_ledger ledgers[GATEWAY_CORES];
    struct control_snapshot snapshots[GATEWAY_CORES];
    bool draining;
    uint32_t room_count; // rooms named "r0", "r1", …
    uint64_t cores_silent;
    struct control_life lives[4]; // obituaries and connections alike
    uint32_t life_count;
    struct control_who who; // the latest asked for
    uint32_t lives_max;
    uint32_t rooms_ended;
    struct control_trace_order order; // the latest
    uint32_t traced;                  // actors that answer to any order
    uint32_t trace_ends;
    struct control_trace trace; // its events stand behind one another in trace_events
    struct control_trace_event trace_events[4];
    uint32_t actors_ended;
    struct control_traffic_order traffic_order; // the latest
    uint32_t traffic_ends;
    struct control_traffic traffic;
};

uint32_t control_port_core_count(void *gateway) {
    return GATEWAY_CORES;
}

const struct counters *control_port_counters(void *gateway, uint32_t core) {
    return &((struct gateway *)gateway)->counters[core];
}

const struct memory_ledger *control_port_ledger(void *gateway, uint32_t core) {
    return &((struct gateway *)gateway)->ledgers[core];
}

bool control_port_is_draining(void *gateway) {
    return ((struct gateway *)gateway)->draining;
}

void control_port_snapshot(void *gateway, struct control_snapshot *snapshots) {
    memcpy(snapshots, ((struct gateway *)gateway)->snapshots,
           sizeof(struct control_snapshot) * GATEWAY_CORES);
}

static inline void gateway_room(uint32_t index, struct control_room *room) {
    *room = (struct control_room){
        .epoch = 0xabc, .sequence = 41, .users = 2, .connections = 3, .presence = "list"};
    room->name_size = (uint32_t)snprintf((char *)room->name, sizeof(room->name), "r%u", index);
}

void control_port_rooms(void *gateway, struct control_rooms *rooms) {
    const struct gateway *g = gateway;
    rooms->rooms_total = g->room_count;
    rooms->cores_silent = g->cores_silent;
    while (rooms->room_count < g->room_count && rooms->room_count < rooms->rooms_max) {
        gateway_room(rooms->room_count, &rooms->rooms[rooms->room_count]);
        rooms->room_count++;
    }
}

enum control_answer control_port_room(void *gateway, struct bytes name, struct control_room *room) {
    const struct gateway *g = gateway;
    if (g->cores_silent) {
        room->home_core = 1;
        return CONTROL_SILENT;
    }
    gateway_room(0, room);
    return bytes_equal(name, bytes_of(room->name, room->name_size)) ? CONTROL_FOUND
                                                                    : CONTROL_NOT_FOUND;
}

enum control_answer control_port_room_end(void *gateway, struct bytes name,
                                          struct control_room *room) {
    enum control_answer answer = control_port_room(gateway, name, room);
    ((struct gateway *)gateway)->rooms_ended += answer == CONTROL_FOUND;
    return answer;
}

void control_port_obituaries(void *gateway, const struct control_who *who,
                             struct control_lives *lives) {
    struct gateway *g = gateway;
    g->who = *who;
    g->lives_max = lives->lives_max;
    lives->total = 1000;
    lives->cores_silent = g->cores_silent;
    while (lives->life_count < g->life_count && lives->life_count < lives->lives_max) {
        lives->lives[lives->life_count] = g->lives[lives->life_count];
        lives->life_count++;
    }
}

void control_port_connections(void *gateway, const struct control_who *who,
                              struct control_lives *lives) {
    control_port_obituaries(gateway, who, lives);
}

void control_port_actors(void *gateway, struct control_kinds *kinds) {
    kinds->cores_silent = ((struct gateway *)gateway)->cores_silent;
    kinds->kind_count = 1;
    kinds->kinds[0] = (struct control_kind){.name = "rooms",
                                            .core = 1,
                                            .kind = 2,
                                            .version = 3,
                                            .count = 4,
                                            .high_water = 5,
                                            .mailbox_fullest = 6};
}

void control_port_move(void *gateway, struct control_move *move) {
    struct gateway *g = gateway;
    g->who = move->who;
    move->cores_silent = g->cores_silent;
    move->found = g->life_count;
    move->begun = g->life_count > 0 ? g->life_count - 1 : 0;
}

bool control_port_tree(void *gateway, uint32_t core, char text[CONTROL_TREE_SIZE]) {
    const struct gateway *g = gateway;
    snprintf(text, CONTROL_TREE_SIZE, "root of %u\n  child\n", core);
    return !(g->cores_silent >> core & 1);
}

uint32_t control_port_trace_begin(void *gateway, const struct control_trace_order *order,
                                  uint64_t *cores_silent) {
    struct gateway *g = gateway;
    g->order = *order;
    *cores_silent = g->cores_silent;
    return g->traced;
}

void control_port_trace_end(void *gateway, uint64_t *cores_silent) {
    struct gateway *g = gateway;
    g->trace_ends++;
    *cores_silent = g->cores_silent;
}

void control_port_trace(void *gateway, struct control_trace *trace) {
    const struct gateway *g = gateway;
    struct control_trace_event *events = trace->events;
    uint32_t events_max = trace->events_max;
    *trace = g->trace;
    trace->events = events;
    trace->events_max = events_max;
    if (trace->event_count > events_max)
        trace->event_count = events_max;
    memcpy(events, g->trace_events, trace->event_count * sizeof(*events));
}

void control_port_traffic_begin(void *gateway, const struct control_traffic_order *order,
                                uint64_t *cores_silent) {
    struct gateway *g = gateway;
    g->traffic_order = *order;
    *cores_silent = g->cores_silent;
}

void control_port_traffic_end(void *gateway, uint64_t *cores_silent) {
    struct gateway *g = gateway;
    g->traffic_ends++;
    *cores_silent = g->cores_silent;
}

void control_port_traffic(void *gateway, struct control_traffic *traffic) {
    const struct gateway *g = gateway;
    *traffic = g->traffic;
    traffic->cores_silent = g->cores_silent;
}

// There is one: 0123456789abcdef.
enum control_answer control_port_actor(void *gateway, struct control_actor_info *actor,
                                       bool is_end) {
    struct gateway *g = gateway;
    actor->core = 1;
    if (g->cores_silent)
        return CONTROL_SILENT;
    if (actor->pid != 0x0123456789abcdef)
        return CONTROL_NOT_FOUND;
    g->actors_ended += is_end;
    actor->name = "chat";
    actor->version = 2;
    actor->mailbox_count = 3;
    actor->supervisor = 0xf1;
    actor->is_paused = true;
    return CONTROL_FOUND;
}

#endif
