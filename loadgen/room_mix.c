#include "loadgen/room_mix.h"

#include <math.h>
#include <stdlib.h>

#include "sched/base/clock.h"

#define WHOLE (1ull << 63)
#define HISTORY_MAX 65536 // messages
#define HISTORY_LOOK 16   // entries to each side of the one that fits
#define OTHERS_MAX 8      // rooms of the class that are looked at besides
#define CLASSES_MAX (2 * SHAPE_CELLS_MAX + 2)

struct room_class {
    uint32_t from; // rooms from … to - 1
    uint32_t to;
};

struct room_mix_spoken {
    int64_t at_ns;
    uint32_t room;
};

// --- sizes ---------------------------------------------------------------------------------------

static double mean_of(const struct shape_histogram *h) {
    double sum = 0;
    for (uint32_t i = 0; i < h->cell_count; i++)
        sum += ((double)h->cells[i].low + h->cells[i].high) / 2 * (double)h->cells[i].count;
    return sum / (double)h->total;
}

// The cell in which `share` of all is reached, and the value inside it.
static uint32_t quantile(const struct shape_histogram *h, double share,
                         const struct shape_cell **cell) {
    double place = share * (double)h->total;
    uint32_t i = 0;
    while (i + 1 < h->cell_count && place >= (double)h->cells[i].count)
        place -= (double)h->cells[i++].count;
    *cell = &h->cells[i];
    double width = (double)h->cells[i].high - h->cells[i].low + 1;
    double value = h->cells[i].low + floor(fmin(place / (double)h->cells[i].count, 1) * width);
    return value < 1 ? 1 : (uint32_t)fmin(value, h->cells[i].high);
}

static double share_of(const struct room_mix *mix, uint32_t room) {
    return 1 - (room + 0.5) / mix->room_count;
}

// Takes members that are too many away from a room, or adds missing ones (over < 0), at most `each`
// and within the bounds. Returns what is over then.
static int64_t adjust(uint32_t *size, int64_t over, int64_t each, uint32_t low, uint32_t high) {
    int64_t space = over > 0 ? (int64_t)*size - low : (int64_t)high - *size;
    int64_t wanted = over > 0 ? over : -over;
    int64_t change = wanted < each ? wanted : each;
    change = change < space ? change : space;
    if (change <= 0)
        return over;
    *size = (uint32_t)(over > 0 ? *size - change : *size + change);
    return over > 0 ? over - change : over + change;
}

// Members that are over or missing go evenly to the rooms from the largest on: first to those that
// stay in the cell that they were drawn from, so that what is recorded of them falls there again.
static void fit_sum(struct room_mix *mix, const struct shape_histogram *rooms, uint32_t members) {
    int64_t over = -(int64_t)members, before;
    const struct shape_cell *cell;
    for (uint32_t i = 0; i < mix->room_count; i++)
        over += mix->sizes[i];
    do {
        before = over;
        int64_t each = (over > 0 ? over : -over) / mix->room_count + 1;
        for (uint32_t i = 0; i < mix->room_count && over != 0; i++) {
            (void)quantile(rooms, share_of(mix, i), &cell);
            over = adjust(&mix->sizes[i], over, each, cell->low > 0 ? cell->low : 1, cell->high);
        }
    } while (over != 0 && over != before);
    while (over != 0) {
        int64_t each = (over > 0 ? over : -over) / mix->room_count + 1;
        for (uint32_t i = 0; i < mix->room_count && over != 0; i++)
            over = adjust(&mix->sizes[i], over, each, 1, UINT32_MAX);
    }
}

static int by_size_falling(const void *a, const void *b) {
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    return left < right ? 1 : left > right ? -1 : 0;
}

static void fill_sizes(struct room_mix *mix, const struct shape_histogram *rooms,
                       uint32_t members) {
    const struct shape_cell *cell;
    for (uint32_t i = 0; i < mix->room_count; i++)
        mix->sizes[i] = quantile(rooms, share_of(mix, i), &cell);
    fit_sum(mix, rooms, members);
    qsort(mix->sizes, mix->room_count, sizeof(uint32_t), by_size_falling);
}

// --- the choice ----------------------------------------------------------------------------------

