// What a run looks like while it runs, once a second: on a terminal a few lines that are rewritten
// in place, else one plain line, so that logs stay readable.
//
// Rewriting: each line is cut to the terminal's width (asked for at every draw, so that a window
// may be resized) and the cursor goes back to the first; nothing else writes to the terminal
// meanwhile. Colours only there, and not with NO_COLOR (no-color.org). One thread.
#ifndef FAIRLEAD_LIVE_H
#define FAIRLEAD_LIVE_H

#include "loadgen/load_options.h"
#include "loadgen/result.h"

#define LIVE_LINES_MAX 8
#define LIVE_LINE_BYTES 400
#define LIVE_COLUMNS_DEFAULT 80

struct live {
    FILE *out;
    bool is_terminal;
    bool has_colors;
    uint32_t line_count; // on the screen now
};

struct live_state {
    const struct load_options *options;
    const struct result *result;
    uint64_t now_ns;
    uint64_t from_ns; // of the phases with a known end: begin and end; 0: not known
    uint64_t to_ns;
};

// A terminal when `out` is one and it can move its cursor (TERM is not dumb).
void live_init(struct live *live, FILE *out);

// Draws the last snapshot; nothing before the first.
void live_draw(struct live *live, const struct live_state *state);

// Takes the lines away: what comes next begins where they began.
void live_clear(struct live *live);

// The lines of a terminal that wide, and the plain one; how many. Without escapes but colours.
uint32_t live_list_lines(char lines[LIVE_LINES_MAX][LIVE_LINE_BYTES],
                         const struct live_state *state, uint32_t columns, bool has_colors);
void live_print_plain(char line[LIVE_LINE_BYTES], const struct live_state *state);

#endif
