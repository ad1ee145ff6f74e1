// A ring's cells are numbered without end; cell n is at n mod ring_cells. taken ≤ published ≤
// written.
//
// Sleep and wake (Dekker): the receiver stores `sleeping`, fences, looks at the rings; the sender
// stores `published`, fences, looks at `sleeping`. One of the two sees the other's store.
#include "sched/mesh.h"

#include <errno.h>

static struct mesh_ring *ring_between(struct mesh *mesh, uint32_t from, uint32_t to) {
    return &mesh->rings[from * mesh->endpoint_count + to];
}

int mesh_init(struct mesh *mesh, const struct mesh_config *config) {
    uint32_t count = config->scheduler_count + config->outsider_count;
    CHECK(count <= MESH_ENDPOINTS_MAX && config->ring_cells > 0 &&
          (config->ring_cells & (config->ring_cells - 1)) == 0);
    *mesh = (struct mesh){.endpoint_count = count,
                          .scheduler_count = config->scheduler_count,
                          .ring_cells = config->ring_cells};
    mesh->rings = memory_reserve(&mesh->ledger, "mesh rings", count * count * sizeof(*mesh->rings));
    if (!mesh->rings)
        return -ENOMEM;
    size_t ring_bytes = config->ring_cells * sizeof(struct message);
    uint8_t *cells = memory_reserve(&mesh->ledger, "mesh cells", count * count * ring_bytes);
    if (!cells) {
        mesh_fini(mesh);
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < count * count; i++)
        mesh->rings[i].cells = (struct message *)(cells + i * ring_bytes);
    return 0;
}

void mesh_fini(struct mesh *mesh) {
    memory_release_all(&mesh->ledger);
}

static uint32_t used_cells(struct mesh_ring *ring) {
    return ring->written - ring->taken_seen;
}

bool mesh_send(struct mesh *mesh, uint32_t from, uint32_t to, const struct message *message,
               enum mesh_class class_of_message) {
    struct mesh_ring *ring = ring_between(mesh, from, to);
    uint32_t limit = mesh->ring_cells;
    if (class_of_message == MESH_ROOM)
        limit -= limit / 8;
    if (used_cells(ring) >= limit) {
        ring->taken_seen = atomic_load_explicit(&ring->taken, memory_order_acquire);
        if (used_cells(ring) >= limit)
            return false;
    }
    struct message *cell = &ring->cells[ring->written & (mesh->ring_cells - 1)];
    *cell = *message;
    cell->next = (uint32_t)class_of_message;
    ring->written++;
    mesh->endpoints[from].touched |= 1ull << to;
    return true;
}

uint64_t mesh_publish(struct mesh *mesh, uint32_t from) {
    uint64_t touched = mesh->endpoints[from].touched;
    if (!touched)
        return 0;
    mesh->endpoints[from].touched = 0;
    for (uint64_t rest = touched; rest; rest &= rest - 1) {
        struct mesh_ring *ring = ring_between(mesh, from, (uint32_t)__builtin_ctzll(rest));
        atomic_store_explicit(&ring->published, ring->written, memory_order_seq_cst);
    }
    uint64_t wake = 0;
    for (uint64_t rest = touched; rest; rest &= rest - 1) {
        uint32_t to = (uint32_t)__builtin_ctzll(rest);
        _Atomic bool *sleeping = &mesh->endpoints[to].sleeping;
        if (atomic_load_explicit(sleeping, memory_order_seq_cst) &&
            atomic_exchange_explicit(sleeping, false, memory_order_seq_cst))
            wake |= 1ull << to;
    }
    return wake;
}

uint32_t mesh_fill_eighths(struct mesh *mesh, uint32_t from, uint32_t to) {
    struct mesh_ring *ring = ring_between(mesh, from, to);
    if (used_cells(ring) >= mesh->ring_cells / 2)
        ring->taken_seen = atomic_load_explicit(&ring->taken, memory_order_acquire);
    return (uint32_t)((uint64_t)used_cells(ring) * 8 / mesh->ring_cells);
}

static bool ring_has_message(struct mesh_ring *ring) {
    uint32_t taken = atomic_load_explicit(&ring->taken, memory_order_relaxed);
    if (taken != ring->published_seen)
        return true;
    ring->published_seen = atomic_load_explicit(&ring->published, memory_order_acquire);
    return taken != ring->published_seen;
}

