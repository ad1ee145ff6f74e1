// Faults inside the gateway: actors that exit at any point. One place, so that each way an actor
// can die, move or be restarted is a case of faults_strike.
#ifndef FAIRLEAD_TESTS_SIM_FAULTS_H
#define FAIRLEAD_TESTS_SIM_FAULTS_H

#include "tests/sim/world.h"

// Something dies, by chance. Between two turns.
void faults_strike(struct world *world);

// Connections begin to move to a core, as an operator or a balancer would have it; also to one that
// is full, stalled or about to stop.
void faults_move(struct world *world);

#endif
