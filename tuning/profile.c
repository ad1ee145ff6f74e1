#include "tuning/profile.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <glob.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sched/base/nearest.h"
#include "tuning/shell.h"

struct file_row {
    const char *source;
    const char *target;
    const char *help;
};

static const struct file_row FILES[PROFILE_FILE_COUNT] = {
    [PROFILE_SYSCTL] = {"sysctl.conf", "/etc/sysctl.d/60-fairlead.conf", "values at every boot"},
    [PROFILE_TMPFILES] = {"tmpfiles.conf", "/etc/tmpfiles.d/60-fairlead.conf",
                          "values of /sys at every boot"},
    [PROFILE_LIMITS] = {"limits.conf", "/etc/security/limits.d/60-fairlead.conf",
                        "limits of new logins"},
    [PROFILE_SERVICE] = {"service.conf", "/etc/systemd/system/fairlead.service.d/60-tune.conf",
                         "drop-in of fairlead.service"},
};

const char *profile_target(enum profile_file file) {
    return FILES[file].target;
}

const char *profile_help(enum profile_file file) {
    return FILES[file].help;
}

PRINTF_LIKE(2, 3)
static bool fail(char error[PROFILE_ERROR_BYTES], const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error, PROFILE_ERROR_BYTES, format, arguments);
    va_end(arguments);
    return false;
}

// --- values --------------------------------------------------------------------------------------

void profile_normalize(const char *text, char normal[PROFILE_VALUE_BYTES]) {
    size_t used = 0;
    for (; *text != 0 && used + 2 < PROFILE_VALUE_BYTES; text++) {
        if (!isspace((unsigned char)*text))
            normal[used++] = *text;
        else if (used > 0 && normal[used - 1] != ' ')
            normal[used++] = ' ';
    }
    while (used > 0 && normal[used - 1] == ' ')
        used--;
    normal[used] = 0;
}

static bool is_numbers(const char *text) {
    return text[0] != 0 && strspn(text, "0123456789 ") == strlen(text);
}

void profile_wanted(const struct profile_setting *setting, const char *current,
                    char wanted[PROFILE_VALUE_BYTES]) {
    uint64_t have[3] = {0}, want[3] = {0};
    snprintf(wanted, PROFILE_VALUE_BYTES, "%s", setting->value);
    if (setting->rule == PROFILE_EXACTLY || !is_numbers(current) || !is_numbers(setting->value))
        return;
    uint32_t count = host_file_parse_numbers(current, have);
    if (count == 0 || count != host_file_parse_numbers(setting->value, want))
        return;
    size_t used = 0;
    for (uint32_t i = 0; i < count; i++) {
        bool keeps = setting->rule == PROFILE_AT_LEAST ? have[i] > want[i] : have[i] < want[i];
        used += (size_t)snprintf(wanted + used, PROFILE_VALUE_BYTES - used, "%s%" PRIu64,
                                 i > 0 ? " " : "", keeps ? have[i] : want[i]);
    }
}

// --- one file ------------------------------------------------------------------------------------

// The fields above a value: "# why: …", continued by lines that begin with blanks.
struct fields {
    char why[PROFILE_TEXT_BYTES];
    char rule[32];
    char when[64];
    char *open; // the one that a next line continues, NULL: none of those kept
    size_t open_size;
};

static bool begin_field(struct fields *fields, const char *line, const char *name, char *field,
                        size_t field_size) {
    size_t size = strlen(name);
    if (strncmp(line, name, size) != 0 || line[size] != ':')
        return false;
    line += size + 1;
    snprintf(field, field_size, "%s", line + strspn(line, " "));
    fields->open = field;
    fields->open_size = field_size;
    return true;
}

// A comment's line without "#" and the blank after it.
static void take_comment(struct fields *fields, const char *line) {
    if (line[0] == ' ' && fields->open != NULL) { // continued
        size_t used = strlen(fields->open);
        snprintf(fields->open + used, fields->open_size - used, " %s", line + strspn(line, " "));
        return;
    }
    fields->open = NULL;
    if (!begin_field(fields, line, "why", fields->why, sizeof(fields->why)) &&
        !begin_field(fields, line, "rule", fields->rule, sizeof(fields->rule)))
        begin_field(fields, line, "when", fields->when, sizeof(fields->when));
}

