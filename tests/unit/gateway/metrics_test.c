#include "gateway/metrics.h"

#include "gateway/options.h"
#include "tests/unit/gateway/control_gateway.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

static struct gateway gateway;

// malloc's, the caller's.
static char *print_all(void) {
    char *text = NULL;
    size_t size = 0;
    struct host_plan plan = {.connections_max = 77};
    FILE *out = open_memstream(&text, &size);
    metrics_print(out, &gateway, &plan, NULL);
    fclose(out);
    return text;
}

static void has_line(const char *text, const char *line) {
    ck_assert_msg(strstr(text, line) != NULL, "%s is missing in:\n%s", line, text);
}

// Prometheus text format 0.0.4: a family's head once, before its lines, which stand together; each
// series once.
START_TEST(families_stand_together_and_series_are_unique) {
    gateway = (struct gateway){.snapshots = {{.answered = true}, {.answered = true}}};
    char *text = print_all(), *rest = text, *line, family[128] = "";
    char *seen = calloc(2, strlen(text)); // heads are shorter than what they head
    size_t seen_size = 0;
    while ((line = strsep(&rest, "\n")) && *line) {
        size_t size = strcspn(line, "{ ");
        if (strncmp(line, "# HELP ", 7) == 0) {
            snprintf(family, sizeof(family), "%.*s", (int)strcspn(line + 7, " "), line + 7);
            char head[160];
            snprintf(head, sizeof(head), "\n%s\n", family);
            ck_assert_msg(strstr(seen, head) == NULL, "%s twice", family);
            memcpy(seen + seen_size, head, strlen(head));
            seen_size += strlen(head);
        } else if (strncmp(line, "# TYPE ", 7) == 0) {
            ck_assert(strncmp(line + 7, family, strlen(family)) == 0);
            ck_assert(strstr(line, " counter") || strstr(line, " gauge"));
        } else {
            ck_assert_msg(size == strlen(family) && strncmp(line, family, size) == 0, "%s in %s",
                          line, family);
            ck_assert_ptr_nonnull(strrchr(line, ' '));
        }
    }
    free(seen);
    free(text);
}
END_TEST

START_TEST(counters_are_per_core_with_their_labels) {
    gateway = (struct gateway){0};
    counter_add(&gateway.counters[1], COUNTER_DROPPED_SLOW, 5);
    counter_add(&gateway.counters[0], COUNTER_ACCEPTS, 1ull << 63);
    char *text = print_all();
    has_line(text, "\nfairlead_audit_dropped_total{core=\"0\",reason=\"slow\"} 0\n");
    has_line(text, "\nfairlead_audit_dropped_total{core=\"1\",reason=\"slow\"} 5\n");
    has_line(text, "\nfairlead_accepts_total{core=\"0\"} 9223372036854775808\n");
    has_line(text, "\n# TYPE fairlead_accepts_total counter\n");
    has_line(text, "\n# TYPE fairlead_connections gauge\n");
    has_line(text, "\nfairlead_connections_max 77\n");
    free(text);
}
END_TEST

START_TEST(a_silent_core_is_named_and_has_no_values) {
    gateway = (struct gateway){.snapshots = {{.answered = true,
                                              .due = 10,
                                              .moved_in = 7,
                                              .moved_out = 4,
                                              .delivered = 6,
                                              .dropped = 1,
                                              .pending = 2,
                                              .slab_count = 1,
                                              .slabs = {{.name = "member",
                                                         .slot_size = 32,
                                                         .used_count = 3,
                                                         .used_high_water = 4,
                                                         .touched_count = 5,
                                                         .slots_max = 6}}}}};
    char *text = print_all();
    has_line(text, "\nfairlead_core_answered{core=\"0\"} 1\n");
    has_line(text, "\nfairlead_core_answered{core=\"1\"} 0\n");
    has_line(text, "\nfairlead_audit_balance{core=\"0\"} 4\n");
    ck_assert_ptr_null(strstr(text, "fairlead_audit_balance{core=\"1\"}"));
    has_line(text, "\nfairlead_slab_used{core=\"0\",slab=\"member\"} 3\n");
    has_line(text, "\nfairlead_slab_high_water{core=\"0\",slab=\"member\"} 4\n");
    has_line(text, "\nfairlead_slab_max{core=\"0\",slab=\"member\"} 6\n");
    has_line(text, "\nfairlead_slab_touched_bytes{core=\"0\",slab=\"member\"} 160\n");
    free(text);
}
END_TEST

START_TEST(reservations_of_one_name_are_summed) {
    gateway = (struct gateway){0};
    gateway.ledgers[1] = (struct memory_ledger){.entries = {{.name = "lane", .reserved_bytes = 100},
                                                            {.name = "members"},
                                                            {.name = "lane", .reserved_bytes = 23}},
                                                .entry_count = 3};
    char *text = print_all();
    has_line(text, "\nfairlead_reserved_bytes{core=\"1\",name=\"lane\"} 123\n");
    ck_assert_ptr_null(strstr(strstr(text, "name=\"lane\"") + 1, "name=\"lane\""));
    free(text);
}
END_TEST

// docs/OPERATING.md holds what the program prints; `make docs` brings it up to date.
static void manual_holds(void (*print)(FILE *)) {
    char *table = NULL, *manual = NULL;
    size_t table_size = 0, manual_size = 0;
    FILE *out = open_memstream(&table, &table_size);
    print(out);
    fclose(out);
    FILE *file = fopen("docs/OPERATING.md", "r");
    ck_assert_ptr_nonnull(file);
    ssize_t size = getdelim(&manual, &manual_size, '\0', file);
    fclose(file);
    ck_assert_int_gt(size, 0);
    ck_assert_msg(strstr(manual, table) != NULL, "docs/OPERATING.md is old: run make docs");
    free(table);
    free(manual);
}

START_TEST(the_manual_has_the_current_tables) {
    manual_holds(metrics_print_markdown);
    manual_holds(options_print_markdown);
}
END_TEST

UNIT_MAIN("gateway/metrics", families_stand_together_and_series_are_unique,
          counters_are_per_core_with_their_labels, a_silent_core_is_named_and_has_no_values,
          reservations_of_one_name_are_summed, the_manual_has_the_current_tables)
