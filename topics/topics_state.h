// The state of topics on one core: open to its own modules; others go through topics.h, which
// includes this.
#ifndef FAIRLEAD_TOPICS_STATE_H
#define FAIRLEAD_TOPICS_STATE_H

#include "topics/topics.h"

struct topics {
    struct topics_config config;
    struct scheduler *scheduler;
    void *port;
};

#endif
