// Goal: CSV and HdrHistogram's text as their readers want them; a file that cannot be written is
// told before the run where that can be known, and is no success afterwards. Method: a made-up run,
// real files, /dev/full.
#include "loadgen/report.h"

#include <errno.h>

#include "tests/unit/loadgen/report_fixture.h"

static struct report_fixture f;

START_TEST(report_csv_has_a_row_a_second_and_empty_cells_for_the_unknown) {
    fixture_init(&f);
    ck_assert_int_eq(report_write_csv(f.file, &f.report), 0);
    char *text = fixture_read(&f);
    char *rest = NULL;
    const char *head = strtok_r(text, "\n", &rest);
    ck_assert_ptr_nonnull(strstr(head, "at_s,phase,live,failures,sent,received,sent_per_s"));
    ck_assert_str_eq(strtok_r(NULL, "\n", &rest),
                     "1.000,\"connect\",200,0,0,0,0.0,0.0,,,,,,12.5,3145728,,");
    strtok_r(NULL, "\n", &rest);
    const char *third = strtok_r(NULL, "\n", &rest);
    const char *wanted = "3.000,\"noon, \"\"busy\"\" <hour>\",200,0,100,5000,100.0,5000.0,5.00";
    ck_assert_msg(strncmp(third, wanted, strlen(wanted)) == 0, "%s", third);
    ck_assert_msg(strstr(third, ",10.000000,12.5,3145728,50.0,67108864") != NULL, "%s", third);
    uint32_t rows = 3;
    while (strtok_r(NULL, "\n", &rest) != NULL)
        rows++;
    ck_assert_uint_eq(rows, 10);
    free(text);
    fixture_fini(&f);
}
END_TEST

START_TEST(report_hgrm_ends_at_the_largest_value_of_all) {
    fixture_init(&f);
    ck_assert_int_eq(report_write_hgrm(f.file, &f.report), 0);
    char *text = fixture_read(&f);
    ck_assert_ptr_nonnull(strstr(text, "Value     Percentile TotalCount 1/(1-Percentile)"));
    ck_assert_ptr_nonnull(strstr(text, "   10.000000 1.000000000000       1000\n"));
    ck_assert_ptr_nonnull(strstr(text, "Total count   =         1000]"));
    free(text);
    fixture_fini(&f);
}
END_TEST

START_TEST(report_of_any_form_tells_of_a_full_disk) {
    fixture_init(&f);
    ck_assert_int_eq(report_write_csv("/dev/full", &f.report), -ENOSPC);
    ck_assert_int_eq(report_write_hgrm("/dev/full", &f.report), -ENOSPC);
    ck_assert_int_eq(report_write_json("/dev/full", &f.report), -ENOSPC);
    ck_assert_int_eq(report_write_html("/dev/full", &f.report), -ENOSPC);
    const char *nowhere = "/nowhere/at/all";
    ck_assert_int_eq(report_write_csv(nowhere, &f.report), -ENOENT);
    ck_assert_int_eq(report_write_hgrm(nowhere, &f.report), -ENOENT);
    ck_assert_int_eq(report_write_json(nowhere, &f.report), -ENOENT);
    ck_assert_int_eq(report_write_html(nowhere, &f.report), -ENOENT);
    fixture_fini(&f);
}
END_TEST

START_TEST(report_can_write_is_known_before_the_run) {
    char error[LOAD_OPTIONS_ERROR_BYTES];
    fixture_init(&f);
    ck_assert(report_can_write(&f.options, error, sizeof(error)));
    FILE *out = fopen(f.file, "w");
    fputs("of before", out);
    fclose(out);
    f.options.csv_file = f.file;
    ck_assert(report_can_write(&f.options, error, sizeof(error)));
    char *text = fixture_read(&f);
    ck_assert_str_eq(text, "of before"); // until there is something better
    free(text);
    f.options.html_file = "/nowhere/page.html";
    ck_assert(!report_can_write(&f.options, error, sizeof(error)));
    ck_assert_str_eq(error, "--html /nowhere/page.html: No such file or directory");
    f.options.html_file = "-";
    ck_assert(report_can_write(&f.options, error, sizeof(error)));
    f.options.json_file = "-";
    ck_assert(!report_can_write(&f.options, error, sizeof(error)));
    ck_assert_str_eq(error, "--json - and --html -: only one of them can go to stdout");
    fixture_fini(&f);
}
END_TEST

START_TEST(report_publish_is_no_success_without_its_files_and_keeps_other_codes) {
    fixture_init(&f);
    f.options.csv_file = f.file;
    ck_assert_int_eq(f.verdict.code, VERDICT_OK);
    ck_assert_int_eq(report_publish(&f.report), VERDICT_OK);
    f.options.json_file = "/dev/full";
    ck_assert_int_eq(report_publish(&f.report), VERDICT_FAILED);
    char *text = fixture_read(&f);
    ck_assert_ptr_nonnull(strstr(text, "at_s")); // the others are still written
    free(text);
    f.verdict.code = VERDICT_CLIENT_LIMIT;
    ck_assert_int_eq(report_publish(&f.report), VERDICT_CLIENT_LIMIT);
    fixture_fini(&f);
}
END_TEST

START_TEST(report_measures_the_server_in_the_window_only) {
    struct report_server server;
    fixture_init(&f);
    f.result.intervals[1].server_cpu = 9; // connecting
    f.result.intervals[5].server_cpu = 1.5;
    ck_assert(report_measure_server(&f.report, &server));
    ck_assert(server.cpu_max == 1.5);
    ck_assert(server.cpu_mean > 0.62 && server.cpu_mean < 0.65); // 7 seconds of 0.5, one of 1.5
    ck_assert_uint_eq(server.memory_max_bytes, 64u << 20);
    for (int i = 0; i < 10; i++) {
        f.result.intervals[i].server_cpu = RESULT_CPU_UNKNOWN;
        f.result.intervals[i].server_memory_bytes = 0;
    }
    ck_assert(!report_measure_server(&f.report, &server));
    fixture_fini(&f);
}
END_TEST

UNIT_MAIN("loadgen/report_files", report_csv_has_a_row_a_second_and_empty_cells_for_the_unknown,
          report_hgrm_ends_at_the_largest_value_of_all, report_of_any_form_tells_of_a_full_disk,
          report_can_write_is_known_before_the_run,
          report_publish_is_no_success_without_its_files_and_keeps_other_codes,
          report_measures_the_server_in_the_window_only)
