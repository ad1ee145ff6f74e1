// A listening socket has an inode (/proc/net/tcp), and whoever has a descriptor of that inode holds
// the port.
#include "gateway/host_port.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define INODES_MAX 64
#define BIND_TRIES 20
#define BIND_PAUSE_MS 50
#define TCP_STATE_LISTEN 0x0a // net/tcp_states.h
#define PATH_SIZE 512

struct inodes {
    uint64_t values[INODES_MAX];
    uint32_t count;
};

// The kernel prints an address as 32-bit words in host order, so words read back as they are in
// memory.
static bool ip_decode(const char *hex, uint8_t ip[16]) {
    size_t words = strspn(hex, "0123456789ABCDEF") / 8;
    uint32_t parsed[4];
    if (words != 1 && words != 4)
        return false;
    for (size_t i = 0; i < words; i++)
        if (sscanf(hex + i * 8, "%8" SCNx32, &parsed[i]) != 1)
            return false;
    memset(ip, 0, 10);
    memset(ip + 10, 0xff, 2);
    memcpy(words == 1 ? ip + 12 : ip, parsed, words * 4);
    return true;
}

static bool is_wildcard(const uint8_t ip[16]) {
    static const uint8_t v6[16], v4[16] = {[10] = 0xff, [11] = 0xff};
    return memcmp(ip, v6, 16) == 0 || memcmp(ip, v4, 16) == 0;
}

// sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode
static void inodes_read(const char *path, const struct config_address *address,
                        struct inodes *inodes) {
    char line[PATH_SIZE], local[40];
    uint32_t port, state;
    uint64_t inode;
    FILE *file = fopen(path, "re");
    while (file && inodes->count < INODES_MAX && fgets(line, sizeof(line), file)) {
        uint8_t ip[16];
        if (sscanf(line,
                   " %*d: %36[0-9A-F]:%" SCNx32 " %*36[0-9A-F]:%*x %" SCNx32
                   " %*s %*s %*s %*d %*d %" SCNu64,
                   local, &port, &state, &inode) != 4)
            continue;
        if (state != TCP_STATE_LISTEN || port != address->port || !ip_decode(local, ip))
            continue;
        if (memcmp(ip, address->ip, 16) == 0 || is_wildcard(ip) || is_wildcard(address->ip))
            inodes->values[inodes->count++] = inode;
    }
    if (file)
        fclose(file);
}

static bool inodes_has(const struct inodes *inodes, const char *link) {
    uint64_t inode;
    if (sscanf(link, "socket:[%" SCNu64 "]", &inode) != 1)
        return false;
    for (uint32_t i = 0; i < inodes->count; i++)
        if (inodes->values[i] == inode)
            return true;
    return false;
}

static bool process_holds(const char *pid, const struct inodes *inodes) {
    char path[PATH_SIZE], link[64];
    snprintf(path, sizeof(path), "/proc/%.20s/fd", pid);
    DIR *directory = opendir(path);
    bool holds = false;
    struct dirent *entry;
    while (directory && !holds && (entry = readdir(directory))) {
        snprintf(path, sizeof(path), "/proc/%.20s/fd/%.20s", pid, entry->d_name);
        ssize_t size = readlink(path, link, sizeof(link) - 1);
        if (size > 0) {
            link[size] = '\0';
            holds = inodes_has(inodes, link);
        }
    }
    if (directory)
        closedir(directory);
    return holds;
}

static void process_name(const char *pid, char *name, size_t size) {
    char path[PATH_SIZE];
    snprintf(path, sizeof(path), "/proc/%.20s/comm", pid);
    FILE *file = fopen(path, "re");
    if (!file || !fgets(name, (int)size, file))
        snprintf(name, size, "a process");
    name[strcspn(name, "\n")] = '\0';
    if (file)
        fclose(file);
}

const char *host_port_holder(const struct config_address *address, char *text, size_t text_size) {
    struct inodes inodes = {0};
    inodes_read("/proc/net/tcp", address, &inodes);
    inodes_read("/proc/net/tcp6", address, &inodes);
    if (inodes.count == 0) {
        snprintf(text, text_size,
                 "a socket that does not listen (any more): try again in a minute");
        return text;
    }
    bool found = false;
    DIR *processes = opendir("/proc");
    struct dirent *entry;
    while (processes && !found && (entry = readdir(processes))) {
        char name[64];
        if (!isdigit((unsigned char)entry->d_name[0]) || !process_holds(entry->d_name, &inodes))
            continue;
        process_name(entry->d_name, name, sizeof(name));
        snprintf(text, text_size, "%s (pid %.20s)", name, entry->d_name);
        found = true;
    }
    if (processes)
        closedir(processes);
    if (!found)
        snprintf(text, text_size, "a process of another user or container (try `sudo ss -ltnp`)");
    return text;
}

void host_port_explain(const char *option, const struct config_address *address, int code,
                       char *error) {
    char text[CONFIG_ADDRESS_TEXT_SIZE], holder[160];
    config_address_encode(address, text);
    if (code == EADDRINUSE)
        snprintf(error, HOST_PORT_ERROR_SIZE,
                 "--%s %s is in use by %s; stop that or choose another port with --%s", option,
                 text, host_port_holder(address, holder, sizeof(holder)), option);
    else if (code == EACCES)
        snprintf(error, HOST_PORT_ERROR_SIZE,
                 "--%s %s may not be bound: ports below net.ipv4.ip_unprivileged_port_start need "
                 "root or CAP_NET_BIND_SERVICE; choose one from 1024 up with --%s",
                 option, text, option);
    else if (code == EADDRNOTAVAIL)
        snprintf(error, HOST_PORT_ERROR_SIZE,
                 "--%s %s is no address of this machine; `ip address` lists those", option, text);
    else
        snprintf(error, HOST_PORT_ERROR_SIZE, "--%s %s: %s", option, text, strerror(code));
}

// 0, or the errno of the bind.
static int try_bind(const struct config_address *address) {
    struct sockaddr_storage sockaddr;
    socklen_t size = config_address_sockaddr(address, &sockaddr);
    int on = 1, code = 0, fd = socket(sockaddr.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return errno;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        (sockaddr.ss_family == AF_INET6 &&
         setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) != 0) ||
        bind(fd, (struct sockaddr *)&sockaddr, size) != 0)
        code = errno;
    close(fd);
    return code;
}

bool host_port_is_free(const char *option, const struct config_address *address, char *error) {
    const struct timespec pause = {.tv_nsec = BIND_PAUSE_MS * 1000000};
    int code = try_bind(address);
    for (int tries = 1; code == EADDRINUSE && tries < BIND_TRIES; tries++) {
        nanosleep(&pause, NULL);
        code = try_bind(address);
    }
    if (code != 0)
        host_port_explain(option, address, code, error);
    return code == 0;
}
