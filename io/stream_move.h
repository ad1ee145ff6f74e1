// Moving a stream to another scheduler's ring: the socket travels by a message between rings (its
// options and its bytes in the kernel with it), what is queued travels as bytes that the owner
// carries. Neither a byte from the peer nor one to it is lost, doubled or reordered.
//
//   source (the ring it is on)                    target (the ring it goes to)
//   stream_move_begin
//     … stream_port_move_ready       ── ask ──▶   stream_move_expect: a ticket, or refused by name
//   stream_move_pass           ◀── ticket ──
//     … stream_port_move_passed                     … stream_port_open, STREAM_ARRIVED with the tag
//                              ◀── it is here ─
//   stream_move_export_size, stream_move_export     (pushes queue up; nothing is read or sent)
//   stream_move_abandon              ── bytes ──▶   stream_move_import: goes on, bytes in front
//
// The owner exports when it knows both: the pass's answer, and from the target that its arrival was
// opened and will be kept. Else a target that forgot or closed it leaves the bytes without a
// stream. States (io/README.md has all): OPEN, halting, halted, passing, passed, exported, gone; on
// the target: expected, arrived, OPEN. In halting to passed pushes queue up as ever, gaps and
// budgets too. The point of no return is stream_move_export; before it stream_move_cancel resumes.
//
//   when        what happens            outcome
//   halting     bytes come              handed up as ever
//               FIN, reset, error       stream_port_end as ever; the move is off, no move_ready
//   halted …    the peer does anything  nobody looks: seen after cancel here, or import there
//   … passed    close                   the move is off, flushes or aborts as ever. When the file
//   is
//                                       in the other ring too it is shut down by name, since a
//                                       close alone would not reach the peer: no FIN or reset can
//                                       be held back. The target's arrival is to be closed too
//   passing     the pass fails          stream_port_move_passed with the errno; halted as before
//               EOVERFLOW               the kernel, out of memory, put the file there unheard:
//                                       shut down, stream_port_end with STREAM_END_ERROR.
//                                       LIMITATION: the target's descriptor stays taken
//               close                   as above, once the pass is answered
//   exported    close                   aborts (how is ignored): the peer sees the end
//   expected    the pass never comes    stream_move_unexpect
//   arrived     close                   lets go of this ring's descriptor and drops what was
//   pushed:
//                                       the peer notices nothing while the source still holds it
//               the peer is gone        seen after import: stream_port_end as ever
//
// Paused and stream_read_singly are the owner's: it calls them again on the target, before import.
// The audit: what leaves with an export is counted moved_out, what an import brings moved_in, so
// that on each core due + moved_in = delivered + dropped + pending + moved_out. A message that is
// partly sent counts where its last byte is sent.
//
// Bounds: STREAM_MOVES_EXPECTED_MAX arrivals under way; an export has at most the bytes of both
// budgets and 8 B per run. Threads: each function on its own scheduler's. Memory: 16 B per expected
// arrival, nothing per stream. Rings outlive the passes to them. Source: docs/KERNEL.md (passing).
#ifndef FAIRLEAD_IO_STREAM_MOVE_H
#define FAIRLEAD_IO_STREAM_MOVE_H

#include "io/stream.h"

#define STREAM_MOVES_EXPECTED_MAX 4096

// What the target gives to the source: by value, in a message.
struct stream_ticket {
    struct ring_pass_target target;
    struct handle expected;
};

// --- source --------------------------------------------------------------------------------------

// Stops reading and sending: what is armed is cancelled, the send in flight settles. The upcall
// follows, never from inside this call. False, and nothing happens, unless the stream is open.
MUST_USE bool stream_move_begin(struct streams *streams, struct handle stream);

// Halted: sends the descriptor where the ticket says. stream_port_move_passed follows, unless the
// stream is closed meanwhile. A ticket serves one pass; after an error the target is to
// unexpect it.
void stream_move_pass(struct streams *streams, uint32_t index, const struct stream_ticket *ticket);

// Halted or passed: makes gap events of the gaps (stream_port_gap) and returns the bytes that an
// export now would take; pushes change it.
uint32_t stream_move_export_size(struct streams *streams, uint32_t index);

// Passed: writes what is not sent yet, `size` as stream_move_export_size just said, and takes it
// off the queue. From here on pushes are refused and counted dropped, closed.
void stream_move_export(struct streams *streams, uint32_t index, uint8_t *out, uint32_t size);

// Exported: gives back this ring's descriptor and slot. No upcall, nothing reaches the peer.
void stream_move_abandon(struct streams *streams, uint32_t index);

// Halting, halted or passed: as if nothing had been (a target that has it lets go of it). False,
// and nothing happens, while a pass is in flight (stream_port_move_passed follows), and for a
// stream that is not on the move.
MUST_USE bool stream_move_cancel(struct streams *streams, struct handle stream);

// --- target --------------------------------------------------------------------------------------

// Reserves a descriptor for one arrival, which will come up with `tag`. 0; or refused: -EOPNOTSUPP
// (this kernel cannot pass descriptors, or slots are chosen here: stream_config.connects),
// -ENOSPC (connections_max, or every lane is full), -EBUSY (too many expected), -ESHUTDOWN
// (accept_close_all was called), or what making a lane failed with (-ENOMEM, -EMFILE).
MUST_USE int stream_move_expect(struct streams *streams, uint64_t tag,
                                struct stream_ticket *ticket);

// It will not come: the pass was not made, or failed. Stale after the arrival: then nothing.
void stream_move_unexpect(struct streams *streams, struct handle expected);

// Arrived: puts the exported bytes in front of what was pushed meanwhile, as parcels that are never
// dropped, each in the budget that it had, and starts to read (unless paused) and send. 0; or
// -ENOMEM: the messages are counted dropped, to be closed. Bytes that no export wrote: CHECK.
MUST_USE int stream_move_import(struct streams *streams, uint32_t index, const uint8_t *bytes,
                                uint32_t size);

#endif
