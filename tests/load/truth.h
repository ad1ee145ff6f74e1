// The truth server: speaks what `fairlead load` speaks and does wrong exactly what it was told to,
// counted, so that the load tool's figures can be held against figures that are known. See
// README.md for what each fault must show as.
//
// It shares no code with the tool, the gateway or their codecs: a mistake in those must not cancel
// out here. Single thread, epoll, level-triggered. Faults are chosen by a generator with a seed, in
// the order in which things happen. Every count is of what was done, not of what was intended.
//
//     truth_options   what it was told to do wrong (one table)
//     truth_wire      bytes: WebSocket frames, the upgrade, the five elements of a Phoenix message
//     truth_rooms     rooms, replies, deliveries, and the faults in them
//     truth_mqtt      the same said in MQTT
//     truth_server    main: sockets, what is held back for a while, the stall, the last word
#ifndef FAIRLEAD_TESTS_LOAD_TRUTH_H
#define FAIRLEAD_TESTS_LOAD_TRUTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    TRUTH_ROOMS_MAX = 65536,    // a power of two: the table is probed by mask
    TRUTH_TOPIC_SIZE_MAX = 160, // `room:` included
    TRUTH_MESSAGE_SIZE_MAX = 1 << 20,
    TRUTH_USERS_MAX = 1 << 20, // u0000000 and up; others are not told apart
    TRUTH_NO_ROOM = 0xffffffff,
};

#define TRUTH_NS_PER_S 1000000000ull
#define TRUTH_NS_PER_MS 1000000ull

// What it is to whoever connects. All but the first two are no server for the tool.
#define TRUTH_SPEAKS(X)                                                                            \
    X(PHOENIX, "phoenix")   /* WebSocket; path /echo: each message comes back as it was */         \
    X(MQTT, "mqtt")         /* MQTT 3.1.1 and 5 */                                                 \
    X(TCP_ECHO, "tcp-echo") /* messages of --message-bytes come back as they were */               \
    X(HTTP_200, "http-200") /* a web page to every request */                                      \
    X(BAD_KEY, "bad-key")   /* a 101 that does not answer the key */                               \
    X(HALF, "half")         /* half of the 101's head, then the end */                             \
    X(GARBAGE, "garbage")   /* bytes that are no HTTP */                                           \
    X(SSH, "ssh")           /* an SSH banner at once */                                            \
    X(TLS, "tls")           /* the alert of a TLS server */                                        \
    X(CLOSE, "close")       /* ends every connection at its request */                             \
    X(SILENCE, "silence")   /* accepts, reads, says nothing */                                     \
    X(DEAF, "deaf")         /* upgrades, then answers no message */

enum truth_speaks {
#define X(name, text) TRUTH_##name,
    TRUTH_SPEAKS(X)
#undef X
};

struct truth_options {
    const char *host;
    uint16_t port;
    enum truth_speaks speaks;
    uint64_t seed;
    double delay_ms;      // every byte it says leaves this long after it would have
    double stall_at_s;    // from the first request or publish
    double stall_ms;      // 0: no stall
    uint64_t drop_one_in; // deliveries and replies to requests; 0: none, as in all below
    uint64_t duplicate_one_in;
    uint64_t duplicate_distance; // the second one comes so many deliveries later; 0: at once
    uint64_t reorder_one_in;
    uint64_t reorder_distance; // it comes so many deliveries later, 1 and up
    uint64_t gap_one_in;
    uint64_t reset_one_in;     // requests and publishes
    uint64_t reject_one_in;    // requests and publishes
    uint64_t refuse_one_in;    // upgrades, by 503; MQTT: by CONNACK
    uint64_t redeliver_one_in; // MQTT, QoS 1 and 2: said again at once, with the DUP flag
    uint64_t drop_will_one_in; // for one watcher
    uint64_t double_will_one_in;
    uint64_t wills_max; // of so many connections only; 0: of all
    uint64_t refuse_join_one_in;
    uint64_t refuse_again; // each user's first attempts after its first join, by 503
    double close_at_s;     // from the first request or publish; 0: never
    uint64_t close_code;
    uint64_t queue_bytes_max;   // a member behind by more gets a gap in the end; 0: no bound
    uint64_t message_bytes;     // tcp-echo
    uint64_t send_buffer_bytes; // of the kernel, on the listener; 0: as it is
    bool has_no_numbers;        // as phoenix itself: no sequence numbers
    bool ignores_heartbeats;
    bool answers_no_publish;
};

