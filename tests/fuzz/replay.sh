#!/usr/bin/env bash
# usage: replay.sh PROGRAM... : each fuzz target over its corpus tests/fuzz/corpus/<name>. Last line
# `fuzz-replay: N passed, N failed` counts inputs.
set -u
passed=0 failed=0
for program in "$@"; do
    name=$(basename "$program")
    read -r good bad < <("$program" "tests/fuzz/corpus/$name")
    # A target without an answer or without a corpus is a failure, not nothing.
    if [ -z "${good:-}" ] || [ "$good$bad" = 00 ]; then
        echo "FAILED $name: no corpus was replayed"
        good=0 bad=1
    fi
    passed=$((passed + good)) failed=$((failed + bad))
done
echo "fuzz-replay: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
