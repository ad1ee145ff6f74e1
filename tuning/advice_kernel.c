// Rules about the kernel and io_uring: does Fairlead run here at all, and with what.
#include <inttypes.h>
#include <string.h>

#include "tuning/advice_rules.h"

struct kernel_feature {
    uint32_t major;
    uint32_t minor;
    const char *what;
};

// What newer kernels give, in the order of their coming (docs/KERNEL.md). The server itself tries
// them out at start: `fairlead --version`.
static const struct kernel_feature FEATURES[] = {
    {6, 8, "a fair share for every socket (a flood cannot starve others)"},
    {6, 10, "send bundles"},
    {6, 12, "min-wait (fewer turns when busy)"},
};

static bool is_older(const struct machine *m, uint32_t major, uint32_t minor) {
    return m->kernel_major < major || (m->kernel_major == major && m->kernel_minor < minor);
}

static void rule_kernel(struct advice *a, const struct machine *m) {
    if (m->kernel_major == 0)
        return;
    struct advice_row *row = advice_add(a, "kernel");
    advice_value(row, "%.40s", m->kernel);
    advice_bounds(row, "what Fairlead can use");
    if (is_older(m, 6, 1)) {
        row->verdict = ADVICE_STOPS;
        row->connections = 0;
        advice_why(row,
                   "Linux %u.%u lacks what Fairlead's ring needs; 6.1 is the oldest that has "
                   "it",
                   m->kernel_major, m->kernel_minor);
        advice_lift(row, "Linux 6.1 or newer (Debian 12 has it)");
        return;
    }
    char missing[256] = "";
    size_t used = 0;
    for (size_t i = 0; i < sizeof(FEATURES) / sizeof(FEATURES[0]); i++)
        if (is_older(m, FEATURES[i].major, FEATURES[i].minor))
            used += (size_t)snprintf(missing + used, sizeof(missing) - used, "%s%s",
                                     used ? ", " : "", FEATURES[i].what);
    if (used == 0) {
        advice_why(row,
                   "New enough for all that is used; `fairlead --version` lists what was found "
                   "to work.");
        return;
    }
    row->verdict = ADVICE_MIND;
    advice_why(row, "Runs, without %s; distributions may have brought some back.", missing);
    advice_lift(row, "Linux 6.12 or newer");
}

// The cure for a ring that is denied, or will be.
static void lift_uring(struct advice_row *row, const struct machine *m) {
    uint64_t disabled = machine_get(m, MACHINE_URING_DISABLED);
    if (machine_has(m, MACHINE_URING_DISABLED) && disabled == 2)
        advice_lift(row, "sysctl -w kernel.io_uring_disabled=0");
    else if (machine_has(m, MACHINE_URING_DISABLED) && disabled == 1)
        advice_lift(row, "sysctl -w kernel.io_uring_group=$(id -g fairlead)");
    else
        advice_lift(row, "docker run --security-opt seccomp=FILE, made by profiles/seccomp.sh");
}

static void rule_uring(struct advice *a, const struct machine *m) {
    uint64_t disabled = machine_get(m, MACHINE_URING_DISABLED);
    bool is_closed = machine_has(m, MACHINE_URING_DISABLED) && disabled == 2;
    bool is_group_only = machine_has(m, MACHINE_URING_DISABLED) && disabled == 1;
    struct advice_row *row = advice_add(a, "io_uring");
    advice_bounds(row, "whether Fairlead runs");
    if (m->uring == MACHINE_URING_OK) {
        advice_value(row, "works");
        if (m->uring_feature_count > 0)
            advice_value(row, "works (%u of %u)", m->uring_features_there, m->uring_feature_count);
        advice_why(row,
                   "A ring was made. What the server found to work: `fairlead --version`%s%.200s. "
                   "Servers with other engines do not need it.",
                   m->uring_missing[0] ? "; not here: " : "", m->uring_missing);
        if (is_group_only) {
            row->verdict = ADVICE_MIND;
            advice_why(row,
                       "A ring was made, by this user; others need group %" PRIu64
                       " (kernel.io_uring_disabled is 1).",
                       machine_get(m, MACHINE_URING_GROUP));
            lift_uring(row, m);
        }
        return;
    }
    if (m->uring == MACHINE_URING_UNKNOWN && !is_closed) {
        advice_value(row, is_group_only            ? "for one group"
                          : m->is_seccomp_filtered ? "seccomp filter"
                                                   : "not tried");
        row->verdict = is_group_only || m->is_seccomp_filtered ? ADVICE_MIND : ADVICE_OK;
        advice_why(row, "Not tried out: this is another machine's tree.");
        if (row->verdict == ADVICE_MIND)
            lift_uring(row, m);
        return;
    }
    row->verdict = ADVICE_STOPS;
    row->connections = 0;
    advice_value(row, m->uring == MACHINE_URING_MISSING  ? "not there"
                      : m->uring == MACHINE_URING_FAILED ? strerror(m->uring_error)
                                                         : "denied");
    if (is_closed || is_group_only)
        advice_why(row, "io_uring is disabled by kernel.io_uring_disabled=%" PRIu64, disabled);
    else if (m->uring == MACHINE_URING_MISSING)
        advice_why(row, "io_uring is not in this kernel, or the container hides it");
    else if (m->uring == MACHINE_URING_FAILED)
        advice_why(row, "io_uring_setup fails: %s", strerror(m->uring_error));
    else
        advice_why(row, "io_uring is denied, by a seccomp filter as containers have it");
    lift_uring(row, m);
}

void advice_rules_kernel(struct advice *advice, const struct machine *machine) {
    rule_uring(advice, machine);
    rule_kernel(advice, machine);
}
