// The records of chat (chat/message.h) as the payloads of Phoenix presence:
//     presence_state  {"ada":{"metas":[{"phx_ref":"1"},{"device":"phone","phx_ref":"4"}]}, …}
//     presence_diff   {"joins":{…},"leaves":{…}}
//     presence_count  {"users":N,"connections":M}
// Pure. A meta is the client's object with phx_ref put in at its end, so that a phx_ref of the
// client's own does not count (of several members with one name JSON.parse takes the last).
#ifndef FAIRLEAD_PRESENCE_JSON_H
#define FAIRLEAD_PRESENCE_JSON_H

#include "sched/base/bytes.h"

// An upper bound of what presence_json_encode appends.
size_t presence_json_size_max(struct bytes records);

void presence_json_encode(struct writer *w, struct bytes records, bool is_state);

// {"users":N,"connections":M}, in at most PRESENCE_JSON_COUNT_BYTES_MAX.
#define PRESENCE_JSON_COUNT_BYTES_MAX 64
void presence_json_encode_count(struct writer *w, uint32_t users, uint32_t connections);

#endif
