// The state of topics on one core: open to its own modules; others go through topics.h, which
// includes this.
#ifndef FAIRLEAD_TOPICS_STATE_H
#define FAIRLEAD_TOPICS_STATE_H

#include "topics/fanout.h"
#include "topics/replay.h"
#include "topics/retained.h"
#include "topics/topic_group.h"
#include "topics/topic_trie.h"
#include "topics/topics.h"

struct topics {
    struct topics_config config;
    struct scheduler *scheduler;
    void *port;
    struct slab subscriptions;
    struct topic_trie trie;
    struct topic_groups groups;
    struct retained retained;
    struct replays replays;
    struct fanout fanout;
    uint32_t under_way;        // publishes and subscribes of this core that wait for an answer
    uint32_t everywhere_count; // filters here that every owner knows
    bool is_paused;            // the service takes no mail: jobs_max are under way
    struct topic_path path;    // of the topic or filter that is looked at
};

// After what is retained has changed.
void topics_count_retained(struct topics *topics);

#endif
