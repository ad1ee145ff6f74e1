// GET /info of the control plane: which program this is, what it was started with and what it
// stands on, as JSON, so that whoever measures it can write down what was measured. Nothing in it
// changes while the process lives, but uptime_s.
//
//   name "fairlead", version, build, pid, started, uptime_s, kernel, machine
//   schedulers, cpus, lanes (of all schedulers), io_uring {feature: bool}
//   limits {name: number}, listen [{address, path (of an upgrade), protocol}],
//   control
//
// Fields are only ever added. Answered as /metrics is. The control plane's thread only.
#ifndef FAIRLEAD_CONTROL_INFO_H
#define FAIRLEAD_CONTROL_INFO_H

#include <microhttpd.h>

#include "gateway/control.h"

enum MHD_Result control_info_answer(struct MHD_Connection *connection,
                                    const struct control_config *config, uint16_t control_port);

#endif
