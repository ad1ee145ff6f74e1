// Specs as bytes: no pointer in them, so that they are a child's argument like any other, and are
// copied with it.
#include "sched/supervisor_state.h"

static void put_name(char *to, const char *name) {
    size_t size = strlen(name);
    CHECKF(size > 0 && size < SUPERVISOR_NAME_SIZE, "supervisor: a name of %zu bytes: %s", size,
           name);
    memcpy(to, name, size + 1);
}

static void put_child(struct writer *w, const struct supervisor_child_spec *spec) {
    static const uint8_t zeros[8];
    struct supervisor_packed_child child = {.shutdown_ms = spec->shutdown_ms,
                                            .argument_size = spec->argument_size,
                                            .kind = spec->kind,
                                            .restart = (uint8_t)spec->restart};
    CHECKF(spec->argument_size <= SUPERVISOR_ARGUMENT_MAX && spec->kind > 0 &&
               spec->kind < ACTOR_KINDS_MAX,
           "supervisor: child %s", spec->name);
    put_name(child.name, spec->name);
    writer_put(w, bytes_of(&child, sizeof(child)));
    writer_put(w, bytes_of(spec->argument, spec->argument_size));
    writer_put(w, bytes_of(zeros, -spec->argument_size & 7u));
}

bool supervisor_pack(const struct supervisor_spec *spec, struct writer *w) {
    bool is_simple = spec->strategy == SUPERVISOR_SIMPLE_ONE_FOR_ONE;
    CHECKF(spec->period_ms > 0 && spec->intensity <= SUPERVISOR_INTENSITY_MAX &&
               spec->child_count <= SUPERVISOR_CHILDREN_MAX,
           "supervisor %s: %u restarts in %u ms, %u children", spec->name, spec->intensity,
           spec->period_ms, spec->child_count);
    CHECKF(is_simple == (spec->kind != 0) && (!is_simple || spec->child_count == 0),
           "supervisor %s: kind %u and %u children", spec->name, spec->kind, spec->child_count);
    size_t begin = w->size;
    struct supervisor_packed packed = {.child_count = spec->child_count,
                                       .intensity = spec->intensity,
                                       .period_ms = spec->period_ms,
                                       .shutdown_ms = spec->shutdown_ms,
                                       .strategy = (uint8_t)spec->strategy,
                                       .kind = spec->kind,
                                       .restart = (uint8_t)spec->restart};
    put_name(packed.name, spec->name);
    writer_put(w, bytes_of(&packed, sizeof(packed)));
    for (uint32_t i = 0; i < spec->child_count; i++)
        put_child(w, &spec->children[i]);
    if (w->overflow)
        return false;
    packed.size = (uint32_t)(w->size - begin);
    memcpy(w->data + begin, &packed, sizeof(packed));
    return true;
}

void supervisor_packed_next(const struct supervisor_packed *packed, uint32_t *at,
                            struct supervisor_child_spec *spec) {
    if (*at == 0)
        *at = sizeof(*packed);
    CHECK(*at + sizeof(struct supervisor_packed_child) <= packed->size);
    const uint8_t *bytes = (const uint8_t *)packed + *at;
    const struct supervisor_packed_child *child = (const void *)bytes;
    *spec = (struct supervisor_child_spec){
        .name = child->name,
        .kind = child->kind,
        .restart = (enum supervisor_restart)child->restart,
        .shutdown_ms = child->shutdown_ms,
        .argument = child->argument_size > 0 ? bytes + sizeof(*child) : NULL,
        .argument_size = child->argument_size,
    };
    *at += (uint32_t)sizeof(*child) + ((child->argument_size + 7) & ~7u);
    CHECK(*at <= packed->size);
}
