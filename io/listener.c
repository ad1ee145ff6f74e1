#include "io/listener.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BIND_TRIES 20
#define BIND_PAUSE_NS 50000000L // 20 x 50 ms: one second

static int parse_port(const char *text, uint16_t *port) {
    char *end;
    if (!isdigit((unsigned char)*text))
        return -EINVAL;
    unsigned long value = strtoul(text, &end, 10);
    if (*end != '\0' || value > 65535)
        return -EINVAL;
    *port = htons((uint16_t)value);
    return 0;
}

int listener_parse(const char *text, struct sockaddr_storage *address, socklen_t *size) {
    char host[INET6_ADDRSTRLEN + 2];
    const char *colon = strrchr(text, ':');
    const char *port = colon ? colon + 1 : text;
    size_t host_size = colon ? (size_t)(colon - text) : 0;
    if (host_size >= sizeof(host))
        return -EINVAL;
    memcpy(host, text, host_size);
    host[host_size] = '\0';
    memset(address, 0, sizeof(*address));
    if (host_size >= 2 && host[0] == '[' && host[host_size - 1] == ']') {
        struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)address;
        host[host_size - 1] = '\0';
        v6->sin6_family = AF_INET6;
        *size = sizeof(*v6);
        return inet_pton(AF_INET6, host + 1, &v6->sin6_addr) == 1 ? parse_port(port, &v6->sin6_port)
                                                                  : -EINVAL;
    }
    struct sockaddr_in *v4 = (struct sockaddr_in *)address;
    v4->sin_family = AF_INET;
    *size = sizeof(*v4);
    v4->sin_addr.s_addr = htonl(colon ? INADDR_ANY : INADDR_LOOPBACK);
    if (host_size > 0 && strcmp(host, "localhost") == 0)
        v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    else if (host_size > 0 && inet_pton(AF_INET, host, &v4->sin_addr) != 1)
        return -EINVAL;
    return parse_port(port, &v4->sin_port);
}

void listener_format(const struct sockaddr *address, char *text, size_t text_size) {
    char host[INET6_ADDRSTRLEN] = "?";
    if (address->sa_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)address;
        inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof(host));
        snprintf(text, text_size, "[%s]:%u", host, ntohs(v6->sin6_port));
        return;
    }
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)address;
    inet_ntop(AF_INET, &v4->sin_addr, host, sizeof(host));
    snprintf(text, text_size, "%s:%u", host, ntohs(v4->sin_port));
}

bool listener_is_loopback(const struct sockaddr *address) {
    if (address->sa_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)address;
        return IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
    }
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)address;
    return address->sa_family == AF_INET && ntohl(v4->sin_addr.s_addr) >> 24 == 127;
}

static uint16_t port_of(const struct sockaddr_storage *address) {
    return address->ss_family == AF_INET6 ? ntohs(((const struct sockaddr_in6 *)address)->sin6_port)
                                          : ntohs(((const struct sockaddr_in *)address)->sin_port);
}

// The inode of a socket that listens on the port, from /proc/net/tcp or tcp6; 0 for none.
static unsigned long inode_of_listener(const char *table, uint16_t port) {
    char line[512];
    unsigned long found = 0;
    FILE *file = fopen(table, "re");
    if (!file)
        return 0;
    while (found == 0 && fgets(line, sizeof(line), file)) {
        unsigned local_port, state;
        unsigned long inode;
        // sl local rem st tx:rx tr:tm retrnsmt uid timeout inode; state 0A is LISTEN
        if (sscanf(line, " %*u: %*[0-9A-Fa-f]:%x %*s %x %*s %*s %*s %*s %*s %lu", &local_port,
                   &state, &inode) == 3 &&
            local_port == port && state == 0x0a)
            found = inode;
    }
    fclose(file);
    return found;
}

static bool process_holds(const char *pid, unsigned long inode) {
    char path[300], target[64], wanted[64];
    snprintf(path, sizeof(path), "/proc/%.16s/fd", pid);
    snprintf(wanted, sizeof(wanted), "socket:[%lu]", inode);
    DIR *directory = opendir(path);
    if (!directory)
        return false;
    bool holds = false;
    for (struct dirent *entry; !holds && (entry = readdir(directory));) {
        snprintf(path, sizeof(path), "/proc/%.16s/fd/%.16s", pid, entry->d_name);
        ssize_t size = readlink(path, target, sizeof(target) - 1);
        if (size > 0) {
            target[size] = '\0';
            holds = strcmp(target, wanted) == 0;
        }
    }
    closedir(directory);
    return holds;
}

