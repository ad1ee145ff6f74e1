#!/usr/bin/env bash
# docs/TUNING.md speaks of what is set: its list of the profiles' values is what table.sh makes of the files now
# (which fails where a value has no why, effect or check); scripts of the profiles can be run.
set -u
doc=docs/TUNING.md
bad=0
text=$(tuning/profiles/table.sh) || { echo "tuning/profiles: a value without its reason"; bad=1; }
if ! diff -u --label "$doc" --label tuning/profiles <(sed -n '/^<!-- profiles begin -->$/,/^<!-- profiles end -->$/p' "$doc" | sed '1d;$d') <(printf '%s\n' "$text"); then
    echo "$doc: its list of profiles is not what the profiles have (make docs)"
    bad=1
fi
for script in tuning/profiles/*.sh; do
    [ -x "$script" ] || { echo "$script: cannot be run (chmod +x)"; bad=1; }
done
exit $bad
