// Start to stop of the gateway.
#include "gateway/serve.h"

#include "gateway/control.h"
#include "gateway/control_port.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

int serve_run(const struct config *config, const struct host_plan *plan) {
    char error[CONTROL_ERROR_SIZE], text[1024];
    int received = 0;
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    struct control *control =
        control_open(&(struct control_config){.config = config, .plan = plan}, error);
    if (!control) {
        fprintf(stderr, "fairlead serve: %s\n", error);
        return EXIT_FAILURE;
    }
    host_plan_describe(plan, config, text, sizeof(text));
    log_line(LOG_INFO, "event=started %s", text);
    sigwait(&signals, &received);
    control_close(control);
    log_line(LOG_INFO, "event=stopped signal=%d", received);
    return EXIT_SUCCESS;
}

uint32_t control_port_core_count(void *gateway) {
    return 0;
}

const struct counters *control_port_counters(void *gateway, uint32_t core) {
    return NULL;
}

const struct memory_ledger *control_port_ledger(void *gateway, uint32_t core) {
    return NULL;
}

bool control_port_is_draining(void *gateway) {
    return false;
}

void control_port_snapshot(void *gateway, struct control_snapshot *snapshots) {
}

void control_port_rooms(void *gateway, struct control_rooms *rooms) {
}

enum control_answer control_port_room(void *gateway, struct bytes name, struct control_room *room) {
    return CONTROL_NOT_FOUND;
}
