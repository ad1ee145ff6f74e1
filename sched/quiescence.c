#include "sched/quiescence.h"

void quiescence_mark(struct quiescence *quiescence, const struct mesh *mesh, uint32_t core) {
    atomic_store_explicit(&quiescence->marks[core], mesh_taken_count(mesh, core) + 1,
                          memory_order_seq_cst);
}

void quiescence_clear(struct quiescence *quiescence, uint32_t core) {
    atomic_store_explicit(&quiescence->marks[core], 0, memory_order_seq_cst);
}

bool quiescence_is_reached(const struct quiescence *quiescence, const struct mesh *mesh) {
    uint64_t marks[MESH_ENDPOINTS_MAX];
    for (uint32_t core = 0; core < mesh->scheduler_count; core++) {
        marks[core] = atomic_load_explicit(&quiescence->marks[core], memory_order_seq_cst);
        if (marks[core] == 0)
            return false;
    }
    // Only now the rings: see quiescence.h.
    for (uint32_t core = 0; core < mesh->scheduler_count; core++)
        if (mesh_has_untaken(mesh, core) || mesh_taken_count(mesh, core) + 1 != marks[core])
            return false;
    return true;
}
