// Where connections come from, by connection slot: kept only with --peer-addresses or behind
// trusted proxies, because the kernel tells the peer's address at an accept of one connection, not
// at a multishot one (io/accept.h).
//
// Memory: 4 B per connection of IPv4, 20 B of IPv6, committed on touch; nothing when not kept.
// Owned by the core's thread.
#ifndef FAIRLEAD_ADDRESSES_H
#define FAIRLEAD_ADDRESSES_H

#include "gateway/config.h"
#include "sched/base/bytes.h"
#include "sched/base/memory.h"

struct addresses {
    uint32_t *v4;      // network order; 0: none, or look in v6. NULL: not kept
    uint8_t (*v6)[16]; // all zero: none
};

// Address space for slots_max. Returns 0, or -ENOMEM. Zero bytes are an `addresses` that keeps
// none.
MUST_USE int addresses_init(struct addresses *addresses, struct memory_ledger *ledger,
                            uint32_t slots_max);

static inline bool addresses_are_kept(const struct addresses *addresses) {
    return addresses->v4 != NULL;
}

// NULL: it is not known. Not kept: does nothing.
void addresses_set(struct addresses *addresses, uint32_t index, const uint8_t ip[16]);

// What a trusted proxy says in X-Forwarded-For: the last address there that is no trusted proxy's.
// Where there is none, or it is no address, the one that is known already stays.
void addresses_set_forwarded(struct addresses *addresses, uint32_t index,
                             const struct config *config, struct bytes forwarded_for);

// IPv4 as ::ffff:a.b.c.d. False when it is not known.
bool addresses_lookup(const struct addresses *addresses, uint32_t index, uint8_t ip[16]);

// The address of a peer in the same form; false when it is NULL or of another family.
bool addresses_of_peer(const struct sockaddr *peer, uint8_t ip[16]);

#endif
