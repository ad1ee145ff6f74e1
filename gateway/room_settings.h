// Which settings hold for a room: ordered name patterns from the configuration file, the first
// match wins, else the process-wide options. Pure; any thread.
//
// A pattern is matched against the whole Phoenix topic, `room:<name>`: `*` stands for any run of
// bytes (none too), `?` for one UTF-8 character, everything else for itself. There is no escape:
// room names that contain `*` or `?` are matched by `?`.
#ifndef FAIRLEAD_ROOM_SETTINGS_H
#define FAIRLEAD_ROOM_SETTINGS_H

#include "gateway/config.h"
#include "sched/base/bytes.h"

// `name` is the room's name without `room:`.
struct config_room_settings room_settings_lookup(const struct config *config, struct bytes name);

// Linear in the sizes' product at worst, no recursion.
bool room_settings_pattern_matches(struct bytes pattern, struct bytes topic);

#endif
