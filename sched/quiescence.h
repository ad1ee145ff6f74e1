// Quiescence: how cores that stop find out that no message is under way between any two of them, so
// that none is left in the mesh with what it holds.
//
// A core that has nothing to do, and has made all it sent visible, marks how many messages it had
// taken. All are quiet exactly when every core is marked, none has taken a message since its mark
// and none waits in the mesh: the first message taken after a mark would have been published before
// its sender's mark, so whoever has seen all marks sees it in the ring, or sees it taken. Once true
// it stays true, if nothing but a message makes a marked core send.
//
// Any thread may ask; a core marks only itself.
#ifndef FAIRLEAD_QUIESCENCE_H
#define FAIRLEAD_QUIESCENCE_H

#include "sched/mesh.h"

struct quiescence {
    _Atomic uint64_t marks[MESH_ENDPOINTS_MAX]; // taken + 1; 0: busy
};

// `core` is quiet after this turn: it has nothing to do and nothing unpublished.
void quiescence_mark(struct quiescence *quiescence, const struct mesh *mesh, uint32_t core);
void quiescence_clear(struct quiescence *quiescence, uint32_t core);

MUST_USE bool quiescence_is_reached(const struct quiescence *quiescence, const struct mesh *mesh);

#endif
