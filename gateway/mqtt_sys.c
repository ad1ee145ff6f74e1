#include "gateway/mqtt_sys.h"

#include "sched/base/clock.h"

#define LIFE_S (3u * MQTT_SYS_PERIOD_S)
#define TOPIC_BYTES_MAX 256u
#define NUMBER_BYTES_MAX 64u

struct metric {
    const char *name;
    const char *labels; // key="value"[,key="value"], or none
};

static const struct metric metrics[COUNTER_COUNT] = {
#define X(id, name, labels, help, if_not_0) {name, labels},
    COUNTERS(X)
#undef X
};

// --- numbers -------------------------------------------------------------------------------------

static bool is_maximum(const char *name) {
    const struct bytes suffix = BYTES_LITERAL("_max");
    struct bytes text = bytes_from_string(name);
    return text.size > suffix.size &&
           bytes_equal(bytes_skip(text, text.size - suffix.size), suffix);
}

// Over all cores: the largest of high-water marks, the sum of all else.
static uint64_t value_of(const struct gateway *gateway, enum counter which) {
    const struct gateway_parts *parts = &gateway->parts;
    if (parts->core_count == 0)
        return counter_read(parts->counters, which);
    uint64_t value = 0;
    for (uint32_t core = 0; core < parts->core_count; core++) {
        uint64_t one = counter_read(parts->core_counters[core], which);
        if (!is_maximum(metrics[which].name))
            value += one;
        else if (one > value)
            value = one;
    }
    return value;
}

// --- messages ------------------------------------------------------------------------------------

static void publish(struct gateway *gateway, struct bytes topic, struct bytes body) {
    const struct topic_message message = {.topic = topic,
                                          .body = body,
                                          .expires_ns = gateway_now_ns(gateway) + LIFE_S * NS_PER_S,
                                          .qos = 2, // each gets it as it subscribed
                                          .is_retained = true};
    enum topics_refusal refusal;
    if (!topics_publish(gateway->parts.topics, &message, 0, &refusal))
        gateway_count(gateway, COUNTER_MQTT_PUBLISHES_REFUSED); // the next one comes soon
}

static void publish_number(struct gateway *gateway, struct bytes topic, uint64_t value,
                           const char *unit) {
    uint8_t text[NUMBER_BYTES_MAX];
    struct writer w = writer_on(text, sizeof(text));
    writer_put_u64(&w, value);
    writer_put_string(&w, unit);
    CHECK(!w.overflow);
    publish(gateway, topic, writer_bytes(&w));
}

// The values of `key="value",…` as levels.
static void put_labels(struct writer *w, const char *labels) {
    bool is_value = false;
    for (const char *c = labels; *c; c++) {
        bool is_quote = *c == '"';
        if (is_quote && !is_value)
            writer_put_byte(w, '/');
        is_value ^= is_quote;
        if (is_value && !is_quote)
            writer_put_byte(w, (uint8_t)*c);
    }
}

static void publish_metric(struct gateway *gateway, enum counter which) {
    uint8_t topic[TOPIC_BYTES_MAX];
    struct writer w = writer_on(topic, sizeof(topic));
    writer_put_string(&w, "$SYS/fairlead/");
    writer_put_string(&w, metrics[which].name);
    put_labels(&w, metrics[which].labels);
    CHECK(!w.overflow);
    publish_number(gateway, writer_bytes(&w), value_of(gateway, which), "");
}

// Names as other brokers have them.
static void publish_broker(struct gateway *gateway) {
    uint64_t online = value_of(gateway, COUNTER_MQTT_SESSIONS_ONLINE);
    uint64_t offline = value_of(gateway, COUNTER_MQTT_SESSIONS_OFFLINE);
    uint64_t received = value_of(gateway, COUNTER_MQTT_PUBLISHES_0) +
                        value_of(gateway, COUNTER_MQTT_PUBLISHES_1) +
                        value_of(gateway, COUNTER_MQTT_PUBLISHES_2);
    uint64_t uptime_s = (gateway_now_ns(gateway) - gateway->sys_begin_ns) / NS_PER_S;
    const struct {
        struct bytes topic;
        uint64_t value;
        const char *unit;
    } numbers[] = {
        {BYTES_LITERAL("$SYS/broker/uptime"), uptime_s, " seconds"},
        {BYTES_LITERAL("$SYS/broker/clients/connected"), online, ""},
        {BYTES_LITERAL("$SYS/broker/clients/disconnected"), offline, ""},
        {BYTES_LITERAL("$SYS/broker/clients/total"), online + offline, ""},
        {BYTES_LITERAL("$SYS/broker/messages/received"), received, ""},
        {BYTES_LITERAL("$SYS/broker/messages/sent"), value_of(gateway, COUNTER_MQTT_PUBLISHES_OUT),
         ""},
        {BYTES_LITERAL("$SYS/broker/subscriptions/count"),
         value_of(gateway, COUNTER_MQTT_SUBSCRIPTIONS), ""},
        {BYTES_LITERAL("$SYS/broker/retained messages/count"),
         value_of(gateway, COUNTER_MQTT_RETAINED), ""},
    };
    publish(gateway, BYTES_LITERAL("$SYS/broker/version"),
            BYTES_LITERAL("fairlead " FAIRLEAD_VERSION));
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        publish_number(gateway, numbers[i].topic, numbers[i].value, numbers[i].unit);
}

static void publish_all(struct gateway *gateway) {
    publish_broker(gateway);
    for (int which = 0; which < COUNTER_COUNT; which++)
        publish_metric(gateway, (enum counter)which);
}

// --- time ----------------------------------------------------------------------------------------

static bool is_owner(const struct gateway *gateway) {
    const struct topics *topics = gateway->parts.topics;
    return topics_owner_core(&topics->config, BYTES_LITERAL("$SYS")) ==
           gateway->parts.scheduler->core;
}

static void look(struct gateway *gateway, uint64_t now_s) {
    struct topics_stats stats = topics_stats(gateway->parts.topics);
    counter_set(gateway->parts.counters, COUNTER_MQTT_SUBSCRIPTIONS, stats.subscriptions);
    counter_set(gateway->parts.counters, COUNTER_MQTT_RETAINED, stats.retained);
    if (!is_owner(gateway))
        return;
    if (!topics_has_interest(gateway->parts.topics, BYTES_LITERAL("$SYS"))) {
        gateway->sys_published_s = 0;
    } else if (gateway->sys_published_s == 0 ||
               now_s - gateway->sys_published_s >= MQTT_SYS_PERIOD_S) {
        gateway->sys_published_s = now_s;
        publish_all(gateway);
    }
}

void mqtt_sys_turn_end(struct gateway *gateway) {
    uint64_t now_ns = gateway_now_ns(gateway);
    if (LIKELY(now_ns / NS_PER_S == gateway->sys_looked_s) || !gateway->parts.topics)
        return;
    if (gateway->sys_begin_ns == 0)
        gateway->sys_begin_ns = now_ns;
    gateway->sys_looked_s = now_ns / NS_PER_S;
    look(gateway, gateway->sys_looked_s);
}