static bool decode_rule(const char *text, enum profile_rule *rule) {
    static const char *const RULES[] = {"exactly", "at least", "at most"};
    if (text[0] == 0)
        return true;
    for (uint32_t i = 0; i < 3; i++)
        if (strcmp(text, RULES[i]) == 0) {
            *rule = (enum profile_rule)i;
            return true;
        }
    return false;
}

static bool decode_when(const char *text, uint64_t *memory_bytes_min) {
    uint64_t gib = 0;
    int end = 0;
    if (text[0] == 0)
        return true;
    if (sscanf(text, "memory >= %" SCNu64 " GiB%n", &gib, &end) != 1 || text[end] != 0)
        return false;
    *memory_bytes_min = gib << 30;
    return true;
}

struct place {
    const char *file;
    uint32_t line;
};

static struct profile_setting *add_setting(struct profile *profile, char *error) {
    if (profile->count == PROFILE_SETTINGS_MAX) {
        fail(error, "more than %d settings", PROFILE_SETTINGS_MAX);
        return NULL;
    }
    struct profile_setting *setting = &profile->settings[profile->count++];
    *setting = (struct profile_setting){0};
    return setting;
}

static bool fill_setting(struct profile_setting *setting, const struct fields *fields,
                         struct place place, char *error) {
    snprintf(setting->why, sizeof(setting->why), "%s", fields->why);
    if (fields->why[0] == 0)
        return fail(error, "%s:%u: a value without its reason: want a line `# why: …` above it",
                    place.file, place.line);
    if (!decode_rule(fields->rule, &setting->rule))
        return fail(error, "%s:%u: rule: want exactly, at least or at most, not '%s'", place.file,
                    place.line, fields->rule);
    if (!decode_when(fields->when, &setting->memory_bytes_min))
        return fail(error, "%s:%u: when: want `memory >= N GiB`, not '%s'", place.file, place.line,
                    fields->when);
    return true;
}

// "net.core.somaxconn = 65535"
static bool decode_pair(struct profile *profile, char *line, const struct fields *fields,
                        struct place place, char *error) {
    char *equals = strchr(line, '=');
    if (equals == NULL)
        return fail(error, "%s:%u: want `name = value`, not '%s'", place.file, place.line, line);
    *equals = 0;
    char key[PROFILE_VALUE_BYTES], value[PROFILE_VALUE_BYTES];
    profile_normalize(line, key);
    profile_normalize(equals + 1, value);
    if (key[0] == 0 || value[0] == 0 || strpbrk(key, " /") != NULL || strstr(key, "..") != NULL)
        return fail(error, "%s:%u: want `name = value`, not '%s=%s'", place.file, place.line, line,
                    equals + 1);
    for (char *dot = strchr(key, '.'); dot != NULL; dot = strchr(dot, '.'))
        *dot = '/';
    struct profile_setting *setting = add_setting(profile, error);
    if (setting == NULL)
        return false;
    setting->is_sysctl = true;
    snprintf(setting->path, sizeof(setting->path), "/proc/sys/%s", key);
    snprintf(setting->value, sizeof(setting->value), "%s", value);
    return fill_setting(setting, fields, place, error);
}

