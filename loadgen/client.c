#include "loadgen/client.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <string.h>

#include "io/connect.h"
#include "loadgen/cut.h"
#include "loadgen/stride.h"

#define ROOMS_IN_ORDER_MAX 64 // so few are all of one lane
#define GIVE_UP_AFTER 100     // failures without one success: nobody is there

static void init_orders(struct run *run) {
    uint32_t count = run->options.connections;
    run->connect_count = run->phases.up + run->client_count - count;
    run->rank_stride = run->phases.needs.moves ? stride_of(count) : 1;
    run->heartbeat_stride = stride_of(run->client_count);
    uint32_t rooms = run->layout.room_count;
    run->room_stride = rooms < ROOMS_IN_ORDER_MAX ? 1 : stride_of(rooms);
}

uint32_t client_of_rank(const struct run *run, uint32_t rank) {
    uint32_t count = run->options.connections;
    return stride_at(run->rank_stride, count, rank);
}

// Those beside the load connect first: they are to see all of it.
static uint32_t client_at(const struct run *run, uint32_t position) {
    uint32_t beside = run->client_count - run->options.connections;
    return position < beside ? run->options.connections + position
                             : client_of_rank(run, position - beside);
}

static int init_layout(struct run *run) {
    const struct load_options *o = &run->options;
    const struct plan_needs *needs = &run->phases.needs;
    const struct layout_config config = {
        .sizes = o->sizes,
        .connections = o->connections,
        .slow_percent = needs->slow_percent,
        .churn_percent = needs->churn ? o->churn_percent : 0,
    };
    return layout_init(&run->layout, &run->ledger, &config);
}

int client_init(struct run *run) {
    const struct load_options *o = &run->options;
    if (!phases_init(run) || init_layout(run) < 0)
        return -ENOMEM;
    init_orders(run);
    run->protocol = o->protocol;
    run->flood_client = o->has_flood ? o->connections : SLAB_NONE;
    run->room_count = run->layout.room_count + (run->client_count > o->connections);
    run->clients =
        memory_reserve(&run->ledger, "clients", (size_t)run->client_count * sizeof(struct client));
    run->rooms =
        memory_reserve(&run->ledger, "rooms", (size_t)run->room_count * sizeof(struct room));
    run->scratch_size = 2 * (size_t)o->payload_bytes + 1024;
    run->scratch = memory_reserve(&run->ledger, "scratch", run->scratch_size);
    if (run->clients == NULL || run->rooms == NULL || run->scratch == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < run->client_count; i++)
        run->clients[i] = (struct client){
            .stream = HANDLE_NONE,
            .cut = SLAB_NONE,
            .role = i < o->connections ? (uint8_t)layout_role_of(&run->layout, i) : LAYOUT_PLAIN};
    bool is_of_any_size = run->replay && run->replay->has_bytes;
    run->publish_bytes = o->payload_bytes;
    run->request_bytes = is_of_any_size ? REPLAY_PING_BYTES : o->payload_bytes;
    for (uint32_t i = 0; i < run->room_count; i++) {
        char text[RUN_TOPIC_BYTES_MAX];
        struct bytes topic = client_topic(run, i, text);
        verify_start(&run->rooms[i].verify, 0);
        if (run->protocol->is_mqtt)
            mqtt_scan_expect(&run->rooms[i].mqtt, topic);
        else
            scan_expect(&run->rooms[i].phoenix, topic, bytes_from_string(o->event),
                        is_of_any_size ? 0 : o->payload_bytes);
    }
    uint32_t peak = 0;
    for (uint32_t i = 0; i < run->plan->count; i++) {
        uint32_t up = phases_up_at(run, run->plan->phases[i].connections_percent);
        peak = up > peak ? up : peak;
    }
    run->result->wanted = peak + run->client_count - o->connections;
    int status = cut_init(run);
    if (status == 0)
        status = publisher_order_init(run);
    if (status == 0 && run->protocol->init)
        status = run->protocol->init(run);
    return status;
}

struct bytes client_topic(const struct run *run, uint32_t room, char text[RUN_TOPIC_BYTES_MAX]) {
    bool is_flood = run->flood_client != SLAB_NONE && room == run->room_count - 1;
    if (wills_watcher_count(run) > 0 && room == run->room_count - 1)
        return bytes_from_string(run->options.will_topic);
    const char *prefix = run->protocol->is_mqtt ? run->options.topic_prefix : "room:";
    int size = is_flood ? snprintf(text, RUN_TOPIC_BYTES_MAX, "%sbench-flood", prefix)
                        : snprintf(text, RUN_TOPIC_BYTES_MAX, "%sbench-%u", prefix,
                                   run->options.first_room + room);
    return bytes_of(text, (size_t)size);
}