// Name, and what it is to be compared with (README.md).
#define TRUTH_COUNTS(X)                                                                            \
    X(accepts)                                                                                     \
    X(upgrades)                                                                                    \
    X(joins)                                                                                       \
    X(leaves)                                                                                      \
    X(heartbeats)                                                                                  \
    X(requests)   /* pings and echoes that came */                                                 \
    X(publishes)  /* publishes that were accepted */                                               \
    X(due)        /* members of the room, summed over publishes */                                 \
    X(deliveries) /* broadcasts said, duplicates included */                                       \
    X(replies)    /* answers to requests said, duplicates included */                              \
    X(dropped)                                                                                     \
    X(dropped_last)      /* of those: nothing was said to that member afterwards */                \
    X(dropped_messages)  /* publishes that at least one member did not get */                      \
    X(dropped_worst_ppm) /* of one publish's members: the most that did not get it */              \
    X(duplicated)                                                                                  \
    X(reordered)       /* said after newer ones */                                                 \
    X(reordered_whole) /* after --reorder-distance of them */                                      \
    X(gap_events)                                                                                  \
    X(gap_messages)                                                                                \
    X(resets)                                                                                      \
    X(rejected)                                                                                    \
    X(refused_http)                                                                                \
    X(refused_join)                                                                                \
    X(refused_connack)                                                                             \
    X(redelivered)   /* MQTT: with the DUP flag */                                                 \
    X(acks)          /* MQTT: PUBACK and PUBCOMP that came */                                      \
    X(wills)         /* connections that ended with one */                                         \
    X(wills_dropped) /* for one watcher */                                                         \
    X(wills_doubled)                                                                               \
    X(closed)                                                                                      \
    X(stalls)                                                                                      \
    X(again_attempts) /* upgrades asked for by users who had joined before */                      \
    X(again_refused)                                                                               \
    X(again_joins)                                                                                 \
    X(bytes_in)                                                                                    \
    X(bytes_out)                                                                                   \
    X(late_max_ns) /* this process itself was held up for so long, the stall left out */           \
    X(strange)     /* messages that are no Phoenix */

struct truth_counts {
#define X(name) uint64_t name;
    TRUTH_COUNTS(X)
#undef X
};

// Bytes that grow: malloc, freed by truth_buffer_fini.
struct truth_buffer {
    uint8_t *data;
    size_t size;
    size_t capacity;
};

struct truth_conn {
    bool is_open;
    bool is_upgraded;
    bool is_echo;   // path /echo, or tcp-echo
    bool is_ending; // what is queued still leaves, then it is closed
    bool waits_to_write;
    bool is_dirty; // in the list of those that have something to write at the turn's end
    uint32_t generation;
    uint32_t user;         // TRUTH_USERS_MAX: not one of ours
    uint32_t room;         // index, or TRUTH_NO_ROOM
    uint32_t position;     // in the room's members
    uint64_t tail_dropped; // since anything was last said to it
    uint64_t gap_from;     // behind --queue-bytes-max: the first number it has not got; 0: none
    uint64_t gap_to;
    bool holds_duplicate; // what is held back was said before
    bool holds_delivery;  // else a reply
    uint64_t held_for;    // deliveries until the one held back leaves; 0: none is
    uint64_t held_since_ns;
    uint64_t queued_bytes; // delayed and unsent
    uint8_t version;       // MQTT
    uint8_t qos;           // with which it subscribed
    uint16_t last_id;
    size_t will_topic_size;
    struct truth_buffer will; // topic and payload; empty: none
    struct truth_buffer held;
    struct truth_buffer in;
    struct truth_buffer out;
};

struct truth_room {
    char topic[TRUTH_TOPIC_SIZE_MAX];
    uint32_t topic_size; // 0: the entry is free
    uint32_t member_count;
    uint32_t member_max;
    uint32_t *members; // descriptors
    uint64_t number;   // of the last publish
    bool is_shared;    // one member gets each message
};

struct truth_user {
    uint32_t refusals_left;
    bool has_joined;
};

struct truth {
    struct truth_options options;
    struct truth_counts counts;
    struct truth_conn *conns; // by descriptor
    uint32_t conn_max;
    struct truth_room *rooms;
    struct truth_user *users;
    uint64_t random;     // state of the generator
    uint64_t begin_ns;   // the first request or publish; 0: none yet
    uint64_t held_count; // connections that hold a delivery back
    uint32_t *dirty;
    uint32_t dirty_count;
    int epoll_fd;
    int listen_fd;
    struct truth_parcel *first; // what is held for --delay-ms, in order
    struct truth_parcel *last;
};

// --- truth_options -------------------------------------------------------------------------------

