// Goal: what is applied is what was shown, and the undo script takes all of it back. Method: hosts
// as folders; the script is run by the shell and every file compared with what was before.
#include "tuning/apply.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>

#include "tests/unit/tuning/fake_tree.h"
#include "tuning/undo.h"

static struct profile p;
static struct apply a;
static struct fake_tree tree;
static char error[PROFILE_ERROR_BYTES];

#define SYSCTL_FILE "/etc/sysctl.d/60-fairlead.conf"
#define LIMITS_FILE "/etc/security/limits.d/60-fairlead.conf"
#define SERVICE_FILE "/etc/systemd/system/fairlead.service.d/60-tune.conf"

static const struct fake_file HOST[] = {
    {"/proc/meminfo", "MemTotal:       24684084 kB\n"},
    {"/proc/sys/fs/file-max", "2466170\n"},
    {"/proc/sys/fs/nr_open", "1073741816\n"}, // better already
    {"/proc/sys/net/core/somaxconn", "4096\n"},
    {"/proc/sys/net/ipv4/tcp_mem", "287898\t383867\t575796\n"},
    {"/proc/sys/vm/swappiness", "0\n"},
    {"/proc/sys/vm/overcommit_memory", "1\n"}, // as the profile has it
    {"/sys/kernel/mm/transparent_hugepage/enabled", "[always] madvise never\n"},
    {"/etc/sysctl.d/x", ""},
    {"/etc/security/limits.d/60-fairlead.conf", "# it's mine\n* soft nofile 5\n"},
    {"/etc/systemd/system/x", ""},
};

static void begin(void) {
    fake_tree_init(&tree);
    FAKE_TREE_ADD(&tree, HOST);
    ck_assert_msg(profile_load(&p, "tuning/profiles", "chat", tree.root, error), "%s", error);
    ck_assert_msg(apply_plan(&a, &p, tree.root, error), "%s", error);
}

static const struct apply_value *value_of(const char *wanted) {
    for (uint32_t i = 0; i < a.value_count; i++) {
        char name[PROFILE_KEY_BYTES];
        apply_name(a.values[i].setting, name);
        if (strcmp(name, wanted) == 0)
            return &a.values[i];
    }
    ck_abort_msg("no value %s", wanted);
    return NULL;
}

static const char *text_of(const char *path) {
    static char text[PROFILE_CONTENT_BYTES];
    ck_assert_msg(host_file_read_text(tree.root, path, text, sizeof(text)), "%s", path);
    return text;
}

static bool is_there(const char *path) {
    char text[8];
    return host_file_read_text(tree.root, path, text, sizeof(text));
}

START_TEST(a_plan_changes_nothing_and_names_every_state) {
    begin();
    ck_assert_int_eq(value_of("fs.file-max")->state, APPLY_CHANGE);
    ck_assert_str_eq(value_of("fs.file-max")->current, "2466170");
    ck_assert_str_eq(value_of("fs.file-max")->wanted, "8388608");
    ck_assert_int_eq(value_of("fs.nr_open")->state, APPLY_SAME);
    ck_assert_int_eq(value_of("vm.swappiness")->state, APPLY_SAME);
    ck_assert_int_eq(value_of("net.ipv4.tcp_max_syn_backlog")->state, APPLY_ABSENT);
    ck_assert_str_eq(value_of("net.ipv4.tcp_mem")->wanted, "393216 589824 786432");
    const struct apply_value *pages = value_of("/sys/kernel/mm/transparent_hugepage/enabled");
    ck_assert_str_eq(pages->current, "always");
    ck_assert_int_eq(pages->state, APPLY_CHANGE);
    // No /etc/tmpfiles.d: that file has no place here.
    ck_assert_int_eq(a.files[PROFILE_TMPFILES].state, APPLY_ABSENT);
    ck_assert_uint_eq(a.change_count, 4 + 3);
    for (size_t i = 0; i < sizeof(HOST) / sizeof(HOST[0]); i++) {
        char before[PROFILE_CONTENT_BYTES];
        snprintf(before, sizeof(before), "%s", HOST[i].text);
        before[strcspn(before, "") - (before[0] && before[strlen(before) - 1] == '\n')] = 0;
        ck_assert_str_eq(text_of(HOST[i].path), before);
    }
    fake_tree_fini(&tree);
}
END_TEST

