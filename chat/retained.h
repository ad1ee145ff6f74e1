// Retained: the one message that a room keeps for who joins later (MQTT 5.0 3.3.1.3), outside its
// sequence. It lies in the room, because the room is its order: it is replaced between two messages
// and replayed between two joins, and what keeps it alive is what keeps the room. A room that is
// restarted hands it to its successor (room_birth).
//
// Bounds: one per room, chat_config.retained_bytes_max per core, in half of rooms_max. Expired: as
// if it were none. Owned by the core's thread.
#ifndef FAIRLEAD_CHAT_RETAINED_H
#define FAIRLEAD_CHAT_RETAINED_H

#include "chat/room.h"

// Takes the place of what was retained; a publish without a body only ends that. A count of the
// payload is taken. False: retained_bytes_max, and what was retained stays.
MUST_USE bool retained_put(struct chat *chat, struct room *room, uint64_t payload);
void retained_clear(struct chat *chat, struct room *room);

bool retained_is_live(const struct chat *chat, const struct room *room);

// When it is to be given up, UINT64_MAX: never, or there is none.
uint64_t retained_expires_ns(const struct chat *chat, const struct room *room);

// Gives it to a joiner, in front of its CHAT_JOINED.
void retained_send(struct chat *chat, const struct room *room, uint64_t leaf, uint64_t member);

#endif
