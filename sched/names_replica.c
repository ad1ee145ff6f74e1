#include "sched/names_replica.h"

// The actor of this core that a pid names, or NULL.
static const struct actor *actor_here(const struct names *names, uint64_t pid) {
    return names->scheduler->kinds[pid_kind(pid)].behaviour
               ? scheduler_lookup(names->scheduler, pid)
               : NULL;
}

// Without memory for it (counted by relation_add) the actor only does not know its name.
static void tie(struct names *names, uint64_t pid, uint32_t name) {
    if (!actor_here(names, pid))
        return;
    struct relation *tie =
        relation_add(names->scheduler, pid_kind(pid), pid_slot(pid).index, RELATION_NAME, PID_NONE);
    if (tie)
        tie->word = name;
}

static void untie(struct names *names, uint64_t pid, uint32_t name) {
    if (!actor_here(names, pid))
        return;
    struct relation *tie = relation_find_word(names->scheduler, pid_kind(pid), pid_slot(pid).index,
                                              RELATION_NAME, name);
    if (tie)
        relation_remove(names->scheduler, tie);
}

struct registry_entry *names_replica_set(struct names *names, struct bytes name, uint64_t pid) {
    struct registry_entry *entry = registry_find(&names->replica, name);
    if (entry && entry->pid == pid)
        return entry;
    if (entry) {
        untie(names, entry->pid, entry->name);
        entry->pid = pid;
    } else {
        if (registry_insert(&names->replica, name, pid) == BLOCK_NONE)
            return NULL;
        entry = registry_find(&names->replica, name);
    }
    tie(names, pid, entry->name);
    return entry;
}

static void forget(struct names *names, const struct registry_entry *entry) {
    untie(names, entry->pid, entry->name);
    registry_remove(&names->replica, registry_name(&names->replica, entry->name));
}

void names_replica_forget(struct names *names, uint64_t hash, uint64_t pid) {
    const struct registry_entry *entry = registry_find_hash(&names->replica, hash, pid);
    if (entry)
        forget(names, entry);
}

// A removal moves later entries of the same run of the table back, so the place is looked at again.
void names_replica_sweep(struct names *names, uint8_t home, uint32_t mark) {
    for (uint32_t i = 0; i < names->replica.capacity;) {
        const struct registry_entry *entry = &registry_entries(&names->replica)[i];
        if (entry->pid != PID_NONE && names_home(names, entry->hash) == home && entry->note != mark)
            forget(names, entry);
        else
            i++;
    }
}

struct bytes names_next_of(const struct scheduler *scheduler, uint64_t pid,
                           const struct relation **cursor) {
    const struct names *names = scheduler->kinds[KIND_NAMES].context;
    const struct relation *at;
    if (*cursor)
        at = relation_next(scheduler, *cursor);
    else
        at = actor_here(names, pid) ? relation_first(scheduler, pid_kind(pid), pid_slot(pid).index)
                                    : NULL;
    while (at && relation_kind(at) != RELATION_NAME)
        at = relation_next(scheduler, at);
    *cursor = at;
    return at ? registry_name(&names->replica, (uint32_t)at->word) : (struct bytes){0};
}

static void validate_ties(const struct names *names) {
    const struct scheduler *scheduler = names->scheduler;
    for (uint32_t i = 0; i < scheduler->relations.touched_count; i++) {
        const struct relation *tie = slab_at(&scheduler->relations, i);
        if (!slab_is_used(&scheduler->relations, i) || relation_kind(tie) != RELATION_NAME)
            continue;
        const struct registry_entry *entry =
            registry_find(&names->replica, registry_name(&names->replica, (uint32_t)tie->word));
        CHECKF(entry && entry->name == tie->word, "an actor's name %lu is not registered",
               tie->word);
    }
}

void names_validate(const struct names *names) {
    registry_validate(&names->replica);
    slab_validate(&names->homed);
    validate_ties(names);
    uint32_t homed = 0;
    for (uint32_t i = 0; i < names->replica.capacity; i++) {
        const struct registry_entry *entry = &registry_entries(&names->replica)[i];
        if (entry->pid == PID_NONE || names_home(names, entry->hash) != names->scheduler->core)
            continue;
        const struct names_homed *at = slab_get(&names->homed, entry->note);
        CHECKF(at->name == entry->name && at->pid == entry->pid, "homed name %u", entry->note);
        homed++;
    }
    CHECKF(homed == names->homed.used_count, "%u names have their home here, %u are known",
           names->homed.used_count, homed);
}
