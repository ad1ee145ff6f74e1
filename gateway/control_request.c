#include "gateway/control_request.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static int hex_digit(char digit) {
    if (!isxdigit((unsigned char)digit))
        return -1;
    return isdigit((unsigned char)digit) ? digit - '0' : (digit | 0x20) - 'a' + 10;
}

int control_request_name(const char *escaped, uint8_t *name, size_t name_size) {
    size_t size = 0;
    for (const char *at = escaped; *at; at++) {
        int byte = (unsigned char)*at;
        if (*at == '%') {
            int high = hex_digit(at[1]), low = high < 0 ? -1 : hex_digit(at[2]);
            if (low < 0)
                return -1;
            byte = high * 16 + low;
            at += 2;
        }
        if (byte == 0 || size == name_size)
            return -1;
        name[size++] = (uint8_t)byte;
    }
    return (int)size;
}

bool control_request_pid(const char *text, uint64_t *pid) {
    size_t size = strlen(text);
    *pid = strtoull(text, NULL, 16);
    return size >= 1 && size <= 16 && strspn(text, "0123456789abcdefABCDEF") == size && *pid != 0;
}

bool control_request_host_is_local(const char *host, const struct config_address *bound) {
    char text[CONFIG_ADDRESS_TEXT_SIZE];
    struct config_address address;
    if (!host)
        return false;
    size_t name_size = strcspn(host, ":");
    if (name_size == strlen("localhost") && strncasecmp(host, "localhost", name_size) == 0)
        return true;
    // The port that is written does not matter; a Host without one gets any.
    bool has_port = host[0] == '[' ? strstr(host, "]:") != NULL : strchr(host, ':') != NULL;
    int size = snprintf(text, sizeof(text), "%s%s", host, has_port ? "" : ":1");
    if (size < 0 || (size_t)size >= sizeof(text) || !config_address_decode(text, &address))
        return false;
    return config_address_is_loopback(&address) || memcmp(address.ip, bound->ip, 16) == 0;
}

// One element of a comma-separated list, without the spaces around it; moves *at behind it.
static bool list_next(const char **at, const char **element, size_t *size) {
    *at += strspn(*at, ", \t");
    *element = *at;
    *at += strcspn(*at, ",");
    *size = (size_t)(*at - *element);
    while (*size > 0 && isspace((unsigned char)(*element)[*size - 1]))
        --*size;
    return *size > 0;
}

bool control_request_accepts_gzip(const char *accept_encoding) {
    const char *element;
    size_t size;
    while (accept_encoding && list_next(&accept_encoding, &element, &size)) {
        size_t name = strcspn(element, "; \t,");
        if (name != strlen("gzip") || strncasecmp(element, "gzip", name) != 0)
            continue;
        const char *weight = strstr(element, "q=");
        if (!weight || weight >= element + size)
            return true;
        // "0", "0.", "0.000" are the ways to write none.
        return strspn(weight + 2, "0.") != (size_t)(element + size - weight - 2);
    }
    return false;
}

bool control_request_has_etag(const char *if_none_match, const char *etag) {
    const char *element;
    size_t size;
    const char *opaque = strncmp(etag, "W/", 2) == 0 ? etag + 2 : etag;
    while (if_none_match && list_next(&if_none_match, &element, &size)) {
        if (size == 1 && *element == '*')
            return true;
        if (size > 2 && strncmp(element, "W/", 2) == 0) {
            element += 2;
            size -= 2;
        }
        if (size == strlen(opaque) && memcmp(element, opaque, size) == 0)
            return true;
    }
    return false;
}