START_TEST(a_small_host_is_spared_what_is_for_large_ones) {
    begin();
    fake_tree_put(&tree, "/proc/meminfo", "MemTotal:  11796479 kB\n"); // 12 GiB are 11.25 GiB here
    ck_assert(apply_plan(&a, &p, tree.root, error));
    ck_assert_int_eq(value_of("net.ipv4.tcp_mem")->state, APPLY_SKIPPED);
    fake_tree_put(&tree, "/proc/meminfo", "MemTotal:  11796480 kB\n");
    ck_assert(apply_plan(&a, &p, tree.root, error));
    ck_assert_int_eq(value_of("net.ipv4.tcp_mem")->state, APPLY_CHANGE);
    fake_tree_fini(&tree);
}
END_TEST

static int run_script(const char *path) {
    char command[256];
    snprintf(command, sizeof(command), "sh %s >/dev/null 2>&1", path);
    int status = system(command);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

START_TEST(what_is_applied_is_undone_by_the_script) {
    char undo[128];
    begin();
    snprintf(undo, sizeof(undo), "%s/undo.sh", tree.root);
    ck_assert_int_eq(undo_write(&a, undo, "today"), 0);
    ck_assert_uint_eq(apply_run(&a, stderr), 0);
    ck_assert_str_eq(text_of("/proc/sys/net/core/somaxconn"), "65535");
    ck_assert_str_eq(text_of("/proc/sys/fs/nr_open"), "1073741816");
    ck_assert_ptr_nonnull(strstr(text_of(SYSCTL_FILE), "\nnet.core.somaxconn = 65535"));
    ck_assert_ptr_nonnull(strstr(text_of(SYSCTL_FILE), "# why:    Handshakes that are done"));
    ck_assert_ptr_nonnull(strstr(text_of(SYSCTL_FILE), "\nvm.overcommit_memory = 1"));
    ck_assert_ptr_null(strstr(text_of(SYSCTL_FILE), "fs.nr_open")); // better, and not ours
    ck_assert_ptr_null(strstr(text_of(SYSCTL_FILE), "tcp_max_syn_backlog"));
    ck_assert_ptr_nonnull(strstr(text_of(LIMITS_FILE), "1048576"));
    ck_assert_ptr_nonnull(strstr(text_of(SERVICE_FILE), "LimitNOFILE=1048576"));

    ck_assert_int_eq(run_script(undo), 0);
    ck_assert_str_eq(text_of("/proc/sys/fs/file-max"), "2466170");
    ck_assert_str_eq(text_of("/proc/sys/net/core/somaxconn"), "4096");
    ck_assert_str_eq(text_of("/proc/sys/net/ipv4/tcp_mem"), "287898 383867 575796");
    ck_assert_str_eq(text_of("/sys/kernel/mm/transparent_hugepage/enabled"), "always");
    ck_assert_str_eq(text_of(LIMITS_FILE), "# it's mine\n* soft nofile 5");
    ck_assert(!is_there(SYSCTL_FILE));
    ck_assert(!is_there(SERVICE_FILE));
    fake_tree_fini(&tree);
}
END_TEST

START_TEST(applied_twice_changes_nothing_more) {
    begin();
    fake_tree_put(&tree, "/sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n");
    ck_assert(apply_plan(&a, &p, tree.root, error));
    ck_assert_uint_eq(apply_run(&a, stderr), 0);
    ck_assert(apply_plan(&a, &p, tree.root, error));
    ck_assert_uint_eq(a.change_count, 0);
    fake_tree_fini(&tree);
}
END_TEST

START_TEST(one_refusal_does_not_stop_the_rest) {
    begin();
    char path[HOST_FILE_PATH_BYTES], *text = NULL;
    size_t size = 0;
    // Replaced by a folder behind the plan's back: cannot be written, by root neither.
    ck_assert(host_file_path(path, tree.root, "/proc/sys/fs/file-max"));
    ck_assert_int_eq(remove(path), 0);
    ck_assert_int_eq(mkdir(path, 0755), 0);
    FILE *out = open_memstream(&text, &size);
    ck_assert_uint_ge(apply_run(&a, out), 1);
    fclose(out);
    ck_assert_ptr_nonnull(strstr(text, "fs.file-max: cannot be set to 8388608: Is a directory"));
    ck_assert_int_eq(value_of("fs.file-max")->state, APPLY_REFUSED);
    ck_assert_str_eq(text_of("/proc/sys/net/core/somaxconn"), "65535");
    free(text);
    fake_tree_fini(&tree);
}
END_TEST

START_TEST(an_undo_script_is_never_overwritten) {
    char undo[128];
    begin();
    snprintf(undo, sizeof(undo), "%s/undo.sh", tree.root);
    ck_assert_int_eq(undo_write(&a, undo, "today"), 0);
    ck_assert_int_eq(undo_write(&a, undo, "today"), -EEXIST);
    ck_assert_int_eq(undo_write(&a, "/nonexistent/undo.sh", "today"), -ENOENT);
    ck_assert_int_eq(run_script(undo), 0); // nothing was applied: restores what is
    ck_assert_str_eq(text_of("/proc/sys/net/core/somaxconn"), "4096");
    fake_tree_fini(&tree);
}
END_TEST

START_TEST(an_undo_script_that_cannot_says_so) {
    char undo[128], path[HOST_FILE_PATH_BYTES];
    begin();
    snprintf(undo, sizeof(undo), "%s/undo.sh", tree.root);
    ck_assert_int_eq(undo_write(&a, undo, "today"), 0);
    ck_assert(host_file_path(path, tree.root, "/proc/sys/fs/file-max"));
    ck_assert_int_eq(remove(path), 0);
    ck_assert_int_eq(mkdir(path, 0755), 0);
    fake_tree_put(&tree, "/proc/sys/net/core/somaxconn", "7\n");
    ck_assert_int_eq(run_script(undo), 1);
    ck_assert_str_eq(text_of("/proc/sys/net/core/somaxconn"), "4096"); // the others all the same
    fake_tree_fini(&tree);
}
END_TEST

START_TEST(a_file_too_large_to_keep_is_refused_before_anything) {
    static char large[PROFILE_CONTENT_BYTES + 1];
    begin();
    memset(large, '#', PROFILE_CONTENT_BYTES - 1);
    fake_tree_put(&tree, LIMITS_FILE, large);
    ck_assert(apply_plan(&a, &p, tree.root, error));
    memset(large, '#', PROFILE_CONTENT_BYTES);
    fake_tree_put(&tree, LIMITS_FILE, large);
    ck_assert(!apply_plan(&a, &p, tree.root, error));
    ck_assert_ptr_nonnull(strstr(error, "move it away first"));
    fake_tree_fini(&tree);
}
END_TEST

START_TEST(the_difference_is_shown_in_80_columns) {
    char *text = NULL;
    size_t size = 0;
    begin();
    FILE *out = open_memstream(&text, &size);
    apply_print(out, &a);
    fclose(out);
    ck_assert_ptr_nonnull(strstr(text, "net.core.somaxconn\n    4096 -> 65535\n    Handshakes"));
    ck_assert_ptr_nonnull(strstr(text, "As it should be, or better: fs.nr_open (1073741816)"));
    ck_assert_ptr_nonnull(strstr(text, "Not here"));
    ck_assert_ptr_nonnull(strstr(text, SERVICE_FILE "\n    new: "));
    ck_assert_ptr_nonnull(strstr(text, LIMITS_FILE "\n    replaced: "));
    for (const char *line = text; *line;) {
        size_t bytes = strcspn(line, "\n");
        ck_assert_msg(bytes <= 80, "%.*s", (int)bytes, line);
        line += bytes + (line[bytes] == '\n');
    }
    free(text);
    fake_tree_fini(&tree);
}
END_TEST

// PAM refuses a login whose limits cannot be set: root's, too.
START_TEST(limits_that_would_lock_logins_out_are_left_out) {
    begin();
    fake_tree_put(&tree, "/proc/sys/fs/nr_open", "1048576\n");
    ck_assert(apply_plan(&a, &p, tree.root, error));
    ck_assert_int_eq(a.files[PROFILE_LIMITS].state, APPLY_CHANGE);
    fake_tree_put(&tree, "/proc/sys/fs/nr_open", "1048575\n"); // is raised first
    ck_assert(apply_plan(&a, &p, tree.root, error));
    ck_assert_int_eq(value_of("fs.nr_open")->state, APPLY_CHANGE);
    ck_assert_int_eq(a.files[PROFILE_LIMITS].state, APPLY_CHANGE);
    // … and is refused after the plan was made: the file is not written either.
    char path[HOST_FILE_PATH_BYTES], *text = NULL;
    size_t size = 0;
    ck_assert(host_file_path(path, tree.root, "/proc/sys/fs/nr_open"));
    ck_assert_int_eq(remove(path), 0);
    ck_assert_int_eq(mkdir(path, 0755), 0);
    FILE *out = open_memstream(&text, &size);
    ck_assert_uint_eq(apply_run(&a, out), 2);
    fclose(out);
    ck_assert_ptr_nonnull(strstr(text, "logins would fail"));
    ck_assert_str_eq(text_of(LIMITS_FILE), "# it's mine\n* soft nofile 5");
    free(text);
    // Meant for larger hosts, say: then it stays low, and the plan says so.
    ck_assert_int_eq(remove(path), 0);
    fake_tree_put(&tree, "/proc/sys/fs/nr_open", "1048575\n");
    for (uint32_t i = 0; i < p.count; i++)
        if (strcmp(p.settings[i].path, "/proc/sys/fs/nr_open") == 0)
            p.settings[i].memory_bytes_min = UINT64_MAX;
    ck_assert(apply_plan(&a, &p, tree.root, error));
    ck_assert_int_eq(a.files[PROFILE_LIMITS].state, APPLY_SKIPPED);
    fake_tree_fini(&tree);
}
END_TEST

START_TEST(masks_of_cpus_are_equal_without_their_zeros) {
    begin();
    struct profile_setting *setting = &p.settings[p.count++];
    *setting = (struct profile_setting){.why = "x"};
    snprintf(setting->path, sizeof(setting->path), "/sys/class/net/e/queues/rx-0/rps_cpus");
    snprintf(setting->value, sizeof(setting->value), "3");
    fake_tree_put(&tree, setting->path, "00000000,00000003\n");
    ck_assert(apply_plan(&a, &p, tree.root, error));
    ck_assert_int_eq(value_of(setting->path)->state, APPLY_SAME);
    fake_tree_put(&tree, setting->path, "00000000,00000001\n");
    ck_assert(apply_plan(&a, &p, tree.root, error));
    ck_assert_int_eq(value_of(setting->path)->state, APPLY_CHANGE);
    fake_tree_fini(&tree);
}
END_TEST

UNIT_MAIN("tuning/apply", a_plan_changes_nothing_and_names_every_state,
          a_small_host_is_spared_what_is_for_large_ones, what_is_applied_is_undone_by_the_script,
          applied_twice_changes_nothing_more, one_refusal_does_not_stop_the_rest,
          an_undo_script_is_never_overwritten, an_undo_script_that_cannot_says_so,
          a_file_too_large_to_keep_is_refused_before_anything,
          limits_that_would_lock_logins_out_are_left_out, the_difference_is_shown_in_80_columns,
          masks_of_cpus_are_equal_without_their_zeros)
