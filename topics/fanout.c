#include "topics/fanout.h"

#include <errno.h>

#include "sched/base/hash.h"
#include "sched/base/parcel.h"
#include "topics/topics.h"

#define PREFETCH_AHEAD 8
#define JOBS_SPARE 64 // one go of the service, should it be paused late (a restart)

enum fanout_phase {
    FANOUT_GATHER, // the entries of all but the biggest, by owner
    FANOUT_WALK,   // the biggest
    FANOUT_COPIES,
};

// An entry of the matches, by owner; those of one owner in a list.
struct copy {
    uint32_t owner;
    uint32_t node;
    uint32_t position;
    uint32_t next; // of the same owner, SLAB_NONE
};

// In a block: the head, `mask` + 1 slots (first copy + 1 of an owner, 0: empty), the copies. Those
// that are first of their owner are `is_first`.
struct copies {
    uint32_t mask;
    uint32_t count;
    uint32_t capacity;
    uint32_t reserved;
    uint32_t slots[];
};

#define COPY_FIRST 0x80000000u // in copy.position

static struct blocks *blocks_of(const struct topics *topics) {
    return topics->scheduler->blocks;
}

static struct counters *counters_of(const struct topics *topics) {
    return topics->scheduler->counters;
}

static struct fanout_job *job_at(const struct topics *topics, uint32_t job) {
    return (struct fanout_job *)slab_get(&topics->fanout.jobs, job);
}

int fanout_init(struct fanout *fanout, uint32_t jobs_max, struct memory_ledger *ledger) {
    *fanout = (struct fanout){.run_head = SLAB_NONE, .run_tail = SLAB_NONE, .jobs_max = jobs_max};
    int result = slab_init(&fanout->jobs, ledger, "topic jobs", sizeof(struct fanout_job),
                           jobs_max + JOBS_SPARE);
    fanout->queues =
        memory_reserve(ledger, "topic queues", FANOUT_QUEUES * sizeof(*fanout->queues));
    if (result < 0 || !fanout->queues)
        return -ENOMEM;
    for (uint32_t i = 0; i < FANOUT_QUEUES; i++)
        fanout->queues[i] = (struct fanout_queue){SLAB_NONE, SLAB_NONE};
    return 0;
}

static void run_push(struct topics *topics, uint32_t job) {
    struct fanout *fanout = &topics->fanout;
    job_at(topics, job)->run_next = SLAB_NONE;
    if (fanout->run_tail == SLAB_NONE)
        fanout->run_head = job;
    else
        job_at(topics, fanout->run_tail)->run_next = job;
    fanout->run_tail = job;
}

static uint32_t run_pop(struct topics *topics) {
    struct fanout *fanout = &topics->fanout;
    uint32_t job = fanout->run_head;
    fanout->run_head = job_at(topics, job)->run_next;
    if (fanout->run_head == SLAB_NONE)
        fanout->run_tail = SLAB_NONE;
    return job;
}

// --- one delivery --------------------------------------------------------------------------------

// One owner's subscriptions that match, taken together.
struct together {
    struct topics_delivery delivery;
    uint32_t slots[TOPICS_IDS_MAX]; // of the subscriptions of delivery.ids
    bool is_each;
    bool has_any;      // a subscription that lets it through
    bool has_no_local; // one that does not
    bool is_as_published;
    uint8_t qos; // the highest
};

// Ascending by subscription; beyond TOPICS_IDS_MAX the last ones are left out.
static void add_id(struct together *together, uint32_t subscription, uint32_t id) {
    struct topics_delivery *delivery = &together->delivery;
    uint32_t at = delivery->id_count;
    while (at > 0 && together->slots[at - 1] > subscription)
        at--;
    if (at == TOPICS_IDS_MAX)
        return;
    if (delivery->id_count < TOPICS_IDS_MAX)
        delivery->id_count++;
    for (uint32_t i = delivery->id_count - 1; i > at; i--) {
        delivery->ids[i] = delivery->ids[i - 1];
        together->slots[i] = together->slots[i - 1];
    }
    delivery->ids[at] = id;
    together->slots[at] = subscription;
}

