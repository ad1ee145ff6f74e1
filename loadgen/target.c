#include "loadgen/target.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>

// Copies a part of the URL; false when it does not fit.
static bool take_part(char *out, size_t capacity, const char *from, size_t size) {
    if (size >= capacity)
        return false;
    memcpy(out, from, size);
    out[size] = 0;
    return true;
}

static bool take_scheme(const char *text, const char **host, char *error) {
    const char *end = strstr(text, "://");
    if (strncmp(text, "ws://", 5) == 0 || strncmp(text, "tcp://", 6) == 0 ||
        strncmp(text, "mqtt://", 7) == 0) {
        *host = end + 3;
        return true;
    }
    if (strncmp(text, "wss://", 6) == 0 || strncmp(text, "https://", 8) == 0 ||
        strncmp(text, "mqtts://", 8) == 0)
        return option_row_fail(
            error, "%.200s: TLS is not spoken by this tool; point it at the plain port", text);
    if (strncmp(text, "http://", 7) == 0)
        return option_row_fail(error, "%.200s: write ws:// instead of http://", text);
    return option_row_fail(
        error,
        "%.200s is no URL of the form ws://host:port/path, mqtt://host:port or tcp://host:port",
        text);
}

static bool is_port(const char *text) {
    char *end = NULL;
    long port = strtol(text, &end, 10);
    return text[0] >= '0' && text[0] <= '9' && *end == 0 && port >= 1 && port <= 65535;
}

bool target_parse_url(struct target_url *url, const char *text,
                      char error[LOAD_OPTIONS_ERROR_BYTES]) {
    bool is_mqtt = text[0] == 'm';
    *url = (struct target_url){.port = "80"};
    if (is_mqtt)
        memcpy(url->port, "1883", sizeof("1883"));
    const char *host = text;
    if (!take_scheme(text, &host, error))
        return false;
    size_t authority_size = strcspn(host, "/?#");
    const char *path = host + authority_size;
    bool is_bracketed = host[0] == '[';
    size_t name_size = is_bracketed ? strcspn(host, "]/?#") : strcspn(host, ":/?#");
    const char *after = host + name_size + (is_bracketed && host[name_size] == ']');
    bool fits =
        take_part(url->host, sizeof(url->host), host, authority_size) &&
        take_part(url->name, sizeof(url->name), host + is_bracketed, name_size - is_bracketed);
    if (!fits || url->name[0] == 0 || (is_bracketed && host[name_size] != ']') ||
        (after[0] != ':' && after != path) || strpbrk(url->host, "@ \t") != NULL)
        return option_row_fail(error, "%.200s has no host of the form name, 1.2.3.4 or [::1]",
                               text);
    if (after[0] == ':' &&
        (!take_part(url->port, sizeof(url->port), after + 1, (size_t)(path - after - 1)) ||
         !is_port(url->port)))
        return option_row_fail(error, "%.200s has no port between 1 and 65535", text);
    bool is_tcp = text[0] == 't';
    if (is_tcp && (after[0] != ':' || (path[0] != 0 && strcmp(path, "/") != 0)))
        return option_row_fail(error, "%.200s: tcp:// takes a port and no path: tcp://host:port",
                               text);
    if (is_mqtt && path[0] != 0 && strcmp(path, "/") != 0)
        return option_row_fail(error, "%.200s: mqtt:// takes no path: mqtt://host:port", text);
    size_t path_size = strcspn(path, "#");
    const char *slash = path[0] == '/' ? "" : "/";
    if (path_size + 1 >= sizeof(url->path))
        return option_row_fail(error, "the path of %.100s… is over %d bytes", text,
                               TARGET_PATH_BYTES);
    snprintf(url->path, sizeof(url->path), "%s%.*s", slash, (int)path_size, path);
    for (const char *at = url->path; *at; at++)
        if (*at <= ' ' || *at == 0x7f)
            return option_row_fail(error, "%.200s has a space or control character in its path",
                                   text);
    return true;
}

static int resolve_one(struct target *target, const char *text, char *error) {
    struct target_url url;
    if (!target_parse_url(&url, text, error))
        return 2;
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    int status = getaddrinfo(url.name, url.port, &hints, &found);
    if (status != 0) {
        option_row_fail(error, "%s does not resolve: %s", url.name, gai_strerror(status));
        return 4;
    }
    *target = (struct target){.address_size = found->ai_addrlen};
    memcpy(&target->address, found->ai_addr, found->ai_addrlen);
    freeaddrinfo(found);
    memcpy(target->host, url.host, sizeof(target->host));
    memcpy(target->path, url.path, sizeof(target->path));
    return 0;
}

