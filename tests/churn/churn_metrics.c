#include "tests/churn/churn_metrics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define PAGE_BYTES_MAX (8 << 20)
#define TIMEOUT_S 10

char *churn_metrics_fetch(const struct sockaddr_in *control) {
    static const char request[] =
        "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    struct timeval timeout = {.tv_sec = TIMEOUT_S};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char *text = malloc(PAGE_BYTES_MAX);
    size_t used = 0;
    ssize_t size;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
    bool good = text && connect(fd, (const struct sockaddr *)control, sizeof(*control)) == 0 &&
                send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) > 0;
    while (good && (size = recv(fd, text + used, PAGE_BYTES_MAX - 1 - used, 0)) > 0)
        used += (size_t)size;
    close(fd);
    if (good)
        text[used] = '\0';
    if (good && strncmp(text, "HTTP/1.1 200", 12) == 0)
        return text;
    free(text);
    return NULL;
}

// The next line of the metric from *at on, and its value; false at the end.
static bool next_series(const char **at, const char *name, const char **line, int64_t *value) {
    size_t size = strlen(name);
    while (**at) {
        *line = *at;
        *at += strcspn(*at, "\n");
        *at += **at == '\n';
        if (strncmp(*line, name, size) != 0 || ((*line)[size] != '{' && (*line)[size] != ' '))
            continue;
        const char *space = *at - 1;
        while (space > *line && *space != ' ')
            space--;
        *value = (int64_t)strtoll(space + 1, NULL, 10);
        return true;
    }
    return false;
}

int64_t churn_metrics_sum(const char *text, const char *name) {
    const char *line;
    int64_t sum = 0, value;
    bool found = false;
    while (next_series(&text, name, &line, &value)) {
        sum += value;
        found = true;
    }
    return found ? sum : -1;
}

static void copy_line(const char *from, char *line, size_t line_size) {
    snprintf(line, line_size, "%.*s", (int)strcspn(from, "\n"), from);
}

uint32_t churn_metrics_unlike(const char *text, const char *name, int64_t expected, char *line,
                              size_t line_size) {
    const char *at;
    int64_t value;
    uint32_t count = 0;
    while (next_series(&text, name, &at, &value))
        if (value != expected && count++ == 0)
            copy_line(at, line, line_size);
    return count;
}

// A registry's table grows with its first names and stays: two registries per core, rooms and
// leaves.
#define TABLES_PER_CORE 2
#define CORES_MAX 64

uint32_t churn_metrics_leaks(const char *text, const char *before, char *line, size_t line_size) {
    const char *at;
    int64_t value, tables[CORES_MAX] = {0};
    uint32_t count = 0;
    while (next_series(&text, "fairlead_slab_used", &at, &value)) {
        char series[200];
        unsigned int core = 0;
        snprintf(series, sizeof(series), "%.*s", (int)(strcspn(at, "}") + 1), at);
        const char *was = strstr(before, series);
        int64_t beyond = value - (was ? strtoll(was + strlen(series), NULL, 10) : 0);
        bool is_block = strstr(series, "slab=\"blocks ") != NULL;
        if (beyond > 0 && is_block &&
            sscanf(series, "fairlead_slab_used{core=\"%u\"", &core) == 1 && core < CORES_MAX) {
            tables[core] += beyond;
            beyond = tables[core] - TABLES_PER_CORE;
        }
        if (beyond > 0 && count++ == 0)
            copy_line(at, line, line_size);
    }
    return count;
}