static void add(struct topics *topics, struct together *together, uint32_t index,
                const struct topic_message *message) {
    const struct topics_subscription *subscription = topics_subscription(topics, index);
    if (subscription->options & TOPICS_OPTION_NO_LOCAL && message->publisher != 0 &&
        topics_port_is_publisher(topics->port, subscription->owner, message->publisher)) {
        together->has_no_local = true;
        return;
    }
    uint32_t address = subscription->address;
    if (!together->has_any || address_format(address) == ADDRESS_EACH)
        together->delivery.address = address;
    together->delivery.owner = subscription->owner;
    together->has_any = true;
    together->is_each |= address_format(address) == ADDRESS_EACH;
    together->is_as_published |= (subscription->options & TOPICS_OPTION_AS_PUBLISHED) != 0;
    if (subscription->qos > together->qos)
        together->qos = subscription->qos;
    if (subscription->subscription_id > 0)
        add_id(together, index, subscription->subscription_id);
}

// The job's parcel for this format, or BLOCK_NONE.
static uint32_t parcel_of(struct topics *topics, struct fanout_job *job, uint32_t format,
                          const struct topic_message *message) {
    if (LIKELY(job->parcels[format] != BLOCK_NONE) || job->failed >> format & 1)
        return job->parcels[format];
    uint32_t id = topics_port_encode(topics->port, format, message);
    if (id == BLOCK_NONE) {
        job->failed |= 1u << format;
        return BLOCK_NONE;
    }
    struct parcel *parcel = parcel_at(blocks_of(topics), id);
    parcel->message_count = 1;
    parcel->room = SLAB_NONE;
    job->parcels[format] = id;
    return id;
}

static void deliver_parcel(struct topics *topics, struct fanout_job *job, uint32_t address,
                           const struct topic_message *message) {
    uint32_t parcel = parcel_of(topics, job, address_format(address), message);
    if (parcel == BLOCK_NONE)
        counter_add(counters_of(topics), COUNTER_DROPPED_MEMORY, 1);
    else
        topics_port_deliver(topics->port, address, parcel);
}

// `job` may be NULL: then there is no shared parcel. The owner was counted as due.
static void deliver_together(struct topics *topics, struct fanout_job *job, uint64_t payload,
                             const struct topic_message *message, struct together *together) {
    if (!together->has_any) {
        counter_add(counters_of(topics),
                    together->has_no_local ? COUNTER_DROPPED_NO_LOCAL : COUNTER_DROPPED_CLOSED, 1);
        return;
    }
    struct topics_delivery *delivery = &together->delivery;
    delivery->is_retained =
        delivery->is_replay || (message->is_retained && together->is_as_published);
    if (job && !together->is_each && !delivery->is_retained) {
        deliver_parcel(topics, job, delivery->address, message);
        return;
    }
    delivery->qos = together->qos < message->qos ? together->qos : message->qos;
    delivery->payload = payload;
    delivery->message = *message;
    topics_port_deliver_each(topics->port, delivery);
}

// One that no other of its owner's goes with.
static void deliver_entry(struct topics *topics, struct fanout_job *job,
                          const struct topic_message *message, struct topic_entry entry) {
    if (LIKELY(address_format(entry.data) < ADDRESS_FORMATS && !message->is_retained)) {
        deliver_parcel(topics, job, entry.data, message);
        return;
    }
    struct together together = {.is_each = false};
    add(topics, &together, entry.key, message);
    deliver_together(topics, job, job->payload, message, &together);
}

static bool has_expired(const struct topics *topics, const struct topic_message *message) {
    return message->expires_ns > 0 && message->expires_ns <= topics->scheduler->now_ns;
}

static void deliver_alone(struct topics *topics, uint64_t payload, uint32_t subscription,
                          struct together *together) {
    struct topic_message message = topic_message_view(topics->scheduler, payload);
    counter_add(counters_of(topics), COUNTER_DUE, 1);
    if (has_expired(topics, &message)) {
        counter_add(counters_of(topics), COUNTER_DROPPED_EXPIRED, 1);
        return;
    }
    add(topics, together, subscription, &message);
    deliver_together(topics, NULL, payload, &message, together);
}

void fanout_deliver_shared(struct topics *topics, uint64_t payload, uint32_t subscription) {
    struct together together = {.delivery = {.is_shared = true}};
    deliver_alone(topics, payload, subscription, &together);
}

void fanout_deliver_retained(struct topics *topics, uint64_t payload, uint32_t subscription) {
    struct together together = {.delivery = {.is_replay = true}};
    deliver_alone(topics, payload, subscription, &together);
}

// --- copies: several filters
// ----------------------------------------------------------------------

static struct copies *copies_of(const struct topics *topics, const struct fanout_job *job) {
    return blocks_at(blocks_of(topics), job->copies);
}

static struct copy *copy_array(struct copies *copies) {
    return (struct copy *)(void *)(copies->slots + copies->mask + 1);
}

