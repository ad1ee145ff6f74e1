// Goal: the live view says what the last second was, fits its terminal, and takes back exactly the
// lines it drew. Method: a made-up run as lines; a pseudo-terminal of a given width, read as bytes.
#include "loadgen/live.h"

#include <fcntl.h>
#include <sys/ioctl.h>

#include "tests/unit/loadgen/report_fixture.h"

static struct report_fixture f;
static char lines[LIVE_LINES_MAX][LIVE_LINE_BYTES];

static struct live_state state_of(void) {
    return (struct live_state){.options = &f.options,
                               .result = &f.result,
                               .now_ns = 7 * NS_PER_S,
                               .from_ns = 3 * NS_PER_S,
                               .to_ns = 11 * NS_PER_S};
}

static void has(uint32_t line, const char *wanted) {
    ck_assert_msg(strstr(lines[line], wanted) != NULL, "'%s' is not in '%s'", wanted, lines[line]);
}

START_TEST(live_lines_tell_phase_time_rates_latency_errors_and_cpu) {
    fixture_init(&f);
    struct live_state state = state_of();
    ck_assert_uint_eq(live_list_lines(lines, &state, 80, false), 6);
    has(0, "noon, \"busy\" <hour>");
    has(0, " 50 %  4 s left, 10 s so far");
    has(1, "200 of 200 up");
    has(2, "sent 100 · received 5,000");
    has(3, "p50 5.00 · p90 9.0");
    has(3, "max 10.00 ms");
    has(4, "none");
    has(5, "client 12 %, 3 MiB · server 50 %, 64 MiB");
    for (int i = 0; i < 6; i++)
        ck_assert_ptr_null(strchr(lines[i], '\033'));
    fixture_fini(&f);
}
END_TEST

START_TEST(live_lines_name_errors_by_cause) {
    fixture_init(&f);
    result_count_failure(&f.result, RESULT_HTTP, "503");
    f.result.verify.lost = 1234;
    f.result.rejected = 7;
    struct live_state state = state_of();
    live_list_lines(lines, &state, 80, false);
    has(4, "1 http_status · 1,234 lost · 7 rejected");
    f.result.intervals[9].server_cpu = RESULT_CPU_UNKNOWN;
    live_list_lines(lines, &state, 80, false);
    has(5, "server unknown");
    fixture_fini(&f);
}
END_TEST

START_TEST(live_lines_of_connecting_go_by_connections) {
    fixture_init(&f);
    f.result.interval_stored = 2;
    f.result.phase = RESULT_CONNECT;
    f.result.live = 50;
    f.result.intervals[0].live = 25;
    f.result.intervals[1].live = 50;
    struct live_state state = state_of();
    state.from_ns = 0;
    live_list_lines(lines, &state, 80, false);
    has(0, " 25 %  6 s left, 2 s so far");
    has(1, "50 of 200 up · 25/s");
    f.result.interval_stored = 0;
    ck_assert_uint_eq(live_list_lines(lines, &state, 80, false), 0);
    fixture_fini(&f);
}
END_TEST

START_TEST(live_is_one_plain_line_a_second_where_nothing_can_be_rewritten) {
    char *text = NULL;
    size_t size = 0;
    fixture_init(&f);
    struct live live = {.out = open_memstream(&text, &size)};
    struct live_state state = state_of();
    live_draw(&live, &state);
    live_clear(&live);
    fclose(live.out);
    ck_assert_str_eq(text, "  10.0 s  noon, \"busy\" <hour> 200 connections  sent 100/s  received "
                           "5,000/s  p50 5.00  p99 9.90  max 10.00 ms  lost 0  server 50 % CPU 64 "
                           "MiB\n");
    free(text);
    fixture_fini(&f);
}
END_TEST

// Characters that the bytes put on the screen; escapes and later bytes of UTF-8 are none.
static uint32_t widest_line(const char *bytes) {
    uint32_t widest = 0, column = 0;
    bool in_escape = false;
    for (; *bytes; bytes++) {
        in_escape |= *bytes == '\033';
        if (*bytes == '\n')
            column = 0;
        else if (!in_escape && ((unsigned char)*bytes & 0xC0) != 0x80 && *bytes != '\r')
            column++;
        if (column > widest)
            widest = column;
        in_escape &= !(*bytes >= '@' && *bytes != '[');
    }
    return widest;
}

// What one draw wrote, which ends by erasing what is below; the terminal hands it over in pieces.
static void read_draw(int controller, char *bytes, size_t bytes_size) {
    size_t size = 0;
    do {
        ssize_t got = read(controller, bytes + size, bytes_size - 1 - size);
        ck_assert_int_gt(got, 0);
        size += (size_t)got;
        bytes[size] = 0;
    } while (strstr(bytes, "\033[J") == NULL);
}

START_TEST(live_fits_the_terminal_and_goes_back_over_its_own_lines) {
    fixture_init(&f);
    int controller = posix_openpt(O_RDWR | O_NOCTTY);
    ck_assert_int_ge(controller, 0);
    ck_assert_int_eq(grantpt(controller), 0);
    ck_assert_int_eq(unlockpt(controller), 0);
    struct winsize size = {.ws_col = 60, .ws_row = 20};
    FILE *out = fopen(ptsname(controller), "w");
    ck_assert_ptr_nonnull(out);
    ck_assert_int_eq(ioctl(fileno(out), TIOCSWINSZ, &size), 0);
    setenv("TERM", "xterm", 1);
    unsetenv("NO_COLOR");
    struct live live;
    live_init(&live, out);
    ck_assert(live.is_terminal && live.has_colors);
    struct live_state state = state_of();
    char bytes[8192] = "";
    live_draw(&live, &state);
    ck_assert_uint_eq(live.line_count, 6);
    read_draw(controller, bytes, sizeof(bytes));
    ck_assert_uint_le(widest_line(bytes), 59);
    ck_assert_ptr_null(strstr(bytes, "\033[6A"));
    live_draw(&live, &state);
    read_draw(controller, bytes, sizeof(bytes));
    ck_assert_int_eq(strncmp(bytes, "\r\033[6A", 5), 0);
    live_clear(&live);
    ck_assert_uint_eq(live.line_count, 0);
    setenv("TERM", "dumb", 1);
    live_init(&live, out);
    ck_assert(!live.is_terminal);
    fclose(out);
    close(controller);
    fixture_fini(&f);
}
END_TEST

UNIT_MAIN("loadgen/live", live_lines_tell_phase_time_rates_latency_errors_and_cpu,
          live_lines_name_errors_by_cause, live_lines_of_connecting_go_by_connections,
          live_is_one_plain_line_a_second_where_nothing_can_be_rewritten,
          live_fits_the_terminal_and_goes_back_over_its_own_lines)
