// Goal: no bytes make the reader of plans crash, or take a plan that cannot be carried out; every
// refusal is one line that begins with the file's name. Method: the input as a file for `mix`.
#include "loadgen/plan_file.h"

#include <math.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

// In place of the protocols, which bring sockets with them.
const struct protocol PROTOCOL_PHOENIX = {
    .name = "phoenix", .scheme = "ws", .has_rooms = true, .has_requests = true};
const struct protocol PROTOCOL_WS_ECHO = {.name = "ws-echo", .scheme = "ws", .has_requests = true};
const struct protocol PROTOCOL_TCP_ECHO = {
    .name = "tcp-echo", .scheme = "tcp", .has_requests = true};
const struct protocol PROTOCOL_MQTT = {
    .name = "mqtt", .scheme = "mqtt", .is_mqtt = true, .has_rooms = true, .has_requests = true};
const struct protocol PROTOCOL_MQTT_WS = {
    .name = "mqtt-ws", .scheme = "ws", .is_mqtt = true, .has_rooms = true, .has_requests = true};

static struct load_options options;
static struct plan plan;

static void check_plan(void) {
    struct plan_needs needs;
    plan_measure(&plan, &needs);
    CHECK(plan.count >= 1 && plan.count <= PLAN_PHASES_MAX && needs.measured_count >= 1);
    CHECK(needs.measured_first + needs.measured_count == plan.count);
    CHECK(needs.duration_s > 0 && needs.duration_s <= PLAN_DURATION_S_MAX);
    for (uint32_t i = 0; i < plan.count; i++) {
        const struct phase *p = &plan.phases[i];
        CHECK(isfinite(p->publish.begin) && isfinite(p->publish.end) && isfinite(p->ping.end));
        CHECK(p->connections_percent >= 0 && p->connections_percent <= 100);
        CHECK(p->slow_percent == 0 || p->slow_bytes_per_s > 0);
        CHECK(memchr(p->name, 0, sizeof(p->name)) != NULL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static char *const argv[] = {"fairlead-load", "mix", "day.yaml"};
    char error[LOAD_OPTIONS_ERROR_BYTES] = "";
    CHECK(load_options_parse(&options, 3, argv, error) == LOAD_OPTIONS_RUN);
    if (plan_file_decode("day.yaml", bytes_of(data, size), &plan, &options, error)) {
        check_plan();
        return 0;
    }
    CHECKF(strncmp(error, "day.yaml:", 9) == 0, "told '%s'", error);
    CHECKF(memchr(error, 0, sizeof(error)) != NULL, "no end");
    return 0;
}
