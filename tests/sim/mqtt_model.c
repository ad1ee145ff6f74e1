#include "tests/sim/mqtt_model.h"

void mqtt_model_fini(struct mqtt_model *model) {
    for (uint32_t i = 0; i < MQTT_MODEL_CLIENTS_MAX; i++)
        for (uint32_t topic = 0; topic < MQTT_MODEL_TOPICS_MAX; topic++)
            free(model->subscriptions[i][topic].seen);
    free(model->publications);
}

const char *mqtt_model_topic(uint32_t topic) {
    static const char *const names[MQTT_MODEL_TOPICS_MAX] = {"plain/0", "room/q1", "plain/2",
                                                             "room/q3", "other/4", "room/q5"};
    return names[topic];
}

uint32_t mqtt_model_publish(struct mqtt_model *model, const struct mqtt_publication *publication) {
    if (model->publication_count == model->publication_capacity) {
        model->publication_capacity = model->publication_capacity * 2 + 256;
        model->publications = realloc(model->publications,
                                      model->publication_capacity * sizeof(model->publications[0]));
        CHECK(model->publications);
    }
    if (model->publication_count == 0) // 0 is none
        model->publications[model->publication_count++] = (struct mqtt_publication){0};
    model->publications[model->publication_count] = *publication;
    return model->publication_count++;
}

static uint8_t *seen_of(struct mqtt_subscription *subscription, uint32_t number) {
    if (number >= subscription->seen_capacity) {
        uint32_t capacity = number * 2 + 64;
        subscription->seen = realloc(subscription->seen, capacity);
        CHECK(subscription->seen);
        memset(subscription->seen + subscription->seen_capacity, 0,
               capacity - subscription->seen_capacity);
        subscription->seen_capacity = capacity;
    }
    return &subscription->seen[number];
}

static uint8_t smaller(uint8_t a, uint8_t b) {
    return a < b ? a : b;
}

void mqtt_model_delivered(struct mqtt_model *model, const struct mqtt_delivered *delivered) {
    uint32_t number = delivered->number;
    SIM_REQUIRE(number > 0 && number < model->publication_count,
                "mqtt: client %u was given publish %u, which nobody sent", delivered->client,
                number);
    const struct mqtt_publication *publication = &model->publications[number];
    struct mqtt_subscription *subscription =
        &model->subscriptions[delivered->client][delivered->topic];
    const char *topic = mqtt_model_topic(delivered->topic);
    SIM_REQUIRE(publication->topic == delivered->topic, "mqtt: publish %u of %s came on %s", number,
                mqtt_model_topic(publication->topic), topic);
    SIM_REQUIRE(subscription->is_wanted, "mqtt: client %u was given %s, and did not subscribe",
                delivered->client, topic);
    SIM_REQUIRE(delivered->qos == smaller(publication->qos, subscription->qos),
                "mqtt: client %u, publish %u of QoS %u came with %u, granted %u", delivered->client,
                number, publication->qos, delivered->qos, subscription->qos);
    uint8_t *seen = seen_of(subscription, number);
    // A session that was ended by force takes the identifiers of its QoS 2 with it, and a client
    // whose CONNACK was lost does not learn of it.
    bool may_repeat = (publication->was_repeated && (publication->qos == 1 || !model->is_gentle)) ||
                      (delivered->qos == 1 && delivered->is_duplicate);
    SIM_REQUIRE(*seen == 0 || may_repeat,
                "mqtt: client %u was given publish %u of QoS %u (with %u) %u times before",
                delivered->client, number, publication->qos, delivered->qos, *seen);
    // A QoS 1 that is sent again may have come before, and who subscribed in between sees the
    // second.
    bool is_older =
        !subscription->is_confirmed || publication->sent_step <= subscription->since_step;
    bool may_be_late =
        publication->may_be_late ||
        (publication->was_repeated && (model->has_refusals || (publication->qos == 1 && is_older) ||
                                       delivered->qos == 0)); // whose first copy may be lost
    // QoS 0 overtakes what waits for an acknowledgement, on either side.
    uint32_t flow = (publication->qos > 0) + (delivered->qos > 0);
    uint32_t *latest = &subscription->latest[publication->client][flow];
    SIM_REQUIRE(*seen > 0 || number > *latest || may_be_late,
                "mqtt: client %u on %s was given publish %u of client %u after %u",
                delivered->client, topic, number, publication->client, *latest);
    if (number > *latest)
        *latest = number;
    model->deliveries++;
    model->repeats += *seen > 0;
    if (*seen < UINT8_MAX)
        ++*seen;
}

void mqtt_model_check(const struct mqtt_model *model) {
    if (!model->is_gentle)
        return;
    for (uint32_t number = 1; number < model->publication_count; number++) {
        const struct mqtt_publication *publication = &model->publications[number];
        if (publication->qos == 0 || publication->fate != MQTT_FATE_ACCEPTED)
            continue;
        for (uint32_t i = 0; i < model->client_count; i++) {
            const struct mqtt_subscription *at = &model->subscriptions[i][publication->topic];
            bool is_due =
                at->is_confirmed && at->qos > 0 && at->since_step < publication->sent_step;
            bool is_seen = number < at->seen_capacity && at->seen[number] > 0;
            SIM_REQUIRE(!is_due || is_seen,
                        "mqtt: client %u on %s was never given publish %u of client %u, QoS %u", i,
                        mqtt_model_topic(publication->topic), number, publication->client,
                        publication->qos);
        }
    }
}
