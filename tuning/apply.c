#include "tuning/apply.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tuning/machine.h"
#include "loadgen/wrap.h"

void apply_name(const struct profile_setting *setting, char name[PROFILE_KEY_BYTES]) {
    snprintf(name, PROFILE_KEY_BYTES, "%s",
             setting->path + (setting->is_sysctl ? strlen("/proc/sys/") : 0));
    for (char *slash = name; setting->is_sysctl && (slash = strchr(slash, '/')) != NULL;)
        *slash = '.';
}

// --- plan ----------------------------------------------------------------------------------------

// "always [madvise] never" is madvise.
static void choose_bracketed(char text[PROFILE_VALUE_BYTES]) {
    char *open = strchr(text, '['), *close = open ? strchr(open, ']') : NULL;
    if (close == NULL)
        return;
    *close = 0;
    memmove(text, open + 1, strlen(open + 1) + 1);
}

static bool ends_with(const char *text, const char *end) {
    size_t size = strlen(text), end_size = strlen(end);
    return size >= end_size && strcmp(text + size - end_size, end) == 0;
}

// Masks of CPUs have zeros in front: "00000000,00000003" is "3".
static bool is_equal(const struct profile_setting *setting, const char *a, const char *b) {
    struct cpu_list left, right;
    if (!ends_with(setting->path, "rps_cpus") || !cpu_list_decode_mask(&left, a) ||
        !cpu_list_decode_mask(&right, b))
        return strcmp(a, b) == 0;
    return memcmp(&left, &right, sizeof(left)) == 0;
}

static bool read_value(const char *root, const char *path, char value[PROFILE_VALUE_BYTES]) {
    char text[512];
    if (!host_file_read_text(root, path, text, sizeof(text)))
        return false;
    profile_normalize(text, value);
    choose_bracketed(value);
    return true;
}

// Root is denied by a read-only mount, and by what belongs to another namespace. Others are denied
// everything, which says nothing.
static bool is_readonly(const char *root, const char *path) {
    char full[HOST_FILE_PATH_BYTES];
    return host_file_path(full, root, "%s", path) && access(full, W_OK) < 0 &&
           (errno == EROFS || geteuid() == 0);
}

static void plan_value(struct apply *apply, const struct profile_setting *setting,
                       uint64_t memory_bytes) {
    struct apply_value *value = &apply->values[apply->value_count++];
    *value = (struct apply_value){.setting = setting, .state = APPLY_ABSENT};
    if (!read_value(apply->root, setting->path, value->current))
        return;
    profile_wanted(setting, value->current, value->wanted);
    if (setting->memory_bytes_min > memory_bytes)
        value->state = APPLY_SKIPPED;
    else if (is_equal(setting, value->current, value->wanted))
        value->state = APPLY_SAME;
    else if (is_readonly(apply->root, setting->path))
        value->state = APPLY_READONLY;
    else
        value->state = APPLY_CHANGE;
}

static const struct apply_value *lookup(const struct apply *apply, const char *name) {
    char other[PROFILE_KEY_BYTES];
    for (uint32_t i = 0; i < apply->value_count; i++) {
        apply_name(apply->values[i].setting, other);
        if (strcmp(other, name) == 0)
            return &apply->values[i];
    }
    return NULL;
}

// A value is kept for the next boot when the profile asks for it; what the host has from elsewhere
// and is better stays elsewhere's.
static bool is_kept(const struct apply_value *value, const char *name, const char *before) {
    char line[PROFILE_KEY_BYTES + 8];
    if (value == NULL || (value->state != APPLY_SAME && value->state != APPLY_CHANGE))
        return false;
    snprintf(line, sizeof(line), "\n%s = ", name);
    return value->state == APPLY_CHANGE || strcmp(value->wanted, value->setting->value) == 0 ||
           strstr(before, line) != NULL;
}

