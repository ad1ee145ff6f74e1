// Counters of one scheduler: one writer (that scheduler's thread), relaxed, read by the control
// plane at any time. One X-macro names them all: /metrics, docs/OPERATING.md and the tests read the
// same table.
//
// X(identifier, metric name without the prefix "fairlead_", labels or "", help, "if not 0: …" or
// "") Names follow Prometheus: monotonic ones end in _total. High-water marks and sums are gauges.
#ifndef FAIRLEAD_COUNTERS_H
#define FAIRLEAD_COUNTERS_H

#include <stdatomic.h>
#include <stdint.h>

#define COUNTERS_SCHED(X)                                                                          \
    X(TURNS, "turns_total", "", "turns of the worker loop", "")                                    \
    X(TURN_NS, "turn_nanoseconds_total", "", "time spent in turns, waits excluded", "")            \
    X(TURN_NS_MAX, "turn_nanoseconds_max", "", "the longest turn", "")                             \
    X(CPU_NS, "cpu_nanoseconds_total", "", "CPU time of the scheduler's thread, by the second",    \
      "")                                                                                          \
    X(MESSAGES_SENT, "actor_messages_total", "", "messages between actors", "")                    \
    X(MESSAGES_TO_DEAD, "actor_messages_dead_total", "", "messages to actors that were gone", "")  \
    X(MAILBOX_FULL, "actor_mailbox_full_total", "", "messages refused by a full mailbox",          \
      "an actor is overloaded")                                                                    \
    X(MESSAGE_CELLS_OUT, "actor_message_cells_exhausted_total", "", "no free message cell",        \
      "raise --connections-max or look for a stalled core")                                        \
    X(REDUCTIONS, "actor_reductions_total", "", "work done by actors", "")                         \
    X(MESH_SENT, "mesh_messages_total", "", "messages to other cores", "")                         \
    X(MESH_FULL, "mesh_full_total", "", "messages held back or refused by a full mesh ring",       \
      "a core does not keep up")                                                                   \
    X(MESH_WAKES, "mesh_wakes_total", "", "sleeping cores woken", "")                              \
    X(TIMERS_FIRED, "timers_fired_total", "", "timers that ran out", "")                           \
    X(RUN_QUEUE, "actor_run_queue", "", "actors ready when the latest turn began", "")             \
    X(RUN_QUEUE_MAX, "actor_run_queue_max", "", "most actors ready when a turn began", "")         \
    X(SPAWNS, "actor_spawns_total", "", "actors spawned", "")                                      \
    X(SPAWNS_FAILED, "actor_spawns_failed_total", "", "actors whose init declined, or no slot",    \
      "a limit is reached: see the log or /actors")                                                \
    X(EXITS, "actor_exits_total", "reason=\"any\"", "actors that ended", "")                       \
    X(EXITS_ABNORMAL, "actor_exits_total", "reason=\"abnormal\"",                                  \
      "actors that ended for another reason than normal or shutdown", "")                          \
    X(EXITS_IGNORED, "actor_exits_ignored_total", "", "exits of an actor that was ending already", \
      "")                                                                                          \
    X(SIGNALS, "actor_signals_total", "", "exit, link and monitor signals taken", "")              \
    X(SIGNALS_TO_DEAD, "actor_signals_dead_total", "", "signals to actors that were gone", "")     \
    X(RELATIONS_OUT, "actor_relations_exhausted_total", "", "no memory for a link or monitor",     \
      "a limit is reached: see /actors")                                                           \
    X(MAIL_DROPPED, "actor_mail_dropped_total", "", "messages that a mailbox policy dropped",      \
      "an actor is overloaded")                                                                    \
    X(MOVES_OUT, "actor_moves_total", "direction=\"out\"", "actors that moved to another core",    \
      "")                                                                                          \
    X(MOVES_IN, "actor_moves_total", "direction=\"in\"", "actors that came from another core", "") \
    X(MOVES_REFUSED, "actor_moves_refused_total", "", "moves that the other core had no room for", \
      "the cores are full")                                                                        \
    X(TIMED_LATE, "actor_timed_late_total", "", "timed messages put off: no cell or mailbox full", \
      "an actor is overloaded")                                                                    \
    X(CALLS, "actor_calls_total", "", "calls of servers", "")                                      \
    X(CALLS_FAILED, "actor_calls_failed_total", "", "calls that failed, those out of time too",    \
      "")                                                                                          \
    X(CALLS_TIMED_OUT, "actor_calls_timed_out_total", "", "calls that had no answer in time",      \
      "an actor is overloaded")                                                                    \
    X(REPLIES_LATE, "actor_replies_late_total", "", "answers to calls that were over", "")         \
    X(POSTPONED_OUT, "actor_postponed_out_total", "", "events that found no room to be postponed", \
      "a state machine waits for something that does not come")                                    \
    X(HANDLERS_FAILED, "event_handlers_failed_total", "", "event handlers removed as failed",      \
      "an event handler is broken")                                                                \
    X(NAMES, "names", "", "registered names whose home is here", "")                               \
    X(NAMES_TAKEN, "names_taken_total", "", "registrations of a name that was another's", "")      \
    X(NAMES_DEAD, "names_dead_total", "", "messages and calls to names that nobody had", "")       \
    X(NAMES_FETCHES, "names_fetches_total", "", "times that a core's names were fetched anew",     \
      "a names service was restarted, or memory was short")                                        \
    X(SUPERVISOR_RESTARTS, "supervisor_restarts_total", "", "actors started again after an end",   \
      "see the log for event=child_restarted")                                                     \
    X(SUPERVISOR_START_FAILED, "supervisor_start_failures_total", "", "restarts that failed",      \
      "see the log for event=child_start_failed")                                                  \
    X(SUPERVISOR_GIVE_UPS, "supervisor_give_ups_total", "", "supervisors with too many restarts",  \
      "see the log for event=supervisor_gave_up")                                                  \
    X(SUPERVISOR_KILLS, "supervisor_kills_total", "", "actors that did not end in their time",     \
      "an actor is stuck")                                                                         \
    X(SUPERVISOR_ABANDONED, "supervisor_restarts_abandoned_total", "",                             \
      "restarts under way that the end of their supervisor came before", "")                       \
    X(SUPERVISOR_STALE, "supervisor_stale_total", "", "news of children replaced already", "")