const char *client_shown(struct bytes text, char out[CLIENT_SHOWN_BYTES]) {
    size_t size = 0;
    for (size_t i = 0; i < text.size && size < CLIENT_SHOWN_BYTES - 1; i++) {
        if (text.data[i] == '\n' && size > 0)
            break;
        // What is no ASCII might be no UTF-8 either, which neither JSON nor a terminal takes.
        if (text.data[i] >= 0x7f)
            out[size++] = '?';
        else if (text.data[i] >= ' ')
            out[size++] = (char)text.data[i];
    }
    out[size] = 0;
    return out;
}

bool client_all_settled(const struct run *run) {
    return run->waiting == 0 && (run->next_client == run->connect_count || run->gives_up);
}

void client_enter_room(struct run *run, uint32_t index) {
    struct client *client = &run->clients[index];
    struct room *room = &run->rooms[run_room_of(run, index)];
    client->member = CLIENT_IN;
    room->live++;
    room->stable += client_is_stable(client);
}

void client_leave_room(struct run *run, uint32_t index) {
    struct client *client = &run->clients[index];
    struct room *room = &run->rooms[run_room_of(run, index)];
    client->member = CLIENT_OUT;
    room->live--;
    room->stable -= client_is_stable(client);
}

// --- ends ----------------------------------------------------------------------------------------

static bool is_waiting(const struct client *client) {
    return client->state >= CLIENT_CONNECTING && client->state <= CLIENT_JOINING;
}

static void leave_state(struct run *run, uint32_t index) {
    struct client *client = &run->clients[index];
    if (is_waiting(client))
        run->waiting--;
    if (client->state == CLIENT_LIVE) {
        run->result->live--;
        if (client->member == CLIENT_IN || client->member == CLIENT_LEAVING)
            client_leave_room(run, index);
        run->result->unanswered += client_owed(run, index);
        run->outstanding -= client->unanswered;
        client->unanswered = 0;
        run->heartbeats_outstanding -= client->heartbeats;
        client->heartbeats = 0;
    }
    client->state = CLIENT_GONE;
    throttle_forget(run, index);
    client->member = CLIENT_OUT;
    cut_release(run, client);
    if (run->protocol->on_gone)
        run->protocol->on_gone(run, index);
    if (run->result->live_max == 0 && result_refused_count(run->result) >= GIVE_UP_AFTER)
        run->gives_up = true;
}

// An attempt to come back that failed is counted as that: the server may refuse in a storm.
static void count_failure(struct run *run, uint32_t index, enum result_failure why,
                          const char *sentence) {
    if (run->phases.is_on)
        run->result->phase_rows[run->phases.at].failures++;
    if (!comeback_on_failed(run, index, why))
        result_count_failure(run->result, why, "%s", sentence);
}

