// A session's will (3.1.2.5): kept in a block from the CONNECT on, published when the connection
// ends without a DISCONNECT of reason 0x00, after its delay or at the session's end, whichever is
// first; never twice. LIMITATION: one of message_bytes_max at most per session, but no bound for
// all of them together other than --mqtt-sessions-max. Owned by the core's thread.
#ifndef FAIRLEAD_MQTT_WILL_H
#define FAIRLEAD_MQTT_WILL_H

#include "gateway/mqtt_session.h"

// Replaces what was there. False: memory is out.
MUST_USE bool mqtt_will_set(struct gateway *gateway, uint32_t session,
                            const struct mqtt_will *will);
void mqtt_will_drop(struct gateway *gateway, uint32_t session);

bool mqtt_will_is_set(const struct gateway *gateway, uint32_t session);

// Seconds to wait before it; 0 also when there is none.
uint32_t mqtt_will_delay_s(const struct gateway *gateway, uint32_t session);

// Its delay begins now; in the scheduler's seconds, when it is over. UINT64_MAX: there is none.
uint64_t mqtt_will_wait(struct gateway *gateway, uint32_t session);
uint64_t mqtt_will_due_s(const struct gateway *gateway, uint32_t session);

// Publishes it, if there is one, and drops it.
void mqtt_will_publish(struct gateway *gateway, uint32_t session);

#endif