// The profile's sysctl.conf, each kept value with the comments above it, numbers as they are set.
static void make_sysctl_file(const struct apply *apply, struct apply_file *file) {
    char text[PROFILE_CONTENT_BYTES];
    const char *block = apply->profile->contents[PROFILE_SYSCTL];
    size_t used = (size_t)snprintf(text, sizeof(text), "# Written by `fairlead tune --apply %s`.\n",
                                   apply->profile->name);
    for (const char *line = block; *line != 0;) {
        size_t size = strcspn(line, "\n");
        const char *next = line + size + (line[size] == '\n');
        const char *equals = memchr(line, '=', size);
        if (line[0] != '#' && equals != NULL) {
            char key[PROFILE_KEY_BYTES], name[PROFILE_VALUE_BYTES];
            snprintf(key, sizeof(key), "%.*s", (int)(equals - line), line);
            profile_normalize(key, name);
            const struct apply_value *value = lookup(apply, name);
            if (is_kept(value, name, file->before) && used < sizeof(text))
                used += (size_t)snprintf(text + used, sizeof(text) - used, "\n%.*s%s = %s\n",
                                         (int)(line - block), block, name, value->wanted);
        }
        if (line[0] != '#')
            block = next;
        line = next;
    }
    memcpy(file->after, text, sizeof(text));
}

// False when what is there cannot be kept for the undo script.
static bool read_before(struct apply_file *file, const char *root, const char *path) {
    char full[HOST_FILE_PATH_BYTES];
    file->before[0] = 0;
    FILE *in = host_file_path(full, root, "%s", path) ? fopen(full, "re") : NULL;
    file->existed = in != NULL;
    if (in == NULL)
        return errno == ENOENT || errno == ENOTDIR;
    size_t size = fread(file->before, 1, PROFILE_CONTENT_BYTES, in);
    bool is_whole = size < PROFILE_CONTENT_BYTES && !ferror(in);
    fclose(in);
    if (is_whole)
        file->before[size] = 0;
    return is_whole && strlen(file->before) == size;
}

// Files go where their kind is known: no limits.d without PAM, no drop-in without systemd.
static bool has_place(const char *root, enum profile_file file) {
    static const char *const PLACES[] = {
        [PROFILE_SYSCTL] = "/etc",
        [PROFILE_TMPFILES] = "/etc/tmpfiles.d",
        [PROFILE_LIMITS] = "/etc/security/limits.d",
        [PROFILE_SERVICE] = "/etc/systemd/system",
    };
    char full[HOST_FILE_PATH_BYTES];
    struct stat status;
    return host_file_path(full, root, "%s", PLACES[file]) && stat(full, &status) == 0 &&
           S_ISDIR(status.st_mode);
}

// What limits.conf asks for, the largest number in it.
static uint64_t nofile_of(const char *text) {
    uint64_t most = 0;
    for (const char *at = text; (at = strstr(at, " nofile ")) != NULL; at++) {
        uint64_t value = strtoull(at + strlen(" nofile "), NULL, 10);
        most = value > most ? value : most;
    }
    return most;
}

