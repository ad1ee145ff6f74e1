#!/usr/bin/env bash
# The lab: two network namespaces joined by a veth pair, so that each side pays on its own CPU for
# what it receives, as two machines would (docs/BENCHMARKS.md says why loopback does not do).
#
#   lab.sh with CMD...   make a lab, run CMD in its server side, take the lab down whatever happens
#   lab.sh up                   make a lab, print its name
#   lab.sh run NAME server|client CMD...
#   lab.sh down NAME
#   lab.sh sweep                take down labs whose maker is gone
#
# Environment: LAB_SERVER_CPU (0), LAB_CLIENT_CPU (1).
# `with` hands to CMD: LAB_KIND=lab, LAB_NAME, LAB_SERVER_IPS, LAB_CLIENT_IPS, LAB_SERVER_CPU and
# LAB_CLIENT_CPU. Without root or namespaces it says so and runs CMD with LAB_KIND=loopback and
# addresses of 127.0.0.0/8.
set -u

server_cpu=${LAB_SERVER_CPU:-0}
client_cpu=${LAB_CLIENT_CPU:-$(($(nproc) > 1))}
net=10.201.0 # private to the two namespaces: it cannot collide with the host's networks
ip_count=8   # one pair of addresses gives at most 55,535 connections to one port; clients have four
client_ip_range='200 201 202 203'

say() { echo "lab: $*" >&2; }

# A sentence when no lab can be made here, nothing otherwise.
obstacle() {
    [ "$(id -u)" = 0 ] || { echo "needs root (network namespaces)"; return; }
    command -v ip >/dev/null || { echo "needs ip (package iproute2)"; return; }
    [ "$(nproc)" -ge 2 ] || { echo "needs two CPUs, one for each side"; return; }
    local probe="flprobe$$"
    ip netns add "$probe" 2>/dev/null || { echo "the kernel refuses network namespaces"; return; }
    ip -n "$probe" link add veth0 type veth peer name veth1 2>/dev/null ||
        echo "the kernel has no veth devices"
    ip netns del "$probe"
}

mask_of() { printf '%x' $((1 << $1)); }

# side NAMESPACE DEVICE CPU: receive steering and the limits of that namespace.
side() {
    ip -n "$1" link set lo up
    ip -n "$1" link set "$2" up
    ip netns exec "$1" bash -c '
        for queue in /sys/class/net/"$1"/queues/rx-*; do echo "$2" >"$queue/rps_cpus"; done
        cd /proc/sys/net
        echo "10000 65535" >ipv4/ip_local_port_range
        echo 1 >ipv4/tcp_tw_reuse
        echo 65535 >core/somaxconn
        echo 65535 >ipv4/tcp_max_syn_backlog
        echo 0 >ipv4/tcp_syncookies
        # BBR, where it is the default, paces every segment by a timer: that would be measured too.
        echo reno >ipv4/tcp_congestion_control
        echo 0 >ipv4/tcp_slow_start_after_idle' lab "$2" "$(mask_of "$3")"
}

up() { # NAME
    local s=$1-s c=$1-c i
    ip netns add "$s" && ip netns add "$c" || return 1
    ip -n "$s" link add veth0 type veth peer name veth0 netns "$c" || return 1
    for ((i = 1; i <= ip_count; i++)); do
        ip -n "$s" address add "$net.$i/24" dev veth0 || return 1
    done
    for i in $client_ip_range; do
        ip -n "$c" address add "$net.$i/24" dev veth0 || return 1
    done
    side "$s" veth0 "$server_cpu" && side "$c" veth0 "$client_cpu" || return 1
    # The first packet asks for the neighbour's address; let that be over.
    ip netns exec "$c" bash -c "exec 3<>/dev/tcp/$net.1/9" 2>/dev/null
    return 0
}

down() { # NAME: the processes inside first, then the namespaces (the veth pair goes with them)
    local side_name pid
    for side_name in "$1-s" "$1-c"; do
        ip netns list 2>/dev/null | grep -q "^$side_name\b" || continue
        for pid in $(ip netns pids "$side_name"); do
            [ "$pid" = "$$" ] || kill -9 "$pid" 2>/dev/null
        done
        ip netns del "$side_name"
    done
}

sweep() {
    local name
    for name in $(ip netns list 2>/dev/null | grep -oE '^fairlead-lab-[0-9]+-s\b'); do
        name=${name%-s}
        [ -d "/proc/${name##*-}" ] || {
            say "taking down $name, left by a run that was killed"
            down "$name"
        }
    done
}

# Packets wait in one backlog per CPU, shared by all namespaces; its default of 1,000 would lose a
# burst of a large room that a network card's ring would have held. Set for the time of the lab.
backlog_file=/proc/sys/net/core/netdev_max_backlog
backlog_before=

backlog_raise() {
    backlog_before=$(cat "$backlog_file")
    [ "$backlog_before" -ge 65536 ] && backlog_before= || echo 65536 >"$backlog_file"
}

leave() {
    trap - EXIT INT TERM HUP
    down "$lab_name"
    [ -n "$backlog_before" ] && echo "$backlog_before" >"$backlog_file"
}

with() {
    local why status child
    why=$(obstacle)
    export LAB_SERVER_CPU=$server_cpu LAB_CLIENT_CPU=$client_cpu
    if [ -n "$why" ]; then
        say "no lab here: $why. Measuring on loopback instead; rows are labelled so."
        export LAB_KIND=loopback LAB_NAME='' LAB_SERVER_IPS LAB_CLIENT_IPS=''
        LAB_SERVER_IPS=$(seq -s ' ' -f '127.0.0.%g' 1 $ip_count)
        exec "$@"
    fi
    sweep
    lab_name=fairlead-lab-$$
    trap 'leave; exit 143' INT TERM HUP
    trap leave EXIT
    up "$lab_name" || { say "could not set up $lab_name"; exit 1; }
    backlog_raise
    export LAB_KIND=lab LAB_NAME=$lab_name LAB_SERVER_IPS LAB_CLIENT_IPS
    LAB_SERVER_IPS=$(seq -s ' ' -f "$net.%g" 1 $ip_count)
    LAB_CLIENT_IPS=$(printf "$net.%s " $client_ip_range)
    ip netns exec "$lab_name-s" "$@" &
    child=$!
    trap 'kill -TERM $child 2>/dev/null; wait $child; leave; exit 143' INT TERM HUP
    wait $child
    status=$?
    leave
    exit $status
}

verb=${1:-}
[ $# -gt 0 ] && shift
case "$verb" in
with) with "$@" ;;
up)
    why=$(obstacle)
    [ -z "$why" ] || { say "no lab here: $why"; exit 1; }
    sweep
    up "fairlead-lab-$PPID" || { down "fairlead-lab-$PPID"; exit 1; }
    echo "fairlead-lab-$PPID"
    ;;
run)
    case "${2:-}" in
    server | client) ;;
    *) say "run NAME server|client CMD..."; exit 2 ;;
    esac
    name=$1-${2:0:1}
    shift 2
    exec ip netns exec "$name" "$@"
    ;;
down) down "${1:?name of the lab}" ;;
sweep) sweep ;;
*)
    sed -n '2,/^set -u/{/^#/s/^# \{0,1\}//p}' "$0" >&2
    exit 2
    ;;
esac
