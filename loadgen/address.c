#include "loadgen/address.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BAD 2
#define UNKNOWN 4

static int fail(char *error, int code, const char *format, ...) PRINTF_LIKE(3, 4);
static int fail(char *error, int code, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error, ADDRESS_ERROR_BYTES, format, arguments);
    va_end(arguments);
    return code;
}

static bool is_port(const char *text) {
    char *end = NULL;
    long port = strtol(text, &end, 10);
    return text[0] >= '0' && text[0] <= '9' && *end == 0 && port >= 1 && port <= 65535;
}

// Cuts a copy of the text in two, at the colon before the port.
static bool cut(char *copy, const char **host, const char **port) {
    char *end = copy;
    *host = copy;
    *port = ADDRESS_PORT_DEFAULT;
    if (copy[0] == '[') {
        end = strchr(copy, ']');
        if (end == NULL)
            return false;
        *host = copy + 1;
        *end++ = 0;
    } else {
        end = copy + strcspn(copy, ":");
    }
    if (*end == 0)
        return **host != 0;
    if (*end != ':')
        return false;
    *end = 0;
    *port = end + 1;
    return **host != 0 && is_port(*port);
}

int address_parse(struct address *a, const char *text, size_t text_size,
                  char error[ADDRESS_ERROR_BYTES]) {
    char copy[ADDRESS_TEXT_BYTES - 8];
    const char *host, *port;
    *a = (struct address){0};
    if (text_size >= sizeof(copy))
        return fail(error, BAD, "'%.60s…' is too long for an address", text);
    memcpy(copy, text, text_size);
    copy[text_size] = 0;
    if (!cut(copy, &host, &port))
        return fail(error, BAD,
                    "'%.*s' is no address of the form host:port (10.0.0.2:9700, [::1]:9700)",
                    (int)text_size, text);
    bool is_six = strchr(host, ':') != NULL;
    snprintf(a->text, sizeof(a->text), is_six ? "[%s]:%s" : "%s:%s", host, port);
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    int status = getaddrinfo(host, port, &hints, &found);
    if (status != 0)
        return fail(error, UNKNOWN, "%s does not resolve: %s", host, gai_strerror(status));
    memcpy(&a->socket, found->ai_addr, found->ai_addrlen);
    a->size = found->ai_addrlen;
    freeaddrinfo(found);
    return 0;
}

bool address_is_loopback(const struct address *a) {
    if (a->socket.ss_family == AF_INET) {
        const struct sockaddr_in *in = (const void *)&a->socket;
        return ntohl(in->sin_addr.s_addr) >> 24 == 127;
    }
    const struct sockaddr_in6 *in6 = (const void *)&a->socket;
    return IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
}

void address_print(const struct sockaddr_storage *socket, socklen_t size,
                   char text[ADDRESS_TEXT_BYTES]) {
    char host[64] = "?", port[16] = "?";
    if (getnameinfo((const struct sockaddr *)socket, size, host, sizeof(host), port, sizeof(port),
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        snprintf(host, sizeof(host), "somebody");
    bool is_six = strchr(host, ':') != NULL;
    snprintf(text, ADDRESS_TEXT_BYTES, is_six ? "[%s]:%s" : "%s:%s", host, port);
}
