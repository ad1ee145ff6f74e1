// A view of bytes somebody else owns, and a bounded writer. Views are borrowed until the call
// returns.
#ifndef FAIRLEAD_BYTES_H
#define FAIRLEAD_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct bytes {
    const uint8_t *data;
    size_t size;
};

#define BYTES_LITERAL(text) ((struct bytes){(const uint8_t *)("" text), sizeof(text) - 1})

static inline struct bytes bytes_of(const void *data, size_t size) {
    return (struct bytes){(const uint8_t *)data, size};
}

static inline struct bytes bytes_from_string(const char *text) {
    return (struct bytes){(const uint8_t *)text, strlen(text)};
}

static inline bool bytes_equal(struct bytes a, struct bytes b) {
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static inline bool bytes_equal_string(struct bytes a, const char *text) {
    return bytes_equal(a, bytes_from_string(text));
}

static inline bool bytes_starts_with(struct bytes a, struct bytes prefix) {
    return a.size >= prefix.size &&
           (prefix.size == 0 || memcmp(a.data, prefix.data, prefix.size) == 0);
}

// The view without its first `count` bytes (at most all of them).
static inline struct bytes bytes_skip(struct bytes a, size_t count) {
    count = count < a.size ? count : a.size;
    if (count == 0) // the view of nothing, whose data is NULL, among them
        return a;
    return (struct bytes){a.data + count, a.size - count};
}

// Appends into a caller's array. A put that does not fit writes nothing and sets `overflow`, so
// that one test at the end is enough.
struct writer {
    uint8_t *data;
    size_t size;
    size_t capacity;
    bool overflow;
};

static inline struct writer writer_on(void *data, size_t capacity) {
    return (struct writer){.data = (uint8_t *)data, .capacity = capacity};
}

static inline void writer_put(struct writer *w, struct bytes b) {
    if (b.size > w->capacity - w->size) {
        w->overflow = true;
        return;
    }
    if (b.size > 0)
        memcpy(w->data + w->size, b.data, b.size);
    w->size += b.size;
}

static inline void writer_put_byte(struct writer *w, uint8_t byte) {
    writer_put(w, bytes_of(&byte, 1));
}

static inline void writer_put_string(struct writer *w, const char *text) {
    writer_put(w, bytes_from_string(text));
}

static inline void writer_put_u64(struct writer *w, uint64_t value) {
    char digits[20];
    size_t at = sizeof(digits);
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    writer_put(w, bytes_of(digits + at, sizeof(digits) - at));
}

static inline struct bytes writer_bytes(const struct writer *w) {
    return (struct bytes){w->data, w->size};
}

#endif
