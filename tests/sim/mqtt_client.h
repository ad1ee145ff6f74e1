// A simulated MQTT client: a socket of the simulated ring and packets of MQTT 3.1.1 or 5.0, written
// here against the specification, with none of the gateway's codecs. It keeps its session over
// connections as 4.1 and 4.4 ask: what it published and has no answer to goes again, identifiers of
// QoS 2 that it received stay until their PUBREL.
//
//   away → asking (CONNECT sent) → open → away
#ifndef FAIRLEAD_TESTS_SIM_MQTT_CLIENT_H
#define FAIRLEAD_TESTS_SIM_MQTT_CLIENT_H

#include "tests/sim/mqtt_model.h"

#define MQTT_CLIENT_OPEN_MAX 64 // publishes without an answer
#define MQTT_CLIENT_ALIASES_MAX 4

struct world;

enum mqtt_client_phase {
    MQTT_CLIENT_AWAY,
    MQTT_CLIENT_ASKING,
    MQTT_CLIENT_OPEN,
};

// A publish of QoS 1 or 2 that is not done with.
struct mqtt_open {
    uint32_t number;
    uint32_t size;
    uint16_t packet_id;
    uint8_t qos;
    bool is_released; // PUBREC came
};

struct mqtt_client {
    uint32_t id;
    enum mqtt_client_phase phase;
    bool is_5;
    uint32_t core;
    uint32_t peer;
    bool has_ghost; // its former connection, not ended by it yet: taken over
    uint32_t ghost_core;
    uint32_t ghost_peer;
    struct sim_buffer outbox;
    struct sim_buffer inbox;
    bool has_session;  // the server said so
    bool was_ended;    // the latest connection, by the server
    uint64_t retry_ns; // in quiet times it comes back not before
    uint16_t next_id;
    uint16_t subscribe_ids[MQTT_MODEL_TOPICS_MAX]; // 0: no SUBACK is owed
    struct mqtt_open open[MQTT_CLIENT_OPEN_MAX];
    uint32_t open_count;
    uint8_t alias_topics[MQTT_CLIENT_ALIASES_MAX + 1]; // topic + 1
    uint8_t received[65536 / 8];                       // identifiers of QoS 2
    uint32_t split_max;                                // bytes it gives the socket at once; 0: all
    bool is_stalled;
    uint64_t connects;
    uint64_t resumed;
};

// By a seed of its own, so that a world without MQTT stays what it was.
void mqtt_clients_init(struct world *world);
void mqtt_clients_fini(struct world *world);

// One thing that some client does, or that befalls it; and some bytes are moved.
void mqtt_clients_storm(struct world *world);

// No more weather: everybody comes back.
void mqtt_clients_calm(struct world *world);

// Moves what there is to move. False: there was nothing.
bool mqtt_clients_pump(struct world *world);

// Everything is answered, and delivered.
void mqtt_clients_check_quiet(const struct world *world);

uint32_t mqtt_clients_open_count(const struct world *world);

#endif
