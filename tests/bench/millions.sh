#!/usr/bin/env bash
# make millions: many connections to a gateway on this machine, in a network namespace of their own
# (server and client both inside, on its loopback), so that nothing of the host's network changes.
# Two settings are the host's: fs.file-max, raised while it runs and restored whatever happens, and
# net.ipv4.tcp_child_ehash_entries, which the kernel reads when a namespace is made: 262,144 buckets
# for four million sockets are chains of sixteen, a cache miss each (docs/BENCHMARKS.md).
#
# Environment: N, HEARTBEAT_S, PUBLISHES, HOLD_S, ROOM_SIZE, CONNECT_RATE, SETTLE_S, PARK_AFTER_S, QUIET=1 (no heartbeats,
# nothing published, a minute: what idle connections cost), BENCH_BUILD.
set -u

say() { echo "millions: $*" >&2; }
refuse() {
    say "$*"
    exit 3
}
N=${N:-1000000}
case $N in '' | *[!0-9]*) say "N=$N is no number of connections" && exit 2 ;; esac
[ "$N" -ge 1000 ] && [ "$N" -le 4000000 ] || { say "N=$N: want 1000 to 4000000"; exit 2; }

# Both ends are on this machine: twice the kernel's 3,983 B, 232 B in the gateway, 112 B in the load
# tool (docs/BENCHMARKS.md), 608 B for the clients' receives, which stay armed, and 1.6 GiB to spare.
need_mib=$((N * (2 * 3983 + 232 + 112 + 608) / 1048576 + 1624))
free_mib=$(awk '/^MemAvailable/ { print int($2 / 1024) }' /proc/meminfo)
group=$(sed -n 's/^[0-9]*:memory:\(.*\)/\1/p; s/^0::\(.*\)/\1/p' /proc/self/cgroup | head -1)
for limit in "/sys/fs/cgroup$group/memory.max" "/sys/fs/cgroup/memory$group/memory.limit_in_bytes"; do
    bytes=$(cat "$limit" 2>/dev/null) || continue
    case $bytes in max | *[!0-9]*) continue ;; esac
    [ ${#bytes} -lt 16 ] && [ $((bytes / 1048576)) -lt "$free_mib" ] && free_mib=$((bytes / 1048576))
done
[ "$(id -u)" = 0 ] || refuse "needs root: it makes a network namespace; run: sudo make millions N=$N"
command -v ip >/dev/null || refuse "needs ip: make deps DEPS=bench"
command -v node >/dev/null || refuse "needs node 18 or newer: make deps DEPS=test"
[ "$(nproc)" -ge 2 ] || refuse "needs 2 CPUs; this machine offers $(nproc)"
[ "$need_mib" -le "$free_mib" ] || refuse "$N connections, both ends on this machine, take $need_mib MiB; $free_mib MiB are free:" \
    "N=$(((free_mib - 1624) * 1048576 / (2 * 3983 + 232 + 112 + 608) / 10000 * 10000)) would fit"

name=fl-millions
if ip netns list | grep -q "^$name\b"; then
    [ -z "$(ip netns pids $name)" ] || refuse "another run is under way (namespace $name)"
    ip netns del $name
fi
file_max=$(cat /proc/sys/fs/file-max)
buckets=1
while [ $buckets -lt $((2 * N)) ] && [ $buckets -lt 8388608 ]; do buckets=$((buckets * 2)); done

restore() {
    local pid
    for pid in $(ip netns pids $name 2>/dev/null); do kill -9 "$pid" 2>/dev/null; done
    ip netns del $name 2>/dev/null
    echo "$file_max" >/proc/sys/fs/file-max
}
trap restore EXIT
trap 'exit 130' INT TERM
[ "$file_max" -ge $((2 * N + 100000)) ] || echo $((2 * N + 100000)) >/proc/sys/fs/file-max
child_buckets=/proc/sys/net/ipv4/tcp_child_ehash_entries
if [ -e $child_buckets ]; then
    before=$(cat $child_buckets)
    echo $buckets >$child_buckets
    ip netns add $name
    status=$?
    echo "$before" >$child_buckets
else
    say "this kernel (before 6.1) gives a namespace no hash table of its own: it will be slower"
    ip netns add $name
    status=$?
fi
[ $status = 0 ] || refuse "the kernel refuses a network namespace"
ip -n $name link set lo up
ip netns exec $name bash -c '
    cd /proc/sys/net
    echo "10000 65535" >ipv4/ip_local_port_range
    echo 65535 >core/somaxconn
    echo 65535 >ipv4/tcp_max_syn_backlog
    echo 0 >ipv4/tcp_syncookies
    echo reno >ipv4/tcp_congestion_control'
export N
ip netns exec $name node tests/bench/millions.mjs &
child=$!
trap 'kill -INT $child 2>/dev/null; wait $child; exit 130' INT TERM
wait $child
exit $?
