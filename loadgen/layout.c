#include "loadgen/layout.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

// --- sizes ---------------------------------------------------------------------------------------

static bool parse_count(const char *text, const char **end, uint32_t *count) {
    uint64_t value = 0;
    const char *at = text;
    for (; *at >= '0' && *at <= '9' && value <= UINT32_MAX; at++)
        value = value * 10 + (uint64_t)(*at - '0');
    *end = at;
    *count = (uint32_t)value;
    return value >= 1 && value <= UINT32_MAX;
}

static bool parse_zipf(struct layout_sizes *sizes, const char *text) {
    struct layout_sizes parsed = {0};
    char *after = NULL;
    const char *end;
    parsed.exponent = strtod(text, &after);
    if (after == text || *after != ':' || !(parsed.exponent >= LAYOUT_EXPONENT_MIN) ||
        !(parsed.exponent <= LAYOUT_EXPONENT_MAX))
        return false;
    if (!parse_count(after + 1, &end, &parsed.min) || *end != '-' ||
        !parse_count(end + 1, &end, &parsed.max) || *end != 0 || parsed.max <= parsed.min)
        return false;
    *sizes = parsed;
    return true;
}

bool layout_parse_sizes(struct layout_sizes *sizes, const char *text) {
    static const char zipf[] = "zipf:";
    const char *end;
    uint32_t size;
    if (strncmp(text, zipf, sizeof(zipf) - 1) == 0)
        return parse_zipf(sizes, text + sizeof(zipf) - 1);
    if (!parse_count(text, &end, &size) || *end != 0)
        return false;
    *sizes = (struct layout_sizes){.min = size, .max = size};
    return true;
}

const char *layout_sizes_wanted(void) {
    return "zipf:S:MIN-MAX with S from 0.1 to 4 and MIN below MAX (zipf:1:2-5000), or one size";
}

// --- the mix -------------------------------------------------------------------------------------

// Sizes along the ranks: with x from MAX^(-1/S) to MIN^(-1/S), evenly, the size is x^-S. That is
// Zipf's law shifted so that it begins at MAX and ends at MIN whatever the number of rooms.
struct curve {
    double from;
    double width;
    double exponent;
};

static struct curve curve_of(const struct layout_sizes *sizes) {
    double from = pow(sizes->max, -1 / sizes->exponent);
    return (struct curve){from, pow(sizes->min, -1 / sizes->exponent) - from, sizes->exponent};
}

static double curve_at(const struct curve *c, double share) {
    return pow(c->from + share * c->width, -c->exponent);
}

static double curve_mean(const struct curve *c) {
    double to = c->from + c->width, s = c->exponent;
    if (fabs(s - 1) < 1e-9)
        return log(to / c->from) / c->width;
    return (pow(to, 1 - s) - pow(c->from, 1 - s)) / ((1 - s) * c->width);
}

// Goes through the rooms of a mix in order, the largest first.
struct walk {
    const struct layout_sizes *sizes; // with a list: all of it
    struct curve curve;
    double rank_max; // rooms that the curve is spread over
    uint32_t left;   // connections without a room
    uint32_t room;
    uint32_t before; // connections before those of the part
};

static struct walk walk_begin(const struct layout_sizes *sizes, uint32_t connections) {
    struct walk w = {.sizes = sizes, .left = connections};
    if (sizes->list)
        return w;
    w.curve = curve_of(sizes);
    w.rank_max = floor(connections / curve_mean(&w.curve));
    if (w.rank_max < 1)
        w.rank_max = 1;
    return w;
}

// The size of the next room, 0 when everybody has one. The largest is MAX exactly; what the curve
// leaves over goes into rooms of MIN.
static uint32_t walk_next(struct walk *w) {
    if (w->left == 0)
        return 0;
    if (w->sizes->list) {
        CHECKF(w->room < w->sizes->list_count && w->sizes->list[w->room] <= w->left,
               "room %u of %u, %u connections left", w->room, w->sizes->list_count, w->left);
        w->left -= w->sizes->list[w->room];
        return w->sizes->list[w->room++];
    }
    double share = w->room == 0 ? 0 : (w->room + 0.5) / w->rank_max;
    double size = share < 1 ? floor(curve_at(&w->curve, share) + 0.5) : w->sizes->min;
    size = fmin(fmax(size, w->sizes->min), w->sizes->max);
    uint32_t taken = size < w->left ? (uint32_t)size : w->left;
    w->left -= taken;
    w->room++;
    return taken;
}

// Over the rooms of a part: past those before it, then as far as its connections reach.
static struct walk walk_begin_part(const struct layout_sizes *sizes, uint32_t connections) {
    if (sizes->whole_connections == 0)
        return walk_begin(sizes, connections);
    struct walk w = walk_begin(sizes, sizes->whole_connections);
    while (w.room < sizes->first_room && walk_next(&w) > 0)
        ;
    CHECKF(w.left >= connections, "a part of %u connections, %u are left", connections, w.left);
    w.before = sizes->whole_connections - w.left;
    w.left = connections;
    return w;
}

