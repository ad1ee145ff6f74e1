// Constants of io_uring that are newer than Debian 12's header (liburing 2.3, Linux 6.1). Whether
// the running kernel knows them is found out by io/features.c.
#ifndef FAIRLEAD_IO_URING_COMPAT_H
#define FAIRLEAD_IO_URING_COMPAT_H

#include <liburing.h>

// Linux 6.12: io_uring_getevents_arg.pad became min_wait_usec.
#ifndef IORING_FEAT_MIN_TIMEOUT
#define IORING_FEAT_MIN_TIMEOUT (1U << 15)
#endif

#endif
