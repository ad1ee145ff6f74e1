// Signals between actors: exits, links, monitors. The words are OTP's, and so is what they do:
//
// - A *link* ties two actors both ways: when one goes, the other gets an exit signal with the
//   reason. Not trapped (behaviour.traps_exit) it goes too, unless the reason is normal; trapped it
//   gets MESSAGE_EXIT. Links are idempotent; who links to an actor that is gone gets EXIT_NOPROC.
//   Unlinking is acknowledged, so that crossing links and unlinks end the same on both sides
//   (Erlang's "link protocol", OTP 26 ERTS reference manual).
// - A *monitor* is one way: exactly one MESSAGE_DOWN with the reason, also for one already gone
//   (EXIT_NOPROC); any number of monitors of the same actor, each with a name of its own.
// - signal_exit is OTP's exit(Pid, Reason): as from a link, except that EXIT_KILLED cannot be
//   trapped, and an untrapped EXIT_NORMAL does nothing.
//
// Signals are control messages in the order of their sender's mail; the runtime acts on them when
// they reach the target's core, ahead of mail that waits there: a kill does not stand in a queue
// behind the mail of the one it kills. What a signal leads to within an actor happens at its next
// go, never inside somebody else's handler. MESSAGE_EXIT and MESSAGE_DOWN stand in line with the
// mail of the one that went: its last words come first.
//
// Errors: -ENOMEM (or ref 0) when a tie finds no record; nothing happened then. On the far core the
// same shows as an exit or a down with EXIT_SYSTEM_LIMIT. Thread: the core's own.
#ifndef FAIRLEAD_SIGNAL_H
#define FAIRLEAD_SIGNAL_H

#include "sched/relation.h"

#define SIGNAL_BY_LINK 1u
#define SIGNAL_FORCED 2u // an exit of the runtime's own: not trapped, whatever the reason

// Links the actor with `other`, on any core; not by a service's pid (a monitor can). Linking to
// itself does nothing.
MUST_USE int signal_link(struct scheduler *scheduler, uint8_t kind, uint32_t index, uint64_t other);

// From here on nothing comes of that link; a MESSAGE_EXIT that is in the mailbox already still
// does. Harmless without a link.
void signal_unlink(struct scheduler *scheduler, uint8_t kind, uint32_t index, uint64_t other);

// The monitor's name, in the MESSAGE_DOWN to come; 0 when memory is out.
MUST_USE uint64_t signal_monitor(struct scheduler *scheduler, uint8_t kind, uint32_t index,
                                 uint64_t other);

// The same with a word of the watcher's own, which comes back in words[1] of the MESSAGE_DOWN (OTP:
// monitor option tag): the place of what is watched, so that it need not be looked for.
// LIMITATION: a watcher that moves to another core does not keep its tags.
MUST_USE uint64_t signal_monitor_tagged(struct scheduler *scheduler, uint8_t kind, uint32_t index,
                                        uint64_t other, uint64_t tag);

// False: it had fired (or never was); its MESSAGE_DOWN may be in the mailbox.
bool signal_demonitor(struct scheduler *scheduler, uint8_t kind, uint32_t index, uint64_t monitor);

// Asks an actor to go, on any core; `from` may be PID_NONE.
void signal_exit(struct scheduler *scheduler, uint64_t from, uint64_t to, uint32_t reason);

// --- for the scheduler ---------------------------------------------------------------------------

// A signal has reached its target's core. Always taken.
void signal_deliver(struct scheduler *scheduler, const struct message *message);

// A signal that waited for an actor on the move, which ended with `reason` before it could act: who
// sent it is told as if the actor had been dead already.
void signal_discarded(struct scheduler *scheduler, const struct message *signal, uint32_t reason);

// An actor with relations has run its terminate: tells all it is tied to.
void signal_ended(struct scheduler *scheduler, uint8_t kind, uint32_t index, uint32_t reason);

#endif
