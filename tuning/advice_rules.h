// The rules behind advice_make, a file for each part of the machine. Each adds its rows, or none
// where the facts are not known; order is made afterwards.
#ifndef FAIRLEAD_ADVICE_RULES_H
#define FAIRLEAD_ADVICE_RULES_H

#include "tuning/advice.h"

// A new row without bounds and verdict OK. The name is its key.
struct advice_row *advice_add(struct advice *advice, const char *name);

void advice_value(struct advice_row *row, const char *format, ...) PRINTF_LIKE(2, 3);
void advice_bounds(struct advice_row *row, const char *format, ...) PRINTF_LIKE(2, 3);
void advice_why(struct advice_row *row, const char *format, ...) PRINTF_LIKE(2, 3);
void advice_lift(struct advice_row *row, const char *format, ...) PRINTF_LIKE(2, 3);

// Bounds both kinds of server, says so, and is low when that is fewer than are wanted.
void advice_bound_both(struct advice *advice, struct advice_row *row, uint64_t connections);

void advice_rules_limits(struct advice *advice, const struct machine *machine);
void advice_rules_memory(struct advice *advice, const struct machine *machine);
void advice_rules_network(struct advice *advice, const struct machine *machine);
void advice_rules_cpus(struct advice *advice, const struct machine *machine);
void advice_rules_kernel(struct advice *advice, const struct machine *machine);

// What memory holds, 0 when that is unknown: the wanted number where none was asked for.
uint64_t advice_memory_connections(const struct machine *machine);

#endif