#define COUNTERS_IO(X)                                                                             \
    X(SYSCALLS, "ring_enters_total", "", "io_uring_enter calls", "")                               \
    X(SUBMISSIONS, "ring_submissions_total", "", "operations submitted", "")                       \
    X(COMPLETIONS, "ring_completions_total", "", "completions taken", "")                          \
    X(CQ_OVERFLOWS, "ring_cq_overflows_total", "", "completion queue overflows",                   \
      "the completion queue is too small for the bursts")                                          \
    X(ACCEPTS, "accepts_total", "", "connections accepted", "")                                    \
    X(ACCEPT_REARMS, "accept_rearms_total", "", "multishot accepts armed again", "")               \
    X(ACCEPT_ERRORS, "accept_errors_total", "", "accepts that failed", "see the log for errno")    \
    X(RECV_BYTES, "received_bytes_total", "", "bytes received", "")                                \
    X(SENT_BYTES, "sent_bytes_total", "", "bytes accepted by the kernel", "")                      \
    X(SENDS, "sends_total", "", "send operations", "")                                             \
    X(SENDS_PARTIAL, "sends_partial_total", "", "sends the kernel took in part or not at all",     \
      "peers read slowly")                                                                         \
    X(BUFFERS_EMPTY, "recv_buffers_exhausted_total", "", "receives that found no buffer", "")      \
    X(PARKS, "stream_parks_total", "", "hot connections parked again", "")                         \
    X(HOTS, "stream_hots_total", "", "parked connections that went hot", "")                       \
    X(STREAMS_OPENED, "streams_opened_total", "", "streams opened", "")                            \
    X(STREAMS_CLOSED, "streams_closed_total", "", "streams torn down", "")                         \
    X(STREAMS_RESET, "streams_reset_total", "", "streams that ended by a reset", "")               \
    X(STREAMS_ARRIVED, "streams_arrived_total", "", "streams that came from another core", "")     \
    X(STREAMS_LEFT, "streams_left_total", "", "streams that went to another core", "")             \
    X(PASSES_FAILED, "stream_passes_failed_total", "", "streams that could not go", "")            \
    X(QUEUE_BYTES_MAX, "out_queue_bytes_max", "", "largest out-queue seen, bytes", "")             \
    X(STALE_COMPLETIONS, "stale_completions_total", "", "completions for a former owner", "")

