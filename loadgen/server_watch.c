#include "loadgen/server_watch.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define INODES_MAX 64 // sockets that listen on one port: SO_REUSEPORT has one per scheduler
#define TCP_STATE_LISTEN 0x0A
#define PATH_BYTES 320

struct inodes {
    uint64_t list[INODES_MAX];
    uint32_t count;
};

// A row of /proc/net/tcp: "  0: 0100007F:1F90 00000000:0000 0A … uid timeout inode".
static void take_row(const char *row, uint16_t port, struct inodes *inodes) {
    unsigned row_port, state;
    unsigned long long inode;
    if (sscanf(row, " %*[0-9]: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x %*s %*s %*s %*s %*s %llu",
               &row_port, &state, &inode) == 3 &&
        row_port == port && state == TCP_STATE_LISTEN && inode != 0 && inodes->count < INODES_MAX)
        inodes->list[inodes->count++] = inode;
}

static void read_sockets(const char *proc, const char *file, uint16_t port, struct inodes *inodes) {
    char path[PATH_BYTES], row[512];
    snprintf(path, sizeof(path), "%s/net/%s", proc, file);
    FILE *in = fopen(path, "re");
    if (in == NULL)
        return;
    while (fgets(row, sizeof(row), in) != NULL)
        take_row(row, port, inodes);
    fclose(in);
}

static bool is_one_of(const char *link, const struct inodes *inodes) {
    unsigned long long inode;
    if (sscanf(link, "socket:[%llu]", &inode) != 1)
        return false;
    for (uint32_t i = 0; i < inodes->count; i++)
        if (inodes->list[i] == inode)
            return true;
    return false;
}

// True when a descriptor of the process is one of the sockets. Those of other users are not read.
static bool process_holds(const char *proc, const char *pid, const struct inodes *inodes) {
    char path[PATH_BYTES], link[64];
    snprintf(path, sizeof(path), "%s/%s/fd", proc, pid);
    DIR *folder = opendir(path);
    if (folder == NULL)
        return false;
    bool holds = false;
    for (struct dirent *entry; !holds && (entry = readdir(folder)) != NULL;) {
        ssize_t size = readlinkat(dirfd(folder), entry->d_name, link, sizeof(link) - 1);
        if (size <= 0)
            continue;
        link[size] = 0;
        holds = is_one_of(link, inodes);
    }
    closedir(folder);
    return holds;
}

uint32_t server_watch_find_listeners(const char *proc, uint16_t port, pid_t *pids,
                                     uint32_t pid_max) {
    struct inodes inodes = {.count = 0};
    read_sockets(proc, "tcp", port, &inodes);
    read_sockets(proc, "tcp6", port, &inodes);
    DIR *folder = inodes.count > 0 ? opendir(proc) : NULL;
    uint32_t count = 0;
    if (folder == NULL)
        return 0;
    for (struct dirent *entry; count < pid_max && (entry = readdir(folder)) != NULL;)
        if (isdigit((unsigned char)entry->d_name[0]) && process_holds(proc, entry->d_name, &inodes))
            pids[count++] = (pid_t)strtol(entry->d_name, NULL, 10);
    closedir(folder);
    return count;
}

static uint16_t port_of(const struct sockaddr *address) {
    if (address->sa_family == AF_INET)
        return ntohs(((const struct sockaddr_in *)(const void *)address)->sin_port);
    if (address->sa_family == AF_INET6)
        return ntohs(((const struct sockaddr_in6 *)(const void *)address)->sin6_port);
    return 0;
}

static bool is_same_host(const struct sockaddr *a, const struct sockaddr *b) {
    if (a->sa_family != b->sa_family)
        return false;
    if (a->sa_family == AF_INET)
        return memcmp(&((const struct sockaddr_in *)(const void *)a)->sin_addr,
                      &((const struct sockaddr_in *)(const void *)b)->sin_addr,
                      sizeof(struct in_addr)) == 0;
    return a->sa_family == AF_INET6 &&
           memcmp(&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr,
                  &((const struct sockaddr_in6 *)(const void *)b)->sin6_addr,
                  sizeof(struct in6_addr)) == 0;
}

bool server_watch_is_loopback(const struct sockaddr *address) {
    if (address->sa_family == AF_INET)
        return ntohl(((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr) >> 24 ==
               127;
    return address->sa_family == AF_INET6 &&
           IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)(const void *)address)->sin6_addr);
}

bool server_watch_is_here(const struct sockaddr *address) {
    if (server_watch_is_loopback(address))
        return true;
    struct ifaddrs *all = NULL;
    if (getifaddrs(&all) != 0)
        return false;
    bool is_here = false;
    for (const struct ifaddrs *one = all; one != NULL && !is_here; one = one->ifa_next)
        is_here = one->ifa_addr != NULL && is_same_host(one->ifa_addr, address);
    freeifaddrs(all);
    return is_here;
}

void server_watch_init(struct server_watch *w, const struct server_watch_asked *asked,
                       uint64_t now_ns) {
    *w = (struct server_watch){.source = SERVER_WATCH_NONE};
    process_watch_init(&w->processes, asked->proc);
    if (asked->option_pid != 0) {
        if (process_watch_add(&w->processes, asked->option_pid, now_ns))
            w->source = SERVER_WATCH_OPTION;
        return;
    }
    if (!server_watch_is_here(asked->target))
        return;
    if (asked->control_pid != 0 && process_watch_add(&w->processes, asked->control_pid, now_ns)) {
        w->source = SERVER_WATCH_CONTROL;
        return;
    }
    pid_t pids[PROCESS_WATCH_PIDS_MAX];
    uint32_t count = server_watch_find_listeners(asked->proc, port_of(asked->target), pids,
                                                 PROCESS_WATCH_PIDS_MAX);
    for (uint32_t i = 0; i < count; i++)
        if (process_watch_add(&w->processes, pids[i], now_ns))
            w->source = SERVER_WATCH_LISTENER;
}

const char *server_watch_source_name(enum server_watch_source source) {
    static const char *const names[] = {
        [SERVER_WATCH_NONE] = "",
        [SERVER_WATCH_OPTION] = "--server-pid",
        [SERVER_WATCH_CONTROL] = "its control plane",
        [SERVER_WATCH_LISTENER] = "its listener",
    };
    return names[source];
}
