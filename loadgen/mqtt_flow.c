#include "loadgen/mqtt_flow.h"

#include <errno.h>

static struct mqtt_flow_entry *entry_at(const struct mqtt_flows *flows, uint32_t index) {
    return slab_get(&flows->entries, index);
}

// --- rings ---------------------------------------------------------------------------------------

static void push(struct mqtt_flows *flows, uint32_t *last, uint32_t index) {
    struct mqtt_flow_entry *entry = entry_at(flows, index);
    if (*last == SLAB_NONE) {
        entry->next = index;
    } else {
        entry->next = entry_at(flows, *last)->next;
        entry_at(flows, *last)->next = index;
    }
    *last = index;
}

// Takes out the one behind `before`.
static void unlink_behind(struct mqtt_flows *flows, uint32_t *last, uint32_t before) {
    uint32_t index = entry_at(flows, before)->next;
    if (index == before) { // the only one
        *last = SLAB_NONE;
        return;
    }
    entry_at(flows, before)->next = entry_at(flows, index)->next;
    if (*last == index)
        *last = before;
}

// The slot before the first one of this identifier, SLAB_NONE when there is none.
static uint32_t find_before(const struct mqtt_flows *flows, uint32_t last, uint16_t packet_id) {
    if (last == SLAB_NONE)
        return SLAB_NONE;
    uint32_t before = last;
    do {
        uint32_t index = entry_at(flows, before)->next;
        if (entry_at(flows, index)->packet_id == packet_id)
            return before;
        before = index;
    } while (before != last);
    return SLAB_NONE;
}

static bool take_out(struct mqtt_flows *flows, uint32_t *last, uint16_t packet_id,
                     struct mqtt_flow_entry *taken) {
    uint32_t before = find_before(flows, *last, packet_id);
    if (before == SLAB_NONE)
        return false;
    uint32_t index = entry_at(flows, before)->next;
    *taken = *entry_at(flows, index);
    unlink_behind(flows, last, before);
    slab_release(&flows->entries, index);
    return true;
}

static void release_all(struct mqtt_flows *flows, uint32_t *last) {
    while (*last != SLAB_NONE) {
        uint32_t index = entry_at(flows, *last)->next;
        unlink_behind(flows, last, *last);
        slab_release(&flows->entries, index);
    }
}

// --- clients -------------------------------------------------------------------------------------

int mqtt_flow_init(struct mqtt_flows *flows, struct memory_ledger *ledger, uint32_t client_count) {
    flows->flows =
        memory_reserve(ledger, "MQTT flows", (size_t)client_count * sizeof(struct mqtt_flow));
    if (flows->flows == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < client_count; i++)
        flows->flows[i] = (struct mqtt_flow){
            .open = SLAB_NONE, .queue = SLAB_NONE, .taken = SLAB_NONE, .cut = SLAB_NONE};
    return slab_init(&flows->entries, ledger, "MQTT messages under way",
                     sizeof(struct mqtt_flow_entry), MQTT_FLOW_ENTRIES_MAX);
}

void mqtt_flow_reset(struct mqtt_flows *flows, uint32_t client) {
    struct mqtt_flow *flow = &flows->flows[client];
    release_all(flows, &flow->open);
    release_all(flows, &flow->queue);
    release_all(flows, &flow->taken);
    flow->last_id = flow->window = flow->open_count = flow->queue_count = 0;
}

void mqtt_flow_set_window(struct mqtt_flows *flows, uint32_t client, uint32_t receive_max) {
    CHECKF(receive_max > 0, "client %u", client);
    flows->flows[client].window =
        (uint16_t)(receive_max < MQTT_FLOW_WINDOW_MAX ? receive_max : MQTT_FLOW_WINDOW_MAX);
}

// --- what we send --------------------------------------------------------------------------------

bool mqtt_flow_may_open(const struct mqtt_flows *flows, uint32_t client) {
    const struct mqtt_flow *flow = &flows->flows[client];
    return flow->open_count < flow->window && flow->queue_count == 0;
}