// How many connections are in the rooms before those of a part.
static uint32_t count_before(const struct layout_sizes *sizes) {
    if (sizes->whole_connections == 0)
        return 0;
    bool is_mix = sizes->min != sizes->max;
    return is_mix ? walk_begin_part(sizes, 0).before : sizes->first_room * sizes->min;
}

uint32_t layout_count_rooms(const struct layout_sizes *sizes, uint32_t connections) {
    if (sizes->list)
        return sizes->list_count;
    if (sizes->min == sizes->max)
        return (uint32_t)(((uint64_t)connections + sizes->min - 1) / sizes->min);
    struct walk w = walk_begin_part(sizes, connections);
    while (walk_next(&w) > 0)
        ;
    return w.room - sizes->first_room;
}

// --- the layout ----------------------------------------------------------------------------------

static int fill_mix(struct layout *l, struct memory_ledger *ledger,
                    const struct layout_sizes *sizes) {
    l->room_of = memory_reserve(ledger, "rooms of connections", l->connections * sizeof(uint32_t));
    l->first_of =
        memory_reserve(ledger, "rooms' members", (l->room_count + 1ul) * sizeof(uint32_t));
    if (l->room_of == NULL || l->first_of == NULL)
        return -ENOMEM;
    struct walk w = walk_begin_part(sizes, l->connections);
    uint32_t at = 0;
    for (uint32_t room = 0; room < l->room_count; room++) {
        uint32_t size = walk_next(&w);
        l->first_of[room] = at;
        for (uint32_t end = at + size; at < end; at++)
            l->room_of[at] = room;
    }
    l->first_of[l->room_count] = at;
    CHECKF(at == l->connections, "%u of %u have a room", at, l->connections);
    return 0;
}

int layout_init(struct layout *l, struct memory_ledger *ledger,
                const struct layout_config *config) {
    const struct layout_sizes *sizes = &config->sizes;
    CHECKF(config->slow_percent >= 0 && config->churn_percent >= 0 &&
               config->slow_percent + config->churn_percent <= 100,
           "%f %% slow, %f %% churners", config->slow_percent, config->churn_percent);
    *l = (struct layout){.connections = config->connections,
                         .room_count = layout_count_rooms(sizes, config->connections),
                         .room_size = sizes->min == sizes->max && !sizes->list ? sizes->min : 0,
                         .before = count_before(sizes),
                         .slow_share = config->slow_percent / 100,
                         .churn_share = config->churn_percent / 100};
    return l->room_size ? 0 : fill_mix(l, ledger, sizes);
}

// Of `share` of everybody, how many are among connections `first` … `first + size - 1`: so that
// small rooms have their part, too, one in several of them.
static uint32_t part_of(uint32_t first, uint32_t size, double share) {
    // 2^-30 of grace, or 10 % of 10 would be 0.99….
    double grace = 0x1p-30;
    return (uint32_t)(floor((first + (double)size) * share + grace) - floor(first * share + grace));
}

struct layout_parts layout_parts_of(const struct layout *l, uint32_t room) {
    uint32_t first = layout_first(l, room), size = layout_size(l, room);
    uint32_t churners = part_of(l->before + first, size, l->churn_share);
    uint32_t slow = part_of(l->before + first, size, l->slow_share);
    if (churners > size - 1)
        churners = size - 1;
    if (slow > size - 1 - churners)
        slow = size - 1 - churners;
    return (struct layout_parts){size - slow - churners, slow, churners};
}

enum layout_role layout_role_of(const struct layout *l, uint32_t connection) {
    if (l->slow_share == 0 && l->churn_share == 0)
        return LAYOUT_PLAIN;
    uint32_t room = layout_room_of(l, connection);
    uint32_t offset = connection - layout_first(l, room);
    struct layout_parts parts = layout_parts_of(l, room);
    if (offset < parts.plain_count)
        return LAYOUT_PLAIN;
    return offset < parts.plain_count + parts.slow_count ? LAYOUT_SLOW : LAYOUT_CHURNER;
}

uint32_t layout_count_role(const struct layout *l, enum layout_role role) {
    uint32_t sum = 0;
    for (uint32_t room = 0; room < l->room_count; room++) {
        struct layout_parts parts = layout_parts_of(l, room);
        sum += role == LAYOUT_PLAIN  ? parts.plain_count
               : role == LAYOUT_SLOW ? parts.slow_count
                                     : parts.churner_count;
    }
    return sum;
}

void layout_validate(const struct layout *l) {
    uint32_t at = 0;
    for (uint32_t room = 0; room < l->room_count; room++) {
        uint32_t size = layout_size(l, room);
        struct layout_parts parts = layout_parts_of(l, room);
        CHECKF(layout_first(l, room) == at, "room %u begins at %u, not %u", room,
               layout_first(l, room), at);
        CHECKF(size > 0 && layout_room_of(l, at) == room &&
                   layout_room_of(l, at + size - 1) == room,
               "room %u of %u", room, size);
        CHECKF(parts.plain_count > 0 &&
                   parts.plain_count + parts.slow_count + parts.churner_count == size,
               "room %u of %u: %u, %u, %u", room, size, parts.plain_count, parts.slow_count,
               parts.churner_count);
        at += size;
    }
    CHECKF(at == l->connections, "%u of %u have a room", at, l->connections);
}
