#include "gateway/sockets.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "gateway/host_port.h"
#include "io/listener.h"

#define NOTSENT_LOWAT_BYTES (16 * 1024)
#define CONTROL_BACKLOG 64

_Static_assert(SOCKETS_ERROR_SIZE >= HOST_PORT_ERROR_SIZE, "it explains into the caller's buffer");

static bool open_one(int *socket, const char *option, const struct config_address *address,
                     struct listener_config *listener, char *error) {
    listener->address_size = config_address_sockaddr(address, &listener->address);
    int fd = listener_open(listener);
    if (fd < 0) {
        host_port_explain(option, address, -fd, error);
        return false;
    }
    *socket = fd;
    return true;
}

static bool open_all(struct sockets *sockets, const struct config *config, uint32_t scheduler_count,
                     char *error) {
    struct listener_config data = {.send_buffer_bytes = config->send_buffer_bytes,
                                   .notsent_lowat_bytes = NOTSENT_LOWAT_BYTES};
    // One socket, whoever comes second is refused; its server polls.
    struct listener_config control = {
        .backlog = CONTROL_BACKLOG, .exclusive = true, .nonblocking = true};
    for (uint32_t i = 0; i < config->listen_count + config->listen_mqtt_count; i++) {
        bool is_mqtt = i >= config->listen_count;
        const struct config_address *address =
            is_mqtt ? &config->listen_mqtt[i - config->listen_count] : &config->listen[i];
        for (uint32_t s = 0; s < scheduler_count; s++)
            if (!open_one(&sockets->data[s][i], is_mqtt ? "listen-mqtt" : "listen", address, &data,
                          error))
                return false;
    }
    return open_one(&sockets->control, "control", &config->control, &control, error) &&
           (config->page.port == 0 ||
            open_one(&sockets->page, "page", &config->page, &control, error));
}

bool sockets_open(struct sockets *sockets, const struct config *config, uint32_t scheduler_count,
                  char *error) {
    memset(sockets, 0, sizeof(*sockets));
    if (open_all(sockets, config, scheduler_count, error))
        return true;
    sockets_close(sockets);
    return false;
}

static void close_one(int *socket) {
    if (*socket > 0)
        close(*socket);
    *socket = 0;
}

void sockets_close(struct sockets *sockets) {
    for (uint32_t s = 0; s < CONFIG_SCHEDULERS_MAX; s++)
        for (uint32_t i = 0; i < SOCKETS_DATA_MAX; i++)
            close_one(&sockets->data[s][i]);
    close_one(&sockets->control);
    close_one(&sockets->page);
}

static void set_inherited(int socket, bool is_inherited) {
    if (socket > 0)
        (void)fcntl(socket, F_SETFD, is_inherited ? 0 : FD_CLOEXEC);
}

void sockets_set_inherited(const struct sockets *sockets, bool is_inherited) {
    for (uint32_t s = 0; s < CONFIG_SCHEDULERS_MAX; s++)
        for (uint32_t i = 0; i < SOCKETS_DATA_MAX; i++)
            set_inherited(sockets->data[s][i], is_inherited);
    set_inherited(sockets->control, is_inherited);
    set_inherited(sockets->page, is_inherited);
}