static uint32_t owner_slot(const struct copies *copies, uint32_t owner) {
    return (owner * 0x9e3779b1u) & copies->mask;
}

// The owner's first copy, or SLAB_NONE; *slot: where it is or would go.
static uint32_t copy_lookup(struct copies *copies, uint32_t owner, uint32_t *slot) {
    const struct copy *array = copy_array(copies);
    uint32_t at = owner_slot(copies, owner);
    while (copies->slots[at] != 0 && array[copies->slots[at] - 1].owner != owner)
        at = (at + 1) & copies->mask;
    *slot = at;
    return copies->slots[at] == 0 ? SLAB_NONE : copies->slots[at] - 1;
}

// Returns whether it is the owner's first.
static bool copy_push(struct copies *copies, uint32_t owner, uint32_t node, uint32_t position) {
    uint32_t slot;
    uint32_t first = copy_lookup(copies, owner, &slot);
    CHECK(copies->count < copies->capacity);
    uint32_t index = copies->count++;
    struct copy *copy = &copy_array(copies)[index];
    *copy = (struct copy){owner, node, position, SLAB_NONE};
    if (first == SLAB_NONE) {
        copy->position |= COPY_FIRST;
        copies->slots[slot] = index + 1;
        return true;
    }
    struct copy *before = &copy_array(copies)[first];
    copy->next = before->next;
    before->next = index;
    return false;
}

// Room for `entries` of the smaller nodes, and for one of the biggest for each of their owners.
static uint32_t copies_acquire(struct topics *topics, uint64_t entries) {
    uint64_t slots = 16;
    while (slots < entries * 2)
        slots *= 2;
    uint64_t size = sizeof(struct copies) + slots * 4 + entries * 2 * sizeof(struct copy);
    uint32_t block =
        entries > UINT32_MAX / 4 ? BLOCK_NONE : blocks_acquire(blocks_of(topics), size);
    if (block == BLOCK_NONE)
        return BLOCK_NONE;
    struct copies *copies = blocks_at(blocks_of(topics), block);
    *copies = (struct copies){.mask = (uint32_t)slots - 1, .capacity = (uint32_t)entries * 2};
    memset(copies->slots, 0, slots * 4);
    return block;
}

// --- a job's life --------------------------------------------------------------------------------

static struct fanout_match *others_of(const struct topics *topics, const struct fanout_job *job) {
    return blocks_at(blocks_of(topics), job->others);
}

static struct topic_entry *entries_at(const struct topics *topics, uint32_t node) {
    return topic_entries_data(blocks_of(topics), &topic_trie_at(&topics->trie, node)->entries);
}

static void unpin(struct topics *topics, uint32_t node) {
    topic_entries_unpin(&topics->trie.owner, &topic_trie_at(&topics->trie, node)->entries);
    topic_trie_prune(&topics->trie, node);
}

static struct fanout_match pin(struct topics *topics, uint32_t node) {
    struct topic_entries *entries = &topic_trie_at(&topics->trie, node)->entries;
    topic_entries_pin(entries);
    return (struct fanout_match){node, topic_entries_length(entries)};
}

static void release(struct topics *topics, uint32_t index) {
    struct fanout_job *job = job_at(topics, index);
    for (uint32_t i = 0; i < job->other_count; i++)
        unpin(topics, others_of(topics, job)[i].node);
    unpin(topics, job->biggest.node);
    if (job->others != BLOCK_NONE)
        blocks_release(blocks_of(topics), job->others);
    if (job->copies != BLOCK_NONE) {
        blocks_release(blocks_of(topics), job->copies);
        topics->fanout.copies_count--;
    }
    for (uint32_t format = 0; format < ADDRESS_FORMATS; format++)
        if (job->parcels[format] != BLOCK_NONE)
            parcel_unref(blocks_of(topics), job->parcels[format]);
    payload_unref(topics->scheduler, job->payload);
    slab_release(&topics->fanout.jobs, index);
}

// What matches and has entries: the biggest apart, in front of trie->matches; how many.
static uint32_t sort_out(struct topics *topics, uint32_t node_count, uint64_t *entry_count) {
    uint32_t *nodes = topics->trie.matches;
    uint32_t kept = 0;
    uint32_t most = 0;
    *entry_count = 0;
    for (uint32_t i = 0; i < node_count; i++) {
        uint32_t node = nodes[i];
        uint32_t count = topic_trie_at(&topics->trie, node)->entries.count;
        if (count == 0)
            continue;
        *entry_count += count;
        nodes[kept++] = node;
        if (count > most) {
            most = count;
            nodes[kept - 1] = nodes[0];
            nodes[0] = node;
        }
    }
    return kept;
}

