#!/usr/bin/env bash
# docs/RUNTIME.md speaks of what is there:
# - a code block below `<!-- the whole of FILE -->` is that file, byte for byte;
# - a test that is named as `file_test: name` exists;
# - every name with an underscore in `backticks` occurs in the sources, and every counter in
#   sched/base/counters.h.
set -u
doc=docs/RUNTIME.md
bad=0
embedded=$(sed -nE 's/^<!-- the whole of (.*) -->$/\1/p' "$doc")
[ -n "$embedded" ] || { echo "$doc: shows no example"; bad=1; }
for file in $embedded docs/examples/*; do
    grep -qFx "<!-- the whole of $file -->" "$doc" || { echo "$doc: $file is not in it"; bad=1; }
done
for file in $embedded; do
    if ! diff -u --label "$doc" --label "$file" "$file" <(awk -v mark="<!-- the whole of $file -->" '
        $0 == mark { found = 1; next }
        found && /^```/ { if (inside) exit; inside = 1; next }
        inside' "$doc"); then
        echo "$doc: its text of $file is not the file's"
        bad=1
    fi
done
text=$(awk '/^```/ { inside = !inside; next } !inside' "$doc")
while read -r test name; do
    grep -qE "^START_TEST\($name\)" "$(find tests/unit -name "$test.c" | head -1)" 2>/dev/null ||
        { echo "$doc: no test $name in $test"; bad=1; }
done < <(grep -oE '`[a-z0-9_]+_test: [a-z0-9_]+`' <<<"$text" | tr -d '`:' | sort -u)
words=$(cat sched/*.[ch] sched/base/*.h gateway/*.[ch] gateway/wire/*.h | grep -oE '[A-Za-z0-9_]+' | sort -u)
while read -r word; do
    grep -qFx "$word" <<<"$words" || { echo "$doc: \`$word\` is not in the sources"; bad=1; }
done < <(grep -oE '`[^`]+`' <<<"$text" | grep -vE '_test: |[/.*]' | grep -oE '[A-Za-z0-9]+(_[A-Za-z0-9]+)+' | sort -u)
exit $bad
