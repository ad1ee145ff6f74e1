// What the churn test reads from /metrics.
#ifndef FAIRLEAD_TESTS_CHURN_METRICS_H
#define FAIRLEAD_TESTS_CHURN_METRICS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

// The page as text, malloc's; NULL when nobody answers with 200.
char *churn_metrics_fetch(const struct sockaddr_in *control);

// The sum over all series of a metric ("fairlead_connections"); -1 when there is none.
int64_t churn_metrics_sum(const char *text, const char *name);

// The number of series whose value is not `expected`; the first is copied to `line`.
uint32_t churn_metrics_unlike(const char *text, const char *name, int64_t expected, char *line,
                              size_t line_size);

// The number of slabs in use beyond what `before` shows (but for the tables of registries, which
// stay); the first is copied to `line`.
uint32_t churn_metrics_leaks(const char *text, const char *before, char *line, size_t line_size);

#endif