// "process 123 (nginx)", or why that is not known.
static void describe_holder(uint16_t port, char *text, size_t text_size) {
    unsigned long inode = inode_of_listener("/proc/net/tcp", port);
    if (inode == 0)
        inode = inode_of_listener("/proc/net/tcp6", port);
    snprintf(text, text_size, "another process");
    DIR *processes = opendir("/proc");
    if (!processes || inode == 0) {
        if (processes)
            closedir(processes);
        return;
    }
    for (struct dirent *entry; (entry = readdir(processes));) {
        if (!isdigit((unsigned char)entry->d_name[0]) || !process_holds(entry->d_name, inode))
            continue;
        char path[64], name[32] = "?";
        snprintf(path, sizeof(path), "/proc/%.16s/comm", entry->d_name);
        FILE *file = fopen(path, "re");
        if (file) {
            if (fgets(name, sizeof(name), file))
                name[strcspn(name, "\n")] = '\0';
            fclose(file);
        }
        snprintf(text, text_size, "process %.16s (%s)", entry->d_name, name);
        break;
    }
    closedir(processes);
}

static int fail(const struct listener_config *config, int error, char *text, size_t text_size) {
    char address[64], holder[96];
    uint16_t port = port_of(&config->address);
    listener_format((const struct sockaddr *)&config->address, address, sizeof(address));
    switch (error) {
    case EADDRINUSE:
        describe_holder(port, holder, sizeof(holder));
        snprintf(text, text_size, "%s is in use: %s listens on port %u; stop it or choose another",
                 address, holder, port);
        break;
    case EACCES:
        snprintf(
            text, text_size,
            "%s may not be bound: ports below net.ipv4.ip_unprivileged_port_start need root or "
            "CAP_NET_BIND_SERVICE",
            address);
        break;
    case EADDRNOTAVAIL:
        snprintf(text, text_size, "%s is no address of this host; see `ip address`", address);
        break;
    default:
        snprintf(text, text_size, "cannot listen on %s: %s", address, strerror(error));
        break;
    }
    return -error;
}

static int set_options(int fd, const struct listener_config *config) {
    int one = 1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) < 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) < 0)
        return -errno;
    if (config->address.ss_family == AF_INET6 &&
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)) < 0)
        return -errno;
    int bytes = (int)config->send_buffer_bytes;
    if (bytes > 0 && setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes)) < 0)
        return -errno;
    bytes = (int)config->notsent_lowat_bytes;
    if (bytes > 0 && setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &bytes, sizeof(bytes)) < 0)
        return -errno;
    return 0;
}

// Without SO_REUSEPORT a bind fails beside any listener: so a second server is told, which would
// otherwise get half of the connections.
static int try_alone(const struct listener_config *config) {
    int one = 1;
    int fd = socket(config->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    int result = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (result == 0 && config->address.ss_family == AF_INET6)
        result = setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
    if (result == 0)
        result = bind(fd, (const struct sockaddr *)&config->address, config->address_size);
    int error = errno;
    close(fd);
    errno = error;
    return result;
}

static int bind_patiently(int fd, const struct listener_config *config) {
    struct timespec pause = {.tv_nsec = BIND_PAUSE_NS};
    for (int tries = 1;; tries++) {
        if ((!config->is_first || try_alone(config) == 0) &&
            bind(fd, (const struct sockaddr *)&config->address, config->address_size) == 0)
            return 0;
        if (errno != EADDRINUSE || tries == BIND_TRIES)
            return -errno;
        nanosleep(&pause, NULL);
    }
}

int listener_open(const struct listener_config *config, char *error, size_t error_size) {
    int fd = socket(config->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return fail(config, errno, error, error_size);
    int result = set_options(fd, config);
    if (result == 0)
        result = bind_patiently(fd, config);
    if (result == 0 && listen(fd, config->backlog > 0 ? (int)config->backlog : 4096) < 0)
        result = -errno;
    if (result < 0) {
        close(fd);
        return fail(config, -result, error, error_size);
    }
    return fd;
}

uint16_t listener_port(int fd) {
    struct sockaddr_storage address;
    socklen_t size = sizeof(address);
    return getsockname(fd, (struct sockaddr *)&address, &size) == 0 ? port_of(&address) : 0;
}