static bool parse_ipv4(const char *text, uint32_t *address) {
    struct in_addr parsed;
    if (inet_pton(AF_INET, text, &parsed) != 1)
        return false;
    *address = ntohl(parsed.s_addr);
    return true;
}

static void add_ipv4(struct target_set *set, uint32_t address) {
    struct sockaddr_in *in = (struct sockaddr_in *)&set->sources[set->source_count++];
    *in = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = {htonl(address)}};
}

// One address, or first-last.
static bool add_sources(struct target_set *set, char *word, char *error) {
    char *dash = strchr(word, '-');
    uint32_t first = 0, last = 0;
    if (dash)
        *dash = 0;
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
    if (!dash && set->source_count < LOAD_OPTIONS_SOURCES_MAX &&
        inet_pton(AF_INET6, word, &in6.sin6_addr) == 1) {
        memcpy(&set->sources[set->source_count++], &in6, sizeof(in6));
        return true;
    }
    if (!parse_ipv4(word, &first) || !parse_ipv4(dash ? dash + 1 : word, &last) || last < first)
        return option_row_fail(error, "--sources: '%s%s%s' is neither an address nor a range", word,
                               dash ? "-" : "", dash ? dash + 1 : "");
    if (last - first >= LOAD_OPTIONS_SOURCES_MAX - set->source_count)
        return option_row_fail(error, "--sources: more than %d addresses",
                               LOAD_OPTIONS_SOURCES_MAX);
    for (uint32_t address = first; address <= last; address++)
        add_ipv4(set, address);
    return true;
}

bool target_parse_sources(struct target_set *set, const char *list,
                          char error[LOAD_OPTIONS_ERROR_BYTES]) {
    char text[4096];
    if (!take_part(text, sizeof(text), list, strlen(list)))
        return option_row_fail(error, "--sources: the list is over %zu bytes", sizeof(text));
    char *save = NULL;
    for (char *word = strtok_r(text, ",", &save); word; word = strtok_r(NULL, ",", &save))
        if (!add_sources(set, word, error))
            return false;
    return true;
}

static bool is_loopback_v4(const struct target *target) {
    const struct sockaddr_in *in = (const struct sockaddr_in *)&target->address;
    return in->sin_family == AF_INET && ntohl(in->sin_addr.s_addr) >> 24 == 127;
}

// 127.0.0.1 … 127.0.0.N on the port and path of the one target.
static bool spread(struct target_set *set, uint32_t count, char *error) {
    if (!is_loopback_v4(&set->targets[0]))
        return option_row_fail(
            error, "--spread-destinations is for loopback; give several --target instead");
    for (uint32_t i = 0; i < count; i++) {
        set->targets[i] = set->targets[0];
        struct sockaddr_in *in = (struct sockaddr_in *)&set->targets[i].address;
        in->sin_addr.s_addr = htonl(0x7f000001u + i);
    }
    set->target_count = count;
    return true;
}

// Whole 127.0.0.0/8 is this machine's, so there are always enough loopback sources.
static void choose_sources(struct target_set *set, uint32_t connections) {
    uint32_t pairs = (connections + TARGET_PORTS_PER_PAIR - 1) / TARGET_PORTS_PER_PAIR;
    for (uint32_t i = 0; i < set->target_count; i++)
        if (!is_loopback_v4(&set->targets[i]))
            return;
    if (set->source_count > 0 || pairs <= set->target_count)
        return;
    uint32_t needed = (pairs + set->target_count - 1) / set->target_count;
    for (uint32_t i = 0; i < needed; i++)
        add_ipv4(set, 0x7f090801u + i + i / 250); // 127.9.8.1 and up
    set->chose_sources = true;
}

int target_resolve(struct target_set *set, const struct load_options *o,
                   char error[LOAD_OPTIONS_ERROR_BYTES]) {
    memset(set, 0, sizeof(*set));
    for (uint32_t i = 0; i < o->target_count; i++) {
        int status = resolve_one(&set->targets[i], o->targets[i], error);
        if (status != 0)
            return status;
        set->target_count++;
    }
    if (o->spread_destinations > 0 && !spread(set, o->spread_destinations, error))
        return 2;
    if (!target_parse_sources(set, o->sources, error))
        return 2;
    choose_sources(set, o->connections);
    return 0;
}

const struct target *target_of(const struct target_set *set, uint32_t index) {
    return &set->targets[index % set->target_count];
}

const struct sockaddr_storage *target_source_of(const struct target_set *set, uint32_t index) {
    if (set->source_count == 0)
        return NULL;
    return &set->sources[index / set->target_count % set->source_count];
}