static bool take_others(struct topics *topics, struct fanout_job *job, uint32_t count) {
    const uint32_t *nodes = topics->trie.matches;
    if (count == 0)
        return true;
    job->others = blocks_acquire(blocks_of(topics), count * sizeof(struct fanout_match));
    if (job->others == BLOCK_NONE)
        return false;
    for (uint32_t i = 0; i < count; i++)
        others_of(topics, job)[i] = pin(topics, nodes[i + 1]);
    job->other_count = count;
    return true;
}

static void enqueue(struct topics *topics, uint32_t index, struct bytes topic) {
    struct fanout_job *job = job_at(topics, index);
    job->queue = (uint32_t)hash_bytes(topics->config.seed, topic) % FANOUT_QUEUES;
    job->next = SLAB_NONE;
    struct fanout_queue *queue = &topics->fanout.queues[job->queue];
    if (queue->tail == SLAB_NONE) {
        queue->head = index;
        run_push(topics, index);
    } else {
        job_at(topics, queue->tail)->next = index;
    }
    queue->tail = index;
}

bool fanout_push(struct topics *topics, uint64_t payload, uint32_t node_count) {
    struct counters *counters = counters_of(topics);
    uint64_t entry_count;
    uint32_t kept = sort_out(topics, node_count, &entry_count);
    if (kept == 0)
        return false;
    uint32_t index;
    struct fanout_job *job = slab_acquire(&topics->fanout.jobs, &index);
    if (job) {
        job->others = BLOCK_NONE;
        job->copies = BLOCK_NONE;
        for (uint32_t format = 0; format < ADDRESS_FORMATS; format++)
            job->parcels[format] = BLOCK_NONE;
    }
    if (!job || !take_others(topics, job, kept - 1)) {
        counter_add(counters, COUNTER_DUE, entry_count);
        counter_add(counters, COUNTER_DROPPED_MEMORY, entry_count);
        if (job)
            slab_release(&topics->fanout.jobs, index);
        return true;
    }
    job->biggest = pin(topics, topics->trie.matches[0]);
    job->phase = kept > 1 ? FANOUT_GATHER : FANOUT_WALK;
    payload_ref(topics->scheduler, payload, 1);
    job->payload = payload;
    if (kept == 1) {
        job->owed = (uint32_t)entry_count;
        counter_add(counters, COUNTER_DUE, entry_count);
        counter_add(counters, COUNTER_GATHERED, entry_count);
    }
    enqueue(topics, index, topic_message_view(topics->scheduler, payload).topic);
    return true;
}

// --- walking -------------------------------------------------------------------------------------

static void gather(struct topics *topics, struct fanout_job *job, uint32_t *budget) {
    struct copies *copies = copies_of(topics, job);
    uint32_t made = 0;
    while (job->at<job->other_count && * budget> 0) {
        struct fanout_match match = others_of(topics, job)[job->at];
        if (job->cursor == match.end) {
            job->at++;
            job->cursor = 0;
            continue;
        }
        struct topic_entry entry = entries_at(topics, match.node)[job->cursor];
        if (entry.key != SLAB_NONE)
            made += copy_push(copies, topics_subscription(topics, entry.key)->owner, match.node,
                              job->cursor);
        job->cursor++;
        *budget -= 1;
    }
    counter_add(counters_of(topics), COUNTER_DUE, made);
    counter_add(counters_of(topics), COUNTER_GATHERED, made);
    if (job->at == job->other_count) {
        job->phase = FANOUT_WALK;
        job->cursor = 0;
    }
}

static void prefetch(const struct topics *topics, struct topic_entry entry, bool reads_slot) {
    if (entry.key == SLAB_NONE)
        return;
    if (address_format(entry.data) < ADDRESS_FORMATS)
        topics_port_prefetch(topics->port, entry.data);
    else
        reads_slot = true;
    if (reads_slot)
        __builtin_prefetch(slab_at(&topics->subscriptions, entry.key));
}