uint32_t mesh_run(struct mesh *mesh, uint32_t to, const struct message **messages) {
    struct mesh_endpoint *endpoint = &mesh->endpoints[to];
    // One look more than there are senders: the first may be at one that has had its run.
    for (uint32_t i = 0; i <= mesh->endpoint_count; i++) {
        uint32_t from = endpoint->next_from;
        struct mesh_ring *ring = ring_between(mesh, from, to);
        if (endpoint->run_count == MESH_RUN_MAX || !ring_has_message(ring)) {
            endpoint->next_from = from + 1 == mesh->endpoint_count ? 0 : from + 1;
            endpoint->run_count = 0;
            continue;
        }
        uint32_t taken = atomic_load_explicit(&ring->taken, memory_order_relaxed);
        uint32_t at = taken & (mesh->ring_cells - 1);
        uint32_t count = ring->published_seen - taken;
        uint32_t to_wrap = mesh->ring_cells - at;
        uint32_t to_run = MESH_RUN_MAX - endpoint->run_count;
        count = count < to_wrap ? count : to_wrap;
        *messages = &ring->cells[at];
        return count < to_run ? count : to_run;
    }
    return 0;
}

void mesh_take(struct mesh *mesh, uint32_t to, uint32_t count) {
    struct mesh_endpoint *endpoint = &mesh->endpoints[to];
    struct mesh_ring *ring = ring_between(mesh, endpoint->next_from, to);
    uint32_t taken = atomic_load_explicit(&ring->taken, memory_order_relaxed);
    CHECKF(count <= ring->published_seen - taken, "mesh: endpoint %u takes %u, %u are there", to,
           count, ring->published_seen - taken);
    endpoint->run_count += count;
    atomic_store_explicit(&ring->taken, taken + count, memory_order_release);
}

bool mesh_receive(struct mesh *mesh, uint32_t to, struct message *message) {
    const struct message *messages;
    if (mesh_run(mesh, to, &messages) == 0)
        return false;
    *message = *messages;
    mesh_take(mesh, to, 1);
    return true;
}

bool mesh_sleep_begin(struct mesh *mesh, uint32_t to) {
    atomic_store_explicit(&mesh->endpoints[to].sleeping, true, memory_order_seq_cst);
    for (uint32_t from = 0; from < mesh->endpoint_count; from++) {
        struct mesh_ring *ring = ring_between(mesh, from, to);
        uint32_t taken = atomic_load_explicit(&ring->taken, memory_order_relaxed);
        if (atomic_load_explicit(&ring->published, memory_order_seq_cst) != taken) {
            mesh_sleep_end(mesh, to);
            return false;
        }
    }
    return true;
}

void mesh_sleep_end(struct mesh *mesh, uint32_t to) {
    atomic_store_explicit(&mesh->endpoints[to].sleeping, false, memory_order_relaxed);
}

uint64_t mesh_taken_count(const struct mesh *mesh, uint32_t to) {
    uint64_t sum = 0;
    for (uint32_t from = 0; from < mesh->scheduler_count; from++)
        sum += atomic_load_explicit(&mesh->rings[from * mesh->endpoint_count + to].taken,
                                    memory_order_acquire);
    return sum;
}

bool mesh_has_untaken(const struct mesh *mesh, uint32_t to) {
    for (uint32_t from = 0; from < mesh->scheduler_count; from++) {
        const struct mesh_ring *ring = &mesh->rings[from * mesh->endpoint_count + to];
        if (atomic_load_explicit(&ring->published, memory_order_acquire) !=
            atomic_load_explicit(&ring->taken, memory_order_acquire))
            return true;
    }
    return false;
}

void mesh_validate(struct mesh *mesh) {
    for (uint32_t i = 0; i < mesh->endpoint_count * mesh->endpoint_count; i++) {
        struct mesh_ring *ring = &mesh->rings[i];
        uint32_t taken = atomic_load_explicit(&ring->taken, memory_order_relaxed);
        uint32_t published = atomic_load_explicit(&ring->published, memory_order_relaxed);
        // Differences, because the numbers wrap.
        uint32_t written_count = ring->written - taken;
        CHECKF(published - taken <= written_count && written_count <= mesh->ring_cells &&
                   ring->published_seen - taken <= published - taken &&
                   ring->written - ring->taken_seen <= mesh->ring_cells,
               "mesh ring %u: taken %u, published %u, written %u", i, taken, published,
               ring->written);
    }
}
