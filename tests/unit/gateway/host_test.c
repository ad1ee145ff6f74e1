#include "gateway/host.h"

#include "gateway/options.h"
#include "tests/unit/unit.h"

#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define GIB (1ull << 30)

static char error[HOST_ERROR_SIZE];

static bool error_has(const char *text) {
    return strstr(error, text) != NULL;
}

static struct host host_of(uint32_t cpus, uint64_t descriptors, uint64_t memory) {
    struct host host = {
        .cpu_count = cpus, .descriptors_max = descriptors, .memory_available_bytes = memory};
    for (uint32_t i = 0; i < cpus; i++)
        host.cpus[i] = (uint16_t)i;
    return host;
}

START_TEST(more_connections_than_memory_are_refused_with_the_number_that_fits) {
    struct config config;
    struct host_plan plan;
    struct host host = host_of(2, 1 << 20, 4 * GIB);
    uint64_t fits = 4 * GIB / (HOST_USER_BYTES_PER_CONNECTION + HOST_KERNEL_BYTES_PER_CONNECTION);
    options_defaults(&config);
    config.connections_max = fits - 1;
    ck_assert_msg(host_plan_make(&config, &host, &plan, error), "%s", error);
    config.connections_max = fits;
    ck_assert(host_plan_make(&config, &host, &plan, error));
    config.connections_max = fits + 1;
    ck_assert(!host_plan_make(&config, &host, &plan, error));
    ck_assert_msg(error_has("--connections-max") && error_has("4.0 GiB available") &&
                      error_has("1024000") && error_has("lower it or add memory"),
                  "%s", error);
    host.memory_is_cgroup = true;
    ck_assert(!host_plan_make(&config, &host, &plan, error));
    ck_assert_msg(error_has("control group"), "%s", error);
}
END_TEST

START_TEST(more_connections_than_descriptors_are_refused_with_the_cure) {
    struct config config;
    struct host_plan plan;
    struct host host = host_of(1, 1024, 64 * GIB);
    options_defaults(&config);
    // 256 lanes of 1024 - 64.
    config.connections_max = 256 * 960;
    ck_assert_msg(host_plan_make(&config, &host, &plan, error), "%s", error);
    ck_assert_uint_eq(plan.lane_count, 256);
    config.connections_max++;
    ck_assert(!host_plan_make(&config, &host, &plan, error));
    ck_assert_msg(error_has("RLIMIT_NOFILE 1024") && error_has("LimitNOFILE="), "%s", error);
    host.descriptors_max = 100;
    ck_assert(!host_plan_make(&config, &host, &plan, error));
    ck_assert_msg(error_has("too low"), "%s", error);
}
END_TEST

START_TEST(cpus_that_the_process_may_not_use_are_refused) {
    struct config config;
    struct host_plan plan;
    struct host host = host_of(2, 1 << 20, GIB);
    options_defaults(&config);
    config.cpu_count = 1;
    config.cpus[0] = 2;
    ck_assert(!host_plan_make(&config, &host, &plan, error));
    ck_assert_msg(error_has("CPU 2"), "%s", error);
    config.cpus[0] = 1;
    ck_assert(host_plan_make(&config, &host, &plan, error));
    ck_assert_uint_eq(plan.scheduler_count, 1);
    ck_assert_uint_eq(plan.cpus[0], 1);
}
END_TEST

START_TEST(schedulers_follow_cpus_and_quota_unless_said) {
    struct config config;
    struct host_plan plan;
    struct host host = host_of(8, 1 << 20, GIB);
    options_defaults(&config);
    ck_assert(host_plan_make(&config, &host, &plan, error));
    ck_assert_uint_eq(plan.scheduler_count, 8);
    host.cpu_quota = 3;
    ck_assert(host_plan_make(&config, &host, &plan, error));
    ck_assert_uint_eq(plan.scheduler_count, 3);
    config.schedulers = 10;
    ck_assert(host_plan_make(&config, &host, &plan, error));
    ck_assert_uint_eq(plan.scheduler_count, 10);
    ck_assert(plan.cpus_shared);
    ck_assert_uint_eq(plan.cpus[9], 1);
    config.schedulers = 0;
    host = host_of(CONFIG_CPUS_MAX, 1 << 20, GIB);
    ck_assert(host_plan_make(&config, &host, &plan, error));
    ck_assert_uint_eq(plan.scheduler_count, CONFIG_SCHEDULERS_MAX);
    ck_assert(!plan.cpus_shared);
}
END_TEST

