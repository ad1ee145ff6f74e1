// Goal: profiles are read as they are installed, and what is written wrong in them is refused by
// line. Method: texts; the profiles of this tree.
#include "tuning/profile.h"

#include <string.h>

#include "tests/unit/tuning/fake_tree.h"

static struct profile p;
static char error[PROFILE_ERROR_BYTES];

#define BAD(text, sentence)                                                                        \
    do {                                                                                           \
        p.count = 0;                                                                               \
        ck_assert(!profile_decode_sysctl(&p, "x.conf", text, error));                              \
        ck_assert_str_eq(error, sentence);                                                         \
    } while (0)

START_TEST(what_is_written_wrong_is_refused_by_line) {
    BAD("# why: x\nno value\n", "x.conf:2: want `name = value`, not 'no value'");
    BAD("\n\na.b = 1\n", "x.conf:3: a value without its reason: want a line `# why: …` above it");
    BAD("# why: x\n\na.b = 1\n", // the blank line ends the block
        "x.conf:3: a value without its reason: want a line `# why: …` above it");
    BAD("# why: x\n# rule: atleast\na.b = 1\n",
        "x.conf:3: rule: want exactly, at least or at most, not 'atleast'");
    BAD("# why: x\n# when: memory > 1\na.b = 1\n",
        "x.conf:3: when: want `memory >= N GiB`, not 'memory > 1'");
    BAD("# why: x\n../../etc/passwd = 1\n",
        "x.conf:2: want `name = value`, not '../../etc/passwd = 1'");
    BAD("# why: x\na.b =\n", "x.conf:2: want `name = value`, not 'a.b ='");
}
END_TEST

START_TEST(a_value_has_its_reason_and_rule) {
    p.count = 0;
    ck_assert(profile_decode_sysctl(&p, "x",
                                    "# A title.\n\n# why:   because\n#        of this\n# effect: "
                                    "none\n#        at all\n# rule: at least\n# when: memory >= 2 "
                                    "GiB\nnet.ipv4.x  =  1\t2   3 \n# why: y\nvm.y = 0\n",
                                    error));
    ck_assert_uint_eq(p.count, 2);
    ck_assert_str_eq(p.settings[0].path, "/proc/sys/net/ipv4/x");
    ck_assert_str_eq(p.settings[0].value, "1 2 3");
    ck_assert_str_eq(p.settings[0].why, "because of this");
    ck_assert_int_eq(p.settings[0].rule, PROFILE_AT_LEAST);
    ck_assert_uint_eq(p.settings[0].memory_bytes_min, 2ull << 30);
    ck_assert_int_eq(p.settings[1].rule, PROFILE_EXACTLY);
    ck_assert_uint_eq(p.settings[1].memory_bytes_min, 0);
}
END_TEST

START_TEST(no_more_settings_than_there_is_place_for) {
    char text[64 * 1024] = "";
    size_t used = 0;
    for (int i = 0; i < PROFILE_SETTINGS_MAX; i++)
        used += (size_t)snprintf(text + used, sizeof(text) - used, "# why: y\na.b%d = 1\n", i);
    p.count = 0;
    ck_assert(profile_decode_sysctl(&p, "x", text, error));
    snprintf(text + used, sizeof(text) - used, "# why: y\nvm.y = 0\n");
    p.count = 0;
    ck_assert(!profile_decode_sysctl(&p, "x", text, error));
    ck_assert_str_eq(error, "more than 512 settings");
}
END_TEST

static const char *wanted(enum profile_rule rule, const char *value, const char *current) {
    static struct profile_setting setting;
    static char text[PROFILE_VALUE_BYTES];
    setting.rule = rule;
    snprintf(setting.value, sizeof(setting.value), "%s", value);
    profile_wanted(&setting, current, text);
    return text;
}

START_TEST(rules_never_make_a_host_worse) {
    ck_assert_str_eq(wanted(PROFILE_EXACTLY, "1", "5"), "1");
    ck_assert_str_eq(wanted(PROFILE_AT_LEAST, "100", "99"), "100");
    ck_assert_str_eq(wanted(PROFILE_AT_LEAST, "100", "100"), "100");
    ck_assert_str_eq(wanted(PROFILE_AT_LEAST, "100", "101"), "101");
    ck_assert_str_eq(wanted(PROFILE_AT_MOST, "1", "60"), "1");
    ck_assert_str_eq(wanted(PROFILE_AT_MOST, "1", "0"), "0");
    ck_assert_str_eq(wanted(PROFILE_AT_LEAST, "10 20 30", "1 25 3"), "10 25 30");
    ck_assert_str_eq(wanted(PROFILE_AT_LEAST, "10 20 30", "1 2"), "10 20 30");
    ck_assert_str_eq(wanted(PROFILE_AT_LEAST, "10", "strange"), "10");
    ck_assert_str_eq(wanted(PROFILE_AT_LEAST, "8388608", "9223372036854775807"),
                     "9223372036854775807");
}
END_TEST

START_TEST(the_profiles_of_this_tree_are_good) {
    static const char *const NAMES[] = {"chat", "hold", "bench"};
    for (size_t i = 0; i < 3; i++) {
        ck_assert_msg(profile_load(&p, "tuning/profiles", NAMES[i], "", error), "%s", error);
        ck_assert_uint_ge(p.count, 10);
        for (uint32_t j = 0; j < p.count; j++)
            for (uint32_t k = 0; k < j; k++)
                ck_assert_str_ne(p.settings[j].path, p.settings[k].path);
        for (uint32_t j = 0; j < PROFILE_FILE_COUNT; j++)
            ck_assert_str_ne(p.contents[j], "");
    }
}
END_TEST