// A login whose limits cannot be set is refused by PAM, root's too: nofile must not go above
// fs.nr_open, nor above what root may set here (containers take that right away).
static bool can_log_in_with(const struct apply *apply, uint64_t nofile) {
    const struct apply_value *value = lookup(apply, "fs.nr_open");
    uint64_t most[3];
    if (value == NULL || value->state == APPLY_ABSENT)
        return true;
    const char *text = value->state == APPLY_CHANGE ? value->wanted : value->current;
    if (host_file_parse_numbers(text, most) > 0 && most[0] < nofile)
        return false;
    struct rlimit limit;
    if (apply->root[0] != 0 || geteuid() != 0 || getrlimit(RLIMIT_NOFILE, &limit) < 0 ||
        limit.rlim_max >= nofile)
        return true;
    // Tried with this process's own, which it has no use for.
    limit.rlim_max = nofile;
    return setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

static bool plan_file(struct apply *apply, enum profile_file which, char *error) {
    struct apply_file *file = &apply->files[apply->file_count++];
    const char *target = profile_target(which);
    file->file = which;
    file->error = 0;
    file->state = APPLY_ABSENT;
    file->after[0] = 0;
    if (!read_before(file, apply->root, target)) {
        snprintf(error, PROFILE_ERROR_BYTES,
                 "%s%s cannot be kept (unreadable, or more than %d bytes of text): move it away "
                 "first",
                 apply->root, target, PROFILE_CONTENT_BYTES - 1);
        return false;
    }
    if (!has_place(apply->root, which))
        return true;
    if (which == PROFILE_SYSCTL)
        make_sysctl_file(apply, file);
    else
        memcpy(file->after, apply->profile->contents[which], sizeof(file->after));
    file->state = file->existed && strcmp(file->before, file->after) == 0 ? APPLY_SAME
                  : which == PROFILE_LIMITS && !can_log_in_with(apply, nofile_of(file->after))
                      ? APPLY_SKIPPED
                  : is_readonly(apply->root, "/etc") ? APPLY_READONLY
                                                     : APPLY_CHANGE;
    return true;
}

bool apply_plan(struct apply *apply, const struct profile *profile, const char *root,
                char error[PROFILE_ERROR_BYTES]) {
    apply->profile = profile;
    apply->root = root;
    apply->value_count = apply->file_count = apply->change_count = 0;
    char text[64];
    uint64_t kib[3] = {0};
    if (host_file_read_line(root, "/proc/meminfo", "MemTotal:", text, sizeof(text)))
        host_file_parse_numbers(text, kib);
    for (uint32_t i = 0; i < profile->count; i++)
        // "16 GiB" is what the shop says; the kernel keeps some of it for itself.
        plan_value(apply, &profile->settings[i], kib[0] * 1024 / 15 * 16);
    for (uint32_t i = 0; i < PROFILE_FILE_COUNT; i++)
        if (!plan_file(apply, (enum profile_file)i, error))
            return false;
    for (uint32_t i = 0; i < apply->value_count; i++)
        apply->change_count += apply->values[i].state == APPLY_CHANGE;
    for (uint32_t i = 0; i < apply->file_count; i++)
        apply->change_count += apply->files[i].state == APPLY_CHANGE;
    return true;
}

// --- print ---------------------------------------------------------------------------------------

static void print_change(FILE *out, const struct apply_value *value) {
    char name[PROFILE_KEY_BYTES];
    apply_name(value->setting, name);
    fprintf(out, "%s\n    %s -> %s\n    ", name, value->current, value->wanted);
    wrap_print(out, value->setting->why, (struct wrap){.indent = 4, .column = 4});
}

// "not here: a, b" for all values of one state; nothing where there are none.
static void print_others(FILE *out, const struct apply *apply, enum apply_state state,
                         const char *title) {
    char line[4096], name[PROFILE_KEY_BYTES];
    size_t used = (size_t)snprintf(line, sizeof(line), "%s", title);
    uint32_t count = 0;
    for (uint32_t i = 0; i < apply->value_count; i++) {
        const struct apply_value *value = &apply->values[i];
        if (value->state != state || used >= sizeof(line))
            continue;
        apply_name(value->setting, name);
        used += (size_t)snprintf(line + used, sizeof(line) - used, "%s %s%s%s%s",
                                 count++ > 0 ? "," : "", name, value->current[0] ? " (" : "",
                                 value->current, value->current[0] ? ")" : "");
    }
    if (count > 0)
        wrap_print(out, line, (struct wrap){.indent = 4});
}

static void print_file(FILE *out, const struct apply_file *file) {
    const char *target = profile_target(file->file);
    if (file->state == APPLY_CHANGE)
        fprintf(out, "%s\n    %s: %s\n", target, file->existed ? "replaced" : "new",
                profile_help(file->file));
    if (file->state == APPLY_SKIPPED) {
        fprintf(out, "%s\n    left out: ", target);
        wrap_print(out,
                   "nofile may not be set so high on this host, and a login whose limits cannot be "
                   "set is refused",
                   (struct wrap){.indent = 4, .column = 14});
    }
    if (file->state == APPLY_READONLY)
        fprintf(out, "%s\n    cannot be written here (read-only)\n", target);
}

void apply_print(FILE *out, const struct apply *apply) {
    fprintf(out, "Profile %s on this host: %u change%s\n\n", apply->profile->name,
            apply->change_count, apply->change_count == 1 ? "" : "s");
    for (uint32_t i = 0; i < apply->value_count; i++)
        if (apply->values[i].state == APPLY_CHANGE)
            print_change(out, &apply->values[i]);
    for (uint32_t i = 0; i < apply->file_count; i++)
        print_file(out, &apply->files[i]);
    if (apply->change_count > 0)
        fputc('\n', out);
    print_others(out, apply, APPLY_SAME, "As it should be, or better:");
    print_others(out, apply, APPLY_ABSENT,
                 "Not here (kernel, container or namespace has no such):");
    print_others(out, apply, APPLY_READONLY,
                 "Read-only here (set it on the container's host, or docker run --sysctl):");
    print_others(out, apply, APPLY_SKIPPED, "Left out, it is for hosts with more memory:");
}

// --- run -----------------------------------------------------------------------------------------

static void refuse(struct apply_value *value, int error, const char *now, FILE *out) {
    char name[PROFILE_KEY_BYTES];
    apply_name(value->setting, name);
    value->state = APPLY_REFUSED;
    value->error = error;
    if (error == 0)
        fprintf(out, "%s: set to %s, but reads %s\n", name, value->wanted, now);
    else if (error == EIO && strncmp(value->setting->path, "/proc/irq/", 10) == 0)
        fprintf(out, "%s: the driver places this interrupt by itself (managed)\n", name);
    else
        fprintf(out, "%s: cannot be set to %s: %s\n", name, value->wanted, strerror(error));
}

static bool run_value(struct apply *apply, struct apply_value *value, FILE *out) {
    char line[PROFILE_VALUE_BYTES + 1], now[PROFILE_VALUE_BYTES];
    snprintf(line, sizeof(line), "%s\n", value->wanted);
    int status = host_file_write_text(apply->root, value->setting->path, line, false);
    if (status < 0) {
        refuse(value, -status, "", out);
        return false;
    }
    bool is_set = read_value(apply->root, value->setting->path, now) &&
                  is_equal(value->setting, now, value->wanted);
    if (!is_set)
        refuse(value, 0, now, out);
    return is_set;
}

static bool run_file(struct apply *apply, struct apply_file *file, FILE *out) {
    const char *target = profile_target(file->file);
    if (file->file == PROFILE_LIMITS && !can_log_in_with(apply, nofile_of(file->after))) {
        file->state = APPLY_REFUSED; // fs.nr_open was to be raised first, and was refused
        fprintf(out, "%s%s: not written, nofile may not be set so high and logins would fail\n",
                apply->root, target);
        return false;
    }
    int status = host_file_make_parents(apply->root, target);
    if (status == 0)
        status = host_file_write_text(apply->root, target, file->after, true);
    if (status == 0)
        return true;
    file->state = APPLY_REFUSED;
    file->error = -status;
    fprintf(out, "%s%s: %s\n", apply->root, target, strerror(-status));
    return false;
}

uint32_t apply_run(struct apply *apply, FILE *out) {
    uint32_t refused = 0;
    for (uint32_t i = 0; i < apply->value_count; i++)
        if (apply->values[i].state == APPLY_CHANGE)
            refused += !run_value(apply, &apply->values[i], out);
    for (uint32_t i = 0; i < apply->file_count; i++)
        if (apply->files[i].state == APPLY_CHANGE)
            refused += !run_file(apply, &apply->files[i], out);
    return refused;
}
