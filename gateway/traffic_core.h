// Recording of traffic on one core, as the control plane orders it: gateway/traffic.h counts, this
// finds out how things stood when it began and when it was read. Owned by the core's thread.
#ifndef FAIRLEAD_TRAFFIC_CORE_H
#define FAIRLEAD_TRAFFIC_CORE_H

#include "gateway/control_port.h"
#include "gateway/core.h"

// Begins a recording; *cursor is 0 at first. True: it is on, and the rooms were all looked at;
// false: more of these are to come.
MUST_USE bool traffic_core_begin(struct core *core, const struct control_traffic_order *order,
                                 uint64_t *cursor);

void traffic_core_end(struct core *core);

// The next slice of reading, likewise; `traffic` is filled in at the end.
MUST_USE bool traffic_core_read(struct core *core, struct control_traffic *traffic,
                                uint64_t *cursor);

#endif
