#include "loadgen/protocol.h"

#include <string.h>

static const struct protocol *const PROTOCOLS[] = {
    &PROTOCOL_PHOENIX,
    &PROTOCOL_WS_ECHO,
};

#define PROTOCOL_COUNT (sizeof(PROTOCOLS) / sizeof(PROTOCOLS[0]))

const struct protocol *protocol_lookup(const char *name) {
    for (size_t i = 0; i < PROTOCOL_COUNT; i++)
        if (strcmp(PROTOCOLS[i]->name, name) == 0)
            return PROTOCOLS[i];
    return NULL;
}

const char *protocol_names(void) {
    return "phoenix, ws-echo";
}
