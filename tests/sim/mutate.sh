#!/usr/bin/env bash
# usage: mutate.sh [NAME...]   Does the simulator find bugs? Applies each patch of
# tests/sim/mutations to a copy of the tree in build/mutations, builds it, and runs a campaign of
# SEEDS (300) seeds, which must fail. One that no seed notices, or that does not apply or build any
# more, is a failure. Prints a table: mutation, the seed and the check that caught it. NAME: only
# those that begin so. Ends in `mutations: N passed, N failed`.
set -u
cd "$(dirname "$0")/../.." || exit 1
seeds=${SEEDS:-300}
jobs=${JOBS:-$(nproc)}
tree=build/mutations/tree
log=$PWD/build/mutations/log
mkdir -p "$tree"
git ls-files -co --exclude-standard | while read -r file; do
    [ -f "$file" ] && { cmp -s "$file" "$tree/$file" || cp --parents "$file" "$tree"; }
done

build() {
    make -C "$tree" --no-print-directory -j"$jobs" MODE=release build/release/sim >"$log" 2>&1
}

# The first line of a failed campaign that says why: "<seed>|<check>: <sentence>".
reason() {
    grep -m1 -E '^    (sim: seed|fairlead: bug)' "$log" |
        sed -E 's/^    sim: seed [0-9]+, step [0-9]+, [0-9.]+ s: /model: /; s/^    fairlead: bug: /CHECK: /'
}

if ! build; then
    echo "the tree itself does not build:"
    tail "$log"
    echo "mutations: 0 passed, 1 failed"
    exit 1
fi
if ! "$tree/build/release/sim" SEED=1 SEEDS="$seeds" JOBS="$jobs" >"$log" 2>&1; then
    echo "the tree itself fails:"
    tail -5 "$log"
    echo "mutations: 0 passed, 1 failed"
    exit 1
fi

passed=0 failed=0
printf '%-34s %-6s %s\n' mutation 'seed' 'caught by'
for patch in tests/sim/mutations/*.patch; do
    name=$(basename "$patch" .patch)
    wanted=$#
    for only in "$@"; do [[ $name == "$only"* ]] && wanted=0; done
    [ "$wanted" -eq 0 ] || continue
    if ! patch -d "$tree" -p1 -s --no-backup-if-mismatch <"$patch" >"$log" 2>&1; then
        printf '%-34s %-6s %s\n' "$name" - 'NOT CAUGHT: does not apply any more'
        failed=$((failed + 1))
    elif ! build; then
        printf '%-34s %-6s %s\n' "$name" - "NOT CAUGHT: does not build: $(grep -m1 error "$log")"
        failed=$((failed + 1))
    elif "$tree/build/release/sim" SEED=1 SEEDS="$seeds" FIRST=1 JOBS="$jobs" >"$log" 2>&1; then
        printf '%-34s %-6s %s\n' "$name" - "NOT CAUGHT by $seeds seeds"
        failed=$((failed + 1))
    else
        seed=$(sed -nE 's/^seed ([0-9]+) failed.*/\1/p' "$log" | head -1)
        why=$(reason)
        printf '%-34s %-6s %.110s\n' "$name" "$seed" "${why:-$(sed -nE 's/^seed [0-9]+ failed: //p' "$log" | head -1)}"
        passed=$((passed + 1))
    fi
    # Whatever it touched is as it was, and newer than its object.
    sed -nE 's|^\+\+\+ b/([^[:space:]]+).*|\1|p' "$patch" | while read -r file; do
        cp "$file" "$tree/$file" && touch "$tree/$file"
        rm -f "$tree/$file.rej" "$tree/$file.orig"
    done
done
echo "mutations: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
