// The parts of machine_read, a file each.
#ifndef FAIRLEAD_MACHINE_PARTS_H
#define FAIRLEAD_MACHINE_PARTS_H

#include "tuning/machine.h"

// Control groups, version 1 and 2, side by side where a host has both.
void machine_cgroup_read(struct machine *machine, const char *root);

// Network cards, their queues, interrupts and steering.
void machine_nic_read(struct machine *machine, const char *root);

// io_uring on this host: is it allowed, and what of it works.
void machine_uring_read(struct machine *machine);

// A line of `fairlead --version`: "  min_wait  yes  gathering work …". Others say nothing.
void machine_decode_features(struct machine *machine, const char *line);

#endif
