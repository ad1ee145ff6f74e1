// What rooms, leaves and members say to each other, and the layouts of the shared payloads they
// send.
#ifndef FAIRLEAD_CHAT_MESSAGE_H
#define FAIRLEAD_CHAT_MESSAGE_H

#include "sched/base/bytes.h"
#include "sched/message.h"

enum chat_kind {
    KIND_CONNECTION = 1,   // the gateway's
    KIND_ROOM = 2,         // a room at its home core
    KIND_LEAF = 3,         // a room's members on one core
    KIND_CHAT = 4,         // one per core: takes joins by name, makes rooms
    KIND_CONTROL = 5,      // the gateway's: answers the control plane
    KIND_MOVE = 6,         // the gateway's: connections that move to another core
    KIND_MQTT_SESSION = 8, // the gateway's; 7 is KIND_TOPICS (topics/topics.h)
};

enum chat_message_type {
    CHAT_JOIN = MESSAGE_USER, // leaf → chat of the home core: payload chat_join, member handle,
                              // flags CHAT_JOIN_…
    CHAT_JOINED,              // room → leaf: member handle, epoch, sequence, meta
    CHAT_JOIN_REFUSED,        // chat → leaf: member handle, reason
    CHAT_LEAVE,               // leaf → room: member handle, meta
    CHAT_PUBLISH,             // leaf → room: payload chat_publish, member handle
    CHAT_PUBLISH_TO,          // chat → chat of the home core → room: payload chat_publish, note
    CHAT_PUBLISHED_TO, // back to that chat: publisher, note, sequence, refusal, has it members
    CHAT_RETAINED,     // room → leaf, before CHAT_JOINED: payload chat_publish, member handle
    CHAT_RESTORE,      // room that is not needed → the one that is: payload chat_publish
    CHAT_RELAY,        // room → leaf: payload chat_publish, sequence, publisher if it is here
    CHAT_ACCEPTED,     // room → leaf of the publisher, when its relay could not be sent
    CHAT_REFUSED,      // room → leaf, or room that ended → chat of the leaf's core:
                       // payload chat_publish, publisher, reason
    CHAT_LOST,         // room → leaf: sequence numbers that never came
    CHAT_PRESENCE,     // room → leaf: payload of records, is it a state, for whom
    CHAT_COUNT,        // room → leaf: users, connections
    CHAT_WANT_STATE,   // leaf → room: a member missed presence and reads again
    CHAT_LEAVES, // leaf that ended → room: metas of up to CHAT_LEAVES_MAX members, flags: how many
    CHAT_ENDED,  // room that ended → leaf: its epoch, sequence numbers that never came
    CHAT_ASK_ANSWERED, // chat → room that ended: a leaf's pid, in the name of CHAT_ENDED's leaf
    CHAT_ANSWERED,     // back to that chat: what was asked of that life of the room was answered
    // A membership moves from leaf A to leaf B (chat/move.h); member handles of A and B each.
    CHAT_MOVE,         // leaf A → room: A, B, leaf B, meta
    CHAT_PLACE,        // room → leaf B: A, B, leaf A, meta
    CHAT_PLACED,       // leaf B → room: the same
    CHAT_MOVED_OUT,    // room → leaf A: A, sequence
    CHAT_MOVED_IN,     // room → leaf B: B, sequence, meta, is a presence state to come
    CHAT_MOVE_REFUSED, // to leaf A or B: A or B, room
};

#define CHAT_LEAVES_MAX 8 // two in each word

#define CHAT_JOIN_OBSERVER 1u
#define CHAT_JOIN_SILENT 2u
#define CHAT_JOIN_RETAINED 4u // wants what the room retains

// "join", …; NULL for no type of chat's.
const char *chat_message_name(uint16_t type);

enum chat_refusal {
    REFUSAL_BUSY,           // a core does not keep up
    REFUSAL_TOO_MANY_ROOMS, // --rooms-max
    REFUSAL_MEMORY,
    REFUSAL_RESTARTED, // the room ended meanwhile
    REFUSAL_NONE,      // it was accepted
};

// A publish or whisper as its connection decoded it. Views into a payload, or into the caller's
// memory.
struct chat_publish {
    struct bytes ref; // the client's, as it stood in the frame; empty: none
    struct bytes event;
    struct bytes body;       // validated JSON, or any bytes when is_binary
    struct bytes room;       // its name: chat's to fill
    struct bytes properties; // opaque: the program's, passed on as they are
    uint64_t publisher;      // the program's name of who published, for no-local; 0: nobody
    uint64_t expires_ns;     // by the scheduler's clock; 0: never
    uint8_t qos;             // the program's: what it may be delivered with at most
    bool is_retained;        // published to be kept by the room
    bool is_binary;
    bool is_whisper;
    bool wants_reply;
};

// Presence records, packed one behind another: `struct presence_record`, the user's bytes, the
// meta's bytes. Records of one user stand together. A meta of no bytes is `{}`.
enum presence_change {
    PRESENCE_IS,    // in a state
    PRESENCE_JOINS, // in a diff, before all that leave
    PRESENCE_LEAVES,
};

struct presence_record {
    uint32_t ref; // phx_ref, unique in the room's life
    uint16_t meta_size;
    uint8_t user_size;
    uint8_t change; // enum presence_change
};

#define CHAT_META_BYTES_MAX 256
#define CHAT_USER_BYTES_MAX 64
#define CHAT_ROOM_BYTES_MAX 128

#endif
