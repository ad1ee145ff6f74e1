// The supervisors of one core's gateway:
//
//     fairlead      one_for_one
//       control     permanent: answers the control plane
//       moves       permanent: connections that move to other cores
//       balancer    permanent, with --balance: the busiest core moves some to the idlest
//       chat        permanent, rest_for_one
//         rooms     all whose home is here. Transient: one that fails starts anew under its name
//         leaves    all of them. Temporary: the next join makes another
//         service   permanent: takes joins by name, makes rooms
//       topics      permanent: publish/subscribe outside rooms
//       sessions    all MQTT sessions. Temporary: their state is in memory alone
//       connections all of them. Temporary: a client that is cut off comes back by itself
//
// one_for_one at the root: connections outlive a chat that starts anew (their memberships end, they
// are told), and the control plane sees it all. rest_for_one in chat: leaves without their rooms'
// supervisor have nobody to ask, the service has none to make rooms under. Ended in reverse:
// connections, which leave; sessions, which leave too; the service, so that no room is made;
// leaves; rooms; control last.
//
// Restarts are logged, at most TREE_LINES_PER_S lines a second. A tree whose root has ended by
// itself has given up: the core cannot go on (gateway/core.c ends the process, its supervisor
// starts it again). Thread: the core's own; open and end also main's, without threads.
#ifndef FAIRLEAD_TREE_H
#define FAIRLEAD_TREE_H

#include "sched/supervisor.h"

#define TREE_LINES_PER_S 10

struct tree {
    struct scheduler *scheduler;
    struct supervisor_config config;
    uint64_t root;
    uint64_t lines_s; // the second that `lines` were written in
    uint32_t lines;
    uint32_t lines_left_out; // since the last line
};

// After the kinds of chat, connections and control were registered; starts the services. Returns 0,
// or -ENOMEM. `tree` must stay where it is. `has_balancer`: KIND_BALANCER is registered too.
MUST_USE int tree_open(struct tree *tree, struct scheduler *scheduler, bool has_balancer);

// False: it gave up.
static inline bool tree_is_up(const struct tree *tree) {
    return scheduler_lookup(tree->scheduler, tree->root) != NULL;
}

// The ordered end of all, while nobody turns the scheduler: it is turned here, its clock runs as
// far as the children's time goes.
void tree_end(struct tree *tree);

// The tree as text (sched/supervisor_tree.h).
void tree_print(const struct tree *tree, struct writer *w);

#endif
