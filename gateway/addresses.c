#include "gateway/addresses.h"

#include <errno.h>

static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

int addresses_init(struct addresses *addresses, struct memory_ledger *ledger, uint32_t slots_max) {
    addresses->v4 = memory_reserve(ledger, "addresses v4", (size_t)slots_max * sizeof(uint32_t));
    addresses->v6 = memory_reserve(ledger, "addresses v6", (size_t)slots_max * 16);
    return addresses->v4 && addresses->v6 ? 0 : -ENOMEM;
}

void addresses_set(struct addresses *addresses, uint32_t index, const uint8_t ip[16]) {
    static const uint8_t none[16];
    if (!addresses->v4)
        return;
    bool is_v4 = ip && memcmp(ip, mapped, sizeof(mapped)) == 0;
    const uint8_t *v6 = ip && !is_v4 ? ip : none;
    addresses->v4[index] = 0;
    if (is_v4)
        memcpy(&addresses->v4[index], ip + sizeof(mapped), sizeof(uint32_t));
    // A page is committed only where an IPv6 peer was: reading the others commits nothing.
    if (memcmp(addresses->v6[index], v6, sizeof(none)) != 0)
        memcpy(addresses->v6[index], v6, sizeof(none));
}

bool addresses_lookup(const struct addresses *addresses, uint32_t index, uint8_t ip[16]) {
    static const uint8_t none[16];
    if (!addresses->v4)
        return false;
    if (addresses->v4[index] != 0) {
        memcpy(ip, mapped, sizeof(mapped));
        memcpy(ip + sizeof(mapped), &addresses->v4[index], sizeof(uint32_t));
        return true;
    }
    memcpy(ip, addresses->v6[index], sizeof(none));
    return memcmp(ip, none, sizeof(none)) != 0;
}

bool addresses_of_peer(const struct sockaddr *peer, uint8_t ip[16]) {
    if (peer && peer->sa_family == AF_INET) {
        memcpy(ip, mapped, sizeof(mapped));
        memcpy(ip + sizeof(mapped), &((const struct sockaddr_in *)peer)->sin_addr, 4);
        return true;
    }
    if (peer && peer->sa_family == AF_INET6) {
        memcpy(ip, &((const struct sockaddr_in6 *)peer)->sin6_addr, 16);
        return true;
    }
    return false;
}

// One element, its spaces, port and brackets off: "10.0.0.1", "10.0.0.1:80", "[::1]:80", "::1".
static bool element_decode(struct bytes element, uint8_t ip[16]) {
    char text[CONFIG_ADDRESS_TEXT_SIZE];
    while (element.size > 0 && (element.data[0] == ' ' || element.data[0] == '\t'))
        element = bytes_skip(element, 1);
    while (element.size > 0 &&
           (element.data[element.size - 1] == ' ' || element.data[element.size - 1] == '\t'))
        element.size--;
    if (element.size == 0 || element.size >= sizeof(text) ||
        memchr(element.data, '/', element.size))
        return false;
    memcpy(text, element.data, element.size);
    text[element.size] = '\0';
    struct config_address address;
    struct config_cidr cidr;
    char *start = text;
    if (config_address_decode(text, &address)) { // with a port
        memcpy(ip, address.ip, 16);
        return true;
    }
    if (text[0] == '[' && text[element.size - 1] == ']') {
        text[element.size - 1] = '\0';
        start++;
    }
    if (!config_cidr_decode(start, &cidr))
        return false;
    memcpy(ip, cidr.ip, 16);
    return true;
}

void addresses_set_forwarded(struct addresses *addresses, uint32_t index,
                             const struct config *config, struct bytes forwarded_for) {
    if (!addresses->v4)
        return;
    while (forwarded_for.size > 0) {
        size_t begin = forwarded_for.size;
        uint8_t ip[16];
        while (begin > 0 && forwarded_for.data[begin - 1] != ',')
            begin--;
        if (!element_decode(bytes_skip(forwarded_for, begin), ip))
            return;
        if (!config_is_trusted_proxy(config, ip)) {
            addresses_set(addresses, index, ip);
            return;
        }
        forwarded_for.size = begin > 0 ? begin - 1 : 0;
    }
}
