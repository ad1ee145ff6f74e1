// Token: the 64 bits that name an operation to the kernel and come back with its completion:
// op:8 | generation:24 | index:32. Only pack and unpack shift. Op 0 is invalid, so that a zeroed
// submission is caught. A token never holds a pointer: a stale one dies at look-up.
#ifndef FAIRLEAD_IO_TOKEN_H
#define FAIRLEAD_IO_TOKEN_H

#include <stdint.h>

// X(name, what `index` and `generation` are)
#define TOKEN_OPS(X)                                                                               \
    X(ACCEPT, "acceptor")                                                                          \
    X(CONNECT, "stream")                                                                           \
    X(POLL_IN, "stream")                                                                           \
    X(POLL_OUT, "stream")                                                                          \
    X(RECV, "stream")                                                                              \
    X(RECV_MULTI, "stream")                                                                        \
    X(SEND, "stream")                                                                              \
    X(SHUTDOWN, "stream")                                                                          \
    X(PASS, "stream")                                                                              \
    X(CLOSE, "stream")                                                                             \
    X(CANCEL, "stream")                                                                            \
    X(CANCEL_ACCEPT, "acceptor")                                                                   \
    X(ARRIVE, "expected arrival")                                                                  \
    X(WAKE, "nothing: another scheduler woke this ring")                                           \
    X(WAKE_SENT, "nothing: a wake of ours failed")                                                 \
    X(EVENT, "nothing: a thread that is no scheduler woke this ring")                              \
    X(LANE, "lane")

enum token_op {
    TOKEN_INVALID,
#define X(name, index) TOKEN_##name,
    TOKEN_OPS(X)
#undef X
        TOKEN_OP_COUNT
};

struct token {
    uint8_t op;          // enum token_op
    uint32_t generation; // 24 bits
    uint32_t index;
};

static inline uint64_t token_pack(struct token token) {
    return (uint64_t)token.op << 56 | (uint64_t)(token.generation & 0xffffffu) << 32 | token.index;
}

static inline struct token token_unpack(uint64_t word) {
    return (struct token){.op = (uint8_t)(word >> 56),
                          .generation = (uint32_t)(word >> 32) & 0xffffffu,
                          .index = (uint32_t)word};
}

const char *token_op_name(enum token_op op);

#endif
