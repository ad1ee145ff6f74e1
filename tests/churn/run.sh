#!/usr/bin/env bash
# run.sh FAIRLEAD CHURN CONNECTIONS: starts the gateway on four schedulers, churns, stops it, and adds to
# the verdict whether it came and went well. Ports: CHURN_PORT and the next (18390).
set -u
fairlead=$1 churn=$2 connections=$3
port=${CHURN_PORT:-18390} control=$((${CHURN_PORT:-18390} + 1))
mkdir -p build/test
log=build/test/churn-gateway.log out=build/test/churn-verdict.log
export TSAN_OPTIONS=${TSAN_OPTIONS:-suppressions=tests/churn/tsan.supp}
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=1} UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}
"$fairlead" serve --schedulers 4 --connections-max 20000 --listen "127.0.0.1:$port" --control "127.0.0.1:$control" \
    --drain-timeout-s 2 2>"$log" &
pid=$!
for _ in $(seq 100); do
    (exec 3<>"/dev/tcp/127.0.0.1/$control") 2>/dev/null && break
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.1
done
"$churn" "$port" "$control" "$connections" ${CHURN_SEED:+"$CHURN_SEED"} 2>&1 | tee "$out" | grep -v '^churn: '
read -r passed failed < <(sed -nE 's/^churn: ([0-9]+) passed, ([0-9]+) failed$/\1 \2/p' "$out")
passed=${passed:-0} failed=${failed:-1}

kill -TERM "$pid" 2>/dev/null
for _ in $(seq 300); do # a drain of 2 s, and some patience
    jobs -r -p | grep -qx "$pid" || break
    sleep 0.1
done
kill -KILL "$pid" 2>/dev/null
wait "$pid"
status=$?
if [ "$status" -eq 0 ]; then
    echo 'ok     the gateway stops with exit code 0'
    passed=$((passed + 1))
else
    echo "FAILED the gateway ended with exit code $status; of its log ($log):"
    grep -m 40 -vE ' (info|debug) event=' "$log"
    failed=$((failed + 1))
fi
echo "churn: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
