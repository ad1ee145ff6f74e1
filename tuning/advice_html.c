#include "tuning/advice_html.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "loadgen/html_page.h"

#define LIMIT_COLUMNS 5
#define NUMBER_COLUMNS 3

static enum html_tone tone_of(enum advice_verdict verdict) {
    switch (verdict) {
    case ADVICE_STOPS:
    case ADVICE_LOW:
        return HTML_BAD;
    case ADVICE_MIND:
        return HTML_WARNING;
    case ADVICE_OK:
        return HTML_GOOD;
    }
    UNREACHABLE();
}

static void print_tiles(struct html_page *page, const struct machine *m, const struct advice *a) {
    char fairlead[32] = "?", others[32] = "?", memory[32], total[32], cpus[16], note[64];
    if (a->connections != ADVICE_UNBOUNDED)
        advice_count_text(a->connections, fairlead, sizeof(fairlead));
    if (a->connections_others != ADVICE_UNBOUNDED)
        advice_count_text(a->connections_others, others, sizeof(others));
    advice_bytes_text(machine_memory_bytes(m), memory, sizeof(memory));
    advice_bytes_text(m->memory.total_bytes, total, sizeof(total));
    snprintf(cpus, sizeof(cpus), "%u", machine_cpu_count(m));
    snprintf(note, sizeof(note), "of %s", total);
    const struct html_tile tiles[] = {
        {.label = "Fairlead",
         .value = fairlead,
         .unit = "connections",
         .note = "idle, in rooms",
         .tone = a->connections > 0 ? HTML_PLAIN : HTML_BAD},
        {.label = "Servers with a descriptor each",
         .value = others,
         .unit = "connections",
         .note = "",
         .tone = HTML_PLAIN},
        {.label = "Memory free", .value = memory, .unit = "", .note = note, .tone = HTML_PLAIN},
        {.label = "CPUs for the server", .value = cpus, .unit = "", .note = "", .tone = HTML_PLAIN},
    };
    html_page_tiles(page, tiles, sizeof(tiles) / sizeof(tiles[0]));
}

// A row's cells point into the advice.
static void print_limits(struct html_page *page, const struct advice *a) {
    static const struct html_column COLUMNS[LIMIT_COLUMNS] = {
        {"Limit", false}, {"Now", false}, {"Bounds", false}, {"Why", false}, {"Verdict", false}};
    const char *cells[ADVICE_ROWS_MAX * LIMIT_COLUMNS];
    enum html_tone tones[ADVICE_ROWS_MAX];
    for (uint32_t i = 0; i < a->count; i++) {
        const struct advice_row *row = &a->rows[i];
        const char **cell = &cells[(size_t)i * LIMIT_COLUMNS];
        cell[0] = row->name;
        cell[1] = row->value;
        cell[2] = row->bounds;
        cell[3] = row->why;
        cell[4] = advice_verdict_name(row->verdict);
        tones[i] = tone_of(row->verdict);
    }
    html_page_section(page, "Which limit is hit first",
                      "What bounds connections comes first, the lowest at the top. LOW: hit before "
                      "what is wanted. mind: bounds no count, but costs time or messages under "
                      "some load.");
    html_page_table(page, &(struct html_table){.caption = "",
                                               .columns = COLUMNS,
                                               .column_count = LIMIT_COLUMNS,
                                               .cells = cells,
                                               .row_count = a->count,
                                               .row_tones = tones});
}

static void print_cures(struct html_page *page, const struct advice *a) {
    char text[8192] = "";
    size_t used = 0;
    for (uint32_t i = 0; i < a->count && used < sizeof(text); i++)
        if (a->rows[i].lift[0])
            used += (size_t)snprintf(text + used, sizeof(text) - used, "# %s\n%s\n",
                                     a->rows[i].name, a->rows[i].lift);
    if (used == 0)
        return;
    html_page_section(page, "How each is lifted",
                      "One by one, or most of them by a profile, with a script that takes it back: "
                      "fairlead tune --apply chat");
    html_page_code(page, text);
}

static void print_numbers(struct html_page *page, const struct machine *m) {
    static const struct html_column COLUMNS[NUMBER_COLUMNS] = {
        {"Setting", false}, {"What it is", false}, {"Value", true}};
    char names[MACHINE_SYSCTL_COUNT][64], values[MACHINE_SYSCTL_COUNT][80];
    const char *cells[MACHINE_SYSCTL_COUNT * NUMBER_COLUMNS];
    for (uint32_t i = 0; i < MACHINE_SYSCTL_COUNT; i++) {
        size_t used = 0;
        machine_sysctl_name((enum machine_sysctl)i, names[i], sizeof(names[i]));
        snprintf(values[i], sizeof(values[i]), "not here");
        for (uint32_t j = 0; j < m->sysctls[i].count; j++)
            used += (size_t)snprintf(values[i] + used, sizeof(values[i]) - used, "%s%" PRIu64,
                                     j ? " " : "", m->sysctls[i].values[j]);
        cells[i * NUMBER_COLUMNS] = names[i];
        cells[i * NUMBER_COLUMNS + 1] = machine_sysctl_help((enum machine_sysctl)i);
        cells[i * NUMBER_COLUMNS + 2] = values[i];
    }
    html_page_section(page, "What was read", "");
    html_page_table(page, &(struct html_table){.caption = "",
                                               .columns = COLUMNS,
                                               .column_count = NUMBER_COLUMNS,
                                               .cells = cells,
                                               .row_count = MACHINE_SYSCTL_COUNT});
}

static int print_page(FILE *out, const struct machine *m, const struct advice *a,
                      const char *when) {
    char title[160], sentence[ADVICE_SUMMARY_BYTES + 32], note[ADVICE_SUMMARY_BYTES + 64];
    bool stops = a->count > 0 && a->rows[0].verdict == ADVICE_STOPS;
    bool is_low = a->connections < a->wanted;
    snprintf(title, sizeof(title), "What this machine will hold: Linux %s", m->kernel);
    snprintf(sentence, sizeof(sentence), "Hit first: %s", a->summary);
    snprintf(note, sizeof(note), "Servers with a descriptor for each connection: %s",
             a->summary_others);
    struct html_page page;
    html_page_begin(&page, out,
                    &(struct html_head){.tool = "fairlead tune " FAIRLEAD_VERSION,
                                        .title = title,
                                        .when = when,
                                        .tone = stops    ? HTML_BAD
                                                : is_low ? HTML_WARNING
                                                         : HTML_GOOD,
                                        .label = stops    ? "does not run"
                                                 : is_low ? "a limit is low"
                                                          : "ok",
                                        .sentence = stops ? a->rows[0].why : sentence,
                                        .note = a->summary_others[0] ? note : ""});
    print_tiles(&page, m, a);
    print_limits(&page, a);
    print_cures(&page, a);
    print_numbers(&page, m);
    return html_page_end(&page);
}

int advice_html_write(const char *path, const struct machine *machine, const struct advice *advice,
                      const char *when) {
    FILE *out = fopen(path, "we");
    if (out == NULL)
        return -errno;
    int status = print_page(out, machine, advice, when);
    if (fclose(out) != 0 && status == 0)
        status = -errno;
    return status;
}
