// Publishing: from the publisher's core to the topic's owner, who keeps what is to be retained,
// relays to the cores with subscribers and picks one for each shared group; and the answer.
//
// An owner that is the publisher's own core acts at once, without a message. It refuses what it
// would have to relay to a core whose ring is full to 3/4; a relay that finds no room all the same
// is counted as due and dropped{busy}.
#ifndef FAIRLEAD_PUBLISHING_H
#define FAIRLEAD_PUBLISHING_H

#include "topics/topics.h"

// The actor's (service.c).
void publishing_on_publish(struct topics *topics, const struct message *message);
void publishing_on_published(struct topics *topics, const struct message *message);
void publishing_on_relay(struct topics *topics, const struct message *message);
void publishing_on_share(struct topics *topics, const struct message *message);
void publishing_on_share_back(struct topics *topics, const struct message *message);

#endif
