// /trace of the control plane.
//
//   POST /trace?room=NAME | ?user=NAME | ?pid=HEX  [&for_s=10]   begins a trace; the one before
//   ends GET /trace[?limit=N]    what was seen, as JSON lines, the oldest first; the first line
//   says
//                           whether it goes on, and what was lost
//   DELETE /trace           ends it; its events stay until the next
//
// Bounds: TRACE_ACTORS_MAX actors and TRACE_EVENTS_MAX events per core, FOR_S_MAX seconds. Answered
// as other paths are, and to no other site's page: a request with a foreign Origin is a 403, unless
// --allow-anonymous. The control plane's thread only.
#ifndef FAIRLEAD_CONTROL_TRACE_H
#define FAIRLEAD_CONTROL_TRACE_H

#include <microhttpd.h>

#include "gateway/control.h"

#define CONTROL_TRACE_METHODS "GET, HEAD, POST, DELETE"

// `method` is one of those.
enum MHD_Result control_trace_answer(struct MHD_Connection *connection,
                                     const struct control_config *config, const char *method);

#endif
