// Address: where one member's or subscriber's messages go, in 32 bits that chat and topics hand to
// the program: a format in the high 4, the program's own 28 (the gateway: a stream's index).
//
// All whose address has one format are given the same bytes: a message is encoded once per format
// and core, the parcel shared. ADDRESS_EACH: this one's messages differ from everybody else's (a
// packet identifier, an identifier of its subscription) or cannot be sent now; the program gets the
// message itself.
#ifndef FAIRLEAD_ADDRESS_H
#define FAIRLEAD_ADDRESS_H

#include <stdint.h>

#define ADDRESS_FORMAT_SHIFT 28
#define ADDRESS_PLACE_MASK ((1u << ADDRESS_FORMAT_SHIFT) - 1)
#define ADDRESS_FORMATS 6u // shared ones: 0 … 5
#define ADDRESS_EACH 15u

static inline uint32_t address_of(uint32_t format, uint32_t place) {
    return format << ADDRESS_FORMAT_SHIFT | place;
}

static inline uint32_t address_format(uint32_t address) {
    return address >> ADDRESS_FORMAT_SHIFT;
}

static inline uint32_t address_place(uint32_t address) {
    return address & ADDRESS_PLACE_MASK;
}

#endif
