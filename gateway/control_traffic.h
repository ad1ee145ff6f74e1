// /traffic of the control plane: the shape of the traffic (gateway/traffic.h), for `fairlead load
// record`.
//
//   POST /traffic[?for_s=60]  begins a recording, of at most TRAFFIC_SECONDS_MAX; the one before is
//                             forgotten
//   GET /traffic              what was recorded so far, as JSON; 404 when nothing ever was
//   DELETE /traffic           ends it; what was recorded stays until the next
//
// The answer of GET, format 1; fields are only ever added:
//
//   shape "fairlead-traffic", format 1, version, on, begun, seconds (that it lasted, a fraction),
//   begin {connections, members}, per_second {series: [count, …]} (the last may be cut
//   short), publish_bytes, publish_gap_us, fan_out, rooms_begin, rooms_end: [[lowest, highest,
//   count], …], gaps_unknown, cores_silent
//
// Answered as other paths are, and to no other site's page: a request that changes something with a
// foreign Origin is a 403, unless --allow-anonymous. The control plane's thread only.
#ifndef FAIRLEAD_CONTROL_TRAFFIC_H
#define FAIRLEAD_CONTROL_TRAFFIC_H

#include <microhttpd.h>

#include "gateway/control.h"

#define CONTROL_TRAFFIC_PATH "/traffic"
#define CONTROL_TRAFFIC_METHODS "GET, HEAD, POST, DELETE"

// `method` is one of those.
enum MHD_Result control_traffic_answer(struct MHD_Connection *connection,
                                       const struct control_config *config, const char *method);

#endif
