// Whole numbers as people read them: 1,234,567. Pure, any thread.
#ifndef FAIRLEAD_GROUPED_H
#define FAIRLEAD_GROUPED_H

#define GROUPED_BYTES 32 // of a number; a double above 10^20 is cut

// Rounds to a whole number, writes it into `text` and returns that.
const char *grouped(char text[GROUPED_BYTES], double value);

// For an argument of printf: lives until the end of the block.
#define GROUPED(value) grouped((char[GROUPED_BYTES]){0}, (double)(value))

#endif
