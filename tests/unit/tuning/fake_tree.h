// Whole machines as folders: files written under a folder of /tmp, removed afterwards.
#ifndef FAIRLEAD_TESTS_FAKE_TREE_H
#define FAIRLEAD_TESTS_FAKE_TREE_H

#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/unit.h"
#include "tuning/host_file.h"

struct fake_file {
    const char *path;
    const char *text;
};

struct fake_tree {
    char root[64];
};

static inline void fake_tree_put(const struct fake_tree *tree, const char *path, const char *text) {
    ck_assert_int_eq(host_file_make_parents(tree->root, path), 0);
    ck_assert_int_eq(host_file_write_text(tree->root, path, text, true), 0);
}

static inline void fake_tree_init(struct fake_tree *tree) {
    snprintf(tree->root, sizeof(tree->root),
             "/tmp/fairlead-tree-XX"
             "XX"
             "XX");
    ck_assert_ptr_nonnull(mkdtemp(tree->root));
}

static inline void fake_tree_add(const struct fake_tree *tree, const struct fake_file *files,
                                 size_t count) {
    for (size_t i = 0; i < count; i++)
        fake_tree_put(tree, files[i].path, files[i].text);
}

#define FAKE_TREE_ADD(tree, files) fake_tree_add(tree, files, sizeof(files) / sizeof(files[0]))

static inline int fake_tree_remove_one(const char *path, const struct stat *s, int type,
                                       struct FTW *f) {
    (void)s, (void)type, (void)f;
    return remove(path);
}

static inline void fake_tree_fini(const struct fake_tree *tree) {
    nftw(tree->root, fake_tree_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

#define FAKE_LIMITS(nofile_soft, nofile_hard)                                                      \
    "Limit                     Soft Limit           Hard Limit           Units     \n"             \
    "Max processes             96365                96365                processes \n"             \
    "Max open files            " nofile_soft "       " nofile_hard "       files     \n"           \
    "Max locked memory         8388608              8388608              bytes     \n"

// One CPU, half a gibibyte, Debian's own settings.
static const struct fake_file FAKE_TINY[] = {
    {"/proc/sys/kernel/osrelease", "6.1.0-28-cloud-amd64\n"},
    {"/proc/meminfo", "MemTotal:         498000 kB\nMemFree:          100000 kB\n"
                      "MemAvailable:     400000 kB\nSwapTotal:        524288 kB\n"},
    {"/proc/self/limits", FAKE_LIMITS("1024", "524288")},
    {"/proc/self/status", "Name:\tx\nCapEff:\t0000000000000000\nSeccomp:\t0\n"
                          "Cpus_allowed_list:\t0\n"},
    {"/proc/self/cgroup", "0::/user.slice/session-1.scope\n"},
    {"/proc/self/mountinfo", "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 "
                             "rw,nsdelegate\n"},
    {"/proc/sys/fs/file-max", "9223372036854775807\n"},
    {"/proc/sys/fs/nr_open", "1048576\n"},
    {"/proc/sys/kernel/io_uring_disabled", "0\n"},
    {"/proc/sys/net/core/somaxconn", "4096\n"},
    {"/proc/sys/net/ipv4/ip_local_port_range", "32768\t60999\n"},
    {"/proc/sys/net/ipv4/tcp_mem", "5544\t7393\t11088\n"},
    {"/proc/sys/vm/swappiness", "60\n"},
    {"/sys/devices/system/cpu/online", "0\n"},
    {"/sys/devices/system/node/online", "0\n"},
    {"/sys/kernel/mm/transparent_hugepage/enabled", "[always] madvise never\n"},
};

#endif
