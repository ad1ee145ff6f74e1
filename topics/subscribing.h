// Subscribing, on both sides: the core of the subscription asks the owners of the topics that its
// filter may match, one after the other; an owner notes that this core has somebody, replays what
// is retained and answers.
//
//   topics_subscribe --TOPICS_SUBSCRIBE--> owner, notes the core --TOPICS_SUBSCRIBED--> the next
//   owner, …; all have: it stands in its filter's entries
//   wanted: --TOPICS_SUBSCRIBE (SERVICE_REPLAY)--> owner --TOPICS_RETAINED …, TOPICS_SUBSCRIBED-->
//   the next owner, …; then topics_port_subscribed
//
// It stands there only then, so that a relay which was on its way before the owner knew of it is
// not for it: else what was published, answered and retained before it subscribed would come twice.
// Members of shared groups, who get no replay, stand there at once: an owner that knows of one may
// pick it.
//
//   the last one of a filter leaves: --TOPICS_UNSUBSCRIBE--> owners, once no answer is awaited
// A subscription that ends while it waits keeps its slot till the answer (TOPICS_ORPHAN).
#ifndef FAIRLEAD_SUBSCRIBING_H
#define FAIRLEAD_SUBSCRIBING_H

#include "topics/topics.h"

// In topics_subscription.slab_word.
#define TOPICS_ORPHAN 0x01000000u // ended by its owner, an answer is awaited
#define TOPICS_REPLAY 0x02000000u // this round of asking wants what is retained
#define TOPICS_CHANGE 0x04000000u // this round is for new options: the owners know the filter
#define TOPICS_WANTS 0x10000000u  // what is retained, once all owners know of it
#define TOPICS_AGAIN 0x08000000u  // one of the changes that wait wants what is retained

// The filter of a TOPICS_SUBSCRIBE's payload.
struct bytes subscribing_filter(const struct scheduler *scheduler, uint64_t payload);

// The actor's (service.c), and what replay.c needs.
void subscribing_on_subscribe(struct topics *topics, const struct message *message);
void subscribing_on_subscribed(struct topics *topics, const struct message *message);
void subscribing_on_unsubscribe(struct topics *topics, const struct message *message);
void subscribing_on_changed(struct topics *topics, const struct message *message);
void subscribing_on_retained(struct topics *topics, uint32_t subscription, uint64_t payload);
void subscribing_answer(struct topics *topics, const struct topics_asked *asked,
                        enum topics_refusal refusal);

#endif
