// Replies and channel events of one connection: Phoenix text frames of class PARCEL_CONTROL, pushed
// at once. What cannot be queued dooms the connection (conn_push), so nothing is returned.
#ifndef FAIRLEAD_REPLY_H
#define FAIRLEAD_REPLY_H

#include "gateway/conn.h"
#include "gateway/wire/phoenix.h"

// `response` is JSON. A request without a ref wants no reply and gets none.
void reply_ok(struct gateway *gateway, uint32_t index, const struct phoenix_message *request,
              struct bytes response);

// {"reason": reason}; likewise.
void reply_error(struct gateway *gateway, uint32_t index, const struct phoenix_message *request,
                 const char *reason);

// The answer to a phx_join, which comes also when its ref was null.
void reply_joined(struct gateway *gateway, uint32_t index, const struct phoenix_message *request,
                  struct bytes response);
void reply_join_refused(struct gateway *gateway, uint32_t index,
                        const struct phoenix_message *request, const char *reason);

// phx_close: the channel has ended.
void reply_channel_closed(struct gateway *gateway, uint32_t index, struct bytes join_ref,
                          struct bytes topic);

// "room:" and the name, in `topic` of WIRE_TOPIC_BYTES_MAX bytes.
struct bytes reply_topic(uint8_t *topic, struct bytes room);

#endif
