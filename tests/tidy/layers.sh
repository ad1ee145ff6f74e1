#!/usr/bin/env bash
# The layer table of docs/ARCHITECTURE.md over #include "...": an arrow that is not listed fails.
set -u
declare -A may=(
    [sched/base]="sched/base"
    [sched]="sched/base sched"
    [sched/worker]="sched/base sched sched/worker io"
    [io]="sched/base io"
    [gateway/wire]="sched/base gateway/wire"
    [chat]="sched/base sched chat"
    [topics]="sched/base sched topics"
    [gateway]="sched/base sched sched/worker io gateway/wire chat topics gateway gateway/console"
    [gateway/console]="sched/base gateway/console"
    [loadgen]="sched/base sched sched/worker io gateway/wire loadgen"
    [tuning]="sched/base loadgen tuning"
)
layer_of() {
    case "$1" in
    sched/worker.*) echo sched/worker ;;
    *) dirname "$1" ;;
    esac
}
bad=0
while IFS=: read -r file line text; do
    target=$(sed -E 's/.*"([^"]+)".*/\1/' <<<"$text")
    from=$(layer_of "$file") to=$(layer_of "$target")
    if [ -z "${may[$from]+x}" ]; then
        echo "$file:$line: folder $from is in no layer (tests/tidy/layers.sh)"
        bad=1
    elif [[ " ${may[$from]} " != *" $to "* ]]; then
        echo "$file:$line: $from must not include $to ($target)"
        bad=1
    fi
done < <(grep -nE '^#include "' -r --include='*.[ch]' sched io chat topics gateway loadgen tuning 2>/dev/null)
while IFS=: read -r file line text; do
    case "$file" in io/*) ;; *) echo "$file:$line: only io/ includes <liburing.h>"; bad=1 ;; esac
done < <(grep -nE '^#include <(liburing|linux/io_uring)' -r --include='*.[ch]' sched io chat topics gateway loadgen tuning 2>/dev/null)
exit $bad
