#!/bin/sh
# Spreads the interrupts of network cards over CPUs, and steers received packets (RPS) where a card has too few
# queues. Called by `fairlead tune --apply`, which shows its plan, keeps the old values and writes the undo script.
#
#   irq.sh plan [CARD...]    prints `file<TAB>value<TAB>reason`, changes nothing
#   irq.sh apply [CARD...]   sets them, and prints the commands that undo it
#
# why:    Packets of all connections that arrive by one queue are worked on by one CPU, about a microsecond each
#         (docs/KERNEL.md); with one CPU of many the rest waits for it.
# effect: Documentation/networking/scaling.rst. Steering costs an interrupt from CPU to CPU for a batch of packets,
#         about a tenth of a busy CPU here (docs/BENCHMARKS.md, "How to read the absolute figures"); so it is only
#         switched on where queues are fewer than half the CPUs.
# check:  watch -d cat /proc/interrupts; the third column of /proc/net/softnet_stat
#
# irqbalance, where it runs, moves interrupts again: stop it, or ban these (IRQBALANCE_BANNED_INTERRUPTS).
# FAIRLEAD_ROOT: a tree to read in place of /proc and /sys (tests).
set -u
root=${FAIRLEAD_ROOT:-}
tab=$(printf '\t')

# "0-3,8" -> "0 1 2 3 8"
expand() {
    for part in $(echo "$1" | tr ',' ' '); do
        first=${part%-*} last=${part#*-}
        while [ "$first" -le "$last" ]; do
            printf '%s ' "$first"
            first=$((first + 1))
        done
    done
}

# CPU numbers -> the kernel's mask, "f" or "1,00000000"
mask() {
    awk 'BEGIN {
        for (i = 1; i < ARGC; i++) { word[int(ARGV[i] / 32)] += 2 ^ (ARGV[i] % 32); if (ARGV[i] > most) most = ARGV[i] }
        top = int(most / 32); printf "%x", word[top]
        for (i = top - 1; i >= 0; i--) printf ",%08x", word[i]
        print ""
    }' "$@"
}

# What the kernel calls the handler: the folder in /proc/irq/N.
irq_name() {
    for folder in "$root/proc/irq/$1"/*/; do
        [ -d "$folder" ] && basename "$folder"
    done
}

is_receive() {
    case $(echo "$1" | tr '[:upper:]' '[:lower:]') in
    *txrx* | *input* | *rx* | *comp* | *fp-* | *queue* | *-q*) return 0 ;;
    esac
    return 1
}

plan_card() {
    card=$1 net=$root/sys/class/net/$1
    cpus=$(expand "$(cat "$root/sys/devices/system/cpu/online")")
    node=$(cat "$net/device/numa_node" 2>/dev/null || echo -1)
    if [ "$node" -ge 0 ] && [ -r "$root/sys/devices/system/node/node$node/cpulist" ]; then
        cpus=$(expand "$(cat "$root/sys/devices/system/node/node$node/cpulist")")
    fi
    irqs=
    for folder in "$net/device/msi_irqs" "$net/device/../msi_irqs"; do
        [ -d "$folder" ] || continue
        for irq in $(find "$folder/" -mindepth 1 -maxdepth 1 -name '[0-9]*' | sed 's|.*/||' | sort -n); do
            is_receive "$(irq_name "$irq")" && irqs="$irqs $irq"
        done
        break
    done
    # shellcheck disable=SC2086 # lists of numbers
    set -- $irqs
    queue_count=$(find "$net/queues/" -maxdepth 1 -name 'rx-*' 2>/dev/null | wc -l)
    cpu_count=$(echo "$cpus" | wc -w)
    if [ $# -gt 1 ]; then
        for irq in "$@"; do
            # shellcheck disable=SC2086
            set -- $cpus
            [ $# -gt 0 ] || break
            echo "/proc/irq/$irq/smp_affinity_list$tab$1${tab}$card: a CPU for each queue ($(irq_name "$irq"))"
            # The next interrupt gets the next CPU, around and around.
            first=$1
            shift
            cpus="$* $first"
        done
    fi
    [ $((queue_count * 2)) -lt "$cpu_count" ] && [ "$queue_count" -gt 0 ] || return 0
    # shellcheck disable=SC2086
    all=$(mask $cpus)
    for queue in "$net"/queues/rx-*; do
        queue=${queue##*/}
        echo "/sys/class/net/$card/queues/$queue/rps_cpus$tab$all${tab}$card: $queue_count queue(s) for $cpu_count CPUs, steer"
    done
}

plan() {
    if [ $# -eq 0 ]; then
        for folder in "$root"/sys/class/net/*/device; do
            [ -d "$folder" ] || continue
            card=${folder%/device} card=${card##*/}
            [ "$(cat "$root/sys/class/net/$card/operstate" 2>/dev/null)" = up ] && plan_card "$card"
        done
        return 0
    fi
    for card in "$@"; do
        [ -d "$root/sys/class/net/$card" ] || { echo "irq.sh: no card $card" >&2; exit 2; }
        plan_card "$card"
    done
}

apply() {
    status=0
    plan "$@" | {
        while IFS=$tab read -r file value reason; do
            old=$(cat "$root$file")
            if { echo "$value" >"$root$file"; } 2>/dev/null; then
                echo "echo $old >$root$file # $reason"
            else
                echo "irq.sh: cannot set $file to $value: not root, or a managed interrupt" >&2
                status=1
            fi
        done
        exit $status
    }
}

verb=${1:-}
[ $# -gt 0 ] && shift
case $verb in
plan) plan "$@" ;;
apply) apply "$@" ;;
*) sed -n '2,/^set/s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac
