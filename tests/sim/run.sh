#!/usr/bin/env bash
# usage: run.sh PROGRAM SEEDS: some seeds twice, whose digests must be the same, then a campaign.
# Ends in `sim: N passed, N failed`.
set -u
program=$1 seeds=$2
failed=0
for seed in 1 2 3 5 8 13 21 34 55 89; do
    first=$("$program" SEED="$seed") && second=$(env -i PATH="$PATH" "$program" SEED="$seed")
    if [ -z "$first" ] || [ "$first" != "$second" ]; then
        printf 'seed %s is not the same twice:\n  %s\n  %s\n' "$seed" "$first" "$second"
        failed=$((failed + 1))
    fi
done
sum=$("$program" SEED=1 SEEDS="$seeds" | tee /dev/stderr | tail -1)
read -r seeds_passed seeds_failed < <(sed -E 's/sim: ([0-9]+) passed, ([0-9]+) failed/\1 \2/' <<<"$sum")
failed=$((failed + ${seeds_failed:-1}))
echo "sim: $((${seeds_passed:-0} + 10 - failed + ${seeds_failed:-0})) passed, $failed failed"
[ "$failed" -eq 0 ]
