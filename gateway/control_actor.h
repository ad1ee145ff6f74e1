// /actors/<pid> of the control plane: GET shows one actor (OTP's process_info), DELETE kills it and
// shows what it was. What becomes of it then is its supervisor's to say (gateway/tree.h): a service
// is there again under the same address, a connection is cut, a root supervisor's end is the
// process's. The control plane's thread only.
#ifndef FAIRLEAD_CONTROL_ACTOR_H
#define FAIRLEAD_CONTROL_ACTOR_H

#include <microhttpd.h>

#include "gateway/control.h"

#define CONTROL_ACTOR_PATH "/actors/"

// `pid`: 1 to 16 hexadecimal digits, as in the answers; the path's rest as it came.
enum MHD_Result control_actor(struct MHD_Connection *connection,
                              const struct control_config *config, const char *pid, bool is_end);

#endif
