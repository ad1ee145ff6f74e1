#include "loadgen/cut.h"

#include "gateway/wire/wire_limits.h"

int cut_init(struct run *run) {
    run->cut_bytes = run->options.payload_bytes + 1024;
    if (run->cut_bytes < WIRE_HTTP_HEAD_BYTES_MAX)
        run->cut_bytes = WIRE_HTTP_HEAD_BYTES_MAX;
    uint32_t slot_size = (uint32_t)(sizeof(struct cut) + run->cut_bytes + 7) & ~7u;
    return slab_init(&run->cuts, &run->ledger, "cut messages", slot_size, run->client_count);
}

struct cut *cut_get(struct run *run, struct client *client) {
    if (client->cut != SLAB_NONE)
        return slab_get(&run->cuts, client->cut);
    // Unfilled: zeroing kilobytes would be most of the cost of a cut.
    struct cut *fresh = slab_acquire_unfilled(&run->cuts, &client->cut);
    CHECKF(fresh != NULL, "one cut message per client, %u", run->client_count);
    fresh->size = 0;
    fresh->is_truncated = false;
    return fresh;
}

void cut_append(const struct run *run, struct cut *cut, struct bytes bytes) {
    size_t space = run->cut_bytes - cut->size;
    size_t size = bytes.size < space ? bytes.size : space;
    cut->is_truncated |= size < bytes.size;
    if (size > 0)
        memcpy(cut->bytes + cut->size, bytes.data, size);
    cut->size += (uint32_t)size;
}

void cut_release(struct run *run, struct client *client) {
    if (client->cut == SLAB_NONE)
        return;
    slab_release(&run->cuts, client->cut);
    client->cut = SLAB_NONE;
}
