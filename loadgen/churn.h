// Members who leave and join again, at a rate: the last ones of each room (layout.h), so that the
// others stay counted on. Each arrival is the next churner's turn, room after room: it leaves, and
// joins again as soon as the server has said yes to that. The run's thread.
#ifndef FAIRLEAD_CHURN_H
#define FAIRLEAD_CHURN_H

#include "loadgen/run.h"

// The next churner leaves. Nothing happens, but that it is counted, when it is not in its room.
void churn_step(struct run *run);

// From receive.c: a leave was answered.
void churn_on_left(struct run *run, uint32_t index);

// From receive.c: a later join was answered.
void churn_on_joined(struct run *run, uint32_t index, uint64_t now_ns);

#endif
