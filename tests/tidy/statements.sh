#!/usr/bin/env bash
# docs/MQTT_STATEMENTS.md is whole and true: every normative statement of MQTT 5.0 and 3.1.1 has one
# row; every row names a test or says why there is none; every test that is named exists. The
# numbers here are those of the specifications' appendix B, as section:count (5.0's 2.2.1 begins at 2).
set -u
doc=docs/MQTT_STATEMENTS.md
bad=0
say() {
    echo "$doc: $1"
    bad=1
}

numbers_5="1.5.4:3 1.5.5:1 1.5.7:1 2.1.3:1 2.2.1:6 2.2.2:1 3.1.0:2 3.1.2:30 3.1.3:12 3.1.4:6 3.2.0:2 3.2.2:22
3.3.1:13 3.3.2:20 3.3.4:10 3.4.2:3 3.5.2:3 3.6.1:1 3.6.2:3 3.7.2:3 3.8.1:1 3.8.3:5 3.8.4:8 3.9.2:2 3.9.3:2
3.10.1:1 3.10.3:2 3.10.4:6 3.11.2:2 3.11.3:2 3.12.4:1 3.14.0:1 3.14.1:1 3.14.2:4 3.14.4:3 3.15.1:1 3.15.2:3
4.1.0:2 4.2.0:1 4.3.1:1 4.3.2:5 4.3.3:13 4.4.0:2 4.5.0:2 4.6.0:6 4.7.0:1 4.7.1:2 4.7.2:1 4.7.3:4 4.8.2:6
4.9.0:3 4.12.0:7 4.12.1:2 4.13.1:1 4.13.2:1 6.0.0:4"
numbers_3="1.5.3:3 2.2.2:2 2.3.1:7 3.1.0:2 3.1.2:24 3.1.3:11 3.1.4:5 3.2.0:1 3.2.2:6 3.3.1:12 3.3.2:3 3.3.4:1
3.3.5:2 3.6.1:1 3.8.1:1 3.8.3:4 3.8.4:6 3.9.3:2 3.10.1:1 3.10.3:2 3.10.4:6 3.12.4:1 3.14.1:1 3.14.4:3
4.1.0:2 4.3.1:1 4.3.2:2 4.3.3:2 4.4.0:1 4.5.0:2 4.6.0:6 4.7.1:3 4.7.2:1 4.7.3:4 4.8.0:2 6.0.0:4 7.0.0:2
7.1.1:1 7.1.2:1"

expected() { # of a version's sections
    for entry in $2; do
        for ((n = 1; n <= ${entry#*:}; n++)); do
            [ "$1 ${entry%:*}-$n" = "5.0 2.2.1-1" ] || echo "MQTT-${entry%:*}-$n"
        done
    done
}
rows() { # of a version's chapter
    awk -v heading="## MQTT $1" '/^## /{inside = $0 == heading} inside && /^\| MQTT-/{print $2}' "$doc"
}

for version in 5.0 3.1.1; do
    [ "$version" = 5.0 ] && numbers=$numbers_5 || numbers=$numbers_3
    while read -r line; do
        say "MQTT $version: ${line}"
    done < <(diff <(expected "$version" "$numbers" | sort) <(rows "$version" | sort) |
        sed -nE 's/^< (.*)/\1 has no row/p; s/^> (.*)/\1 is there twice, or is no statement/p')
done

# Every row: a test, the client's duty, or why it does not apply.
while read -r row; do
    say "no test and no reason: $row"
done < <(grep '^| MQTT-' "$doc" | grep -vE "\| ([^|]*\`[a-z0-9_]+: [^\`]+\`[^|]*|the client's duty|does not apply: [^|]+) \|$")

# Every test: `file_test: name` of C, `file: name` of tests/e2e.
while IFS= read -r reference; do
    file=${reference%%: *}
    name=${reference#*: }
    if [[ $file == *_test ]]; then
        source=$(find tests/unit -name "$file.c" | head -1)
        { [ -n "$source" ] && grep -qF "START_TEST($name)" "$source"; } || say "no test $name in $file"
    else
        grep -qF "\"$name\"" "tests/e2e/$file.test.mjs" 2>/dev/null || say "no test \"$name\" in tests/e2e/$file.test.mjs"
    fi
done < <(grep '^| MQTT-' "$doc" | grep -oE '`[a-z0-9_]+: [^`]+`' | tr -d '`' | sort -u)
exit $bad
