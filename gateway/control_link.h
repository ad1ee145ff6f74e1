// The control plane's way to the schedulers and back: defines gateway/control_port.h, and
// KIND_CONTROL, one actor per core that answers. The control plane's thread is an outsider endpoint
// of the mesh; a question travels as a pointer to memory of its own that the answer brings back, so
// that a late answer harms nobody (it is freed when it comes).
#ifndef FAIRLEAD_CONTROL_LINK_H
#define FAIRLEAD_CONTROL_LINK_H

#include "gateway/control_port.h"
#include "gateway/core.h"

// What control_port.h calls the gateway.
struct control_link {
    struct serve_shared *shared;
    struct core *cores;
    uint32_t endpoint; // in the mesh
    uint64_t question; // number of the latest
};

// Main, before threads: registers the kind of the core's answering actor, which its supervisor
// starts (gateway/tree.h). Returns 0, or -ENOMEM.
MUST_USE int control_link_open(struct core *core);

// Main, after all threads have ended: frees questions that no core took and answers that came too
// late.
void control_link_drain(struct control_link *link);

#endif
