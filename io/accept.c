// Accepting. One acceptor per listening socket:
//
//   idle --accepting_flush--> multishot on a lane with room for MARGIN, or one-shots
//   multishot --lane nears its end--> cancelled --> one-shots there --> next lane
//   error: EMFILE … → idle until retry_s; slots all taken → idle until one comes free
//
// A token's index is slot << 8 | acceptor; slot ONES_MAX is the multishot.
#include "io/accept.h"

#include <errno.h>
#include <string.h>

#include "io/stream_internal.h"
#include "sched/base/log.h"

#define ONES_MAX 256 // one-shots in flight per acceptor, so accepts in one turn
#define ONES_WORDS (ONES_MAX / 64)
// Slots that a multishot may fill before its completions are looked at: a backlog (4096), and what
// comes while it is taken in.
#define MARGIN 6144
#define BACKOFF_S_MAX 8

struct acceptor {
    int fd;
    bool is_open;
    bool peer_addresses;
    bool multi_armed;
    bool multi_cancelled;
    uint32_t multi_lane;
    uint32_t ones_lane;
    uint64_t ones[ONES_WORDS]; // bit: that one-shot is in flight
    uint32_t ones_count;
    uint32_t backoff_s;
    struct sockaddr_storage addresses[ONES_MAX];
    socklen_t address_sizes[ONES_MAX];
};

struct accepting {
    bool due;                             // accepting_flush has something to look at
    bool closing;                         // accept_close_all was called
    uint32_t retry_s;                     // nothing is armed before, unless 0
    uint32_t count;                       // acceptors
    uint32_t armed_count;                 // one-shots of all
    uint32_t lane_armed[RING_LANES_MAX];  // one-shots per lane
    uint32_t lane_multis[RING_LANES_MAX]; // multishots per lane
    struct acceptor acceptors[ACCEPTORS_MAX];
};

int accepting_init(struct streams *streams, struct memory_ledger *ledger) {
    streams->accepting = memory_reserve(ledger, "acceptors", sizeof(struct accepting));
    return streams->accepting ? 0 : -ENOMEM;
}

void accepting_on_slot_free(struct streams *streams) {
    streams->accepting->due = true;
}

static struct handle token_of(uint32_t number, uint32_t slot) {
    return (struct handle){.index = slot << 8 | number};
}

// Streams that may still be opened, less the accepts that are armed for them.
static uint32_t slots_left(const struct streams *streams) {
    const struct accepting *accepting = streams->accepting;
    uint64_t limit = (uint64_t)streams->config.connections_max + streams->config.connections_spare;
    if (limit > streams->slots.slots_max)
        limit = streams->slots.slots_max;
    uint64_t taken =
        (uint64_t)streams->slots.used_count + accepting->armed_count + streams->expected.used_count;
    return taken >= limit ? 0 : (uint32_t)(limit - taken);
}

static uint32_t lane_left(const struct streams *streams, uint32_t lane) {
    uint32_t taken = streams->lane_used[lane] + streams->lane_expected[lane] +
                     streams->accepting->lane_armed[lane];
    uint32_t all = ring_descriptors_per_lane(streams->ring);
    return taken >= all ? 0 : all - taken;
}

// Both kinds of room, in slots, for one more multishot on the lane.
static bool has_margin(const struct streams *streams, uint32_t lane, uint32_t margin) {
    uint32_t multis = streams->accepting->lane_multis[lane] + 1;
    return lane_left(streams, lane) >= multis * margin && slots_left(streams) >= multis * margin;
}

// Slots of the lane that one-shots may name: what the multishots there do not need.
static uint32_t lane_room(const struct streams *streams, uint32_t lane) {
    uint32_t left = lane_left(streams, lane);
    uint32_t margin = streams->accepting->lane_multis[lane] * MARGIN;
    return left > margin ? left - margin : 0;
}

static uint32_t first_lane_with_room(const struct streams *streams) {
    uint32_t lanes = ring_lane_count(streams->ring);
    for (uint32_t lane = 0; lane < lanes; lane++) {
        if (lane_room(streams, lane) > 0)
            return lane;
    }
    return SLAB_NONE;
}

// A descriptor for a stream that another ring passes here, so that no accept meets a full table.
int accepting_reserve(struct streams *streams, uint32_t *lane) {
    uint64_t taken = (uint64_t)streams->slots.used_count + streams->expected.used_count;
    if (streams->accepting->closing)
        return -ESHUTDOWN;
    if (taken >= streams->config.connections_max || slots_left(streams) == 0)
        return -ENOSPC;
    *lane = first_lane_with_room(streams);
    if (*lane == SLAB_NONE)
        return -ENOSPC;
    int result = ring_prepare_lane(streams->ring, *lane);
    if (result < 0)
        return result;
    streams->lane_expected[*lane]++;
    streams->accepting->due = true; // a multishot may have come near its end by it
    return 0;
}

