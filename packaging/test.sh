#!/usr/bin/env bash
# make test: every stage, also after one failed; sums their last lines `<stage>: N passed, N failed` and
# ends in `N passed, N failed`. Logs of the stages in build/test/. A stage that is not there, or
# that says no numbers, is a failure. STAGES="unit e2e" runs some of them.
set -u
cd "$(dirname "$0")/.." || exit 1
make=(make --no-print-directory "-j${JOBS:-$(nproc)}")
logs=build/test
mkdir -p "$logs"

# ThreadSanitizer of gcc 12 dies of "unexpected memory mapping" under vm.mmap_rnd_bits above 28;
# without address randomization it does not. Containers may deny that call.
fixed_addresses=()
setarch -R true 2>/dev/null && fixed_addresses=(setarch -R)

# What several threads touch: the tests that make threads, by what they call.
mapfile -t threaded < <(grep -rlE 'pthread_create|control_open' tests/unit --include='*_test.c' | sort)

# Lines of a stage that are not shown: the compiler's, and the sum, which is shown in its place.
noise='^  (cc|link|gen|host|fuzz) |^make(\[[0-9]+\])?: |^[a-z0-9-]+: [0-9]+ passed, [0-9]+ failed$|^$'

total_passed=0 total_failed=0 number=0
# stage NAME SECONDS COMMAND...
stage() {
    local name=$1 seconds=$2 log="$logs/${1// /-}.log" started=$SECONDS status line passed failed
    shift 2
    number=$((number + 1))
    [[ -z ${STAGES:-} || " $STAGES " == *" ${name%% *} "* ]] || return 0
    printf '[%d/%d] %s\n' "$number" "$stage_count" "$name"
    timeout --kill-after=20 "$seconds" "$@" </dev/null 2>&1 | tee "$log" |
        grep --line-buffered -vE "$noise" | sed -u 's/^/      /'
    status=${PIPESTATUS[0]}
    line=$(grep -E '^[a-z0-9-]+: [0-9]+ passed, [0-9]+ failed$' "$log" | tail -1)
    read -r passed failed < <(sed -E 's/.*: ([0-9]+) passed, ([0-9]+) failed/\1 \2/' <<<"${line:-: 0 passed, 0 failed}")
    if [ "$status" -eq 124 ] || [ "$status" -eq 137 ]; then
        printf '      FAILED %s: not done after %s s\n' "$name" "$seconds"
    fi
    if [ $((passed + failed)) -eq 0 ] || { [ "$status" -ne 0 ] && [ "$failed" -eq 0 ]; }; then
        printf '      FAILED %s: exit %s, see %s\n' "$name" "$status" "$log"
        failed=$((failed + 1))
    fi
    total_passed=$((total_passed + passed)) total_failed=$((total_failed + failed))
    printf '      %s: %d passed, %d failed (%d s)\n' "$name" "$passed" "$failed" $((SECONDS - started))
}

tidy() {
    if "${make[@]}" tidy; then echo 'tidy: 1 passed, 0 failed'; else echo 'tidy: 0 passed, 1 failed'; fi
}
export -f tidy

stage_count=12
stage 'tidy' 300 bash -c "$(declare -p make); tidy"
stage 'unit release' 1200 "${make[@]}" unit
stage 'unit debug (ASan, UBSan)' 1800 "${make[@]}" MODE=debug unit
stage 'unit tsan (threads)' 1800 "${fixed_addresses[@]}" "${make[@]}" MODE=tsan unit UNIT_SRC="${threaded[*]}"
stage 'sim' 300 "${make[@]}" sim-test
stage 'sim debug (ASan, UBSan)' 600 "${make[@]}" MODE=debug sim-test SIM_SEEDS=50
stage 'fuzz-replay' 900 "${make[@]}" MODE=debug fuzz-replay
stage 'e2e' 1200 "${make[@]}" e2e
stage 'load-test' 1800 "${make[@]}" load-test
stage 'churn' 600 "${make[@]}" churn
stage 'churn tsan' 900 "${fixed_addresses[@]}" "${make[@]}" MODE=tsan churn CHURN_CONNECTIONS=10000
stage 'churn debug (ASan, UBSan)' 900 "${make[@]}" MODE=debug churn CHURN_CONNECTIONS=20000
echo "$total_passed passed, $total_failed failed"
[ "$total_failed" -eq 0 ]