// Every plan holds what it promises, over many machines.
START_TEST(lanes_hold_the_share_of_their_scheduler) {
    static const uint64_t descriptors[] = {1024, 20000, 65536, 524288, 1 << 20, 1ull << 30};
    static const uint64_t wanted[] = {0, 1, 99, 1000, 19999, 20001, 190000, 2000000};
    struct config config;
    struct host_plan plan;
    options_defaults(&config);
    for (uint32_t cpus = 1; cpus <= 16; cpus += 5)
        for (size_t d = 0; d < 6; d++)
            for (size_t w = 0; w < 8; w++) {
                struct host host = host_of(cpus, descriptors[d], 64 * GIB);
                config.connections_max = wanted[w];
                if (!host_plan_make(&config, &host, &plan, error))
                    continue;
                uint64_t room = (uint64_t)plan.lane_count * plan.connections_per_lane;
                ck_assert_uint_ge(room, plan.connections_per_scheduler);
                ck_assert_uint_ge((uint64_t)plan.connections_per_scheduler * cpus,
                                  plan.connections_max);
                ck_assert_uint_lt(plan.connections_per_lane, plan.descriptors_per_lane);
                ck_assert_uint_eq(plan.descriptors_per_lane & (plan.descriptors_per_lane - 1), 0);
                ck_assert_uint_le(plan.descriptors_per_lane, HOST_TABLE_MAX);
                ck_assert_uint_le(plan.lane_count, HOST_LANES_MAX);
                ck_assert_uint_le(plan.descriptors_per_lane, descriptors[d]);
                ck_assert_uint_le((uint64_t)plan.lane_count * HOST_DESCRIPTORS_PER_LANE * cpus +
                                      HOST_DESCRIPTORS_RESERVED,
                                  descriptors[d]);
                if (wanted[w] > 0)
                    ck_assert_uint_eq(plan.connections_max, wanted[w]);
            }
}
END_TEST

START_TEST(by_default_half_the_memory_is_left) {
    struct config config;
    struct host_plan plan;
    struct host host = host_of(2, 20000, 24 * GIB);
    options_defaults(&config);
    ck_assert(host_plan_make(&config, &host, &plan, error));
    ck_assert_uint_le(plan.memory_user_bytes + plan.memory_kernel_bytes, 12 * GIB);
    ck_assert_uint_ge(plan.memory_user_bytes + plan.memory_kernel_bytes, 11 * GIB);
    host.memory_available_bytes = 0; // unreadable: at least it runs
    ck_assert(host_plan_make(&config, &host, &plan, error));
    ck_assert_uint_eq(plan.connections_max, 1);
}
END_TEST

START_TEST(sessions_are_twice_the_connections_unless_said_with_slack_per_scheduler) {
    struct config config;
    struct host_plan plan;
    struct host host = host_of(4, 1 << 20, 64 * GIB);
    options_defaults(&config);
    config.connections_max = 100000;
    ck_assert(host_plan_make(&config, &host, &plan, error));
    ck_assert_uint_eq(plan.mqtt_sessions_max, 200000);
    ck_assert_uint_eq(plan.mqtt_sessions_per_scheduler, 50000 + 50000 / 32);
    config.mqtt_sessions_max = 1000;
    ck_assert(host_plan_make(&config, &host, &plan, error));
    ck_assert_uint_eq(plan.mqtt_sessions_max, 1000);
    ck_assert_uint_eq(plan.mqtt_sessions_per_scheduler, 250 + 512);
    config.mqtt_sessions_max = 100; // so few that one scheduler may have to take them all
    ck_assert(host_plan_make(&config, &host, &plan, error));
    ck_assert_uint_eq(plan.mqtt_sessions_per_scheduler, 100);
}
END_TEST

