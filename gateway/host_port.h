// Who holds a TCP port on this machine, for the sentence that start-up prints when a bind fails.
// Reads /proc/net/tcp{,6} and the descriptors of processes that this user may look into.
#ifndef FAIRLEAD_HOST_PORT_H
#define FAIRLEAD_HOST_PORT_H

#include "gateway/config.h"

#define HOST_PORT_ERROR_SIZE 512

// "nginx (pid 812)", or words that say why it cannot be told. `text` has
// `text_size` bytes. Returns `text`.
const char *host_port_holder(const struct config_address *address, char *text, size_t text_size);

// A sentence for a bind of `address` that failed with errno `code`: names the option, the holder of
// the port where that is the trouble, and the cure. `error` has HOST_PORT_ERROR_SIZE bytes.
void host_port_explain(const char *option, const struct config_address *address, int code,
                       char *error);

// Whether nobody listens there, tried for up to a second (the kernel takes a ring apart after its
// process is gone). The data ports are shared by our schedulers (SO_REUSEPORT), and so a second
// gateway of the same user would share them too, unheard: this asks before. false: `error` says
// why.
MUST_USE bool host_port_is_free(const char *option, const struct config_address *address,
                                char *error);

#endif
