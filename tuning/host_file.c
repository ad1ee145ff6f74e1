#include "tuning/host_file.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool host_file_path(char path[HOST_FILE_PATH_BYTES], const char *root, const char *format, ...) {
    int used = snprintf(path, HOST_FILE_PATH_BYTES, "%s", root);
    if (used < 0 || used >= HOST_FILE_PATH_BYTES)
        return false;
    va_list arguments;
    va_start(arguments, format);
    int more = vsnprintf(path + used, (size_t)(HOST_FILE_PATH_BYTES - used), format, arguments);
    va_end(arguments);
    return more >= 0 && more < HOST_FILE_PATH_BYTES - used;
}

FILE *host_file_open(const char *root, const char *path) {
    char full[HOST_FILE_PATH_BYTES];
    return host_file_path(full, root, "%s", path) ? fopen(full, "re") : NULL;
}

// What the kernel says is ASCII; what else a file may hold is no part of a report.
static void make_plain(char *text) {
    for (; *text != 0; text++)
        if ((*text & 0x80) != 0 || (*text < ' ' && !isspace((unsigned char)*text)))
            *text = '?';
}

bool host_file_read_text(const char *root, const char *path, char *text, size_t text_size) {
    text[0] = 0;
    FILE *file = host_file_open(root, path);
    if (file == NULL)
        return false;
    size_t size = fread(text, 1, text_size - 1, file);
    bool is_read = size > 0 || !ferror(file); // some of /sys opens, and then refuses to be read
    fclose(file);
    while (size > 0 && isspace((unsigned char)text[size - 1]))
        size--;
    text[size] = 0;
    make_plain(text);
    return is_read;
}

uint32_t host_file_parse_numbers(const char *text, uint64_t numbers[3]) {
    uint32_t count = 0;
    while (count < 3) {
        text += strspn(text, " \t\n");
        size_t size = strcspn(text, " \t\n");
        if ((size == 3 && strncmp(text, "max", 3) == 0) ||
            (size == 9 && strncmp(text, "unlimited", 9) == 0) ||
            (size == 2 && strncmp(text, "-1", 2) == 0)) {
            numbers[count++] = HOST_FILE_UNLIMITED;
            text += size;
            continue;
        }
        char *end = NULL;
        if (!isdigit((unsigned char)*text))
            return count;
        numbers[count++] = strtoull(text, &end, 10);
        text = end;
    }
    return count;
}

uint32_t host_file_read_numbers(const char *root, const char *path, uint64_t numbers[3]) {
    char text[128];
    return host_file_read_text(root, path, text, sizeof(text))
               ? host_file_parse_numbers(text, numbers)
               : 0;
}

bool host_file_read_number(const char *root, const char *path, uint64_t *number) {
    uint64_t numbers[3];
    if (host_file_read_numbers(root, path, numbers) == 0)
        return false;
    *number = numbers[0];
    return true;
}

bool host_file_read_line(const char *root, const char *path, const char *prefix, char *text,
                         size_t text_size) {
    char *line = NULL;
    size_t capacity = 0, prefix_size = strlen(prefix);
    bool is_found = false;
    text[0] = 0;
    FILE *file = host_file_open(root, path);
    while (file != NULL && !is_found && getline(&line, &capacity, file) > 0)
        is_found = strncmp(line, prefix, prefix_size) == 0;
    if (is_found) {
        const char *rest = line + prefix_size + strspn(line + prefix_size, " \t");
        snprintf(text, text_size, "%.*s", (int)strcspn(rest, "\n"), rest);
        make_plain(text);
    }
    free(line);
    if (file != NULL)
        fclose(file);
    return is_found;
}

int host_file_write_text(const char *root, const char *path, const char *text, bool create) {
    char full[HOST_FILE_PATH_BYTES];
    if (!host_file_path(full, root, "%s", path))
        return -ENAMETOOLONG;
    int fd = open(full, O_WRONLY | O_TRUNC | O_CLOEXEC | (create ? O_CREAT : 0), 0644);
    if (fd < 0)
        return -errno;
    size_t size = strlen(text);
    int status = 0;
    // /proc and /sys take a value in one write or not at all.
    for (size_t at = 0; at < size && status == 0;) {
        ssize_t written = write(fd, text + at, size - at);
        if (written < 0 && errno != EINTR)
            status = -errno;
        at += written > 0 ? (size_t)written : 0;
    }
    if (close(fd) < 0 && status == 0)
        status = -errno;
    return status;
}

int host_file_make_parents(const char *root, const char *path) {
    char full[HOST_FILE_PATH_BYTES];
    if (!host_file_path(full, root, "%s", path))
        return -ENAMETOOLONG;
    for (char *slash = strchr(full + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        if (mkdir(full, 0755) < 0 && errno != EEXIST)
            return -errno;
        *slash = '/';
    }
    return 0;
}