// The audit, in messages per member: due + moved in = delivered + dropped + pending + moved out,
// and over all cores relayed = taken + those in mailboxes and mesh (docs/PROTOCOL.md).
#define COUNTERS_AUDIT(X)                                                                          \
    X(DUE, "audit_due_total", "", "room messages owed to members", "")                             \
    X(DELIVERED, "audit_delivered_total", "", "room messages wholly accepted by the kernel", "")   \
    X(DROPPED_SLOW, "audit_dropped_total", "reason=\"slow\"",                                      \
      "dropped: the member read too slowly", "members were sent a gap event")                      \
    X(DROPPED_CLOSED, "audit_dropped_total", "reason=\"closed\"",                                  \
      "dropped: the member left or its connection ended", "")                                      \
    X(DROPPED_MEMORY, "audit_dropped_total", "reason=\"memory\"", "dropped: no memory was left",   \
      "the host or --connections-max is too small")                                                \
    X(DROPPED_NO_LOCAL, "audit_dropped_total", "reason=\"no_local\"",                              \
      "dropped: its publisher did not want it back", "")                                           \
    X(DROPPED_EXPIRED, "audit_dropped_total", "reason=\"expired\"",                                \
      "dropped: the message expired before it could be sent", "")                                  \
    X(DROPPED_OFFLINE, "audit_dropped_total", "reason=\"offline\"",                                \
      "dropped: QoS 0, and the session had no connection", "")                                     \
    X(DROPPED_BUSY, "audit_dropped_total", "reason=\"busy\"",                                      \
      "dropped: a core with subscribers of a topic did not keep up", "a core does not keep up")    \
    X(DROPPED_TOO_LARGE, "audit_dropped_total", "reason=\"too_large\"",                            \
      "dropped: beyond the client's maximum packet size", "")                                      \
    X(MOVED_IN, "audit_moved_total", "direction=\"in\"",                                           \
      "room messages that came with a connection from another core, unsent", "")                   \
    X(MOVED_OUT, "audit_moved_total", "direction=\"out\"",                                         \
      "room messages that left with a connection for another core, unsent", "")                    \
    X(PENDING, "audit_pending", "where=\"queue\"", "room messages in out-queues", "")              \
    X(GATHERED, "audit_pending", "where=\"leaf\"", "room messages gathered in this turn", "")      \
    X(RELAYED, "audit_relayed_total", "", "room messages that homes here sent to leaves", "")      \
    X(RELAYS_TAKEN, "audit_relays_taken_total", "", "room messages that leaves here took", "")

#define COUNTERS_CHAT(X)                                                                           \
    X(ROOMS, "rooms", "", "rooms whose home is here", "")                                          \
    X(MEMBERS, "members", "", "members of rooms on this core", "")                                 \
    X(JOINS, "joins_total", "", "joins accepted", "")                                              \
    X(LEAVES, "leaves_total", "", "members that left", "")                                         \
    X(MEMBERS_MOVED, "members_moved_total", "", "members that came from another core", "")         \
    X(MEMBERS_ENDED, "members_ended_total", "", "members told that their room has ended", "")      \
    X(PUBLISHES, "publishes_total", "", "room messages accepted by their home", "")                \
    X(WHISPERS, "whispers_total", "", "whispers relayed", "")                                      \
    X(WHISPERS_DROPPED, "whispers_dropped_total", "", "whispers not relayed", "")                  \
    X(PRESENCE_DIFFS, "presence_diffs_total", "", "presence diffs sent by homes", "")              \
    X(PRESENCE_STALE, "presence_stale_total", "", "members whose presence was put off", "")        \
    X(BUSY, "publishes_busy_total", "", "publishes refused: a core does not keep up", "")          \
    X(GAPS, "gaps_total", "", "gap events made", "")                                               \
    X(RETAINED_LOST, "rooms_retained_lost_total", "", "retained messages that a restart lost",     \
      "memory was out when a room was restarted")

