// Rules about the network stack: bursts of connects, ports, the firewall's table, packets.
#include <inttypes.h>
#include <string.h>

#include "tuning/advice_rules.h"

#define LISTEN_BACKLOG 4096 // what Fairlead's listeners ask for (io/listener.c)
#define ACCEPT_PER_S 50000  // connects a second that a storm may bring to one listener
#define NETDEV_BACKLOG_LOW 1000
#define CONNTRACK_BYTES 320 // nf_conn and its two tuples in the table
#define EHASH_CHAIN_MAX 4
#define SYN_BACKLOG_LOW 4096
#define TIME_WAIT_S 60

static void rule_conntrack(struct advice *a, const struct machine *m) {
    if (!machine_has(m, MACHINE_CONNTRACK_MAX))
        return;
    struct advice_row *row = advice_add(a, "conntrack");
    uint64_t max = machine_get(m, MACHINE_CONNTRACK_MAX);
    uint64_t count = machine_get(m, MACHINE_CONNTRACK_COUNT);
    char max_text[32], count_text[32], memory[32];
    advice_exact_text(max, max_text, sizeof(max_text));
    advice_count_text(count, count_text, sizeof(count_text));
    advice_bytes_text(a->wanted * CONNTRACK_BYTES, memory, sizeof(memory));
    advice_value(row, "%s", max_text);
    advice_bound_both(a, row, max > count ? max - count : 0);
    advice_why(row,
               "The firewall follows every connection in this table (%s now), if a rule or NAT has "
               "switched it on in this network namespace; when it is full new packets are dropped "
               "without a word to the peer. Each entry takes %d B of the kernel's, %s in all: not "
               "following the port at all is cheaper.",
               count_text, CONNTRACK_BYTES, memory);
    if (row->verdict != ADVICE_LOW)
        return;
    uint64_t want = (a->wanted + count + 999999) / 1000000 * 1000000;
    // Nothing is followed yet: the module is loaded, and maybe that is all.
    if (count == 0)
        row->verdict = ADVICE_MIND;
    advice_lift(row,
                "nft add table ip fl; nft add chain ip fl pre '{type filter hook prerouting "
                "priority raw;}'; nft add rule ip fl pre tcp dport 8080 notrack (and the same for "
                "output, sport); or sysctl -w net.netfilter.nf_conntrack_max=%" PRIu64,
                want);
    if (count == 0) {
        row->connections = row->connections_others = ADVICE_UNBOUNDED;
        advice_bounds(row, "if used: %s", max_text);
    }
}

static void rule_somaxconn(struct advice *a, const struct machine *m) {
    if (!machine_has(m, MACHINE_SOMAXCONN))
        return;
    struct advice_row *row = advice_add(a, "somaxconn");
    uint64_t value = machine_get(m, MACHINE_SOMAXCONN);
    uint64_t each = value < LISTEN_BACKLOG ? value : LISTEN_BACKLOG;
    char count[32];
    advice_count_text(value, count, sizeof(count));
    advice_value(row, "%s", count);
    advice_count_text(each * a->schedulers, count, sizeof(count));
    advice_bounds(row, "%s connects at once", count);
    advice_why(row,
               "Handshakes that are done and wait for accept, for each listener; Fairlead has one "
               "for each scheduler and asks for %d: %u x %" PRIu64 ". At %d connects a second on a "
               "listener that is a server that may stall %" PRIu64 " ms. Beyond it the client's "
               "last ACK is dropped and it waits a second (TcpExtListenOverflows).",
               LISTEN_BACKLOG, a->schedulers, each, ACCEPT_PER_S, each * 1000 / ACCEPT_PER_S);
    if (value < LISTEN_BACKLOG) {
        row->verdict = ADVICE_MIND;
        advice_lift(row, "sysctl -w net.core.somaxconn=65535");
    }
}

static void rule_syn_backlog(struct advice *a, const struct machine *m) {
    if (!machine_has(m, MACHINE_SYN_BACKLOG))
        return;
    struct advice_row *row = advice_add(a, "tcp_max_syn_backlog");
    uint64_t value = machine_get(m, MACHINE_SYN_BACKLOG);
    bool has_cookies = !machine_has(m, MACHINE_SYNCOOKIES) || machine_get(m, MACHINE_SYNCOOKIES);
    char count[32];
    advice_count_text(value, count, sizeof(count));
    advice_value(row, "%s", count);
    advice_bounds(row, "%s handshakes under way", count);
    char rate[32];
    advice_count_text(value * 10, rate, sizeof(rate));
    advice_why(row,
               "Handshakes half done, for each listener. Clients far away keep one for a round "
               "trip: %s allow %s connects a second at 100 ms. Beyond it %s.",
               count, rate,
               has_cookies ? "SYN cookies, which cost window scaling on such connections"
                           : "the SYN is dropped and the client waits a second");
    if (value < SYN_BACKLOG_LOW) {
        row->verdict = ADVICE_MIND;
        advice_lift(row, "sysctl -w net.ipv4.tcp_max_syn_backlog=65535");
    }
}