START_TEST(binds_beyond_loopback_need_the_flag) {
    static const char *const options[] = {"--listen=0.0.0.0:1", "--listen=[::]:1",
                                          "--control=192.0.2.1:1", "--page=0.0.0.0:1",
                                          "--listen-mqtt=0.0.0.0:1883"};
    for (size_t i = 0; i < 5; i++) {
        struct options decoded;
        char *argv[] = {(char *)(uintptr_t)options[i], (char *)(uintptr_t) "--allow-anonymous"};
        ck_assert(options_decode(&decoded, 1, argv, error));
        ck_assert(!host_bind_policy(&decoded.config, error));
        ck_assert_msg(error_has("--allow-anonymous") && error_has("authentication"), "%s", error);
        ck_assert(options_decode(&decoded, 2, argv, error));
        ck_assert(host_bind_policy(&decoded.config, error));
    }
    struct config config;
    options_defaults(&config);
    ck_assert(host_bind_policy(&config, error));
}
END_TEST

START_TEST(the_startup_line_names_what_was_chosen) {
    struct config config;
    struct host_plan plan;
    struct host host = host_of(2, 20000, 24 * GIB);
    char text[1024];
    options_defaults(&config);
    config.connections_max = 100000;
    ck_assert(host_plan_make(&config, &host, &plan, error));
    host_plan_describe(&plan, &config, text, sizeof(text));
    ck_assert_msg(strstr(text,
                         "listen=127.0.0.1:8080 control=127.0.0.1:8081 schedulers=2 lanes=8 "
                         "connections_max=100000 memory_max_idle=\"24 MiB here + 375 MiB") == text,
                  "%s", text);
    config.listen_mqtt_count = 2;
    config.listen_mqtt[0] = config.listen_mqtt[1] = config.listen[0];
    host_plan_describe(&plan, &config, text, sizeof(text));
    ck_assert_ptr_nonnull(strstr(text, "8080 listen_mqtt=127.0.0.1:8080,127.0.0.1:8080 control="));
    for (size_t size = 1; size < sizeof(text); size += 7)
        host_plan_describe(&plan, &config, text, size);
}
END_TEST

static void put_file(const char *root, const char *path, const char *text) {
    char full[256];
    snprintf(full, sizeof(full), "%s%s", root, path);
    for (char *at = full + strlen(root) + 1; (at = strchr(at, '/')); at++) {
        *at = '\0';
        mkdir(full, 0700);
        *at = '/';
    }
    FILE *file = fopen(full, "w");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
}

START_TEST(control_groups_bound_memory_and_cpus_with_their_parents) {
    char root[] = "/tmp/fairlead-host-"
                  "XX"
                  "XX"
                  "XX",
         command[64];
    struct host host;
    ck_assert_ptr_nonnull(mkdtemp(root));
    put_file(root, "/proc/meminfo", "MemTotal: 100 kB\nMemAvailable:    1048576 kB\n");
    host_read(&host, root);
    ck_assert_uint_eq(host.memory_available_bytes, GIB);
    ck_assert_uint_ge(host.cpu_count, 1);
    struct rlimit limit;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    ck_assert_uint_eq(host.descriptors_max, limit.rlim_max);
    put_file(root, "/proc/self/cgroup", "1:name=x:/y\n0::/a/b\n");
    put_file(root, "/sys/fs/cgroup/a/b/memory.max", "max\n");
    put_file(root, "/sys/fs/cgroup/a/b/memory.current", "5\n");
    put_file(root, "/sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
    put_file(root, "/sys/fs/cgroup/a/memory.max", "1000000\n");
    put_file(root, "/sys/fs/cgroup/a/memory.current", "400000\n");
    put_file(root, "/sys/fs/cgroup/a/cpu.max", "150000 100000\n");
    host_read(&host, root);
    ck_assert_uint_eq(host.memory_available_bytes, 600000);
    ck_assert(host.memory_is_cgroup);
    ck_assert_uint_eq(host.cpu_quota, 2);
    snprintf(command, sizeof(command), "rm -r %s", root);
    ck_assert_int_eq(system(command), 0);
}
END_TEST

UNIT_MAIN("gateway/host", more_connections_than_memory_are_refused_with_the_number_that_fits,
          more_connections_than_descriptors_are_refused_with_the_cure,
          cpus_that_the_process_may_not_use_are_refused,
          schedulers_follow_cpus_and_quota_unless_said, lanes_hold_the_share_of_their_scheduler,
          by_default_half_the_memory_is_left,
          sessions_are_twice_the_connections_unless_said_with_slack_per_scheduler,
          binds_beyond_loopback_need_the_flag, the_startup_line_names_what_was_chosen,
          control_groups_bound_memory_and_cpus_with_their_parents)
