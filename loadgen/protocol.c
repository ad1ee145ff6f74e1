#include "loadgen/protocol.h"

#include <string.h>

static const struct protocol *const PROTOCOLS[] = {
    &PROTOCOL_PHOENIX, &PROTOCOL_WS_ECHO, &PROTOCOL_TCP_ECHO,
    &PROTOCOL_MQTT,    &PROTOCOL_MQTT_WS, NULL,
};

const struct protocol *protocol_at(size_t position) {
    return PROTOCOLS[position];
}

const struct protocol *protocol_lookup(const char *name) {
    for (const struct protocol *const *at = PROTOCOLS; *at; at++)
        if (strcmp((*at)->name, name) == 0)
            return *at;
    return NULL;
}

bool protocol_takes_url(const struct protocol *protocol, const char *url) {
    size_t size = strlen(protocol->scheme);
    return strncmp(url, protocol->scheme, size) == 0 && strncmp(url + size, "://", 3) == 0;
}

const struct protocol *protocol_of_url(const char *url) {
    for (const struct protocol *const *at = PROTOCOLS; *at; at++)
        if (protocol_takes_url(*at, url))
            return *at;
    return NULL;
}
