#!/usr/bin/env bash
# usage: run.sh SECONDS PROGRAM... : each target under libFuzzer for that long, one after another.
# New inputs go to build/fuzz/corpus/<name>, crashes to build/fuzz/crashes. A crash that is fixed
# becomes a file in tests/fuzz/corpus/<name>, by hand. One line per target; exit 1 on any crash.
set -u
seconds=$1
shift
status=0
mkdir -p build/fuzz/crashes
for program in "$@"; do
    name=$(basename "$program")
    mkdir -p "build/fuzz/corpus/$name"
    log="build/fuzz/$name.log"
    if "$program" -max_total_time="$seconds" -max_len=9000 -timeout=10 -rss_limit_mb=2048 \
        -print_final_stats=1 -artifact_prefix="build/fuzz/crashes/$name-" \
        "build/fuzz/corpus/$name" "tests/fuzz/corpus/$name" >"$log" 2>&1; then
        runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
        edges=$(grep -oE 'cov: [0-9]+' "$log" | tail -1)
        echo "fuzz: $name ok, $runs runs in $seconds s, $edges"
    else
        status=1
        tail -40 "$log"
        echo "fuzz: $name FAILED, see $log and build/fuzz/crashes"
    fi
done
exit $status