// "w /sys/… - - - - value": a setting for each file that the pattern finds.
static bool decode_write(struct profile *profile, char *line, const struct fields *fields,
                         struct place place, const char *root, char *error) {
    char pattern[PROFILE_KEY_BYTES], value[PROFILE_VALUE_BYTES], full[HOST_FILE_PATH_BYTES];
    if (sscanf(line, "w %255s - - - - %159[^\n]", pattern, value) != 2 ||
        strncmp(pattern, "/sys/", 5) != 0 || strstr(pattern, "..") != NULL)
        return fail(error, "%s:%u: want `w /sys/FILE - - - - VALUE`, not '%s'", place.file,
                    place.line, line);
    glob_t found = {0};
    if (!host_file_path(full, root, "%s", pattern) || glob(full, 0, NULL, &found) != 0)
        found.gl_pathc = 0;
    bool is_ok = true;
    for (size_t i = 0; i < found.gl_pathc && is_ok; i++) {
        struct profile_setting *setting = add_setting(profile, error);
        is_ok = setting != NULL;
        if (!is_ok)
            break;
        snprintf(setting->path, sizeof(setting->path), "%s", found.gl_pathv[i] + strlen(root));
        snprintf(setting->value, sizeof(setting->value), "%s", value);
        is_ok = fill_setting(setting, fields, place, error);
    }
    globfree(&found);
    return is_ok;
}

static bool decode_lines(struct profile *profile, const char *file, const char *text,
                         const char *root, char *error) {
    struct fields fields = {0};
    struct place place = {file, 0};
    while (*text != 0) {
        char line[512];
        size_t size = strcspn(text, "\n");
        place.line++;
        if (size >= sizeof(line))
            return fail(error, "%s:%u: a line of more than %zu bytes", file, place.line,
                        sizeof(line) - 1);
        memcpy(line, text, size);
        line[size] = 0;
        text += size + (text[size] == '\n');
        if (line[0] == '#') {
            take_comment(&fields, line + 1 + (line[1] == ' '));
            continue;
        }
        if (line[strspn(line, " \t")] != 0 &&
            !(root ? decode_write(profile, line, &fields, place, root, error)
                   : decode_pair(profile, line, &fields, place, error)))
            return false;
        fields = (struct fields){0};
    }
    return true;
}

bool profile_decode_sysctl(struct profile *profile, const char *file, const char *text,
                           char error[PROFILE_ERROR_BYTES]) {
    return decode_lines(profile, file, text, NULL, error);
}

// --- folders -------------------------------------------------------------------------------------

// A folder is one of profiles when it has these.
static bool is_profiles(const char *folder) {
    char path[HOST_FILE_PATH_BYTES];
    return host_file_path(path, folder, "/irq.sh") && access(path, R_OK) == 0;
}

bool profile_find_folder(const char *given, char folder[HOST_FILE_PATH_BYTES],
                         char error[PROFILE_ERROR_BYTES]) {
    static const char *const BESIDE[] = {
        "/../share/fairlead/profiles", // PREFIX/bin/fairlead-tune
        "/../../tuning/profiles",      // build/release/fairlead-tune
    };
    char program[PATH_MAX];
    if (given[0] != 0) {
        if (is_profiles(given) && host_file_path(folder, given, "%s", ""))
            return true;
        return fail(error, "--profiles %s: there are no profiles (no irq.sh)", given);
    }
    ssize_t size = readlink("/proc/self/exe", program, sizeof(program) - 1);
    program[size > 0 ? size : 0] = 0;
    char *slash = strrchr(program, '/');
    if (slash != NULL)
        *slash = 0;
    for (size_t i = 0; i < sizeof(BESIDE) / sizeof(BESIDE[0]); i++)
        if (host_file_path(folder, program, "%s", BESIDE[i]) && is_profiles(folder))
            return true;
    return fail(error, "no profiles beside %s; --profiles DIR names their folder", program);
}

// The nearest of the folders that have a sysctl.conf, and all of them.
static bool refuse_name(const char *folder, const char *name, char *error) {
    char all[256] = "", best[64] = "chat", path[HOST_FILE_PATH_BYTES];
    DIR *entries = opendir(folder);
    for (struct dirent *entry = entries ? readdir(entries) : NULL; entry != NULL;
         entry = readdir(entries)) {
        if (entry->d_name[0] == '.' || strlen(entry->d_name) >= sizeof(best) ||
            !host_file_path(path, folder, "/%s/sysctl.conf", entry->d_name) ||
            access(path, R_OK) != 0)
            continue;
        size_t used = strlen(all);
        snprintf(all + used, sizeof(all) - used, "%s%.63s", used ? ", " : "", entry->d_name);
        if (nearest_distance(name, entry->d_name) < nearest_distance(name, best))
            snprintf(best, sizeof(best), "%.63s", entry->d_name);
    }
    if (entries != NULL)
        closedir(entries);
    return fail(error, "no profile '%s'; did you mean %s? (there are %s)", name, best, all);
}

