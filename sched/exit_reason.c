#include "sched/actor.h"

const char *exit_reason_name(uint32_t reason) {
    static const char *const names[EXIT_REASON_COUNT] = {
        [EXIT_NORMAL] = "normal",         [EXIT_SHUTDOWN] = "shutdown",
        [EXIT_KILLED] = "killed",         [EXIT_PEER] = "peer",
        [EXIT_BUDGET] = "budget",         [EXIT_NOPROC] = "noproc",
        [EXIT_TIMEOUT] = "timeout",       [EXIT_SYSTEM_LIMIT] = "system_limit",
        [EXIT_NAME_TAKEN] = "name_taken", [EXIT_FAILED] = "failed",
        [EXIT_MOVED] = "moved",
    };
    return reason < EXIT_REASON_COUNT ? names[reason] : "user";
}
