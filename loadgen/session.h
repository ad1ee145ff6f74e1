// An agent's side of one run: the conversation with the coordinator, from inside the process that
// drives the load. In order:
//
//     agent        {"type": "fairlead-load-agent", "version": "0.1.0", "fingerprint": "…"}
//     coordinator  {"type": "order", "part": 0, "parts": 2, "words": ["rooms", "--rate=200", …]}
//     agent        {"type": "snapshot", "result": {…}} once a second, from now on
//     agent        {"type": "connected", "live": 100} when every connection has joined or failed
//     coordinator  {"type": "go"} when all agents have said so: the barrier
//     coordinator  {"type": "stop"} at any time: Ctrl-C
//     agent        {"type": "result", "result": {…}, "limit": "…", "stopped": false,
//                   "machine": "…", "here": true}, and the connection ends
//     agent        {"type": "error", "exit": 2, "sentence": "…"} in place of anything above
//
// A word may be {"file": name, "text": content}: a file of the coordinator, which the run reads
// from memory. Words are those that a command line would have; options that concern the
// coordinator's machine (load_options_stays) are refused.
//
// The socket is looked at every SESSION_POLL_NS, not in each turn of the loop: a system call that
// the load does not pay for. One thread.
#ifndef FAIRLEAD_SESSION_H
#define FAIRLEAD_SESSION_H

#include "loadgen/channel.h"
#include "loadgen/environment.h"
#include "loadgen/result.h"
#include "loadgen/split.h"
#include "loadgen/verdict.h"

#define SESSION_GREETING "fairlead-load-agent"
#define SESSION_WORDS_MAX 512
#define SESSION_ORDER_BYTES_MAX ((size_t)8 << 20)
#define SESSION_FILE_BYTES_MAX ((size_t)2 << 20) // escaped in JSON it may be three times as long
#define SESSION_ORDER_TIMEOUT_S 10
#define SESSION_POLL_NS (50ull * 1000000)

struct session {
    struct channel channel;
    uint32_t part;
    uint32_t parts;
    int argc; // of the run, as main would get them
    char *argv[SESSION_WORDS_MAX + 8];
    int files[SESSION_WORDS_MAX]; // in memory, kept open: argv names them
    int file_count;
    bool has_settled; // said
    bool may_begin;
    bool has_ended;       // a result or an error is sent
    bool is_stopped;      // the coordinator said so
    bool is_stopped_here; // a signal to the agent did
    bool is_gone;         // there is no coordinator any more: the run is for nobody
    uint64_t next_poll_ns;
    struct histogram second; // latencies since the last snapshot, kept by the run for the next
};

// Takes the socket; greets, and waits for the order. False with a sentence, told to the coordinator
// too, when what comes is none.
MUST_USE bool session_open(struct session *s, int fd, char error[LOAD_OPTIONS_ERROR_BYTES]);

// A word of this machine's own, behind those of the order. Copied.
MUST_USE bool session_add_word(struct session *s, const char *word);

// The run cannot be: told instead of a result. Waits until it is sent.
void session_fail(struct session *s, enum verdict_code code, const char *sentence);

// All connections have joined or failed: tells so once; true when the coordinator said go.
bool session_may_begin(struct session *s, uint32_t live);

// Reads what came. Cheap before its time.
void session_turn(struct session *s, uint64_t now_ns);

static inline uint64_t session_next_ns(const struct session *s) {
    return s->next_poll_ns;
}

// The result as it is now, with s->second, whose row is the last of r->intervals.
void session_send_snapshot(struct session *s, const struct result *r);

// The end: the whole result, whether this client was the limit, and where it ran. Waits until it is
// sent.
void session_send_result(struct session *s, const struct result *r, const struct verdict *v,
                         const struct environment *e);

void session_close(struct session *s);

#endif