static void rule_netdev_backlog(struct advice *a, const struct machine *m) {
    if (!machine_has(m, MACHINE_NETDEV_BACKLOG))
        return;
    struct advice_row *row = advice_add(a, "netdev_max_backlog");
    uint64_t value = machine_get(m, MACHINE_NETDEV_BACKLOG);
    char count[32], dropped[32];
    advice_count_text(value, count, sizeof(count));
    advice_count_text(m->backlog_dropped, dropped, sizeof(dropped));
    advice_value(row, "%s", count);
    advice_bounds(row, "%s packets in a burst", count);
    advice_why(
        row,
        "Packets that wait for a CPU, on loopback, veth and with receive steering (RPS). "
        "A room of more members than that on one such path, written in one turn, may lose "
        "some: TCP sends them again 200 ms later, which is p99. Dropped since the start: %s.",
        dropped);
    if (m->backlog_dropped > 0 || value <= NETDEV_BACKLOG_LOW) {
        row->verdict = ADVICE_MIND;
        advice_lift(row, "sysctl -w net.core.netdev_max_backlog=%" PRIu64,
                    value < 16384 ? (uint64_t)16384 : value * 4);
    }
}

static void rule_ports(struct advice *a, const struct machine *m) {
    const struct machine_numbers *range = &m->sysctls[MACHINE_PORT_RANGE];
    if (range->count < 2 || range->values[1] < range->values[0])
        return;
    struct advice_row *row = advice_add(a, "ip_local_port_range");
    uint64_t ports = range->values[1] - range->values[0] + 1;
    char count[32], pairs[32];
    advice_count_text(ports, count, sizeof(count));
    advice_count_text((a->wanted + ports - 1) / ports, pairs, sizeof(pairs));
    advice_value(row, "%" PRIu64 "-%" PRIu64, range->values[0], range->values[1]);
    advice_bounds(row, "clients: %s each pair", count);
    advice_why(row,
               "For clients and proxies only; a server's accepted connections share its own port. "
               "Connections between one pair of addresses and one server port: %s. The wanted "
               "number takes %s pairs (fairlead load: --sources, --spread-destinations).",
               count, pairs);
    // A listener inside the range can find its port taken by a client.
    if (ports < 28000) {
        row->verdict = ADVICE_MIND;
        advice_lift(row, "sysctl -w net.ipv4.ip_local_port_range=\"10000 65535\"");
    }
}

static void rule_time_wait(struct advice *a, const struct machine *m) {
    const struct machine_numbers *range = &m->sysctls[MACHINE_PORT_RANGE];
    if (!machine_has(m, MACHINE_TW_REUSE) || range->count < 2)
        return;
    struct advice_row *row = advice_add(a, "tcp_tw_reuse");
    uint64_t value = machine_get(m, MACHINE_TW_REUSE);
    uint64_t ports = range->values[1] - range->values[0] + 1;
    advice_value(row, "%" PRIu64, value);
    advice_bounds(row, "clients: reconnects");
    advice_why(row,
               "For clients and proxies only. Who closes first keeps the port %d s in TIME_WAIT: "
               "%" PRIu64
               " new connections a second for each pair of addresses and server port. 1: "
               "taken again after a second; 2: on loopback only. fairlead load closes by reset and "
               "leaves none.",
               TIME_WAIT_S, ports / TIME_WAIT_S);
    if (value == 0) {
        row->verdict = ADVICE_MIND;
        advice_lift(row, "sysctl -w net.ipv4.tcp_tw_reuse=1");
    }
}

static void rule_orphans(struct advice *a, const struct machine *m) {
    if (!machine_has(m, MACHINE_ORPHANS))
        return;
    struct advice_row *row = advice_add(a, "tcp_max_orphans");
    char count[32];
    advice_count_text(machine_get(m, MACHINE_ORPHANS), count, sizeof(count));
    advice_value(row, "%s", count);
    advice_bounds(row, "%s closed, unsent", count);
    advice_why(row, "Connections that the server has closed while the peer has not taken the last "
                    "bytes: a drain, or a storm. Beyond it they are reset, which hurts nobody who "
                    "is still there.");
}

