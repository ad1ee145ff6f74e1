#include "loadgen/wrap.h"

#include <stdbool.h>
#include <string.h>

static int width_of(const char *text, size_t size) {
    int width = 0;
    for (size_t i = 0; i < size; i++)
        width += (text[i] & 0xC0) != 0x80; // heads of UTF-8 sequences
    return width;
}

// A number stays with its unit.
static size_t size_with_unit(const char *text) {
    static const char *const UNITS[] = {"M", "G", "B", "KiB", "MiB", "GiB", "ms", "s", "µs", "%"};
    size_t size = strcspn(text, " ");
    for (size_t i = 0; text[0] >= '0' && text[0] <= '9' && text[size] == ' ' &&
                       i < sizeof(UNITS) / sizeof(UNITS[0]);
         i++) {
        size_t unit = strlen(UNITS[i]);
        const char *next = text + size + 1;
        if (strncmp(next, UNITS[i], unit) == 0 && !(next[unit] >= 'A' && next[unit] <= 'z'))
            return size + 1 + strcspn(next, " ");
    }
    return size;
}

void wrap_print(FILE *out, const char *text, struct wrap wrap) {
    int column = wrap.column, columns_max = wrap.width > 0 ? wrap.width : WRAP_COLUMNS;
    bool is_begin = true; // of a line: no blank before its first word, nor a break
    while (*text != 0) {
        size_t size = size_with_unit(text);
        int width = width_of(text, size);
        if (!is_begin && column + 1 + width > columns_max) {
            fprintf(out, "\n%*s", wrap.indent, "");
            column = wrap.indent;
        } else if (!is_begin) {
            fputc(' ', out);
            column++;
        }
        fprintf(out, "%.*s", (int)size, text);
        is_begin = false;
        column += width;
        text += size;
        text += strspn(text, " ");
    }
    fputc('\n', out);
}

void wrap_print_cell(FILE *out, const char *text, int width) {
    int blanks = width - width_of(text, strlen(text));
    fprintf(out, "%s%*s", text, blanks > 1 ? blanks : 1, "");
}