START_TEST(unknown_names_get_the_nearest) {
    ck_assert(!profile_load(&p, "tuning/profiles", "bensh", "", error));
    ck_assert_ptr_eq(strstr(error, "no profile 'bensh'; did you mean bench? (there are "), error);
    ck_assert(!profile_load(&p, "tuning/profiles", "", "", error));
    ck_assert(!profile_load(&p, "tuning/profiles", "../profiles/chat", "", error));
    char folder[HOST_FILE_PATH_BYTES];
    ck_assert(!profile_find_folder("/nonexistent", folder, error));
    ck_assert_str_eq(error, "--profiles /nonexistent: there are no profiles (no irq.sh)");
}
END_TEST

START_TEST(patterns_become_a_setting_for_each_file) {
    struct fake_tree tree;
    fake_tree_init(&tree);
    fake_tree_put(&tree, "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "powersave\n");
    fake_tree_put(&tree, "/sys/devices/system/cpu/cpu1/cpufreq/scaling_governor", "powersave\n");
    ck_assert_msg(profile_load(&p, "tuning/profiles", "bench", tree.root, error), "%s", error);
    uint32_t governors = 0;
    for (uint32_t i = 0; i < p.count; i++)
        if (strstr(p.settings[i].path, "scaling_governor") != NULL) {
            ck_assert_ptr_eq(strstr(p.settings[i].path, "/sys/devices/"), p.settings[i].path);
            ck_assert_str_eq(p.settings[i].value, "performance");
            governors++;
        }
    ck_assert_uint_eq(governors, 2);
    fake_tree_fini(&tree);
}
END_TEST

static void put_card(const struct fake_tree *tree, const char *cpus, int queues) {
    char path[128], text[32];
    fake_tree_put(tree, "/sys/devices/system/cpu/online", cpus);
    fake_tree_put(tree, "/sys/class/net/eth0/operstate", "up\n");
    fake_tree_put(tree, "/sys/class/net/eth0/device/msi_irqs/39", "msix\n");
    fake_tree_put(tree, "/proc/irq/39/eth0-mgmnt/x", "");
    for (int i = 0; i < queues; i++) {
        snprintf(path, sizeof(path), "/sys/class/net/eth0/queues/rx-%d/rps_cpus", i);
        fake_tree_put(tree, path, "0\n");
        snprintf(path, sizeof(path), "/sys/class/net/eth0/device/msi_irqs/%d", 40 + i);
        fake_tree_put(tree, path, "msix\n");
        snprintf(path, sizeof(path), "/proc/irq/%d/eth0-TxRx-%d/x", 40 + i, i);
        fake_tree_put(tree, path, "");
        snprintf(path, sizeof(path), "/proc/irq/%d/smp_affinity_list", 40 + i);
        snprintf(text, sizeof(text), "%s", cpus);
        fake_tree_put(tree, path, text);
    }
}

START_TEST(interrupts_are_spread_one_cpu_a_queue) {
    struct fake_tree tree;
    fake_tree_init(&tree);
    put_card(&tree, "0-3\n", 4);
    p = (struct profile){.count = 0};
    snprintf(p.folder, sizeof(p.folder), "tuning/profiles");
    ck_assert_msg(profile_load_cards(&p, tree.root, error), "%s", error);
    ck_assert_uint_eq(p.count, 4); // no steering: a queue for each CPU
    for (uint32_t i = 0; i < 4; i++) {
        char path[64], cpu[8];
        snprintf(path, sizeof(path), "/proc/irq/%u/smp_affinity_list", 40 + i);
        snprintf(cpu, sizeof(cpu), "%u", i);
        ck_assert_str_eq(p.settings[i].path, path);
        ck_assert_str_eq(p.settings[i].value, cpu);
    }
    fake_tree_fini(&tree);
}
END_TEST

START_TEST(few_queues_for_many_cpus_are_steered) {
    struct fake_tree tree;
    fake_tree_init(&tree);
    put_card(&tree, "0-39\n", 2);
    p = (struct profile){.count = 0};
    snprintf(p.folder, sizeof(p.folder), "tuning/profiles");
    ck_assert_msg(profile_load_cards(&p, tree.root, error), "%s", error);
    ck_assert_uint_eq(p.count, 4);
    ck_assert_str_eq(p.settings[2].path, "/sys/class/net/eth0/queues/rx-0/rps_cpus");
    ck_assert_str_eq(p.settings[2].value, "ff,ffffffff");
    fake_tree_fini(&tree);
    fake_tree_init(&tree);
    put_card(&tree, "0-1\n", 1); // half the CPUs have a queue: steering would only cost
    p.count = 0;
    ck_assert(profile_load_cards(&p, tree.root, error));
    ck_assert_uint_eq(p.count, 0);
    fake_tree_fini(&tree);
}
END_TEST

UNIT_MAIN("tuning/profile", what_is_written_wrong_is_refused_by_line,
          a_value_has_its_reason_and_rule, no_more_settings_than_there_is_place_for,
          rules_never_make_a_host_worse, the_profiles_of_this_tree_are_good,
          unknown_names_get_the_nearest, patterns_become_a_setting_for_each_file,
          interrupts_are_spread_one_cpu_a_queue, few_queues_for_many_cpus_are_steered)
