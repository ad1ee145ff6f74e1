// What must hold, as far as clients can see it: each room's log, agreed on by all who were given a
// part of it; each publish, told apart by its number; who is in a room. Knows no bytes and no
// sockets: clients report what they sent and what they were given, and the model fails the
// simulation when that cannot be.
#ifndef FAIRLEAD_TESTS_SIM_MODEL_H
#define FAIRLEAD_TESTS_SIM_MODEL_H

#include "tests/sim/sim.h"

#define MODEL_ROOMS_MAX 12

enum publication_state {
    PUBLICATION_SENT, // on its way, or its answer was lost with the connection
    PUBLICATION_ACCEPTED,
    PUBLICATION_REFUSED,
};

// One publish of one client. Its number is in its payload.
struct publication {
    uint32_t room;
    uint32_t client;
    enum publication_state state;
    uint64_t epoch;    // of the room's life that numbered it
    uint64_t sequence; // 0: nobody has told
};

// One life of a room: which publish has which number.
struct room_life {
    uint64_t epoch;
    uint32_t *publications; // by sequence number - 1; number of the publication, 0: not known
    uint64_t capacity;
    uint64_t sequence_max; // largest that was told
};

struct model_room {
    char name[32];
    struct room_life *lives;
    uint32_t life_count;
};

struct model {
    struct model_room rooms[MODEL_ROOMS_MAX];
    uint32_t room_count;
    struct publication *publications; // from 1
    uint32_t publication_count;
    uint32_t publication_capacity;
    uint32_t membership_count; // serial numbers given out
};

void model_init(struct model *model, uint32_t room_count);
void model_fini(struct model *model);

// A publish leaves: its number.
uint32_t model_publish(struct model *model, uint32_t room, uint32_t client);

// Its answer came.
void model_accepted(struct model *model, uint32_t publication, uint64_t epoch, uint64_t sequence);
void model_refused(struct model *model, uint32_t publication);

// A member was given a message: everybody agrees on what has that number, and each publish has one
// number.
void model_delivered(struct model *model, uint32_t room, uint64_t epoch, uint64_t sequence,
                     uint32_t publication);

// A serial number for a membership: the truth of presence.
uint32_t model_membership(struct model *model);

#endif
