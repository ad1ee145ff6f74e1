#!/usr/bin/env bash
# run.sh PROGRAM [options of fairlead serve]: serves, and tells where the page is once it is there.
set -u
program=$1
shift
settings=$("$program" serve "$@" --print-config) || exit $?
control=$(sed -n 's/^control: "\(.*\)"$/\1/p' <<<"$settings")
page=$(sed -n 's/^page: "\(.*\)"$/\1/p' <<<"$settings")
"$program" serve "$@" &
pid=$!
trap 'kill -TERM $pid 2>/dev/null' TERM
trap '' INT # the terminal sends it to both; the program decides
host=${control%:*} port=${control##*:}
case $host in 0.0.0.0) host=127.0.0.1 ;; '[::]') host=::1 ;; esac
for _ in $(seq 100); do
    kill -0 "$pid" 2>/dev/null || break
    if (exec 3<>"/dev/tcp/$(tr -d '[]' <<<"$host")/$port") 2>/dev/null; then
        printf '\n  Fairlead is up. Open http://%s/ in two browser windows and chat.\n' "$control"
        [ "$page" = off ] || printf '  The page alone is also at http://%s/.\n' "$page"
        printf '  Stop it with Ctrl-C.\n\n'
        break
    fi
    sleep 0.1
done
status=0
wait "$pid" || status=$?
while kill -0 "$pid" 2>/dev/null; do # a signal ended the wait, not the program
    wait "$pid"
    status=$?
done
exit "$status"
