// Goal: what /proc says is read rightly, and windows are cut from samples. Method: texts as kernels
// write them; samples by hand; this process itself as the one looked at.
#include "tuning/measure_sample.h"

#include "sched/base/clock.h"
#include "tests/unit/unit.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char STAT[] = "cpu  1000 20 300 4000 50 0 60 7 0 0\n"
                           "cpu0 100 10 50 1000 20 0 30 3 0 0\n"
                           "cpu1 200 5 60 2000 10 0 20 2 0 0\n"
                           "cpu10 300 5 70 500 10 0 10 2 0 0\n"
                           "intr 123 4 5\nctxt 99\n";

static void near(double have, double want) {
    ck_assert_msg(fabs(have - want) <= 1e-9 * fabs(want) + 1e-6, "%.10g, wanted %.10g", have, want);
}

START_TEST(idle_and_user_time_are_summed_over_the_cpus_asked_for) {
    double tick_ns = 1e9 / (double)sysconf(_SC_CLK_TCK), idle, user;
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET(0, &cpus);
    measure_stat_decode(STAT, &cpus, &idle, &user);
    near(idle, 1023 * tick_ns);
    near(user, 110 * tick_ns);
    CPU_SET(10, &cpus);
    measure_stat_decode(STAT, &cpus, &idle, &user);
    near(idle, (1023 + 512) * tick_ns);
    CPU_ZERO(&cpus);
    measure_stat_decode(STAT, &cpus, &idle, &user);
    near(idle, 0);
    measure_stat_decode("", &cpus, &idle, &user);
    near(user, 0);
}
END_TEST

START_TEST(every_prefix_of_a_stat_text_is_read_without_harm) {
    char text[sizeof(STAT)];
    double idle, user;
    cpu_set_t cpus;
    memset(&cpus, 0xff, sizeof(cpus));
    for (size_t size = 0; size < sizeof(STAT); size++) {
        memcpy(text, STAT, size);
        text[size] = '\0';
        measure_stat_decode(text, &cpus, &idle, &user);
        ck_assert(idle >= 0 && user >= 0);
    }
}
END_TEST

START_TEST(fields_are_found_by_their_whole_name) {
    const char *text =
        "MemTotal:       24684084 kB\nSlab:             1234 kB\nSReclaimable: 5 kB\n";
    near(measure_field_decode(text, "Slab"), 1234 * 1024.0);
    near(measure_field_decode(text, "MemTotal"), 24684084 * 1024.0);
    near(measure_field_decode(text, "Mem"), 0);
    near(measure_field_decode(text, "MemAvailable"), 0);
    near(measure_field_decode("", "Slab"), 0);
}
END_TEST

static const char SLABS[] =
    "slabinfo - version: 2.1\n"
    "# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab>\n"
    "TCP               2100 2200 2368   13    8 : tunables    0    0    0\n"
    "tcp_bind2_bucket  1050 1100    128   32    1 : tunables    0    0    0\n"
    "io_kiocb          2000 2200    256   16    1 : tunables    0    0    0\n"
    "dentry            9000 9000    192   21    1 : tunables    0    0    0\n";

START_TEST(slab_caches_are_read_past_their_heading) {
    static struct measure_cache caches[MEASURE_CACHES_MAX];
    ck_assert_uint_eq(measure_caches_decode(SLABS, caches), 4);
    ck_assert_str_eq(caches[0].name, "TCP");
    near(caches[0].count, 2100);
    near(caches[0].size, 8 * 4096 / 13.0);
    ck_assert_uint_eq(measure_caches_decode("", caches), 0);
}
END_TEST

START_TEST(growth_is_halved_but_what_only_clients_have) {
    static struct measure_memory before, after;
    static struct measure_growth growth;
    before.cache_count = measure_caches_decode(SLABS, before.caches);
    after = before;
    after.caches[0].count += 2000; // TCP, both ends
    after.caches[1].count += 1000; // local ports
    after.caches[1].is_client = true;
    after.caches[2].count += 2000; // polls
    after.caches[3].count += 90;   // somebody opened files
    double tcp = 8 * 4096 / 13.0;
    measure_growth_decode(&before, &after, 1000, &growth);
    ck_assert(growth.has_caches);
    ck_assert_uint_eq(growth.cache_count, 3);
    ck_assert_str_eq(growth.caches[0].name, "TCP");
    near(growth.caches[0].count, 2);
    near(growth.bytes, tcp + 256);
    near(growth.client_bytes, tcp + 256 + 128);
    // Others' connections come with all that ours come with.
    for (int i = 0; i < 3; i++)
        after.caches[i].count += (after.caches[i].count - before.caches[i].count) / 2;
    measure_growth_decode(&before, &after, 1000, &growth);
    near(growth.bytes, tcp + 256);
    snprintf(after.caches[3].name, MEASURE_CACHE_NAME_BYTES, "buffer_head"); // files
    snprintf(before.caches[3].name, MEASURE_CACHE_NAME_BYTES, "buffer_head");
    after.caches[3].count += 90000;
    measure_growth_decode(&before, &after, 1000, &growth);
    near(growth.bytes, tcp + 256);
}
END_TEST

