// What must hold between MQTT clients, whatever connections do: a publish of QoS 2 reaches a
// subscription of QoS 2 exactly once, one of QoS 1 at least once, what one client publishes to one
// topic in the order in which it did [MQTT-4.6.0-6], QoS 0 apart, which nothing holds back. Knows
// no bytes: clients report what they sent and were given.
//
// "At least once" is asked of worlds where no room, service or session is ended by force
// (`is_gentle`), and of those who were subscribed before the publish was sent.
#ifndef FAIRLEAD_TESTS_SIM_MQTT_MODEL_H
#define FAIRLEAD_TESTS_SIM_MQTT_MODEL_H

#include "tests/sim/sim.h"

#define MQTT_MODEL_CLIENTS_MAX 12
#define MQTT_MODEL_TOPICS_MAX 6

enum mqtt_fate {
    MQTT_FATE_SENT,
    MQTT_FATE_ACCEPTED, // PUBACK, PUBREC
    MQTT_FATE_REFUSED,  // a reason code of 0x80 or more
    MQTT_FATE_UNKNOWN,  // its session was lost before the answer came
};

struct mqtt_publication {
    uint8_t topic;
    uint8_t client;
    uint8_t qos;
    uint8_t fate;       // enum mqtt_fate
    bool was_repeated;  // sent on a second connection
    bool may_be_late;   // 3.1.1, on a connection that the server ended: perhaps it refused it
    uint64_t sent_step; // handed to the socket not before this
};

// One client's subscription to one topic.
struct mqtt_subscription {
    bool is_wanted;
    bool is_confirmed;
    uint8_t qos;
    uint64_t since_step; // the SUBACK came then
    uint8_t *seen;       // by publication: how often, up to 255
    uint32_t seen_capacity;
    uint32_t latest[MQTT_MODEL_CLIENTS_MAX][3]; // publication, of each publisher and flow
};

struct mqtt_model {
    bool is_gentle;
    bool has_refusals; // some publish was refused: sent again it may come behind later ones
    uint32_t topic_count;
    uint32_t client_count;
    struct mqtt_publication *publications;
    uint32_t publication_count;
    uint32_t publication_capacity;
    struct mqtt_subscription subscriptions[MQTT_MODEL_CLIENTS_MAX][MQTT_MODEL_TOPICS_MAX];
    uint64_t deliveries;
    uint64_t repeats;
};

void mqtt_model_fini(struct mqtt_model *model);

// A topic's name; odd ones are rooms.
const char *mqtt_model_topic(uint32_t topic);

uint32_t mqtt_model_publish(struct mqtt_model *model, const struct mqtt_publication *publication);

// A client was given `number` on `topic` for the first time on this identifier.
struct mqtt_delivered {
    uint32_t client;
    uint32_t topic;
    uint32_t number;
    uint8_t qos;
    bool is_duplicate; // its DUP
};
void mqtt_model_delivered(struct mqtt_model *model, const struct mqtt_delivered *delivered);

// All is quiet, everybody is online and has answered everything.
void mqtt_model_check(const struct mqtt_model *model);

#endif
