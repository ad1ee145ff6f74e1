// Names of actors over all cores of one process: unique, watched, looked up without asking anybody.
// OTP's register and whereis (of one node), and global's rule for two who want the same name.
//
// Every core has a *names service* (KIND_NAMES, one slot, its pid is pid_service) with
//   a replica      of all names: look-ups are local, one hash and one probe sequence. Measured
//                  (CPU time, names of 16 and 64 bytes alike): 12 to 14 ns with a hundred names,
//                  27 to 66 with ten thousand, 275 to 330 at random among a million: cache misses
//   the home       of the names whose hash falls to this core: it alone decides who gets one. It
//                  monitors each holder, and forgets the name when that ends.
// A registration is one message to the home, one from there to each core, in the home's order; the
// answer comes through the asker's own core, behind that.
//
// What a look-up sees:
// - Once the MESSAGE_NAME has come, the asker's core knows the name. Another core knows it when the
//   home's message has reached it: after a turn or two, like any message from core to core.
// - The same for names that are gone; but an actor of this very core is never returned once dead.
//   So a pid may be stale, as any pid may, and a message to it counts as one to the dead.
// - Of two cores that register one name in the same turn one wins, on all cores alike: the loser
//   learns so together with the winner's pid. There is no moment when a name has two holders.
//
// Bad use: a name that nobody has is counted (NAMES_DEAD) and what was sent to it is discarded by
// the behaviour of the kind that should have had it; a call fails with EXIT_NOPROC. A name
// registered again by its holder is NAMES_DONE, by another NAMES_TAKEN (counted). A holder that is
// dead already is registered, and forgotten when the monitor says so.
//
// A names service that ends and is started again (by its supervisor) loses its mailbox, no name:
// the tables lie in struct names. Its home monitors every holder anew, whoever ended meanwhile is
// forgotten; its replica is fetched anew from every other home, and what is not confirmed is swept,
// look-ups go on meanwhile with what was known. Registrations that it lost are answered NAMES_BUSY:
// ask again. The same fetch heals a replica that had no memory for a name.
//
// Bounds: names_max per home, so at most core_count × names_max in a replica; NAMES_BYTES_MAX a
// name. Memory: 24 B and a block of 64 or 128 B a name and core, 24 B at its home, a relation of 32
// B on its holder's core and a monitor's two. LIMITATION: growing a replica and sweeping it take
// one go (10 ms at a million names), as registry.h says.
// Thread: each core's own.
#ifndef FAIRLEAD_NAMES_H
#define FAIRLEAD_NAMES_H

#include "sched/registry.h"
#include "sched/server.h"

#define NAMES_BYTES_MAX 64

struct names_config {
    uint32_t core_count; // schedulers 0 … core_count-1, each with a names service
    uint32_t names_max;  // per home
    uint64_t seed;       // secret, the same on all cores
};

// A core's; borrowed by its scheduler for good.
struct names {
    struct scheduler *scheduler;
    uint32_t core_count;
    struct registry replica; // note: of a name whose home is here its `homed` slot, else a mark
    struct slab homed;
    uint64_t request;                   // the latest given out
    bool is_retrying;                   // true exactly while a NAMES_RETRY is armed
    uint64_t stale_set;                 // homes to be fetched from again: memory was short
    uint64_t awaited_set;               // homes whose NAMES_FETCHED has not come
    uint64_t serving_set;               // cores that are being sent the names whose home is here
    uint32_t marks[MESH_ENDPOINTS_MAX]; // by home: of the latest fetch
    uint32_t serving_marks[MESH_ENDPOINTS_MAX]; // by core: of its fetch
    uint32_t cursors[MESH_ENDPOINTS_MAX];       // by core: the next homed slot to send
};

// flags of a MESSAGE_NAME: words[0]: the pid that has the name (or PID_NONE), words[1]: the one it
// was about, words[3]: the request.
enum names_answer {
    NAMES_DONE,
    NAMES_TAKEN,
    NAMES_UNKNOWN, // unregister: it was not that actor's
    NAMES_LIMIT,   // names_max, or memory, at the home. With request 0: the holder's core had no
                   // memory to let it be watched, its name is gone again
    NAMES_BUSY,    // the home was being restarted: ask again
};

// Registers KIND_NAMES; the service itself is spawned (scheduler_spawn(…, KIND_NAMES, NULL)), or
// started by a supervisor. 0, or -ENOMEM.
MUST_USE int names_init(struct names *names, struct scheduler *scheduler,
                        const struct names_config *config);

// Frees all names; the service is gone by now.
void names_fini(struct names *names);

// --- for everybody -------------------------------------------------------------------------------

// Asks for the name for `pid`, an actor of any core. `requester` (or PID_NONE), an actor of this
// core, gets a MESSAGE_NAME with *request. Returns 0, or -EINVAL (an empty or too long name),
// -ENOMEM, -EAGAIN (the home does not keep up): then no message follows.
MUST_USE int names_register(struct scheduler *scheduler, struct bytes name, uint64_t pid,
                            uint64_t requester, uint64_t *request);

// Gives the name up if it is `pid`'s; PID_NONE: whoever's. Otherwise as names_register.
MUST_USE int names_unregister(struct scheduler *scheduler, struct bytes name, uint64_t pid,
                              uint64_t requester, uint64_t *request);

// Spawns an actor here and registers it. It runs from the start; should the name turn out to be
// another's it ends with EXIT_NAME_TAKEN (otherwise refused: EXIT_SYSTEM_LIMIT), also if it traps
// exits. -EEXIST: taken as far as this core knows, nothing was spawned; -EINVAL, -ENOMEM, -EAGAIN.
MUST_USE int names_spawn(struct scheduler *scheduler, uint8_t kind, const void *argument,
                         struct bytes name, uint64_t requester, uint64_t *pid);

// Who has the name, as far as this core knows, or PID_NONE.
uint64_t names_whereis(const struct scheduler *scheduler, struct bytes name);

// The same; for a name that nobody has: a pid of that kind that never was (counted), so that what
// is sent there is discarded as it should be.
uint64_t names_target(struct scheduler *scheduler, struct bytes name, uint8_t kind);

// scheduler_try_send by name; message->target is filled in. `kind`: see names_target.
MUST_USE bool names_send(struct scheduler *scheduler, struct bytes name, uint8_t kind,
                         const struct message *message);

// An actor's names, on its own core: each call gives the next, *cursor is NULL at first. Of no
// bytes: no more. Nothing may change meanwhile.
struct bytes names_next_of(const struct scheduler *scheduler, uint64_t pid,
                           const struct relation **cursor);

// Replica, homes, monitors and ties agree. Between turns.
void names_validate(const struct names *names);

#endif
