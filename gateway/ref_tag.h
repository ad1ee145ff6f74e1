// What a membership remembers of the refs of its phx_join, in the 32 bits of member.tag: the
// join_ref, and until the join is answered the ref when it is another one. phoenix.js counts in
// decimal and uses one number for both, so the usual tag is that number; anything else is a text.
//
//     bit 31 clear: join_ref and ref are this number in decimal
//     bit 31 set:   the other bits name a text: size(join_ref), size(ref), join_ref, ref
// A size of 255 means null, 254 (of ref): the same as join_ref.
// Owned by the core's thread. Bounds: REF_TAG_BYTES_MAX for both together, when they differ.
#ifndef FAIRLEAD_REF_TAG_H
#define FAIRLEAD_REF_TAG_H

#include "sched/base/text.h"

#define REF_TAG_NONE UINT32_MAX
#define REF_TAG_BYTES_MAX (TEXT_BYTES_MAX - 2)

// Room for the digits of a number, borrowed by views into it.
struct ref_tag_scratch {
    uint8_t digits[10];
};

struct ref_tag_refs {
    struct bytes join_ref; // data NULL: null
    struct bytes ref;
};

// REF_TAG_NONE when the refs are too long or no text is left.
MUST_USE uint32_t ref_tag_acquire(struct texts *texts, const struct ref_tag_refs *refs);

void ref_tag_release(struct texts *texts, uint32_t tag);

// Views of the tag's text or of the scratch.
struct ref_tag_refs ref_tag_get(const struct texts *texts, uint32_t tag,
                                struct ref_tag_scratch *scratch);

// True exactly when the tag's join_ref is this one.
bool ref_tag_is(const struct texts *texts, uint32_t tag, struct bytes join_ref);

#endif