// The first room that is not larger than `size`; room_count when all are.
static uint32_t first_upto(const struct room_mix *mix, uint32_t size) {
    uint32_t from = 0, to = mix->room_count;
    while (from < to) {
        uint32_t middle = from + (to - from) / 2;
        if (mix->sizes[middle] > size)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

static uint32_t filled_up(double members, double fill) {
    return (uint32_t)fmin(members / fill, UINT32_MAX);
}

// The rooms that a fan-out belongs to: [*from, *to), at least one.
static void rooms_of(const struct room_mix *mix, const struct shape_cell *recorded, double fill,
                     uint32_t *from, uint32_t *to) {
    const struct shape_cell whole = {
        .low = filled_up(recorded->low, fill),
        .high = filled_up(ceil((recorded->high + 1.0) / fill) - 1, 1),
    };
    const struct shape_cell *cell = &whole;
    *from = first_upto(mix, cell->high);
    *to = cell->low > 0 ? first_upto(mix, cell->low - 1) : mix->room_count;
    if (*from < *to)
        return;
    uint32_t high = cell->high < UINT32_MAX / 2 ? cell->high * 2 : UINT32_MAX;
    uint32_t low = cell->low / 2 > 0 ? cell->low / 2 : 1;
    *from = first_upto(mix, high);
    *to = first_upto(mix, low - 1);
    if (*from < *to)
        return;
    *from = 0;
    *to = mix->room_count;
}

// The rooms from here on share otherwise than those before.
static void begin_class(struct room_mix *mix, uint32_t room) {
    if (mix->class_count > 0)
        mix->classes[mix->class_count - 1].to = room;
    CHECKF(mix->class_count < CLASSES_MAX, "%u classes", mix->class_count);
    struct room_class *class = &mix->classes[mix->class_count++];
    *class = (struct room_class){.from = room, .to = mix->room_count};
}

// Adds each cell's messages to its rooms, as differences at the ends of their ranges.
static void fill_choice(struct room_mix *mix, const struct shape_histogram *fan_out, double fill,
                        double *changes) {
    for (uint32_t i = 0; i < fan_out->cell_count; i++) {
        uint32_t from, to;
        rooms_of(mix, &fan_out->cells[i], fill, &from, &to);
        double each = (double)fan_out->cells[i].count / (double)fan_out->total / (to - from);
        changes[from] += each;
        changes[to] -= each;
    }
    if (fan_out->total == 0)
        changes[0] = 1.0 / mix->room_count;
    double weight = 0, sum = 0;
    for (uint32_t i = 0; i < mix->room_count; i++) {
        if (changes[i] != 0 || i == 0)
            begin_class(mix, i);
        weight += changes[i];
        sum += fmax(weight, 0);
        mix->upto[i] = sum < 1 ? (uint64_t)(sum * (double)WHOLE) : WHOLE;
    }
    mix->upto[mix->room_count - 1] = WHOLE;
}

// INFINITY: a message whose gap was longer than the recording knew.
static double next_gap_ns(struct room_mix *mix) {
    double share = (double)rng_below(&mix->rng, UINT32_MAX) / UINT32_MAX;
    if (share * (double)mix->message_count >= (double)mix->gaps.total)
        return INFINITY;
    return (sampler_next(&mix->gaps) + 1.0) * mix->gap_factor;
}

// Each room as in the midst of some gap.
static void init_gaps(struct room_mix *mix, const struct room_mix_config *config) {
    mix->rng.state = config->seed + 2;
    mix->has_gaps = config->gaps->total > 0;
    mix->gap_factor = (double)NS_PER_US / config->speed;
    mix->message_count = config->fan_out->total;
    if (mix->message_count < config->gaps->total)
        mix->message_count = config->gaps->total;
    if (!mix->has_gaps)
        return;
    sampler_init(&mix->gaps, &(struct sampler_config){.histogram = config->gaps,
                                                      .step = SAMPLER_STEP_GAPS,
                                                      .seed = config->seed + 3,
                                                      .max = UINT32_MAX});
    for (uint32_t i = 0; i < mix->room_count; i++) {
        double gap_ns = fmin(next_gap_ns(mix), (double)SHAPE_SECONDS_MAX * (double)NS_PER_S);
        mix->spoken_ns[i] = -(int64_t)(gap_ns * (double)rng_below(&mix->rng, 1000) / 1000);
    }
}

bool room_mix_init(struct room_mix *mix, const struct room_mix_config *config) {
    CHECKF(config->rooms->total > 0 && config->members > 0 && config->fill > 0 && config->fill <= 1,
           "%u members, %f", config->members, config->fill);
    double count = floor(config->members / fmax(mean_of(config->rooms), 1) + 0.5);
    struct rng rng = {config->seed};
    *mix = (struct room_mix){.room_count = (uint32_t)fmax(count, 1), .position = rng_next(&rng)};
    mix->sizes = calloc(mix->room_count, sizeof(uint32_t));
    mix->upto = calloc(mix->room_count, sizeof(uint64_t));
    mix->spoken_ns = calloc(mix->room_count, sizeof(int64_t));
    mix->history = calloc(HISTORY_MAX, sizeof(struct room_mix_spoken));
    mix->classes = calloc(CLASSES_MAX, sizeof(struct room_class));
    double *changes = calloc(mix->room_count + 1ul, sizeof(double));
    bool is_good =
        mix->sizes && mix->upto && mix->spoken_ns && mix->history && mix->classes && changes;
    if (is_good) {
        fill_sizes(mix, config->rooms, config->members);
        fill_choice(mix, config->fan_out, config->fill, changes);
        init_gaps(mix, config);
    } else {
        room_mix_fini(mix);
    }
    free(changes);
    return is_good;
}

void room_mix_fini(struct room_mix *mix) {
    free(mix->sizes);
    free(mix->upto);
    free(mix->spoken_ns);
    free(mix->history);
    free(mix->classes);
    *mix = (struct room_mix){0};
}

static uint32_t room_at(const struct room_mix *mix, uint64_t place) {
    uint32_t from = 0, to = mix->room_count - 1;
    while (from < to) {
        uint32_t middle = from + (to - from) / 2;
        if (mix->upto[middle] <= place)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

static const struct room_class *class_of(const struct room_mix *mix, uint32_t room) {
    uint32_t from = 0, to = mix->class_count - 1;
    while (from < to) {
        uint32_t middle = from + (to - from + 1) / 2;
        if (mix->classes[middle].from <= room)
            from = middle;
        else
            to = middle - 1;
    }
    return &mix->classes[from];
}

// A choice under way.
struct choice {
    const struct room_class *class;
    int64_t now_ns;
    double gap_ns;
    double least; // misfit of the best one
    uint32_t best;
};

// How many times too long ago the room spoke, or, squared, too short: where none fits, one that has
// rested for too long comes first, or it would rest for ever.
static void consider(const struct room_mix *mix, struct choice *c, uint32_t room) {
    double age_ns = (double)(c->now_ns - mix->spoken_ns[room]) + 1;
    double too_short = c->gap_ns / age_ns;
    double misfit = age_ns > c->gap_ns ? age_ns / c->gap_ns : too_short * too_short;
    if (isinf(c->gap_ns))
        misfit = 1 / age_ns;
    if (misfit >= c->least)
        return;
    c->least = misfit;
    c->best = room;
}

static const struct room_mix_spoken *entry_at(const struct room_mix *mix, uint64_t number) {
    return &mix->history[number % HISTORY_MAX];
}

// True when that message was one of the class, and the last of its room.
static bool try_entry(const struct room_mix *mix, struct choice *c, uint64_t number) {
    const struct room_mix_spoken *entry = entry_at(mix, number);
    if (entry->room < c->class->from || entry->room >= c->class->to ||
        mix->spoken_ns[entry->room] != entry->at_ns)
        return false;
    consider(mix, c, entry->room);
    return true;
}

// Of the rooms that spoke about a gap ago, the nearest before and after that.
static void consider_history(const struct room_mix *mix, struct choice *c) {
    uint64_t end = mix->history_count;
    uint64_t begin = end > HISTORY_MAX ? end - HISTORY_MAX : 0;
    uint64_t from = begin, to = end;
    while (from < to) {
        uint64_t middle = from + (to - from) / 2;
        if ((double)(c->now_ns - entry_at(mix, middle)->at_ns) > c->gap_ns)
            from = middle + 1;
        else
            to = middle;
    }
    for (uint64_t i = from; i < end && i < from + HISTORY_LOOK; i++)
        if (try_entry(mix, c, i))
            break;
    for (uint64_t i = from; i > begin && i + HISTORY_LOOK > from; i--)
        if (try_entry(mix, c, i - 1))
            break;
}

static uint32_t choose(struct room_mix *mix, uint32_t first, int64_t now_ns) {
    struct choice c = {.class = class_of(mix, first),
                       .now_ns = now_ns,
                       .gap_ns = next_gap_ns(mix),
                       .least = INFINITY,
                       .best = first};
    consider(mix, &c, first);
    consider_history(mix, &c);
    for (uint32_t i = 0; i < OTHERS_MAX; i++)
        consider(mix, &c, c.class->from + rng_below(&mix->rng, c.class->to - c.class->from));
    return c.best;
}

uint32_t room_mix_next(struct room_mix *mix, uint64_t now_ns) {
    uint32_t room = room_at(mix, sampler_place(&mix->position, SAMPLER_STEP_ROOMS, WHOLE));
    if (!mix->has_gaps)
        return room;
    if (mix->begin_ns == 0)
        mix->begin_ns = now_ns;
    int64_t since_ns = now_ns > mix->begin_ns ? (int64_t)(now_ns - mix->begin_ns) : 0;
    room = choose(mix, room, since_ns);
    mix->spoken_ns[room] = since_ns;
    mix->history[mix->history_count++ % HISTORY_MAX] =
        (struct room_mix_spoken){.at_ns = since_ns, .room = room};
    return room;
}