START_TEST(without_slab_caches_the_growth_is_halved) {
    static struct measure_memory before, after;
    static struct measure_growth growth;
    after.slab_bytes = 8000 * 500.0;
    measure_growth_decode(&before, &after, 500, &growth);
    ck_assert(!growth.has_caches);
    near(growth.bytes, 4000);
    near(growth.client_bytes, 4000);
}
END_TEST

static struct measure_samples samples;

// A sample each 100 ms from 1 s: the server takes half a CPU, its CPUs are 60 % busy.
static void fill(uint32_t count) {
    samples.count = count;
    for (uint32_t i = 0; i < count; i++)
        samples.all[i] = (struct measure_cpu){.at_ns = NS_PER_S + i * 100 * NS_PER_MS,
                                              .idle_ns = i * 40e6,
                                              .user_ns = i * 25e6,
                                              .server_ns = 7e9 + i * 50e6,
                                              .server_user_ns = i * 20e6,
                                              .client_ns = i * 10e6};
}

START_TEST(a_window_is_interpolated_between_samples) {
    struct measure_usage usage;
    fill(21);
    ck_assert(measure_samples_cut(&samples, NS_PER_S + 150 * NS_PER_MS, 2 * NS_PER_S, 1, &usage));
    near(usage.seconds, 0.85);
    near(usage.server_ns, 0.85 * 500e6);
    near(usage.whole_ns, 0.85 * 600e6);
    near(usage.foreign_ns, 0.85 * 50e6);
    near(usage.client_ns, 0.85 * 100e6);
    ck_assert(measure_samples_cut(&samples, NS_PER_S, 3 * NS_PER_S, 1, &usage));
    near(usage.seconds, 2);
}
END_TEST

START_TEST(a_window_that_is_not_covered_is_refused) {
    struct measure_usage usage;
    fill(21);
    ck_assert(!measure_samples_cut(&samples, NS_PER_S - 1, 2 * NS_PER_S, 1, &usage));
    ck_assert(!measure_samples_cut(&samples, NS_PER_S, 3 * NS_PER_S + 1, 1, &usage));
    ck_assert(!measure_samples_cut(&samples, 2 * NS_PER_S, 2 * NS_PER_S, 1, &usage));
    samples.all[20].server_ns = NAN; // it died
    ck_assert(!measure_samples_cut(&samples, NS_PER_S, 3 * NS_PER_S, 1, &usage));
    fill(1);
    ck_assert(!measure_samples_cut(&samples, NS_PER_S, NS_PER_S + 1, 1, &usage));
}
END_TEST

START_TEST(a_full_set_of_samples_is_thinned) {
    struct measure_usage usage;
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET(0, &cpus);
    fill(MEASURE_SAMPLES_MAX);
    measure_samples_take(&samples, &cpus, getpid(), 0);
    ck_assert_uint_eq(samples.count, MEASURE_SAMPLES_MAX / 2 + 1);
    ck_assert(samples.all[1].at_ns == NS_PER_S + 200 * NS_PER_MS);
    samples.count--;
    ck_assert(measure_samples_cut(&samples, 2 * NS_PER_S, 3 * NS_PER_S, 1, &usage));
    near(usage.server_ns, 500e6);
}
END_TEST

START_TEST(this_process_is_seen_working_and_one_that_is_not_there_is_not) {
    double before = measure_process_ns(getpid());
    volatile uint64_t work = 0;
    for (uint64_t i = 0; i < 20000000; i++)
        work += i;
    ck_assert(work > 0 && measure_process_ns(getpid()) > before);
    ck_assert(!isfinite(measure_process_ns(0x3ffffff)));
    ck_assert(measure_resident_bytes(getpid()) > 100e3);
    static struct measure_memory memory;
    measure_memory_read(getpid(), 0, &memory);
    ck_assert(memory.available_bytes > 0 && memory.slab_bytes > 0 && memory.server_bytes > 0);
}
END_TEST

UNIT_MAIN("tuning/measure_sample", idle_and_user_time_are_summed_over_the_cpus_asked_for,
          every_prefix_of_a_stat_text_is_read_without_harm, fields_are_found_by_their_whole_name,
          slab_caches_are_read_past_their_heading, growth_is_halved_but_what_only_clients_have,
          without_slab_caches_the_growth_is_halved, a_window_is_interpolated_between_samples,
          a_window_that_is_not_covered_is_refused, a_full_set_of_samples_is_thinned,
          this_process_is_seen_working_and_one_that_is_not_there_is_not)