// Exits with 2 and a sentence on stderr where the command line is wrong.
void truth_options_parse(struct truth_options *options, int argc, char **argv);

// --- truth_wire ----------------------------------------------------------------------------------

void truth_buffer_append(struct truth_buffer *buffer, const void *data, size_t size);
void truth_buffer_skip(struct truth_buffer *buffer, size_t size);
void truth_buffer_fini(struct truth_buffer *buffer);

// One unmasked frame with FIN.
void truth_wire_frame(struct truth_buffer *out, uint8_t opcode, const void *data, size_t size);

// The answer to an upgrade, by the request's key. False: there is none in the head.
bool truth_wire_upgrade(struct truth_buffer *out, const char *head, size_t size);

struct truth_frame {
    uint8_t opcode;
    uint8_t *payload; // unmasked in place
    size_t payload_size;
};

// Takes a client's frame from the front: bytes taken, 0 when it is not whole, -1 when it is none.
long truth_wire_take(uint8_t *data, size_t size, struct truth_frame *frame);

struct truth_text {
    const char *at;
    size_t size;
};

// The five elements as they stand, quotes included.
struct truth_message {
    struct truth_text join_ref, ref, topic, event, payload;
};

bool truth_wire_scan(const char *text, size_t size, struct truth_message *message);
bool truth_wire_is(struct truth_text quoted, const char *name);

// --- truth_rooms ---------------------------------------------------------------------------------

// A room's message for its members: as a frame that is the same for all, or what MQTT makes one of
// for each.
struct truth_cast {
    const struct truth_buffer *frame; // NULL: MQTT
    struct truth_text topic;
    struct truth_text payload;
};

enum truth_fate {
    TRUTH_ADMITTED,
    TRUTH_RESET, // its sender was reset
    TRUTH_REJECTED,
};

// A request or a publish has come: the clock of --stall-at-s and --close-at-s begins with the
// first.
enum truth_fate truth_rooms_admit(struct truth *truth, uint32_t fd, bool may_reject);

// The index of the room of that name, a new one when there is none.
uint32_t truth_rooms_find(struct truth *truth, struct truth_text topic);

void truth_rooms_publish(struct truth *truth, uint32_t index, const struct truth_cast *cast);

// The reply to a request, as bytes.
void truth_rooms_answer(struct truth *truth, uint32_t fd, const struct truth_buffer *frame);

bool truth_rooms_refuses(struct truth *truth, uint32_t user);
bool truth_rooms_refuses_join(struct truth *truth);

// Out of the room it is in, and into this one.
void truth_rooms_enter(struct truth *truth, uint32_t fd, uint32_t index);

// A text message of an upgraded connection, or a message of tcp-echo. False: close it.
bool truth_rooms_take(struct truth *truth, uint32_t fd, const char *text, size_t size);

// An upgrade is asked for: 101 or 503. False: close it once that is said.
bool truth_rooms_upgrade(struct truth *truth, uint32_t fd, const char *head, size_t size);

void truth_rooms_leave(struct truth *truth, uint32_t fd);

// All that was queued for it has left: a gap it is owed is said.
void truth_rooms_on_drained(struct truth *truth, uint32_t fd);

// Deliveries held back for half a second leave, whatever has come since.
void truth_rooms_release_old(struct truth *truth, uint64_t now_ns);

// What a member was owed when everything was over.
void truth_rooms_finish(struct truth *truth);

// True once in `one_in` times; never when it is 0.
bool truth_rooms_rolls(struct truth *truth, uint64_t one_in);

// --- truth_mqtt ----------------------------------------------------------------------------------

// Takes a packet from the front: bytes taken, 0 when it is not whole, -1 to end the connection.
long truth_mqtt_take(struct truth *truth, uint32_t fd, const uint8_t *data, size_t size);

void truth_mqtt_put_delivery(struct truth *truth, uint32_t fd, const struct truth_cast *cast,
                             uint64_t number, struct truth_buffer *out);
void truth_mqtt_put_gap(struct truth *truth, uint32_t fd, uint64_t from, uint64_t to,
                        struct truth_buffer *out);

// Its will, if it has one, is said.
void truth_mqtt_on_closed(struct truth *truth, uint32_t fd);

// --- truth_server --------------------------------------------------------------------------------

uint64_t truth_now_ns(void);

// Says it, --delay-ms later; the bytes are copied.
void truth_say(struct truth *truth, uint32_t fd, const uint8_t *data, size_t size);

// Ends it by a reset, now. The connection is gone on return.
void truth_reset(struct truth *truth, uint32_t fd);

#endif