// One-shots for one acceptor: with few slots left the others get some too.
static uint32_t ones_share(const struct streams *streams) {
    const struct accepting *accepting = streams->accepting;
    uint32_t share = (slots_left(streams) + accepting->armed_count) / (2 * accepting->count);
    if (share < 1)
        return 1;
    return share < ONES_MAX ? share : ONES_MAX;
}

static void put_off(struct streams *streams, struct acceptor *acceptor) {
    acceptor->backoff_s = acceptor->backoff_s == 0 ? 1 : acceptor->backoff_s * 2;
    if (acceptor->backoff_s > BACKOFF_S_MAX)
        acceptor->backoff_s = BACKOFF_S_MAX;
    streams->accepting->retry_s = streams->now_s + acceptor->backoff_s;
}

static bool is_one_armed(const struct acceptor *acceptor, uint32_t slot) {
    return (acceptor->ones[slot / 64] & 1ull << slot % 64) != 0;
}

// Of the one-shots at least one is not in flight.
static uint32_t take_free_one(struct acceptor *acceptor) {
    uint32_t word = 0;
    while (~acceptor->ones[word] == 0)
        word++;
    uint32_t bit = (uint32_t)__builtin_ctzll(~acceptor->ones[word]);
    acceptor->ones[word] |= 1ull << bit;
    acceptor->ones_count++;
    return word * 64 + bit;
}

static void arm_ones(struct streams *streams, uint32_t number, uint32_t lane) {
    struct accepting *accepting = streams->accepting;
    struct acceptor *acceptor = &accepting->acceptors[number];
    uint32_t share = ones_share(streams);
    while (acceptor->ones_count < share && lane_room(streams, lane) > 0 &&
           slots_left(streams) > 0) {
        uint32_t slot = take_free_one(acceptor);
        accepting->armed_count++;
        accepting->lane_armed[lane]++;
        acceptor->address_sizes[slot] = sizeof(acceptor->addresses[slot]);
        bool wanted = acceptor->peer_addresses;
        ring_submit_accept(streams->ring, lane, acceptor->fd, token_of(number, slot),
                           wanted ? (struct sockaddr *)&acceptor->addresses[slot] : NULL,
                           wanted ? &acceptor->address_sizes[slot] : NULL);
    }
}

static void arm(struct streams *streams, uint32_t number) {
    struct accepting *accepting = streams->accepting;
    struct acceptor *acceptor = &accepting->acceptors[number];
    if (!acceptor->is_open || acceptor->multi_armed || slots_left(streams) == 0)
        return;
    uint32_t lane = acceptor->ones_count > 0 ? acceptor->ones_lane : first_lane_with_room(streams);
    if (lane == SLAB_NONE || lane_room(streams, lane) == 0)
        return;
    int result = ring_prepare_lane(streams->ring, lane);
    if (result < 0) {
        counter_add(streams->counters, COUNTER_ACCEPT_ERRORS, 1);
        log_line(LOG_ERROR, "event=lane_failed lane=%u error=\"%s\"", lane, strerror(-result));
        put_off(streams, acceptor);
        return;
    }
    if (!acceptor->peer_addresses && acceptor->ones_count == 0 &&
        has_margin(streams, lane, MARGIN)) {
        acceptor->multi_armed = true;
        acceptor->multi_cancelled = false;
        acceptor->multi_lane = lane;
        accepting->lane_multis[lane]++;
        ring_arm_accept(streams->ring, lane, acceptor->fd, token_of(number, ONES_MAX));
        return;
    }
    acceptor->ones_lane = lane;
    arm_ones(streams, number, lane);
}

// A multishot whose lane, or the limit, has come near.
static void cancel_when_near(struct streams *streams, uint32_t number) {
    struct accepting *accepting = streams->accepting;
    struct acceptor *acceptor = &accepting->acceptors[number];
    uint32_t lane = acceptor->multi_lane;
    if (!acceptor->multi_armed || acceptor->multi_cancelled)
        return;
    uint32_t needed = accepting->lane_multis[lane] * MARGIN;
    if (lane_left(streams, lane) >= needed && slots_left(streams) >= needed)
        return;
    acceptor->multi_cancelled = true;
    ring_submit_cancel_accept(streams->ring, lane, token_of(number, ONES_MAX));
}

void accepting_flush(struct streams *streams) {
    struct accepting *accepting = streams->accepting;
    if (LIKELY(!accepting->due) || accepting->closing ||
        (accepting->retry_s != 0 && (int32_t)(streams->now_s - accepting->retry_s) < 0))
        return;
    accepting->due = false;
    accepting->retry_s = 0;
    for (uint32_t i = 0; i < accepting->count; i++) {
        cancel_when_near(streams, i);
        arm(streams, i);
    }
}