// The size is fixed at boot, so it is told in time.
static void rule_ehash(struct advice *a, const struct machine *m) {
    if (!machine_has(m, MACHINE_EHASH) || machine_get(m, MACHINE_EHASH) == 0)
        return;
    uint64_t value = machine_get(m, MACHINE_EHASH);
    if (value > INT64_MAX) // -N: this namespace has none of its own, and the host's is not told
        return;
    struct advice_row *row = advice_add(a, "tcp_ehash_entries");
    uint64_t chain = (a->wanted + value - 1) / value;
    char count[32], wanted[32];
    advice_count_text(value, count, sizeof(count));
    advice_count_text(a->wanted, wanted, sizeof(wanted));
    advice_value(row, "%s", count);
    advice_bounds(row, "%" PRIu64 " sockets a bucket", chain);
    advice_why(row,
               "Buckets of the table in which the kernel finds a packet's socket: with %s "
               "connections (their ends here twice, if the client is here too) a packet looks at "
               "%" PRIu64 " of them in the mean, each a cache miss.",
               wanted, chain);
    if (chain > EHASH_CHAIN_MAX) {
        row->verdict = ADVICE_MIND;
        advice_lift(row, "thash_entries=%" PRIu64 " on the kernel's command line",
                    value * chain / 2 > 16777216 ? (uint64_t)16777216 : value * chain / 2);
    }
}

static void rule_neighbours(struct advice *a, const struct machine *m) {
    if (!machine_has(m, MACHINE_NEIGHBOURS))
        return;
    struct advice_row *row = advice_add(a, "neigh gc_thresh3");
    char count[32];
    advice_count_text(machine_get(m, MACHINE_NEIGHBOURS), count, sizeof(count));
    advice_value(row, "%s", count);
    advice_bounds(row, "%s hosts on one wire", count);
    advice_why(row, "Hosts of the server's own network that it can talk to at once. Clients behind "
                    "a router count as one; a flat network of more hosts loses packets "
                    "(`neighbour table overflow`).");
}

static void rule_congestion(struct advice *a, const struct machine *m) {
    if (m->congestion[0] == 0)
        return;
    struct advice_row *row = advice_add(a, "congestion control");
    advice_value(row, "%s", m->congestion);
    advice_bounds(row, "CPU a message");
    advice_why(row,
               "bbr paces what it sends by a timer for each connection; for small messages on a "
               "short path that is CPU without use, over lossy long ones it is worth it. "
               "`fairlead tune --try net.ipv4.tcp_congestion_control` tells here.");
    if (strcmp(m->congestion, "bbr") == 0)
        row->verdict = ADVICE_MIND;
    if (row->verdict == ADVICE_MIND && strstr(m->congestion_available, "cubic") != NULL)
        advice_lift(row, "sysctl -w net.ipv4.tcp_congestion_control=cubic");
}

static void rule_slow_start(struct advice *a, const struct machine *m) {
    if (!machine_has(m, MACHINE_SLOW_START_IDLE))
        return;
    struct advice_row *row = advice_add(a, "slow start after idle");
    uint64_t value = machine_get(m, MACHINE_SLOW_START_IDLE);
    advice_value(row, "%" PRIu64, value);
    advice_bounds(row, "latency after silence");
    advice_why(row,
               "1: a connection that was quiet sends ten segments (14 KB) and waits a round "
               "trip before more (bbr does not). A chat message fits; a long history does not.");
}

static void rule_busy_poll(struct advice *a, const struct machine *m) {
    if (!machine_has(m, MACHINE_BUSY_POLL))
        return;
    struct advice_row *row = advice_add(a, "busy_poll");
    uint64_t value = machine_get(m, MACHINE_BUSY_POLL);
    advice_value(row, "%" PRIu64 " µs", value);
    advice_bounds(row, "latency, CPU");
    advice_why(row,
               "Above 0 a waiting program spins on the card's queue: some µs less latency for a "
               "CPU that is never idle. Fairlead waits in its ring; this is for others.");
}

void advice_rules_network(struct advice *advice, const struct machine *machine) {
    rule_conntrack(advice, machine);
    rule_somaxconn(advice, machine);
    rule_syn_backlog(advice, machine);
    rule_netdev_backlog(advice, machine);
    rule_ports(advice, machine);
    rule_time_wait(advice, machine);
    rule_orphans(advice, machine);
    rule_ehash(advice, machine);
    rule_neighbours(advice, machine);
    rule_congestion(advice, machine);
    rule_slow_start(advice, machine);
    rule_busy_poll(advice, machine);
}
