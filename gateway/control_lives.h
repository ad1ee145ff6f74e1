// /obituaries, /connections and /actors of the control plane.
//
//   /obituaries    ?user= | ?address= | ?pid= | ?limit=   ended connections and rooms, the latest
//                  first, with their last events
//   /connections   the same of those that are open, with their state
//   /actors        per core and kind: how many, most at once, fullest mailbox, version
//
// Bounds: LIMIT_DEFAULT lives, CONTROL_LIVES_MAX at most. An argument that there is not is a 400: a
// filter with a slip in its name must not look like an answer. The control plane's thread only.
#ifndef FAIRLEAD_CONTROL_LIVES_H
#define FAIRLEAD_CONTROL_LIVES_H

#include <microhttpd.h>

#include "gateway/control.h"

enum MHD_Result control_lives_obituaries(struct MHD_Connection *connection,
                                         const struct control_config *config);
enum MHD_Result control_lives_connections(struct MHD_Connection *connection,
                                          const struct control_config *config);
enum MHD_Result control_lives_actors(struct MHD_Connection *connection,
                                     const struct control_config *config);

#endif
