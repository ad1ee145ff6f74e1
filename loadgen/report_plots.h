// The plots of a report's page (report.h, html_page.h): what changed from second to second, and the
// whole distribution of each latency. After the run; allocates while it draws.
#ifndef FAIRLEAD_REPORT_PLOTS_H
#define FAIRLEAD_REPORT_PLOTS_H

#include "loadgen/html_page.h"
#include "loadgen/report.h"

// A section with rates, latencies, CPU, memory and connections over time, the phases as bands.
// Nothing when there was no full second.
void report_plot_over_time(struct html_page *page, const struct report *report);

// One chart with a curve for each latency that has values; nothing when none has.
void report_plot_distribution(struct html_page *page, const struct report *report);

#endif
