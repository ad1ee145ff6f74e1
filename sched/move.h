// Moving an actor to another core, with its mailbox, timer, timed messages, links and monitors;
// nothing is lost, doubled or reordered between any two actors, in either direction.
//
//   former core                        new core                    every core
//   move_begin: frozen at its go
//   depart: state, ties, timers
//        ── MOVE_ARRIVE ─────────────▶ arrive: a new pid, frozen
//        ◀─ MOVE_ARRIVED ────────────
//   mail that waited ── forwarded ───▶ its early mail
//        ── MOVE_RENAME ──────────────────────────────────────────▶ from here on it sends to the
//                                                                  new pid what is for the old
//        ◀────────────────────────────────────── MOVE_MARK ─────── (behind all it sent before)
//        ── MOVE_MARK, forwarded ────▶ all marks are here: early
//                                      mail, then direct mail; goes
//
// Why that keeps order: what a core sent to the old pid before its mark is forwarded ahead of the
// mark; what it sends after goes to the new core and waits there for all marks. What the actor sent
// before it left has been taken by every core that has marked; the actor says nothing before.
//
// Pids: the old one is translated by every core for the life of the actor, up to MOVE_FORMER_MAX
// moves back; older ones are dead. Actors tied to it (links, monitors) get MESSAGE_MOVED with both.
// Of a kind whose pids nobody keeps (behaviour.is_private) no translation is left.
//
// Refused, and nothing has happened: the kind does not move, a call of the actor's is under way, a
// supervisor knows it by place, the new core has no slot or memory (-ENOSPC: it goes on where it
// is). An exit on the way takes effect where it arrives. Frozen for a few turns of the cores taken
// part; a core that stalls holds the move up, not the others.
//
// Bounds: MOVE_TRANSLATIONS_MAX old pids per core (16 B each); half of it, with the moves under way
// here times the cores, stops new moves.
// LIMITATION: while cells run out on the former core (15/16 in use), mail for a frozen actor holds
// the mesh up, and with it the move. Thread: each core's own.
#ifndef FAIRLEAD_MOVE_H
#define FAIRLEAD_MOVE_H

#include "sched/scheduler.h"

#define MOVE_FORMER_MAX 8
#define MOVE_TRANSLATIONS_MAX (1u << 16)

// Begins to move an actor of this core. 0; -EINVAL: no such core, or the kind does not move;
// -ESRCH: gone; -EALREADY: on the move; -EBUSY: a call is under way, or too many have moved;
// -EPERM: a supervisor knows it by place.
MUST_USE int move_begin(struct scheduler *scheduler, uint64_t pid, uint8_t to_core);

// Where an actor lives now; the pid itself when it never moved.
uint64_t move_translate(const struct scheduler *scheduler, uint64_t pid);

// --- for the scheduler ---------------------------------------------------------------------------

MUST_USE int move_init(struct scheduler *scheduler);

// A slot for a new actor, whose pid is nobody's former one; NULL when the slab is full.
struct actor *move_acquire(struct scheduler *scheduler, uint8_t kind, uint32_t *index);

void move_on_go(struct scheduler *scheduler, uint8_t kind, uint32_t index);
void move_on_signal(struct scheduler *scheduler, const struct message *signal);

// A forwarded message for an actor that is still frozen.
void move_early_mail(struct scheduler *scheduler, uint8_t kind, uint32_t index,
                     const struct message *message);

// A frozen actor is to end: once it can.
void move_exit(struct scheduler *scheduler, uint8_t kind, uint32_t index, uint32_t reason);

// An actor that had moved has ended: its former pid is dead on every core.
void move_forget(struct scheduler *scheduler, uint64_t former);

// Cells of early mail, of all actors that are frozen here.
uint32_t move_early_count(const struct scheduler *scheduler);

// Every translation is found from its hash, and counted.
void move_validate(const struct scheduler *scheduler);

#endif
