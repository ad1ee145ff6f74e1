// Look-up in the embedded files. The table itself is generated (embed.c).
#include "gateway/console/assets.h"

#include <string.h>

const struct console_asset *console_asset_lookup(const char *path) {
    if (strcmp(path, "/index.html") == 0)
        path = "/";
    for (size_t i = 0; i < console_asset_count; i++) {
        if (strcmp(console_assets[i].path, path) == 0)
            return &console_assets[i];
    }
    return NULL;
}
