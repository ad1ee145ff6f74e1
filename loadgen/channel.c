#include "loadgen/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_BYTES ((size_t)64 << 10)
#define READS_MAX 64 // 4 MiB a call: a peer that never stops does not keep us
#define PEEK_BYTES 60

void channel_init(struct channel *c, int fd, size_t line_bytes_max) {
    *c = (struct channel){.fd = fd, .line_bytes_max = line_bytes_max};
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
        c->error = errno;
}

void channel_fini(struct channel *c) {
    if (c->fd >= 0)
        close(c->fd);
    free(c->in);
    free(c->out);
    *c = (struct channel){.fd = -1, .error = c->error};
}

// Room for `more` bytes behind `size`.
static bool reserve(char **buffer, size_t size, size_t *capacity, size_t more) {
    if (*capacity - size >= more)
        return true;
    size_t wanted = *capacity < 4096 ? 4096 : *capacity;
    while (wanted - size < more)
        wanted *= 2;
    char *grown = realloc(*buffer, wanted);
    if (grown == NULL)
        return false;
    *buffer = grown;
    *capacity = wanted;
    return true;
}

// --- sending -------------------------------------------------------------------------------------

static int append(const char *buffer, size_t size, void *data) {
    struct channel *c = data;
    if (c->out_size + size > CHANNEL_WAITING_MAX ||
        !reserve(&c->out, c->out_size, &c->out_capacity, size))
        return -1;
    memcpy(c->out + c->out_size, buffer, size);
    c->out_size += size;
    return 0;
}

bool channel_send(struct channel *c, json_t *message) {
    bool is_queued = message != NULL && c->fd >= 0 &&
                     json_dump_callback(message, append, c, JSON_COMPACT) == 0 &&
                     append("\n", 1, c) == 0;
    json_decref(message);
    if (!is_queued && c->error == 0)
        c->error = ENOBUFS;
    return is_queued && channel_flush(c);
}

bool channel_flush(struct channel *c) {
    size_t sent = 0;
    while (sent < c->out_size && c->error == 0) {
        ssize_t n = send(c->fd, c->out + sent, c->out_size - sent, MSG_NOSIGNAL);
        if (n > 0)
            sent += (size_t)n;
        else if (errno == EAGAIN || errno == EWOULDBLOCK)
            break;
        else if (errno != EINTR)
            c->error = errno;
    }
    c->out_size -= sent;
    if (sent > 0 && c->out_size > 0)
        memmove(c->out, c->out + sent, c->out_size);
    return c->error == 0;
}

// --- receiving -----------------------------------------------------------------------------------

static void keep_peek(struct channel *c, const char *line, size_t size) {
    size = size < PEEK_BYTES ? size : PEEK_BYTES;
    for (size_t i = 0; i < size; i++)
        c->peeked[i] = line[i] >= 0x20 && line[i] < 0x7f ? line[i] : '?';
    c->peeked[size] = 0;
}

const char *channel_peek(struct channel *c) {
    if (c->in_size > 0)
        keep_peek(c, c->in, c->in_size);
    return c->peeked;
}

// A line that is there already. NOTHING: there is none.
static enum channel_outcome take_line(struct channel *c, json_t **message) {
    char *end = memchr(c->in + c->in_seen, '\n', c->in_size - c->in_seen);
    if (end == NULL) {
        c->in_seen = c->in_size;
        return c->in_size > c->line_bytes_max ? CHANNEL_TOO_LONG : CHANNEL_NOTHING;
    }
    size_t size = (size_t)(end - c->in);
    enum channel_outcome outcome = CHANNEL_NOT_JSON;
    if (size > c->line_bytes_max) {
        outcome = CHANNEL_TOO_LONG;
    } else {
        *message = json_loadb(c->in, size, JSON_REJECT_DUPLICATES, NULL);
        if (json_is_object(*message))
            outcome = CHANNEL_MESSAGE;
        else
            json_decref(*message);
    }
    if (outcome != CHANNEL_MESSAGE)
        *message = NULL;
    keep_peek(c, c->in, size);
    c->in_size -= size + 1;
    memmove(c->in, end + 1, c->in_size);
    c->in_seen = 0;
    return outcome;
}

enum channel_outcome channel_receive(struct channel *c, json_t **message) {
    *message = NULL;
    for (int i = 0; i < READS_MAX; i++) {
        if (c->in_size > c->in_seen) {
            enum channel_outcome outcome = take_line(c, message);
            if (outcome != CHANNEL_NOTHING)
                return outcome;
        }
        if (c->fd < 0 || !reserve(&c->in, c->in_size, &c->in_capacity, READ_BYTES)) {
            c->error = ENOMEM;
            return CHANNEL_CLOSED;
        }
        ssize_t n = recv(c->fd, c->in + c->in_size, READ_BYTES, 0);
        if (n > 0) {
            c->in_size += (size_t)n;
        } else if (n == 0) {
            return CHANNEL_CLOSED;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return CHANNEL_NOTHING;
        } else if (errno != EINTR) {
            c->error = errno;
            return CHANNEL_CLOSED;
        }
    }
    return CHANNEL_NOTHING;
}
