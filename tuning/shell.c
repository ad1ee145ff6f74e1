#include "tuning/shell.h"

#include <stddef.h>
#include <string.h>

bool shell_quote(const char *text, char quoted[SHELL_WORD_BYTES]) {
    size_t used = 0;
    quoted[used++] = '\'';
    for (; *text != 0; text++) {
        const char *part = *text == '\'' ? "'\\''" : NULL;
        size_t size = part ? strlen(part) : 1;
        if (used + size + 2 > SHELL_WORD_BYTES)
            return false;
        memcpy(quoted + used, part ? part : text, size);
        used += size;
    }
    quoted[used++] = '\'';
    quoted[used] = 0;
    return true;
}
