// Who holds a TCP port on this machine, for the sentence that start-up prints when a bind fails.
// Reads /proc/net/tcp{,6} and the descriptors of processes that this user may look into.
#ifndef FAIRLEAD_HOST_PORT_H
#define FAIRLEAD_HOST_PORT_H

#include "gateway/config.h"

// "nginx (pid 812)", or words that say why it cannot be told. `text` has
// `text_size` bytes. Returns `text`.
const char *host_port_holder(const struct config_address *address, char *text, size_t text_size);

#endif