#define COUNTERS_GATEWAY(X)                                                                        \
    X(CONNECTIONS, "connections", "", "open connections", "")                                      \
    X(UPGRADES, "upgrades_total", "", "WebSocket upgrades", "")                                    \
    X(FRAMES_IN, "frames_received_total", "", "WebSocket frames received", "")                     \
    X(FRAMES_OUT, "frames_sent_total", "", "WebSocket frames queued", "")                          \
    X(HTTP_BAD, "refused_total", "reason=\"bad_request\"", "malformed HTTP requests", "")          \
    X(HTTP_FORBIDDEN, "refused_total", "reason=\"forbidden\"", "upgrades refused with 403", "")    \
    X(HTTP_NOT_FOUND, "refused_total", "reason=\"not_found\"", "unknown paths", "")                \
    X(REFUSED_FULL, "refused_total", "reason=\"full\"", "connections beyond --connections-max",    \
      "raise --connections-max")                                                                   \
    X(REFUSED_DRAIN, "refused_total", "reason=\"drain\"", "connections while draining", "")        \
    X(REFUSED_TLS, "refused_total", "reason=\"tls\"", "TLS on the plain port",                     \
      "clients use wss:// or https://: put a TLS proxy in front")                                  \
    X(REFUSED_PROTOCOL, "refused_total", "reason=\"unknown_protocol\"", "unknown first byte", "")  \
    X(CLOSED_PROTOCOL, "closed_total", "reason=\"protocol_error\"", "closed with 1002", "")        \
    X(CLOSED_MESSAGE, "closed_total", "reason=\"bad_message\"", "closed with 1003", "")            \
    X(CLOSED_UTF8, "closed_total", "reason=\"bad_data\"", "closed with 1007", "")                  \
    X(CLOSED_TOO_BIG, "closed_total", "reason=\"too_big\"", "closed with 1009", "")                \
    X(CLOSED_POLICY, "closed_total", "reason=\"over_budget\"", "closed with 1008", "")             \
    X(CLOSED_IDLE, "closed_total", "reason=\"idle\"", "closed: nothing was heard in time", "")     \
    X(CLOSED_HANDSHAKE, "closed_total", "reason=\"handshake_timeout\"", "handshake too slow", "")  \
    X(CLOSED_DRAIN, "closed_total", "reason=\"drain\"", "closed with 1012 by a drain", "")         \
    X(CLOSED_MOVE, "closed_total", "reason=\"move\"", "closed with 1012: a move failed",           \
      "a core does not keep up")                                                                   \
    X(CLOSED_MEMORY, "closed_total", "reason=\"memory\"", "closed: no memory was left",            \
      "the host or --connections-max is too small")                                                \
    X(CLOSED_PEER, "closed_total", "reason=\"peer\"", "closed by the peer", "")                    \
    X(CLOSED_KILLED, "closed_total", "reason=\"killed\"", "closed: ended by an operator", "")      \
    X(CLOSED_MQTT_REFUSED, "closed_total", "reason=\"mqtt_refused\"", "closed after a CONNACK",    \
      "")                                                                                          \
    X(MQTT_CONNECTS, "mqtt_connects_total", "", "MQTT clients whose CONNECT was accepted", "")     \
    X(MQTT_REFUSED_VERSION, "mqtt_refused_total", "reason=\"version\"",                            \
      "CONNECTs of a version that is not spoken here", "")                                         \
    X(MQTT_REFUSED_IDENTITY, "mqtt_refused_total", "reason=\"identity\"",                          \
      "CONNECTs whose client identifier, user or authentication is refused", "")                   \
    X(MQTT_REFUSED_FULL, "mqtt_refused_total", "reason=\"full\"",                                  \
      "CONNECTs beyond a limit, or while draining",                                                \
      "raise --connections-max, --mqtt-sessions-max")                                              \
    X(MQTT_REFUSED_OTHER, "mqtt_refused_total", "reason=\"other\"",                                \
      "CONNECTs that are malformed, too large, or ask for what is not allowed", "")                \
    X(MQTT_MALFORMED, "mqtt_malformed_total", "", "malformed MQTT packets: closed with 0x81", "")  \
    X(MQTT_PACKETS_IN, "mqtt_packets_received_total", "", "MQTT packets received", "")             \
    X(CONN_MOVES_OUT, "connection_moves_total", "direction=\"out\"",                               \
      "connections that went to another core", "")                                                 \
    X(CONN_MOVES_IN, "connection_moves_total", "direction=\"in\"",                                 \
      "connections that came from another core", "")                                               \
    X(CONN_MOVES_REFUSED, "connection_moves_refused_total", "",                                    \
      "connections that this core had no room for, or was draining", "the cores are full")         \
    X(CONN_MOVES_OFF, "connection_moves_off_total", "",                                            \
      "moves that were called off, the connection stayed", "")

