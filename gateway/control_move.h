// POST /connections/move?to=N and one of user=NAME, pid=HEX: begins to move the connections that
// fit, wherever they are, to core N (gateway/conn_move.h). Answers how many have begun: that they
// have arrived shows in /connections. Thread: the control plane's own.
#ifndef FAIRLEAD_CONTROL_MOVE_H
#define FAIRLEAD_CONTROL_MOVE_H

#include <microhttpd.h>

#include "gateway/control.h"

#define CONTROL_MOVE_PATH "/connections/move"
#define CONTROL_MOVE_METHODS "POST"

enum MHD_Result control_move_answer(struct MHD_Connection *connection,
                                    const struct control_config *config);

#endif
