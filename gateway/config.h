// The settings of `fairlead serve`, as plain data: gateway/options.c fills it from the flags and
// the YAML file (each option's meaning, bounds and default stand in its table), everybody else
// reads it.
//
// Written by main before other threads exist, constant afterwards, so any thread may read it. Owns
// all its bytes, holds no pointers. 0 in `schedulers` and `connections_max` means "what the host
// has"; gateway/host.h turns that into numbers (struct host_plan).
#ifndef FAIRLEAD_CONFIG_H
#define FAIRLEAD_CONFIG_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "sched/base/check.h"
#include "sched/base/log.h"

#define CONFIG_LISTEN_MAX 16
#define CONFIG_ORIGINS_MAX 64
#define CONFIG_ORIGIN_SIZE_MAX 255
#define CONFIG_PROXIES_MAX 64
#define CONFIG_CPUS_MAX                                                                            \
    240 // a pid names its core in 8 bits; the rest is for endpoints off the cores
#define CONFIG_SCHEDULERS_MAX 60 // the mesh has 64 endpoints; four are for threads off the cores
#define CONFIG_ROOM_RULES_MAX 64
#define CONFIG_ROOM_PATTERN_SIZE_MAX 160
#define CONFIG_ADDRESS_TEXT_SIZE 56 // "[" IPv6 "]:65535" and its end

// IPv4 is held as ::ffff:a.b.c.d (RFC 4291 2.5.5.2), so that addresses compare as 16 bytes.
struct config_address {
    uint8_t ip[16];
    uint16_t port; // host order; 0: none
};

struct config_cidr {
    uint8_t ip[16];
    uint8_t prefix_bits; // of the 128
};

enum config_presence {
    CONFIG_PRESENCE_LIST,
    CONFIG_PRESENCE_COUNTS,
    CONFIG_PRESENCE_OFF,
};

enum config_room_policy {
    CONFIG_POLICY_DROP_OLDEST,
    CONFIG_POLICY_CLOSE,
};

// What holds for one room (gateway/room_settings.h finds it).
struct config_room_settings {
    enum config_presence presence;
    enum config_room_policy policy;
    uint32_t presence_list_max; // users
};

struct config_room_rule {
    char pattern[CONFIG_ROOM_PATTERN_SIZE_MAX + 1];
    struct config_room_settings settings; // what the rule leaves out is filled from config.room
    uint32_t given_mask;                  // option_value.c: what the rule itself names
};

struct config {
    struct config_address listen[CONFIG_LISTEN_MAX];
    uint32_t listen_count;
    struct config_address listen_mqtt[CONFIG_LISTEN_MAX]; // MQTT only
    uint32_t listen_mqtt_count;
    struct config_address control;
    struct config_address page; // port 0: no second page server

    uint32_t schedulers; // 0: one per CPU
    uint16_t cpus[CONFIG_CPUS_MAX];
    uint32_t cpu_count; // 0: the CPUs that the process may run on
    bool balance;
    uint64_t connections_max; // 0: what fits
    uint32_t rooms_max;

    bool allow_anonymous;
    bool peer_addresses;
    bool echo;
    bool strict_phoenix;
    char origins[CONFIG_ORIGINS_MAX]
                [CONFIG_ORIGIN_SIZE_MAX + 1]; // lower case, as browsers send them
    uint32_t origin_count;
    struct config_cidr trusted_proxies[CONFIG_PROXIES_MAX];
    uint32_t trusted_proxy_count;

    uint32_t idle_timeout_s;
    uint32_t handshake_timeout_s;
    uint32_t drain_timeout_s;

    uint32_t message_bytes_max;
    uint32_t out_queue_bytes_max;
    uint32_t send_buffer_bytes;
    uint32_t channels_per_socket_max;

    uint32_t min_wait_us; // 0: a busy scheduler gathers nothing
    uint32_t park_after_s;
    uint32_t recv_buffers; // of the first lane; 0: the ring's default
    uint32_t recv_buffer_bytes;

    uint32_t mqtt_receive_max;
    uint32_t mqtt_inflight_max;
    uint32_t mqtt_session_queue_max; // messages, for each session
    uint32_t mqtt_session_queue_bytes_max;
    uint32_t mqtt_session_expiry_max_s;
    uint32_t mqtt_sessions_max;      // 0: twice connections_max
    uint32_t mqtt_subscriptions_max; // of one session
    uint32_t mqtt_topic_alias_max;
    uint32_t mqtt_keep_alive_max_s;
    uint32_t mqtt_retained_max; // messages outside rooms
    uint64_t mqtt_retained_bytes_max;

    struct config_room_settings room; // for rooms that no rule matches
    struct config_room_rule room_rules[CONFIG_ROOM_RULES_MAX];
    uint32_t room_rule_count;

    uint32_t recorder_mib; // per scheduler; 0: off
    uint32_t obituaries;   // per scheduler
    enum log_level log_level;

    bool supervised;
    uint32_t restart_intensity;
    uint32_t restart_period_s;
};

// "127.0.0.1:8080", "[::1]:8080", "localhost:8080"; false for anything else (names are not
// resolved).
MUST_USE bool config_address_decode(const char *text, struct config_address *address);

// The same form back; `text` has CONFIG_ADDRESS_TEXT_SIZE bytes. Returns `text`.
const char *config_address_encode(const struct config_address *address, char *text);

bool config_address_is_loopback(const struct config_address *address);

// For bind(2). Returns the size used: IPv4 gets a sockaddr_in.
socklen_t config_address_sockaddr(const struct config_address *address,
                                  struct sockaddr_storage *sockaddr);

// "10.0.0.0/8", "fd00::/8", or one address without a prefix.
MUST_USE bool config_cidr_decode(const char *text, struct config_cidr *cidr);

// `text` has CONFIG_ADDRESS_TEXT_SIZE bytes. Returns `text`.
const char *config_cidr_encode(const struct config_cidr *cidr, char *text);

// `ip` as in struct config_address.
bool config_cidr_has(const struct config_cidr *cidr, const uint8_t ip[16]);

// Whether a peer at `ip` is one of the proxies whose X-Forwarded-For is believed.
bool config_is_trusted_proxy(const struct config *config, const uint8_t ip[16]);

// Whether `origin` (as in the request, any case) is listed in `origins`; an entry `*` lists all.
bool config_has_origin(const struct config *config, const char *origin, size_t origin_size);

#endif