// The only filter: what each entry is owed was counted.
static void walk_only(struct topics *topics, struct fanout_job *job,
                      const struct topic_message *message, uint32_t *budget) {
    uint32_t left = job->biggest.end - job->cursor;
    uint32_t count = left < *budget ? left : *budget;
    const struct topic_entry *entries = entries_at(topics, job->biggest.node);
    uint32_t delivered = 0;
    for (uint32_t end = job->cursor + count; job->cursor < end; job->cursor++) {
        const struct topic_entry *entry = &entries[job->cursor];
        if (job->cursor + PREFETCH_AHEAD < job->biggest.end)
            prefetch(topics, entry[PREFETCH_AHEAD], message->is_retained);
        if (UNLIKELY(entry->key == SLAB_NONE))
            continue;
        deliver_entry(topics, job, message, *entry);
        delivered++;
    }
    counter_subtract(counters_of(topics), COUNTER_GATHERED, delivered);
    job->owed -= delivered;
    *budget -= count;
}

// The biggest of several: owners that have a copy already join it.
static void walk_beside(struct topics *topics, struct fanout_job *job,
                        const struct topic_message *message, uint32_t *budget) {
    struct copies *copies = copies_of(topics, job);
    uint32_t due = 0;
    for (; job->cursor<job->biggest.end && * budget> 0; job->cursor++, *budget -= 1) {
        const struct topic_entry *entry = &entries_at(topics, job->biggest.node)[job->cursor];
        if (job->cursor + PREFETCH_AHEAD < job->biggest.end)
            prefetch(topics, entry[PREFETCH_AHEAD], true);
        if (entry->key == SLAB_NONE)
            continue;
        uint32_t owner = topics_subscription(topics, entry->key)->owner;
        uint32_t slot;
        if (copy_lookup(copies, owner, &slot) != SLAB_NONE) {
            (void)copy_push(copies, owner, job->biggest.node, job->cursor);
            continue;
        }
        due++;
        deliver_entry(topics, job, message, *entry);
    }
    counter_add(counters_of(topics), COUNTER_DUE, due);
}

static void deliver_copies(struct topics *topics, struct fanout_job *job,
                           const struct topic_message *message, uint32_t *budget) {
    struct copies *copies = copies_of(topics, job);
    struct copy *array = copy_array(copies);
    uint32_t done = 0;
    for (; job->cursor<copies->count && * budget> 0; job->cursor++, *budget -= 1) {
        if (!(array[job->cursor].position & COPY_FIRST))
            continue;
        struct together together = {.is_each = false};
        for (uint32_t at = job->cursor; at != SLAB_NONE; at = array[at].next) {
            uint32_t position = array[at].position & ~COPY_FIRST;
            uint32_t key = entries_at(topics, array[at].node)[position].key;
            if (key != SLAB_NONE)
                add(topics, &together, key, message);
        }
        deliver_together(topics, job, job->payload, message, &together);
        done++;
    }
    counter_subtract(counters_of(topics), COUNTER_GATHERED, done);
}

static uint64_t count_live(const struct topics *topics, struct fanout_match match, uint32_t from) {
    const struct topic_entry *entries = entries_at(topics, match.node);
    uint64_t count = 0;
    for (uint32_t i = from; i < match.end; i++)
        count += entries[i].key != SLAB_NONE;
    return count;
}

// Of a job with several filters: entries that were not looked at yet. Whether some belong to one
// owner is not known: they count one by one.
static uint64_t count_ahead(const struct topics *topics, const struct fanout_job *job) {
    if (job->phase == FANOUT_COPIES)
        return 0;
    if (job->phase == FANOUT_WALK)
        return count_live(topics, job->biggest, job->cursor);
    uint64_t count = count_live(topics, job->biggest, 0);
    for (uint32_t i = job->at; i < job->other_count; i++)
        count += count_live(topics, others_of(topics, job)[i], i == job->at ? job->cursor : 0);
    return count;
}

static uint64_t count_copies(const struct topics *topics, const struct fanout_job *job) {
    uint64_t count = 0;
    if (job->copies == BLOCK_NONE)
        return 0;
    struct copies *copies = copies_of(topics, job);
    const struct copy *array = copy_array(copies);
    for (uint32_t i = job->phase == FANOUT_COPIES ? job->cursor : 0; i < copies->count; i++)
        count += (array[i].position & COPY_FIRST) != 0;
    return count;
}

// What is left of the job, all at once: nobody gets it.
static void drop_rest(struct topics *topics, struct fanout_job *job, enum counter why) {
    struct counters *counters = counters_of(topics);
    bool is_only = job->other_count == 0;
    uint64_t gathered = is_only ? job->owed : count_copies(topics, job);
    uint64_t ahead = is_only ? 0 : count_ahead(topics, job);
    counter_subtract(counters, COUNTER_GATHERED, gathered);
    counter_add(counters, COUNTER_DUE, ahead);
    counter_add(counters, why, gathered + ahead);
}