#define COUNTERS_MQTT(X)                                                                           \
    X(MQTT_SESSIONS_ONLINE, "mqtt_sessions", "state=\"online\"", "sessions with a connection", "") \
    X(MQTT_SESSIONS_OFFLINE, "mqtt_sessions", "state=\"offline\"",                                 \
      "sessions that wait for theirs", "")                                                         \
    X(MQTT_SESSIONS_REFUSED, "mqtt_sessions_refused_total", "",                                    \
      "sessions beyond --mqtt-sessions-max, or without memory", "raise --mqtt-sessions-max")       \
    X(MQTT_RESUMED, "mqtt_sessions_resumed_total", "", "connections that resumed a session", "")   \
    X(MQTT_EXPIRED, "mqtt_sessions_expired_total", "", "sessions that ended offline", "")          \
    X(MQTT_TAKEN_OVER, "mqtt_take_overs_total", "",                                                \
      "connections closed with 0x8E: their client id came again", "two clients share a client id") \
    X(MQTT_KILLED, "mqtt_sessions_killed_total", "", "connections closed with 0x98", "")           \
    X(MQTT_REDELIVERED, "mqtt_redelivered_total", "", "PUBLISHes sent again with DUP", "")         \
    X(MQTT_PUBLISHES_0, "mqtt_publishes_received_total", "qos=\"0\"", "PUBLISHes of QoS 0", "")    \
    X(MQTT_PUBLISHES_1, "mqtt_publishes_received_total", "qos=\"1\"", "PUBLISHes of QoS 1", "")    \
    X(MQTT_PUBLISHES_2, "mqtt_publishes_received_total", "qos=\"2\"",                              \
      "PUBLISHes of QoS 2, each once", "")                                                         \
    X(MQTT_PUBLISHES_REFUSED, "mqtt_publishes_refused_total", "",                                  \
      "PUBLISHes, and wills, that were not passed on", "see the reasons in docs/PROTOCOL.md")      \
    X(MQTT_PUBLISHES_OUT, "mqtt_publishes_sent_total", "",                                         \
      "PUBLISHes queued, redelivered ones too", "")                                                \
    X(MQTT_REJOINS_FAILED, "mqtt_rejoins_failed_total", "",                                        \
      "rooms that ended and could not be joined again: the connection was closed",                 \
      "memory was out")                                                                            \
    X(MQTT_SUBSCRIPTIONS, "mqtt_subscriptions", "", "subscriptions outside rooms", "")             \
    X(MQTT_RETAINED, "mqtt_retained", "", "retained messages outside rooms", "")                   \
    X(MQTT_RETAINED_BYTES, "mqtt_retained_bytes", "", "their topics, properties and payloads", "") \
    X(MQTT_RETAINED_LOST, "mqtt_retained_lost_total", "",                                          \
      "retained messages outside rooms that could not be kept, or not be replayed",                \
      "raise --mqtt-retained-max or --mqtt-retained-bytes-max")                                    \
    X(MQTT_TOPIC_PUBLISHES, "mqtt_topic_publishes_total", "",                                      \
      "messages outside rooms that their topic's owner accepted", "")                              \
    X(MQTT_WILLS, "mqtt_wills_total", "", "wills published", "")

#define COUNTERS(X)                                                                                \
    COUNTERS_SCHED(X)                                                                              \
    COUNTERS_IO(X) COUNTERS_AUDIT(X) COUNTERS_CHAT(X) COUNTERS_GATEWAY(X) COUNTERS_MQTT(X)

enum counter {
#define X(id, name, labels, help, if_not_0) COUNTER_##id,
    COUNTERS(X)
#undef X
        COUNTER_COUNT
};

struct counters {
    _Alignas(64) _Atomic uint64_t values[COUNTER_COUNT];
};

static inline void counter_add(struct counters *c, enum counter which, uint64_t amount) {
    uint64_t value = atomic_load_explicit(&c->values[which], memory_order_relaxed);
    atomic_store_explicit(&c->values[which], value + amount, memory_order_relaxed);
}

static inline void counter_subtract(struct counters *c, enum counter which, uint64_t amount) {
    uint64_t value = atomic_load_explicit(&c->values[which], memory_order_relaxed);
    atomic_store_explicit(&c->values[which], value - amount, memory_order_relaxed);
}

static inline void counter_set(struct counters *c, enum counter which, uint64_t value) {
    atomic_store_explicit(&c->values[which], value, memory_order_relaxed);
}

static inline void counter_raise(struct counters *c, enum counter which, uint64_t value) {
    if (value > atomic_load_explicit(&c->values[which], memory_order_relaxed))
        atomic_store_explicit(&c->values[which], value, memory_order_relaxed);
}

static inline uint64_t counter_read(const struct counters *c, enum counter which) {
    return atomic_load_explicit(&c->values[which], memory_order_relaxed);
}

// Of the audit: what was dropped, for whatever reason.
static inline uint64_t counters_dropped(const struct counters *c) {
    uint64_t dropped = 0;
    for (int which = COUNTER_DROPPED_SLOW; which <= COUNTER_DROPPED_TOO_LARGE; which++)
        dropped += counter_read(c, (enum counter)which);
    return dropped;
}

#endif