// At most MQTT_FLOW_WINDOW_MAX of them are in use, so there is one.
static uint16_t next_id(const struct mqtt_flows *flows, struct mqtt_flow *flow) {
    do
        flow->last_id = flow->last_id < MQTT_FLOW_ID_MAX ? (uint16_t)(flow->last_id + 1) : 1;
    while (find_before(flows, flow->open, flow->last_id) != SLAB_NONE);
    return flow->last_id;
}

static struct mqtt_flow_entry *acquire(struct mqtt_flows *flows,
                                       const struct mqtt_flow_message *message, uint32_t *index) {
    struct mqtt_flow_entry *entry = slab_acquire(&flows->entries, index);
    if (entry == NULL)
        return NULL;
    entry->kind = (uint8_t)message->kind;
    entry->stamp = message->stamp;
    entry->payload_bytes = message->payload_bytes;
    return entry;
}

static void open_entry(struct mqtt_flows *flows, struct mqtt_flow *flow, uint32_t index) {
    struct mqtt_flow_entry *entry = entry_at(flows, index);
    if (entry->kind != MQTT_FLOW_PING) {
        entry->packet_id = next_id(flows, flow);
        flow->open_count++;
    }
    push(flows, &flow->open, index);
}

struct mqtt_flow_entry *mqtt_flow_open(struct mqtt_flows *flows, uint32_t client,
                                       const struct mqtt_flow_message *message) {
    uint32_t index;
    struct mqtt_flow_entry *entry = acquire(flows, message, &index);
    if (entry != NULL)
        open_entry(flows, &flows->flows[client], index);
    return entry;
}

bool mqtt_flow_queue(struct mqtt_flows *flows, uint32_t client,
                     const struct mqtt_flow_message *message) {
    struct mqtt_flow *flow = &flows->flows[client];
    uint32_t index;
    if (flow->queue_count == MQTT_FLOW_QUEUE_MAX || acquire(flows, message, &index) == NULL)
        return false;
    push(flows, &flow->queue, index);
    flow->queue_count++;
    return true;
}

struct mqtt_flow_entry *mqtt_flow_open_next(struct mqtt_flows *flows, uint32_t client) {
    struct mqtt_flow *flow = &flows->flows[client];
    if (flow->queue_count == 0 || flow->open_count >= flow->window)
        return NULL;
    uint32_t index = entry_at(flows, flow->queue)->next;
    unlink_behind(flows, &flow->queue, flow->queue);
    flow->queue_count--;
    open_entry(flows, flow, index);
    return entry_at(flows, index);
}

struct mqtt_flow_entry *mqtt_flow_lookup(const struct mqtt_flows *flows, uint32_t client,
                                         uint16_t packet_id) {
    uint32_t before = find_before(flows, flows->flows[client].open, packet_id);
    return before == SLAB_NONE ? NULL : entry_at(flows, entry_at(flows, before)->next);
}

bool mqtt_flow_close(struct mqtt_flows *flows, uint32_t client, uint16_t packet_id,
                     struct mqtt_flow_entry *closed) {
    struct mqtt_flow *flow = &flows->flows[client];
    if (packet_id == 0 || !take_out(flows, &flow->open, packet_id, closed))
        return false;
    flow->open_count--;
    return true;
}

bool mqtt_flow_close_ping(struct mqtt_flows *flows, uint32_t client,
                          struct mqtt_flow_entry *closed) {
    return take_out(flows, &flows->flows[client].open, 0, closed);
}

// --- what we are sent ----------------------------------------------------------------------------

enum mqtt_flow_taking mqtt_flow_take(struct mqtt_flows *flows, uint32_t client,
                                     uint16_t packet_id) {
    struct mqtt_flow *flow = &flows->flows[client];
    uint32_t index;
    if (find_before(flows, flow->taken, packet_id) != SLAB_NONE)
        return MQTT_FLOW_AGAIN;
    struct mqtt_flow_entry *entry = slab_acquire(&flows->entries, &index);
    if (entry == NULL)
        return MQTT_FLOW_NO_MEMORY;
    entry->packet_id = packet_id;
    push(flows, &flow->taken, index);
    return MQTT_FLOW_NEW;
}

bool mqtt_flow_forget(struct mqtt_flows *flows, uint32_t client, uint16_t packet_id) {
    struct mqtt_flow_entry taken;
    return take_out(flows, &flows->flows[client].taken, packet_id, &taken);
}