// False: memory is out.
static bool take_copies(struct topics *topics, struct fanout_job *job) {
    uint64_t length = 0;
    for (uint32_t i = 0; i < job->other_count; i++)
        length += others_of(topics, job)[i].end;
    job->copies = copies_acquire(topics, length);
    topics->fanout.copies_count += job->copies != BLOCK_NONE;
    return job->copies != BLOCK_NONE;
}

// One slice. Returns true when the job is done.
static bool job_slice(struct topics *topics, struct fanout_job *job, uint32_t *budget) {
    struct topic_message message = topic_message_view(topics->scheduler, job->payload);
    if (has_expired(topics, &message)) {
        drop_rest(topics, job, COUNTER_DROPPED_EXPIRED);
        return true;
    }
    if (LIKELY(job->other_count == 0)) {
        walk_only(topics, job, &message, budget);
        if (job->cursor < job->biggest.end)
            return false;
        drop_rest(topics, job, COUNTER_DROPPED_CLOSED); // those who left since it was made
        return true;
    }
    if (job->copies == BLOCK_NONE) {
        if (topics->fanout.copies_count >= FANOUT_COPIES_MAX)
            return false; // until one that has them, and runs too, is done
        if (!take_copies(topics, job)) {
            drop_rest(topics, job, COUNTER_DROPPED_MEMORY);
            return true;
        }
    }
    if (job->phase == FANOUT_GATHER)
        gather(topics, job, budget);
    if (job->phase == FANOUT_WALK) {
        walk_beside(topics, job, &message, budget);
        if (job->cursor < job->biggest.end)
            return false;
        job->phase = FANOUT_COPIES;
        job->cursor = 0;
    }
    if (job->phase == FANOUT_COPIES) {
        deliver_copies(topics, job, &message, budget);
        return job->cursor == copies_of(topics, job)->count;
    }
    return false;
}

static void job_end(struct topics *topics, uint32_t index) {
    const struct fanout_job *job = job_at(topics, index);
    struct fanout_queue *queue = &topics->fanout.queues[job->queue];
    queue->head = job->next;
    if (queue->head == SLAB_NONE)
        queue->tail = SLAB_NONE;
    else
        run_push(topics, queue->head);
    release(topics, index);
}

bool fanout_flush(struct topics *topics, uint32_t *budget) {
    while (topics->fanout.run_head != SLAB_NONE && *budget > 0) {
        uint32_t index = run_pop(topics);
        uint32_t slice = *budget < FANOUT_SLICE ? *budget : FANOUT_SLICE;
        uint32_t left = slice;
        bool is_done = job_slice(topics, job_at(topics, index), &left);
        *budget -= slice - left;
        if (is_done)
            job_end(topics, index);
        else
            run_push(topics, index);
    }
    return topics->fanout.run_head != SLAB_NONE;
}

void fanout_fini(struct topics *topics) {
    while (topics->fanout.run_head != SLAB_NONE) {
        uint32_t index = run_pop(topics);
        drop_rest(topics, job_at(topics, index), COUNTER_DROPPED_CLOSED);
        job_end(topics, index);
    }
    slab_check_empty(&topics->fanout.jobs);
}

void fanout_validate(const struct topics *topics) {
    const struct fanout *fanout = &topics->fanout;
    uint32_t queued = 0;
    for (uint32_t i = 0; i < FANOUT_QUEUES; i++)
        for (uint32_t at = fanout->queues[i].head; at != SLAB_NONE; at = job_at(topics, at)->next) {
            CHECK(job_at(topics, at)->queue == i);
            queued++;
        }
    CHECKF(queued == fanout->jobs.used_count, "%u jobs queued of %u", queued,
           fanout->jobs.used_count);
    uint32_t with_copies = 0;
    for (uint32_t i = 0; i < fanout->jobs.touched_count; i++) {
        if (!slab_is_used(&fanout->jobs, i))
            continue;
        const struct fanout_job *job = job_at(topics, i);
        const struct topic_node *node = topic_trie_at(&topics->trie, job->biggest.node);
        CHECK(node->entries.pins > 0);
        with_copies += job->copies != BLOCK_NONE;
        CHECK(job->biggest.end <= topic_entries_length(&node->entries));
    }
    CHECK(with_copies == fanout->copies_count && with_copies <= FANOUT_COPIES_MAX);
}
