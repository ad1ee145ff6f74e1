// What this kernel's io_uring does, found out by trying it at start (never by version), printed as
// a table by `fairlead --version`. Without the required ones start-up refuses with a sentence and
// its cure.
#ifndef FAIRLEAD_IO_FEATURES_H
#define FAIRLEAD_IO_FEATURES_H

#include <stdbool.h>
#include <stdio.h>

// X(name, required, what it is for)
#define FEATURES(X)                                                                                \
    X(defer_taskrun, true, "completions run when the scheduler asks")                              \
    X(direct_accept, true, "multishot accept into direct descriptors")                             \
    X(buffer_ring, true, "shared receive buffers")                                                 \
    X(recv_multishot, true, "hot connections")                                                     \
    X(ext_arg, true, "waiting with a timeout")                                                     \
    X(msg_ring, false, "wakes between schedulers (else: eventfd)")                                 \
    X(pass_descriptor, false, "moving connections between schedulers (else: refused)")             \
    X(registered_ring, false, "cheaper system calls")                                              \
    X(send_skip_success, false, "sends taken whole say nothing")                                   \
    X(min_wait, false, "gathering work when busy (Linux 6.12)")                                    \
    X(recv_fair, false, "multishot receive stops after 32 (Linux 6.8)")

struct features {
    int error; // 0, or -errno of io_uring_setup: nothing below is true
#define X(name, required, purpose) bool name;
    FEATURES(X)
#undef X
};

// Probes once (about a millisecond, 10 descriptors). Any thread; no state is kept.
void features_probe(struct features *features);

// True when every required feature works. Else `text` says what is missing and how to cure it.
bool features_is_usable(const struct features *features, char *text, size_t text_size);

// The cure for an error of ring_open ("io_uring is disabled by kernel.io_uring_disabled=2; …").
void features_error_text(int error, char *text, size_t text_size);

void features_print(FILE *out);

#endif
