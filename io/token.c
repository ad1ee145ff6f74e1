#include "io/token.h"

#include "sched/base/check.h"

const char *token_op_name(enum token_op op) {
    switch (op) {
    case TOKEN_INVALID:
        return "INVALID";
#define X(name, index)                                                                             \
    case TOKEN_##name:                                                                             \
        return #name;
        TOKEN_OPS(X)
#undef X
    case TOKEN_OP_COUNT:
        break;
    }
    UNREACHABLE();
}
