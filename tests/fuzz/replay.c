// Runs one fuzz target over the files of a folder without libFuzzer: each input in a child process,
// so that one that crashes is named and the others still run. Prints `<passed> <failed>`.
//
// usage: <target> FOLDER
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#define INPUT_BYTES_MAX (1 << 20)

static bool input_passes(const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file)
        return false;
    uint8_t *read = malloc(INPUT_BYTES_MAX);
    CHECK(read != NULL);
    size_t size = fread(read, 1, INPUT_BYTES_MAX, file);
    fclose(file);
    uint8_t *exact = fuzz_copy(bytes_of(read, size));
    free(read);
    pid_t child = fork();
    if (child == 0) {
        LLVMFuzzerTestOneInput(exact, size);
        _exit(0);
    }
    free(exact);
    int status = 1;
    return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

int main(int argc, char **argv) {
    DIR *folder = argc == 2 ? opendir(argv[1]) : NULL;
    if (!folder) {
        fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
        return 2;
    }
    unsigned passed = 0, failed = 0;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        if (entry->d_name[0] == '.')
            continue;
        char path[4096];
        snprintf(path, sizeof(path), "%s/%s", argv[1], entry->d_name);
        if (input_passes(path)) {
            passed++;
        } else {
            failed++;
            fprintf(stderr, "FAILED %s\n", path);
        }
    }
    closedir(folder);
    printf("%u %u\n", passed, failed);
    return failed ? 1 : 0;
}
