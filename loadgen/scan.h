// Reads what a server sends, as little of it as is needed: a client that has to check hundreds of
// thousands of deliveries a second cannot afford a decoder that validates and copies.
//
// Two ways in. scan_broadcast compares a frame with what this room's broadcasts look like (topic,
// event and payload size are known beforehand) and is one comparison and one short loop. Whatever
// is otherwise goes to scan_message, which splits any Phoenix text array into its elements.
//
// Neither validates JSON: that is the server's duty, tested elsewhere. Names come out as they stand
// between their quotes, escapes untouched. Pure functions on borrowed bytes, any thread.
#ifndef FAIRLEAD_SCAN_H
#define FAIRLEAD_SCAN_H

#include "sched/base/bytes.h"
#include "sched/base/check.h"

#define SCAN_PREFIX_BYTES_MAX 120

// How the broadcasts of one room begin, up to the payload.
struct scan_expected {
    uint32_t payload_size; // 0: any
    uint32_t prefix_size;
    uint8_t prefix[SCAN_PREFIX_BYTES_MAX]; // [null,null,"topic","event",
};

// payload_size 0: payloads differ in size; all are objects.
void scan_expect(struct scan_expected *expected, struct bytes topic, struct bytes event,
                 uint32_t payload_size);

// True when `text` is the broadcast that is expected: *payload is its fifth element, *sequence its
// sixth, 0 when it has none.
MUST_USE bool scan_broadcast(const struct scan_expected *expected, struct bytes text,
                             struct bytes *payload, uint64_t *sequence);

struct scan_message {
    struct bytes join_ref; // data NULL: null
    struct bytes ref;      // data NULL: null
    struct bytes topic;
    struct bytes event;
    struct bytes payload; // raw; of a text that was cut: what there is of it
    uint64_t sequence;    // 0: none
    bool is_whole;        // the array ends where the text does
};

// The first half of scan_message: refs, topic and event; `payload` is all that follows them. For
// whoever does not want the rest, which may be long.
MUST_USE bool scan_names(struct bytes text, struct scan_message *message);

// The second half.
void scan_rest(struct scan_message *message);

// Both. False when `text` does not begin like a Phoenix message. A text cut inside its payload is
// taken, with is_whole false: of a message too large to be kept, the head tells what it was.
MUST_USE bool scan_message(struct bytes text, struct scan_message *message);

// The whole number or the string that a member `key` of the object `text` holds, on its first
// occurrence at any depth.
MUST_USE bool scan_number(struct bytes text, const char *key, uint64_t *value);
MUST_USE bool scan_string(struct bytes text, const char *key, struct bytes *value);

// Decimal digits as a number; false when there are none, other bytes, or more than 2^64 - 1.
MUST_USE bool scan_decimal(struct bytes text, uint64_t *value);

#endif