bool profile_load(struct profile *profile, const char *folder, const char *name, const char *root,
                  char error[PROFILE_ERROR_BYTES]) {
    char path[HOST_FILE_PATH_BYTES];
    *profile = (struct profile){.name = name};
    if (!host_file_path(profile->folder, folder, "%s", ""))
        return fail(error, "the folder's name is too long");
    if (name[0] == 0 || strpbrk(name, "/.") != NULL ||
        !host_file_path(path, folder, "/%s/sysctl.conf", name) || access(path, R_OK) != 0)
        return refuse_name(folder, name, error);
    for (uint32_t i = 0; i < PROFILE_FILE_COUNT; i++) {
        char *text = profile->contents[i];
        if (!host_file_path(path, folder, "/%s/%s", name, FILES[i].source))
            return fail(error, "the folder's name is too long");
        FILE *file = fopen(path, "re");
        if (file == NULL)
            return fail(error, "%s: %s", path, strerror(errno));
        size_t size = fread(text, 1, PROFILE_CONTENT_BYTES, file);
        fclose(file);
        if (size == PROFILE_CONTENT_BYTES)
            return fail(error, "%s: more than %d bytes", path, PROFILE_CONTENT_BYTES - 1);
        text[size] = 0;
        if (i == PROFILE_SYSCTL && !decode_lines(profile, path, text, NULL, error))
            return false;
        if (i == PROFILE_TMPFILES && !decode_lines(profile, path, text, root, error))
            return false;
    }
    return true;
}

// irq.sh's line: file, value, reason, tabs between them.
static bool take_plan(struct profile *profile, char *line, char *error) {
    char *save = NULL;
    const char *path = strtok_r(line, "\t\n", &save);
    const char *value = strtok_r(NULL, "\t\n", &save);
    const char *why = strtok_r(NULL, "\t\n", &save);
    bool is_ours =
        why != NULL && strstr(path, "..") == NULL &&
        (strncmp(path, "/proc/irq/", 10) == 0 || strncmp(path, "/sys/class/net/", 15) == 0);
    if (!is_ours)
        return fail(error, "irq.sh: not a line of a plan: %s", line);
    struct profile_setting *setting = add_setting(profile, error);
    if (setting == NULL)
        return false;
    snprintf(setting->path, sizeof(setting->path), "%s", path);
    snprintf(setting->value, sizeof(setting->value), "%s", value);
    snprintf(setting->why, sizeof(setting->why), "%s", why);
    return true;
}

bool profile_load_cards(struct profile *profile, const char *root,
                        char error[PROFILE_ERROR_BYTES]) {
    char script[HOST_FILE_PATH_BYTES], quoted[SHELL_WORD_BYTES], prefix[SHELL_WORD_BYTES];
    char command[2 * SHELL_WORD_BYTES + 64], line[1024];
    if (!host_file_path(script, profile->folder, "/irq.sh") || !shell_quote(script, quoted) ||
        !shell_quote(root, prefix))
        return fail(error, "the folder's name is too long");
    snprintf(command, sizeof(command), "FAIRLEAD_ROOT=%s exec sh %s plan", prefix, quoted);
    FILE *plan = popen(command, "re");
    if (plan == NULL)
        return fail(error, "irq.sh: %s", strerror(errno));
    bool is_ok = true;
    while (is_ok && fgets(line, sizeof(line), plan))
        is_ok = take_plan(profile, line, error);
    int status = pclose(plan);
    if (is_ok && status != 0)
        return fail(error, "irq.sh plan failed (exit status %d)", status);
    return is_ok;
}