void client_fail(struct run *run, uint32_t index, enum result_failure why, const char *format,
                 ...) {
    struct client *client = &run->clients[index];
    char sentence[RESULT_DETAIL_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(sentence, sizeof(sentence), format, arguments);
    va_end(arguments);
    if (client->state == CLIENT_GONE)
        return;
    if (index == run->flood_client && client->state == CLIENT_LIVE)
        snprintf(run->result->flood_end, sizeof(run->result->flood_end), "%s", sentence);
    else
        count_failure(run, index, why, sentence);
    bool was_live = client->state == CLIENT_LIVE;
    stream_close(&run->streams, client->stream, STREAM_CLOSE_ABORT);
    leave_state(run, index);
    if (was_live)
        comeback_on_dropped(run, index, clock_monotonic_ns());
}

// RFC 8446 5.1: a record of type alert or handshake, version 3.x.
static bool is_tls(struct bytes head) {
    return head.size >= 2 && (head.data[0] == 0x15 || head.data[0] == 0x16) && head.data[1] == 3;
}

void client_fail_stranger(struct run *run, uint32_t index, const struct client_stranger *stranger) {
    char text[CLIENT_SHOWN_BYTES];
    const char *host = target_of(run->targets, index)->host;
    if (is_tls(stranger->head))
        client_fail(run, index, stranger->why,
                    "%.100s speaks TLS, which this tool does not: point it at the plain port",
                    host);
    else
        client_fail(run, index, stranger->why, "%.100s is no %s server: %s; it said '%s'", host,
                    stranger->wanted, stranger->cause, client_shown(stranger->head, text));
}

void client_depart(struct run *run, uint32_t index) {
    struct client *client = &run->clients[index];
    comeback_forget(run, index);
    if (client->state == CLIENT_NONE || client->state == CLIENT_GONE)
        return;
    // What it asked for last stays without an answer by our own doing, what its room was sent last
    // does not reach it for the same reason.
    run->outstanding -= client->unanswered;
    client->unanswered = 0;
    if (run->protocol->on_gone)
        run->protocol->on_gone(run, index);
    if (client->state == CLIENT_LIVE && client_is_stable(client)) {
        uint32_t room = run_room_of(run, index);
        flight_forgive(&run->flights, room, run->rooms[room].published);
    }
    stream_close(&run->streams, client->stream, STREAM_CLOSE_ABORT);
    leave_state(run, index);
}

void client_fail_local(struct run *run, uint32_t index, int error) {
    const char *cure = "";
    switch (error) {
    case EADDRNOTAVAIL:
        cure = "; no local port is left for this pair of addresses: give --sources, more targets, "
               "or lower net.ipv4.ip_local_port_range";
        break;
    case EMFILE:
    case ENFILE:
        cure = "; raise the limit of open files (ulimit -n)";
        break;
    default:
        break;
    }
    client_fail(run, index, RESULT_LOCAL, "this machine: %s%s", strerror(error), cure);
}

void client_on_connect_failed(struct run *run, uint32_t index, int error) {
    const struct target *target = target_of(run->targets, index);
    if (error == EADDRNOTAVAIL || error == EMFILE || error == ENFILE || error == ENOBUFS)
        client_fail_local(run, index, error);
    else
        client_fail(run, index, RESULT_UNREACHABLE, "%s: %s%s", target->host, strerror(error),
                    error == ECONNREFUSED ? " (is the server running there?)" : "");
}

void client_on_end(struct run *run, uint32_t index, enum stream_end reason) {
    struct client *client = &run->clients[index];
    if (run->is_closing)
        return;
    bool was_reset = reason == STREAM_END_RESET || reason == STREAM_END_ERROR;
    switch ((enum client_state)client->state) {
    case CLIENT_NONE:
    case CLIENT_GONE:
        return;
    case CLIENT_CONNECTING:
    case CLIENT_OPENING:
        run->protocol->on_end_early(run, index);
        client_fail(run, index, run->protocol->stranger,
                    "the server closed the connection before it answered %s", run->protocol->hello);
        return;
    case CLIENT_JOINING:
        client_fail(run, index, RESULT_CLOSED_EARLY,
                    "the server closed the connection before it answered %s", run->protocol->join);
        return;
    case CLIENT_LIVE:
        client_fail(run, index, was_reset ? RESULT_RESET : RESULT_CLOSED,
                    was_reset ? "the server reset a connection"
                              : "the server closed a connection without a close frame");
        return;
    }
    UNREACHABLE();
}

// --- beginnings ----------------------------------------------------------------------------------

void client_connect(struct run *run, uint32_t index, uint64_t intended_ns, uint64_t now_ns) {
    struct client *client = &run->clients[index];
    const struct target *target = target_of(run->targets, index);
    const struct sockaddr_storage *source = target_source_of(run->targets, index);
    struct connect_config config = {
        .local = (const struct sockaddr *)source,
        .local_size = source == NULL                  ? 0
                      : source->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                                      : sizeof(struct sockaddr_in),
        .remote = (const struct sockaddr *)&target->address,
        .remote_size = target->address_size,
        .linger_zero = true,
        .receive_buffer_bytes = client->role == LAYOUT_SLOW ? THROTTLE_RECEIVE_BUFFER_BYTES : 0,
    };
    client->state = CLIENT_CONNECTING;
    client->connect_ns = intended_ns;
    client->started_ms = (uint32_t)((now_ns - run->result->begin_ns) / NS_PER_MS);
    run->waiting++;
    int status = connect_open(&run->streams, index, &config, &client->stream);
    if (status < 0) {
        client->stream = HANDLE_NONE;
        client_fail_local(run, index, -status);
    }
}

uint64_t client_next_connect_ns(const struct run *run) {
    if (run->next_client == run->connect_count || run->gives_up ||
        run->waiting >= run->options.connecting_max)
        return SCHEDULE_NEVER;
    return schedule_next_ns(&run->connects);
}

void client_connect_due(struct run *run, uint64_t now_ns) {
    uint64_t intended_ns;
    while (client_next_connect_ns(run) <= now_ns &&
           schedule_try_pop(&run->connects, now_ns, &intended_ns))
        client_connect(run, client_at(run, run->next_client++), intended_ns, now_ns);
}

static void fail_late(struct run *run, uint32_t index) {
    const struct client *client = &run->clients[index];
    const struct protocol *p = run->protocol;
    bool is_connecting = client->state == CLIENT_CONNECTING;
    bool is_joining = client->state == CLIENT_JOINING;
    client_fail(run, index, RESULT_TIMEOUT, "%s: within %.1f s no %s%s%s",
                target_of(run->targets, index)->host, run->options.connect_timeout_s,
                is_connecting ? "TCP connection" : "answer to ",
                is_connecting ? "" : (is_joining ? p->join : p->hello),
                is_joining ? p->join_hint : "");
}

void client_time_out(struct run *run, uint32_t index) {
    run->protocol->on_end_early(run, index);
    fail_late(run, index);
}

void client_expire(struct run *run, uint64_t now_ns) {
    uint64_t timeout_ms = (uint64_t)(run->options.connect_timeout_s * 1000);
    uint64_t now_ms = (now_ns - run->result->begin_ns) / NS_PER_MS;
    // Ranks begin in order, so the first that has time left ends the search: over the whole run
    // each is looked at once. Those who come back have timers of their own.
    for (; run->first_waiting < run->next_client; run->first_waiting++) {
        uint32_t index = client_at(run, run->first_waiting);
        const struct client *client = &run->clients[index];
        if (!is_waiting(client) || comeback_has(run, index))
            continue;
        if (now_ms < client->started_ms + timeout_ms)
            return;
        client_time_out(run, index);
    }
}

void client_on_open(struct run *run, uint32_t index, uint32_t stream_index) {
    struct client *client = &run->clients[index];
    stream_set_owner(&run->streams, stream_index, index);
    client->stream = stream_handle(&run->streams, stream_index);
    if (client->state != CLIENT_CONNECTING) {
        stream_close(&run->streams, client->stream, STREAM_CLOSE_ABORT);
        return;
    }
    client->state = CLIENT_OPENING;
    run->protocol->on_open(run, index);
}

void client_set_joining(struct run *run, uint32_t index) {
    run->clients[index].state = CLIENT_JOINING;
}

void client_set_live(struct run *run, uint32_t index) {
    struct client *client = &run->clients[index];
    struct result *r = run->result;
    uint64_t now_ns = clock_monotonic_ns();
    client->state = CLIENT_LIVE;
    run->waiting--;
    client_enter_room(run, index);
    r->live++;
    if (r->live > r->live_max)
        r->live_max = r->live;
    if (comeback_on_live(run, index, now_ns))
        return;
    histogram_record(&r->connect, now_ns > client->connect_ns ? now_ns - client->connect_ns : 0);
    r->connected_ns = now_ns;
}

// --- membership ----------------------------------------------------------------------------------

bool client_try_leave(struct run *run, uint32_t index) {
    struct client *client = &run->clients[index];
    if (!client_is_member(run, index) || !run->protocol->try_leave(run, index))
        return false;
    client->member = CLIENT_LEAVING;
    return true;
}

bool client_try_join(struct run *run, uint32_t index) {
    struct client *client = &run->clients[index];
    if (client->state != CLIENT_LIVE || client->member != CLIENT_OUT ||
        !run->protocol->try_join(run, index))
        return false;
    client->member = CLIENT_MEMBER_JOINING;
    return true;
}

// --- sending -------------------------------------------------------------------------------------

bool client_try_push(struct run *run, uint32_t index, uint32_t parcel) {
    struct client *client = &run->clients[index];
    if (stream_push(&run->streams, client->stream, parcel) != STREAM_PUSH_OK)
        return false;
    run->result->bytes_out_all += parcel_at(&run->blocks, parcel)->size;
    return true;
}

bool client_try_send(struct run *run, uint32_t index, struct bytes bytes) {
    uint32_t parcel = parcel_acquire(&run->blocks, bytes.size, PARCEL_CONTROL);
    if (parcel == BLOCK_NONE)
        return false;
    memcpy(parcel_at(&run->blocks, parcel)->data, bytes.data, bytes.size);
    bool sent = client_try_push(run, index, parcel);
    parcel_unref(&run->blocks, parcel);
    return sent;
}
