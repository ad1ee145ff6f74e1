#include "tuning/undo.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "tuning/shell.h"

static bool print_call(FILE *out, const char *function, const char *root, const char *path,
                       const char *text) {
    char full[HOST_FILE_PATH_BYTES], file[SHELL_WORD_BYTES], value[SHELL_WORD_BYTES];
    if (!host_file_path(full, root, "%s", path) || !shell_quote(full, file) ||
        !shell_quote(text, value))
        return false;
    fprintf(out, "%s %s %s\n", function, file, value);
    return true;
}

static bool print_value(FILE *out, const struct apply *apply, const struct apply_value *value) {
    return value->state != APPLY_CHANGE ||
           print_call(out, "set_value", apply->root, value->setting->path, value->current);
}

// Single quotes are all that a text between single quotes must not have.
static void print_quoted(FILE *out, const char *text) {
    fputc('\'', out);
    for (; *text != 0; text++)
        if (*text == '\'')
            fputs("'\\''", out);
        else
            fputc(*text, out);
    fputs("'\n", out);
}

static bool print_file(FILE *out, const struct apply *apply, const struct apply_file *file) {
    char full[HOST_FILE_PATH_BYTES], quoted[SHELL_WORD_BYTES];
    if (file->state != APPLY_CHANGE)
        return true;
    if (!host_file_path(full, apply->root, "%s", profile_target(file->file)) ||
        !shell_quote(full, quoted))
        return false;
    fprintf(out, "%s %s ", file->existed ? "put_file" : "remove_file", quoted);
    if (file->existed)
        print_quoted(out, file->before);
    else
        fputc('\n', out);
    // The drop-in's folder is this service's own.
    char *slash = strrchr(full, '/');
    if (file->file == PROFILE_SERVICE && !file->existed && slash != NULL) {
        *slash = 0;
        if (!shell_quote(full, quoted))
            return false;
        fprintf(out, "remove_empty %s\n", quoted);
    }
    return true;
}

static bool print_script(FILE *out, const struct apply *apply, const char *when) {
    fprintf(
        out,
        "#!/bin/sh\n"
        "# Takes back `fairlead tune --apply %s` of %s:\n"
        "# every value and file as it was before. Run as root: sh FILE\n"
        "status=0\n"
        "refuse() { echo \"undo: $1\" >&2; status=1; }\n"
        "set_value() { { printf '%%s\\n' \"$2\" >\"$1\"; } 2>/dev/null || refuse \"cannot set $1 "
        "to $2\"; }\n"
        "put_file() { { printf '%%s' \"$2\" >\"$1\"; } 2>/dev/null || refuse \"cannot write $1\"; "
        "}\n"
        "remove_file() { rm -f \"$1\" || refuse \"cannot remove $1\"; }\n\n",
        apply->profile->name, when);
    bool is_ok = true;
    for (uint32_t i = apply->file_count; i-- > 0;)
        is_ok &= print_file(out, apply, &apply->files[i]);
    for (uint32_t i = apply->value_count; i-- > 0;)
        is_ok &= print_value(out, apply, &apply->values[i]);
    fputs("\n[ $status -eq 0 ] && echo \"undo: all is as it was before\"\nexit $status\n", out);
    return is_ok;
}

int undo_write(const struct apply *apply, const char *path, const char *when) {
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0700);
    if (fd < 0)
        return -errno;
    FILE *out = fdopen(fd, "w");
    if (out == NULL) {
        int status = -errno;
        close(fd);
        return status;
    }
    errno = 0;
    int status = print_script(out, apply, when) ? 0 : -ENAMETOOLONG;
    if ((fflush(out) != 0 || fsync(fd) < 0) && status == 0)
        status = errno ? -errno : -EIO;
    if (fclose(out) != 0 && status == 0)
        status = -errno;
    // Half a script is worse than none.
    if (status < 0)
        unlink(path);
    return status;
}
