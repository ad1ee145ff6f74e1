#!/usr/bin/env bash
# Files of at most 800 lines, lines of at most 100 columns, no banned calls, no TODO on main,
# atomics only in the files that the layer table lists.
set -u
bad=0
mapfile -t files < <(git ls-files -co --exclude-standard -- '*.c' '*.h' | while read -r f; do [ -e "$f" ] && echo "$f"; done)
for file in "${files[@]}"; do
    lines=$(wc -l <"$file")
    [ "$lines" -gt 800 ] && { echo "$file: $lines lines, 800 is the limit"; bad=1; }
done
if LC_ALL=C.UTF-8 grep -nE '^.{101,}' "${files[@]}"; then
    echo "100 columns is the limit"; bad=1
fi
# Unbounded or locale-bound calls that have a better form (snprintf, memcpy, struct bytes).
if grep -nE '(^|[^_[:alnum:]])(strcpy|strcat|sprintf|vsprintf|gets|strtok|alloca|atoi|atol)\(' "${files[@]}"; then
    echo "banned call"; bad=1
fi
if grep -nE '(TODO|FIXME|XXX)' "${files[@]}"; then
    echo "TODO on main: a known limit is LIMITATION: in the header"; bad=1
fi
atomics='^(sched/mesh|sched/quiescence|sched/payload|sched/base/blocks|sched/base/counters|sched/base/log|gateway/(serve|core|control)|loadgen/|tests/)'
if grep -nE '(_Atomic|atomic_(load|store|fetch|exchange|compare))' "${files[@]}" | grep -vE "$atomics"; then
    echo "atomics live in the mesh, shared payloads, counters and shutdown only"; bad=1
fi
exit $bad
