#include "tests/sim/model.h"

#include <stdio.h>

void model_init(struct model *model, uint32_t room_count) {
    CHECK(room_count <= MODEL_ROOMS_MAX);
    *model = (struct model){.room_count = room_count};
    for (uint32_t i = 0; i < room_count; i++)
        snprintf(model->rooms[i].name, sizeof(model->rooms[i].name), "r%u", i);
    (void)model_publish(model, 0, 0); // 0 is none
}

void model_fini(struct model *model) {
    for (uint32_t i = 0; i < model->room_count; i++) {
        for (uint32_t j = 0; j < model->rooms[i].life_count; j++)
            free(model->rooms[i].lives[j].publications);
        free(model->rooms[i].lives);
    }
    free(model->publications);
}

uint32_t model_publish(struct model *model, uint32_t room, uint32_t client) {
    if (model->publication_count == model->publication_capacity) {
        model->publication_capacity = model->publication_capacity * 2 + 1024;
        model->publications = realloc(model->publications,
                                      model->publication_capacity * sizeof(model->publications[0]));
        CHECK(model->publications);
    }
    model->publications[model->publication_count] =
        (struct publication){.room = room, .client = client};
    return model->publication_count++;
}

uint32_t model_membership(struct model *model) {
    return ++model->membership_count;
}

static struct room_life *life_of(struct model_room *room, uint64_t epoch) {
    for (uint32_t i = 0; i < room->life_count; i++)
        if (room->lives[i].epoch == epoch)
            return &room->lives[i];
    room->lives = realloc(room->lives, (room->life_count + 1) * sizeof(room->lives[0]));
    CHECK(room->lives);
    room->lives[room->life_count] = (struct room_life){.epoch = epoch};
    return &room->lives[room->life_count++];
}

// The publication has this number, and this number is the publication's.
static void bind(struct model *model, uint32_t room_index, uint64_t epoch, uint64_t sequence,
                 uint32_t number) {
    struct model_room *room = &model->rooms[room_index];
    SIM_REQUIRE(number > 0 && number < model->publication_count,
                "log: room %s: message %lu is none that anybody sent", room->name, sequence);
    struct publication *publication = &model->publications[number];
    SIM_REQUIRE(publication->room == room_index, "log: publish %u of room %s came in room %s",
                number, model->rooms[publication->room].name, room->name);
    SIM_REQUIRE(sequence > 0 && sequence < 1u << 24, "log: room %s: number %lu", room->name,
                sequence);
    SIM_REQUIRE(publication->sequence == 0 ||
                    (publication->sequence == sequence && publication->epoch == epoch),
                "log: room %s: publish %u is message %lu and also %lu", room->name, number,
                publication->sequence, sequence);
    publication->sequence = sequence;
    publication->epoch = epoch;
    struct room_life *life = life_of(room, epoch);
    if (sequence > life->capacity) {
        uint64_t capacity = sequence * 2 + 64;
        life->publications = realloc(life->publications, capacity * sizeof(uint32_t));
        CHECK(life->publications);
        memset(life->publications + life->capacity, 0,
               (capacity - life->capacity) * sizeof(uint32_t));
        life->capacity = capacity;
    }
    uint32_t *there = &life->publications[sequence - 1];
    SIM_REQUIRE(*there == 0 || *there == number,
                "log: room %s: message %lu is publish %u here and %u elsewhere", room->name,
                sequence, number, *there);
    *there = number;
    if (sequence > life->sequence_max)
        life->sequence_max = sequence;
}

void model_accepted(struct model *model, uint32_t number, uint64_t epoch, uint64_t sequence) {
    struct publication *publication = &model->publications[number];
    bind(model, publication->room, epoch, sequence, number);
    publication->state = PUBLICATION_ACCEPTED;
}

void model_refused(struct model *model, uint32_t number) {
    struct publication *publication = &model->publications[number];
    SIM_REQUIRE(publication->sequence == 0, "refused: publish %u was refused, and is message %lu",
                number, publication->sequence);
    publication->state = PUBLICATION_REFUSED;
}

void model_delivered(struct model *model, uint32_t room, uint64_t epoch, uint64_t sequence,
                     uint32_t number) {
    bind(model, room, epoch, sequence, number);
    SIM_REQUIRE(model->publications[number].state != PUBLICATION_REFUSED,
                "refused: publish %u was refused, and was delivered as message %lu", number,
                sequence);
}
