// Bytes of the truth server (truth.h), written anew on purpose.
#include "tests/load/truth.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/sha.h>

void truth_buffer_append(struct truth_buffer *buffer, const void *data, size_t size) {
    if (buffer->size + size > buffer->capacity) {
        size_t capacity = buffer->capacity ? buffer->capacity : 256;
        while (capacity < buffer->size + size)
            capacity *= 2;
        buffer->data = realloc(buffer->data, capacity);
        buffer->capacity = capacity;
        if (buffer->data == NULL) {
            fputs("truth_server: no memory\n", stderr);
            abort();
        }
    }
    if (size > 0)
        memcpy(buffer->data + buffer->size, data, size);
    buffer->size += size;
}

void truth_buffer_skip(struct truth_buffer *buffer, size_t size) {
    memmove(buffer->data, buffer->data + size, buffer->size - size);
    buffer->size -= size;
}

void truth_buffer_fini(struct truth_buffer *buffer) {
    free(buffer->data);
    *buffer = (struct truth_buffer){0};
}

// RFC 6455 5.2
void truth_wire_frame(struct truth_buffer *out, uint8_t opcode, const void *data, size_t size) {
    uint8_t head[10] = {(uint8_t)(0x80 | opcode)};
    size_t head_size = 2;
    if (size < 126) {
        head[1] = (uint8_t)size;
    } else if (size < 65536) {
        head[1] = 126;
        head[2] = (uint8_t)(size >> 8);
        head[3] = (uint8_t)size;
        head_size = 4;
    } else {
        head[1] = 127;
        for (int i = 0; i < 8; i++)
            head[2 + i] = (uint8_t)(size >> (56 - 8 * i));
        head_size = 10;
    }
    truth_buffer_append(out, head, head_size);
    truth_buffer_append(out, data, size);
}

// RFC 6455 4.2.2: the accept value is base64(SHA-1(key + GUID)).
bool truth_wire_upgrade(struct truth_buffer *out, const char *head, size_t size) {
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    static const char name[] = "Sec-WebSocket-Key:";
    enum { KEY_SIZE = 24, NAME_SIZE = sizeof(name) - 1 };
    const char *line = memmem(head, size, name, NAME_SIZE);
    if (line == NULL)
        return false;
    line += NAME_SIZE;
    while (line < head + size && *line == ' ')
        line++;
    if (line + KEY_SIZE > head + size)
        return false;
    char source[KEY_SIZE + sizeof(guid)];
    memcpy(source, line, KEY_SIZE);
    memcpy(source + KEY_SIZE, guid, sizeof(guid));
    uint8_t digest[SHA_DIGEST_LENGTH];
    SHA1((const uint8_t *)source, KEY_SIZE + sizeof(guid) - 1, digest);
    char accept[4 * SHA_DIGEST_LENGTH];
    EVP_EncodeBlock((uint8_t *)accept, digest, sizeof(digest));
    char answer[256];
    int answer_size = snprintf(answer, sizeof(answer),
                               "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                               "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
                               accept);
    truth_buffer_append(out, answer, (size_t)answer_size);
    return true;
}

long truth_wire_take(uint8_t *data, size_t size, struct truth_frame *frame) {
    if (size < 6)
        return 0;
    size_t payload_size = data[1] & 0x7f, head_size = 2;
    // RFC 6455 5.1: a client masks. Fragments are not what the tool sends.
    if ((data[1] & 0x80) == 0 || (data[0] & 0x80) == 0)
        return -1;
    size_t extended = payload_size == 126 ? 2 : payload_size == 127 ? 8 : 0;
    if (size < head_size + extended + 4)
        return 0;
    if (extended > 0) {
        payload_size = 0;
        for (size_t i = 0; i < extended; i++)
            payload_size = payload_size << 8 | data[head_size + i];
    }
    head_size += extended + 4;
    if (payload_size > TRUTH_MESSAGE_SIZE_MAX)
        return -1;
    if (size < head_size + payload_size)
        return 0;
    uint8_t *payload = data + head_size;
    for (size_t i = 0; i < payload_size; i++)
        payload[i] ^= payload[(ptrdiff_t)(i & 3) - 4];
    *frame = (struct truth_frame){(uint8_t)(data[0] & 15), payload, payload_size};
    return (long)(head_size + payload_size);
}

// By quotes and commas alone: the tool escapes nothing in the first four.
bool truth_wire_scan(const char *text, size_t size, struct truth_message *message) {
    struct truth_text *parts[] = {&message->join_ref, &message->ref, &message->topic,
                                  &message->event};
    const char *end = text + size, *cursor = text + 1;
    if (size < 2 || text[0] != '[' || text[size - 1] != ']')
        return false;
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        const char *stop = NULL;
        if (cursor < end && *cursor == '"')
            stop = memchr(cursor + 1, '"', (size_t)(end - cursor - 1));
        else if (end - cursor > 4 && memcmp(cursor, "null", 4) == 0)
            stop = cursor + 3;
        if (stop == NULL || stop + 1 >= end || stop[1] != ',')
            return false;
        *parts[i] = (struct truth_text){cursor, (size_t)(stop + 1 - cursor)};
        cursor = stop + 2;
    }
    message->payload = (struct truth_text){cursor, (size_t)(end - 1 - cursor)};
    return cursor < end && message->topic.size < TRUTH_TOPIC_SIZE_MAX;
}

bool truth_wire_is(struct truth_text quoted, const char *name) {
    size_t size = strlen(name);
    return quoted.size == size + 2 && memcmp(quoted.at + 1, name, size) == 0;
}
