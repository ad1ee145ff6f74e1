// "host:port" for the conversation between coordinator and agents: 10.0.0.2:9700, name:9700,
// [::1]:9700; without a port ADDRESS_PORT_DEFAULT. Resolving a name may block: start-up only.
#ifndef FAIRLEAD_LOADGEN_ADDRESS_H
#define FAIRLEAD_LOADGEN_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "sched/base/check.h"

#define ADDRESS_PORT_DEFAULT "9700"
#define ADDRESS_TEXT_BYTES 96
#define ADDRESS_ERROR_BYTES 256

struct address {
    struct sockaddr_storage socket;
    socklen_t size;
    char text[ADDRESS_TEXT_BYTES]; // as written, with its port
};

// 0, or an exit code with a sentence: 2 when the text is no address, 4 when its name does not
// resolve.
MUST_USE int address_parse(struct address *a, const char *text, size_t text_size,
                           char error[ADDRESS_ERROR_BYTES]);

// Reached from this machine only.
bool address_is_loopback(const struct address *a);

// As numbers: "10.0.0.2:41234".
void address_print(const struct sockaddr_storage *socket, socklen_t size,
                   char text[ADDRESS_TEXT_BYTES]);

#endif
