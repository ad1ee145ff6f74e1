// Addresses, networks and origins as text and back. The settings themselves are read in options.c.
#include "gateway/config.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define PREFIX_V4 96 // ::ffff:0:0/96
#define PORT_DIGITS_MAX 5

static const uint8_t v4_mapped[PREFIX_V4 / 8] = {[10] = 0xff, [11] = 0xff};

static bool ip_decode(const char *text, bool bracketed, uint8_t ip[16]) {
    if (bracketed)
        return inet_pton(AF_INET6, text, ip) == 1;
    memcpy(ip, v4_mapped, sizeof(v4_mapped));
    return inet_pton(AF_INET, strcmp(text, "localhost") == 0 ? "127.0.0.1" : text, ip + 12) == 1;
}

static bool ip_is_v4(const uint8_t ip[16]) {
    return memcmp(ip, v4_mapped, sizeof(v4_mapped)) == 0;
}

static bool port_decode(const char *text, uint16_t *port) {
    uint32_t value = 0;
    size_t size = strlen(text);
    if (size == 0 || size > PORT_DIGITS_MAX || strspn(text, "0123456789") != size)
        return false;
    for (; *text; text++)
        value = value * 10 + (uint32_t)(*text - '0');
    *port = (uint16_t)value;
    return value > 0 && value <= UINT16_MAX;
}

bool config_address_decode(const char *text, struct config_address *address) {
    char host[CONFIG_ADDRESS_TEXT_SIZE];
    bool bracketed = text[0] == '[';
    const char *colon = strrchr(text, ':');
    if (!colon)
        return false;
    size_t host_size = (size_t)(colon - text);
    if (bracketed) {
        if (host_size < 2 || text[host_size - 1] != ']')
            return false;
        text++;
        host_size -= 2;
    }
    if (host_size >= sizeof(host))
        return false;
    memcpy(host, text, host_size);
    host[host_size] = '\0';
    return ip_decode(host, bracketed, address->ip) && port_decode(colon + 1, &address->port);
}

const char *config_address_encode(const struct config_address *address, char *text) {
    char host[INET6_ADDRSTRLEN];
    if (ip_is_v4(address->ip)) {
        inet_ntop(AF_INET, address->ip + 12, host, sizeof(host));
        snprintf(text, CONFIG_ADDRESS_TEXT_SIZE, "%s:%u", host, address->port);
    } else {
        inet_ntop(AF_INET6, address->ip, host, sizeof(host));
        snprintf(text, CONFIG_ADDRESS_TEXT_SIZE, "[%s]:%u", host, address->port);
    }
    return text;
}

bool config_address_is_loopback(const struct config_address *address) {
    if (ip_is_v4(address->ip))
        return address->ip[12] == IN_LOOPBACKNET;
    return memcmp(address->ip, &in6addr_loopback, sizeof(in6addr_loopback)) == 0;
}

socklen_t config_address_sockaddr(const struct config_address *address,
                                  struct sockaddr_storage *sockaddr) {
    memset(sockaddr, 0, sizeof(*sockaddr));
    if (ip_is_v4(address->ip)) {
        struct sockaddr_in *in = (struct sockaddr_in *)sockaddr;
        in->sin_family = AF_INET;
        in->sin_port = htons(address->port);
        memcpy(&in->sin_addr, address->ip + 12, sizeof(in->sin_addr));
        return sizeof(*in);
    }
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)sockaddr;
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(address->port);
    memcpy(&in6->sin6_addr, address->ip, sizeof(in6->sin6_addr));
    return sizeof(*in6);
}

bool config_cidr_decode(const char *text, struct config_cidr *cidr) {
    char host[CONFIG_ADDRESS_TEXT_SIZE];
    const char *slash = strchr(text, '/');
    size_t host_size = slash ? (size_t)(slash - text) : strlen(text);
    if (host_size >= sizeof(host))
        return false;
    memcpy(host, text, host_size);
    host[host_size] = '\0';
    bool v6 = strchr(host, ':') != NULL;
    if (!ip_decode(host, v6, cidr->ip))
        return false;
    uint32_t bits_max = v6 ? 128 : 32, bits = bits_max;
    if (slash) {
        size_t digits = strlen(slash + 1);
        if (digits == 0 || digits > 3 || strspn(slash + 1, "0123456789") != digits)
            return false;
        bits = 0;
        for (const char *digit = slash + 1; *digit; digit++)
            bits = bits * 10 + (uint32_t)(*digit - '0');
        if (bits > bits_max)
            return false;
    }
    cidr->prefix_bits = (uint8_t)(bits + (v6 ? 0 : PREFIX_V4));
    return true;
}

const char *config_cidr_encode(const struct config_cidr *cidr, char *text) {
    char host[INET6_ADDRSTRLEN];
    bool v4 = ip_is_v4(cidr->ip) && cidr->prefix_bits >= PREFIX_V4;
    inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? cidr->ip + 12 : cidr->ip, host, sizeof(host));
    snprintf(text, CONFIG_ADDRESS_TEXT_SIZE, "%s/%d", host,
             cidr->prefix_bits - (v4 ? PREFIX_V4 : 0));
    return text;
}

bool config_cidr_has(const struct config_cidr *cidr, const uint8_t ip[16]) {
    uint32_t bytes = cidr->prefix_bits / 8, bits = cidr->prefix_bits % 8;
    if (memcmp(cidr->ip, ip, bytes) != 0)
        return false;
    return bits == 0 || ((cidr->ip[bytes] ^ ip[bytes]) >> (8 - bits)) == 0;
}

bool config_is_trusted_proxy(const struct config *config, const uint8_t ip[16]) {
    for (uint32_t i = 0; i < config->trusted_proxy_count; i++)
        if (config_cidr_has(&config->trusted_proxies[i], ip))
            return true;
    return false;
}

bool config_has_origin(const struct config *config, const char *origin, size_t origin_size) {
    for (uint32_t i = 0; i < config->origin_count; i++)
        if (strcmp(config->origins[i], "*") == 0 ||
            (strlen(config->origins[i]) == origin_size &&
             strncasecmp(config->origins[i], origin, origin_size) == 0))
            return true;
    return false;
}
