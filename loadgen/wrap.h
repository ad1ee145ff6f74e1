// Sentences broken into lines at blanks, with UTF-8 counted by characters. No state.
#ifndef FAIRLEAD_WRAP_H
#define FAIRLEAD_WRAP_H

#include <stdio.h>

#define WRAP_COLUMNS 80

struct wrap {
    int indent; // of the lines after the first
    int column; // where the first begins
    int width;  // of a line; 0: WRAP_COLUMNS
};

// Ends in a new line.
void wrap_print(FILE *out, const char *text, struct wrap wrap);

// `text` and blanks up to `width` characters.
void wrap_print_cell(FILE *out, const char *text, int width);

#endif
