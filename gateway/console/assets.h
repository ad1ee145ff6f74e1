// The console's files (the chat page and its client library), embedded at build time. Read-only
// data, so any thread may look anything up at any time; nothing is owned or released.
//
// Every file is there twice: as written (`raw`) and as one gzip member (`data`). Serve `data` with
// "Content-Encoding: gzip" to whoever accepts gzip, `raw` to the rest, both with "Vary:
// Accept-Encoding" and with `etag`. That one is weak (RFC 9110 8.8.1) because both codings share
// it; compare it to If-None-Match and answer 304. Send CONSOLE_CONTENT_SECURITY_POLICY with the
// page: no file here holds inline script or style. The copy that nobody asks for stays on disk.
//
// Bounds: a handful of files, each at most 1 MiB (gateway/console/embed.c refuses more).
#ifndef FAIRLEAD_CONSOLE_ASSETS_H
#define FAIRLEAD_CONSOLE_ASSETS_H

#include <stddef.h>
#include <stdint.h>

// The page fetches /config.json from its own origin and opens a WebSocket to another port or host,
// which 'self' does not cover. Its icon is a data: address.
#define CONSOLE_CONTENT_SECURITY_POLICY                                                            \
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "              \
    "connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

struct console_asset {
    const char *path;         // as in the request line: "/style.css"; the page itself is "/"
    const char *content_type; // with its charset
    const char *etag;         // quoted, weak, changes with the content: W/"1f2e3d4c-9a8b7c6d"
    const uint8_t *data;      // gzip
    size_t size;
    const uint8_t *raw; // as in the tree
    size_t raw_size;
};

// The table that embed.c writes, console_asset_count entries, no order.
extern const struct console_asset console_assets[];
extern const size_t console_asset_count;

// The asset of exactly that path (no query, no decoding; "/index.html" is another name of "/"), or
// NULL.
const struct console_asset *console_asset_lookup(const char *path);

#endif
