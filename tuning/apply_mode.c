#include "tuning/apply_mode.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tuning/undo.h"

#define EXIT_OK 0
#define EXIT_VERDICT 1
#define EXIT_USAGE 2
#define UNDO_FOLDER "/var/lib/fairlead"

static int complain(const char *sentence) {
    fprintf(stderr, "fairlead tune: %s\n", sentence);
    return EXIT_USAGE;
}

// False: no, or nobody there to answer.
static bool ask(uint32_t change_count) {
    char answer[16];
    if (change_count == 1)
        fputs("Make this change? [y/N] ", stderr);
    else
        fprintf(stderr, "Make these %u changes? [y/N] ", change_count);
    fflush(stderr);
    if (fgets(answer, sizeof(answer), stdin) == NULL)
        return false;
    return answer[0] == 'y' || answer[0] == 'Y';
}

// 0, or -errno.
static int choose_undo_path(const struct tune_options *o, char path[HOST_FILE_PATH_BYTES]) {
    char name[HOST_FILE_PATH_BYTES], stamp[32];
    time_t now = time(NULL);
    struct tm utc;
    if (o->undo_file[0] != 0)
        return host_file_path(path, o->undo_file, "%s", "") ? 0 : -ENAMETOOLONG;
    strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", gmtime_r(&now, &utc));
    if (!host_file_path(name, "", UNDO_FOLDER "/undo-%s-%s.sh", o->profile, stamp) ||
        !host_file_path(path, o->root, "%s", name))
        return -ENAMETOOLONG;
    return host_file_make_parents(o->root, name);
}

static int change(const struct tune_options *o, struct apply *apply) {
    char path[HOST_FILE_PATH_BYTES], when[40];
    time_t now = time(NULL);
    struct tm utc;
    int status = choose_undo_path(o, path);
    strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S UTC", gmtime_r(&now, &utc));
    if (status == 0)
        status = undo_write(apply, path, when);
    if (status < 0) {
        fprintf(stderr,
                "fairlead tune: the undo script cannot be written to %s: %s; nothing was changed "
                "(--undo FILE names another place)\n",
                path, strerror(-status));
        return EXIT_USAGE;
    }
    printf("To take it all back: sh %s\n", path);
    fflush(stdout);
    uint32_t refused = apply_run(apply, stderr);
    printf("%u of %u changes made.\n", apply->change_count - refused, apply->change_count);
    for (uint32_t i = 0; i < apply->file_count; i++)
        if (apply->files[i].file == PROFILE_SERVICE && apply->files[i].state == APPLY_CHANGE)
            puts("For the service: systemctl daemon-reload && systemctl restart fairlead");
    if (refused > 0)
        fprintf(stderr, "fairlead tune: %u changes were refused, see above; the others hold\n",
                refused);
    return refused > 0 ? EXIT_VERDICT : EXIT_OK;
}

static int apply_profile(const struct tune_options *o, struct apply *apply) {
    apply_print(stdout, apply);
    fflush(stdout);
    if (o->is_dry_run) {
        puts("\n--dry-run: nothing was changed.");
        return EXIT_OK;
    }
    if (apply->change_count == 0) {
        puts("\nNothing to do.");
        return EXIT_OK;
    }
    if (o->root[0] == 0 && geteuid() != 0) {
        fprintf(stderr,
                "fairlead tune: only root may make these changes: sudo fairlead tune --apply %s\n",
                o->profile);
        return EXIT_VERDICT;
    }
    putchar('\n');
    fflush(stdout);
    if (!o->says_yes && !isatty(STDIN_FILENO))
        return complain("nobody is there to be asked; --yes agrees, --dry-run only shows");
    if (!o->says_yes && !ask(apply->change_count)) {
        puts("Nothing was changed.");
        return EXIT_VERDICT;
    }
    return change(o, apply);
}

int apply_mode_run(const struct tune_options *o) {
    struct profile *profile = calloc(1, sizeof(*profile));
    struct apply *apply = calloc(1, sizeof(*apply));
    CHECKF(profile != NULL && apply != NULL, "no memory for %zu bytes",
           sizeof(*profile) + sizeof(*apply));
    char folder[HOST_FILE_PATH_BYTES], error[PROFILE_ERROR_BYTES];
    bool is_ready = profile_find_folder(o->profiles, folder, error) &&
                    profile_load(profile, folder, o->profile, o->root, error) &&
                    profile_load_cards(profile, o->root, error) &&
                    apply_plan(apply, profile, o->root, error);
    int code = is_ready ? apply_profile(o, apply) : complain(error);
    free(apply);
    free(profile);
    return code;
}
