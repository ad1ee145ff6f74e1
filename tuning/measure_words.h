// Small words that --measure, --knee and --try share: options given as one text, numbers as people
// read them, JSON into a file.
#ifndef FAIRLEAD_MEASURE_WORDS_H
#define FAIRLEAD_MEASURE_WORDS_H

#include <jansson.h>

#include "tuning/child.h"

#define MEASURE_WORDS_BYTES 32
#define MEASURE_WORDS_CONNECT_RATE 20000 // a second, of clients here

// "--protocol tcp-echo --payload-bytes 1024": appended word by word (spaces part them).
void measure_words_append(const char *words, struct child_arguments *arguments);

// false: too many words, or one too long.
MUST_USE bool measure_words_validate(const char *words);

// "12", "4,321", "98,700", "2.31 M": three to five digits that mean something. Returns text.
const char *measure_words_count(double value, char text[MEASURE_WORDS_BYTES]);

// "123 B", "4.5 KiB", "3.2 GiB". Returns text.
const char *measure_words_bytes(double bytes, char text[MEASURE_WORDS_BYTES]);

// "850 ns", "1.72 µs", "3.4 ms", "12 s". Returns text.
const char *measure_words_time(double ns, char text[MEASURE_WORDS_BYTES]);

// Before a minute is spent: whether the file of a result ("" for none, - for stdout) can be
// written. false: told on stderr.
MUST_USE bool measure_words_can_write(const char *path);

// Takes the object; "-" is stdout. false: told on stderr.
MUST_USE bool measure_words_write_json(const char *path, json_t *object);

#endif