void accepting_tick(struct streams *streams) {
    streams->accepting->due = true;
}

static void on_error(struct streams *streams, struct acceptor *acceptor, int error) {
    switch (-error) {
    case ECANCELED:
        return;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
    case EINVAL:
        counter_add(streams->counters, COUNTER_ACCEPT_ERRORS, 1);
        if (streams->accepting->retry_s == 0) {
            log_line(LOG_WARN, "event=accept_failed error=\"%s\"", strerror(-error));
            put_off(streams, acceptor);
        }
        return;
    default: // ECONNABORTED, EPROTO and the network errors of accept(2): that peer only
        counter_add(streams->counters, COUNTER_ACCEPT_ERRORS, 1);
        return;
    }
}

static void open_stream(struct streams *streams, uint32_t number, uint32_t slot, uint32_t index) {
    struct acceptor *acceptor = &streams->accepting->acceptors[number];
    bool is_over = streams->slots.used_count >= streams->config.connections_max;
    struct sockaddr_storage peer;
    struct stream_opening opening = {.by = is_over ? STREAM_ACCEPTED_OVER_LIMIT : STREAM_ACCEPTED,
                                     .owner = SLAB_NONE,
                                     .acceptor = number};
    if (acceptor->peer_addresses && slot < ONES_MAX) {
        peer = acceptor->addresses[slot];
        opening.peer = (const struct sockaddr *)&peer;
    }
    acceptor->backoff_s = 0;
    stream_open_accepted(streams, index, &opening);
}

void accepting_on_completion(struct streams *streams, const struct ring_completion *completion) {
    struct accepting *accepting = streams->accepting;
    uint32_t number = completion->index & 255u;
    uint32_t slot = completion->index >> 8;
    CHECKF(number < accepting->count && slot <= ONES_MAX, "acceptor %u", completion->index);
    struct acceptor *acceptor = &accepting->acceptors[number];
    if (slot < ONES_MAX) {
        acceptor->ones[slot / 64] &= ~(1ull << slot % 64);
        acceptor->ones_count--;
        accepting->armed_count--;
        accepting->lane_armed[completion->lane]--;
    } else if (!completion->more) {
        acceptor->multi_armed = false;
        accepting->lane_multis[completion->lane]--;
    }
    accepting->due = true;
    if (completion->result >= 0)
        open_stream(streams, number, slot, (uint32_t)completion->result);
    else
        on_error(streams, acceptor, completion->result);
}

// As stream_on_cancel_failed.
void accepting_on_cancel_failed(struct streams *streams, const struct ring_completion *completion) {
    uint32_t number = completion->index & 255u;
    uint32_t slot = completion->index >> 8;
    struct acceptor *acceptor = &streams->accepting->acceptors[number];
    bool is_armed = slot < ONES_MAX ? is_one_armed(acceptor, slot) : acceptor->multi_armed;
    if (is_armed && (slot == ONES_MAX || streams->accepting->closing))
        ring_submit_cancel_accept(streams->ring, completion->lane, token_of(number, slot));
}

int accept_open(struct streams *streams, const struct accept_config *config) {
    struct accepting *accepting = streams->accepting;
    CHECK(streams->slots.chosen_by_kernel); // stream_config.connects is for clients
    if (accepting->count == ACCEPTORS_MAX)
        return -ENOSPC;
    struct acceptor *acceptor = &accepting->acceptors[accepting->count];
    acceptor->fd = config->listen_fd;
    acceptor->peer_addresses = config->peer_addresses;
    acceptor->is_open = true;
    accepting->due = true;
    return (int)accepting->count++;
}

void accept_close_all(struct streams *streams) {
    struct accepting *accepting = streams->accepting;
    accepting->closing = true;
    for (uint32_t i = 0; i < accepting->count; i++) {
        struct acceptor *acceptor = &accepting->acceptors[i];
        acceptor->is_open = false;
        if (acceptor->multi_armed && !acceptor->multi_cancelled) {
            acceptor->multi_cancelled = true;
            ring_submit_cancel_accept(streams->ring, acceptor->multi_lane, token_of(i, ONES_MAX));
        }
        for (uint32_t slot = 0; slot < ONES_MAX; slot++) {
            if (is_one_armed(acceptor, slot))
                ring_submit_cancel_accept(streams->ring, acceptor->ones_lane, token_of(i, slot));
        }
    }
}

bool accept_is_quiet(const struct streams *streams) {
    const struct accepting *accepting = streams->accepting;
    for (uint32_t i = 0; i < accepting->count; i++) {
        if (accepting->acceptors[i].multi_armed || accepting->acceptors[i].ones_count > 0)
            return false;
    }
    return true;
}
