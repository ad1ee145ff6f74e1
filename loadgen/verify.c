#include "loadgen/verify.h"

void verify_init(struct verify_member *m) {
    *m = (struct verify_member){VERIFY_UNKNOWN, 0};
}

void verify_start(struct verify_member *m, uint64_t watermark) {
    *m = (struct verify_member){watermark, UINT64_MAX};
}

// Moves the window up by `step` numbers; those become `seen` or not.
static void move_up(struct verify_member *m, uint64_t step, bool seen) {
    m->highest += step;
    if (step >= VERIFY_WINDOW) {
        m->window = seen ? UINT64_MAX : 0;
        return;
    }
    m->window <<= step;
    if (seen)
        m->window |= (1ull << step) - 1;
}

static bool take_old(struct verify_member *m, struct verify_totals *totals, uint64_t number,
                     bool is_ordered) {
    uint64_t below = m->highest - number;
    if (below >= VERIFY_WINDOW) {
        totals->disordered += is_ordered;
        if (!is_ordered && totals->lost > 0)
            totals->lost--;
        return !is_ordered;
    }
    uint64_t bit = 1ull << below;
    if (m->window & bit) {
        totals->duplicates++;
        return false;
    }
    m->window |= bit;
    if (totals->lost > 0)
        totals->lost--;
    totals->disordered += is_ordered;
    return true;
}

bool verify_take(struct verify_member *m, struct verify_totals *totals, uint64_t number,
                 bool is_ordered) {
    totals->received++;
    if (LIKELY(number == m->highest + 1 && m->highest != VERIFY_UNKNOWN)) {
        m->highest = number;
        m->window = m->window << 1 | 1;
    } else if (m->highest == VERIFY_UNKNOWN) {
        verify_start(m, number);
    } else if (number <= m->highest) {
        return take_old(m, totals, number, is_ordered);
    } else {
        totals->lost += number - m->highest - 1;
        move_up(m, number - m->highest - 1, false);
        move_up(m, 1, true);
    }
    return true;
}

bool verify_take_gap(struct verify_member *m, struct verify_totals *totals, uint64_t from,
                     uint64_t to) {
    if (from == 0 || from > to || to == VERIFY_UNKNOWN)
        return false;
    totals->gap_events++;
    if (m->highest == VERIFY_UNKNOWN)
        verify_start(m, from - 1);
    if (from > m->highest + 1) {
        totals->lost += from - m->highest - 1;
        move_up(m, from - m->highest - 1, false);
    }
    if (to > m->highest) {
        totals->announced += to - m->highest;
        move_up(m, to - m->highest, true);
    }
    return true;
}

void verify_finish(const struct verify_member *m, struct verify_totals *totals, uint64_t last) {
    if (m->highest != VERIFY_UNKNOWN && last > m->highest)
        totals->missing += last - m->highest;
}
