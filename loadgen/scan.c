#include "loadgen/scan.h"

static bool is_space(uint8_t byte) {
    return byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t';
}

static struct bytes skip_space(struct bytes text) {
    while (text.size > 0 && is_space(text.data[0]))
        text = bytes_skip(text, 1);
    return text;
}

bool scan_decimal(struct bytes text, uint64_t *value) {
    uint64_t sum = 0;
    for (size_t i = 0; i < text.size; i++) {
        uint32_t digit = text.data[i] - (uint32_t)'0';
        if (digit > 9 || sum > (UINT64_MAX - digit) / 10)
            return false;
        sum = sum * 10 + digit;
    }
    *value = sum;
    return text.size > 0;
}

void scan_expect(struct scan_expected *expected, struct bytes topic, struct bytes event,
                 uint32_t payload_size) {
    struct writer w = writer_on(expected->prefix, sizeof(expected->prefix));
    writer_put_string(&w, "[null,null,\"");
    writer_put(&w, topic);
    writer_put_string(&w, "\",\"");
    writer_put(&w, event);
    writer_put_string(&w, "\",");
    CHECKF(!w.overflow, "topic of %zu bytes, event of %zu", topic.size, event.size);
    expected->prefix_size = (uint32_t)w.size;
    expected->payload_size = payload_size;
}

// The size of a payload that ends before `,number]` or `]`, 0 when there is none.
static uint32_t size_by_end(const struct scan_expected *expected, struct bytes text) {
    if (text.size <= expected->prefix_size + 2ul)
        return 0;
    size_t end = text.size - 1, at = end;
    while (text.data[at - 1] >= '0' && text.data[at - 1] <= '9' && at > expected->prefix_size + 1)
        at--;
    if (at < end && text.data[at - 1] == ',')
        end = at - 1;
    return (uint32_t)(end - expected->prefix_size);
}

bool scan_broadcast(const struct scan_expected *expected, struct bytes text, struct bytes *payload,
                    uint64_t *sequence) {
    uint32_t payload_size =
        expected->payload_size > 0 ? expected->payload_size : size_by_end(expected, text);
    size_t payload_end = (size_t)expected->prefix_size + payload_size;
    if (payload_size == 0 || text.size <= payload_end || text.data[text.size - 1] != ']' ||
        memcmp(text.data, expected->prefix, expected->prefix_size) != 0 ||
        text.data[expected->prefix_size] != '{' || text.data[payload_end - 1] != '}')
        return false;
    *payload = bytes_of(text.data + expected->prefix_size, payload_size);
    *sequence = 0;
    struct bytes tail = bytes_of(text.data + payload_end, text.size - 1 - payload_end);
    if (tail.size == 0)
        return true;
    return tail.data[0] == ',' && scan_decimal(bytes_skip(tail, 1), sequence);
}

// The string whose opening quote is text[0], without its quotes.
static bool take_string(struct bytes *text, struct bytes *string) {
    for (size_t i = 1; i < text->size; i++) {
        if (text->data[i] == '\\') {
            i++;
        } else if (text->data[i] == '"') {
            *string = bytes_of(text->data + 1, i - 1);
            *text = bytes_skip(*text, i + 1);
            return true;
        }
    }
    return false;
}

// The value at text[0] up to the comma or bracket that ends it at this depth; all of the text, and
// false, when it is cut.
static bool take_value(struct bytes *text, struct bytes *value) {
    uint32_t depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < text->size; i++) {
        uint8_t byte = text->data[i];
        if (in_string) {
            i += byte == '\\';
            in_string = byte != '"';
        } else if (byte == '"') {
            in_string = true;
        } else if (byte == '[' || byte == '{') {
            depth++;
        } else if (depth == 0 && (byte == ',' || byte == ']' || byte == '}')) {
            *value = bytes_of(text->data, i);
            *text = bytes_skip(*text, i);
            return true;
        } else if (byte == ']' || byte == '}') {
            depth--;
        }
    }
    *value = *text;
    *text = bytes_skip(*text, text->size);
    return false;
}

static bool take_byte(struct bytes *text, uint8_t byte) {
    *text = skip_space(*text);
    if (text->size == 0 || text->data[0] != byte)
        return false;
    *text = skip_space(bytes_skip(*text, 1));
    return true;
}

// A string, or null where that is allowed (data NULL), and the comma after it.
static bool take_name(struct bytes *text, bool may_be_null, struct bytes *name) {
    if (may_be_null && bytes_starts_with(*text, BYTES_LITERAL("null"))) {
        *name = (struct bytes){NULL, 0};
        *text = bytes_skip(*text, 4);
    } else if (text->size == 0 || text->data[0] != '"' || !take_string(text, name)) {
        return false;
    }
    return take_byte(text, ',');
}

static struct bytes trim_end(struct bytes text) {
    while (text.size > 0 && is_space(text.data[text.size - 1]))
        text.size--;
    return text;
}

bool scan_names(struct bytes text, struct scan_message *message) {
    *message = (struct scan_message){0};
    if (!take_byte(&text, '[') || !take_name(&text, true, &message->join_ref) ||
        !take_name(&text, true, &message->ref) || !take_name(&text, false, &message->topic) ||
        !take_name(&text, false, &message->event))
        return false;
    message->payload = text;
    return true;
}

void scan_rest(struct scan_message *message) {
    struct bytes text = message->payload;
    if (!take_value(&text, &message->payload))
        return;
    message->payload = trim_end(message->payload);
    if (take_byte(&text, ',')) {
        struct bytes sixth;
        if (!take_value(&text, &sixth))
            return;
        if (!scan_decimal(trim_end(sixth), &message->sequence))
            message->sequence = 0;
    }
    message->is_whole = take_byte(&text, ']') && text.size == 0;
}

bool scan_message(struct bytes text, struct scan_message *message) {
    if (!scan_names(text, message))
        return false;
    scan_rest(message);
    return true;
}

// Where the value of "key" begins, after its colon.
static bool find_key(struct bytes text, const char *key, struct bytes *value) {
    size_t key_size = strlen(key);
    for (struct bytes rest = text; rest.size > key_size + 2;) {
        const uint8_t *found = memmem(rest.data, rest.size, key, key_size);
        if (found == NULL)
            return false;
        size_t at = (size_t)(found - rest.data);
        bool is_quoted =
            at > 0 && found[-1] == '"' && at + key_size < rest.size && found[key_size] == '"';
        rest = bytes_skip(rest, at + key_size);
        if (!is_quoted)
            continue;
        *value = bytes_skip(rest, 1);
        if (take_byte(value, ':'))
            return true;
    }
    return false;
}

bool scan_number(struct bytes text, const char *key, uint64_t *value) {
    struct bytes rest;
    if (!find_key(text, key, &rest))
        return false;
    size_t digit_count = 0;
    while (digit_count < rest.size && rest.data[digit_count] >= '0' &&
           rest.data[digit_count] <= '9')
        digit_count++;
    return scan_decimal(bytes_of(rest.data, digit_count), value);
}

bool scan_string(struct bytes text, const char *key, struct bytes *value) {
    struct bytes rest;
    return find_key(text, key, &rest) && rest.size > 0 && rest.data[0] == '"' &&
           take_string(&rest, value);
}
