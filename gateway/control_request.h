// What the control plane reads out of a request, as pure functions: paths, names, headers.
#ifndef FAIRLEAD_CONTROL_REQUEST_H
#define FAIRLEAD_CONTROL_REQUEST_H

#include "gateway/config.h"

// Decodes %XX of RFC 3986 2.1 into `name` (`name_size` bytes). Returns the size, or -1: a bad
// escape, a NUL, or too long.
int control_request_name(const char *escaped, uint8_t *name, size_t name_size);

// 1 to 16 hexadecimal digits, not all 0.
bool control_request_pid(const char *text, uint64_t *pid);

// Whether a Host header (NULL: none) is a loopback name or address, or `bound`'s own address, with
// any port.
bool control_request_host_is_local(const char *host, const struct config_address *bound);

// RFC 9110 12.5.3: whether gzip is listed and its weight is not 0.
bool control_request_accepts_gzip(const char *accept_encoding);

// RFC 9110 13.1.2: whether If-None-Match (NULL: none) lists the weak `etag`, or is `*`.
bool control_request_has_etag(const char *if_none_match, const char *etag);

#endif
