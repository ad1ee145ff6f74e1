#include "io/wake.h"

#include <unistd.h>

void wake_from_scheduler(struct ring *own, struct ring_wake_target target) {
    ring_submit_wake(own, target);
}

void wake_from_outside(struct ring_wake_target target) {
    uint64_t one = 1;
    (void)!write(target.event_fd, &one, sizeof(one)); // fails only when a wake is due anyway
}
