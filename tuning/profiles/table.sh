#!/usr/bin/env bash
# Every value of the profiles with its reason, as Markdown for docs/TUNING.md: table.sh >part.
# A value without why, effect and check, or whose reason is not the same in every profile, is an error.
set -u
cd "$(dirname "$0")" || exit 1
awk '

FNR == 1 { clear(); split(FILENAME, part, "/"); profile = part[1]; kind = part[2] }
function clear(  k) { for (k in f) delete f[k]; field = "" }
/^#/ {
    line = substr($0, 2); sub(/^ /, "", line)
    if (match(line, /^(why|effect|check|rule|when): */)) {
        field = line; sub(/:.*/, "", field); f[field] = substr(line, RLENGTH + 1)
    } else if (field != "" && line ~ /^ /) { sub(/^ +/, "", line); f[field] = f[field] " " line }
    else field = ""
    next
}
/^[ \t]*$/ { clear(); last = ""; next }
/^\[/ { next }
{
    if (kind == "sysctl.conf") { split($0, pair, / *= */); key = pair[1]; value = pair[2] }
    else if (kind == "tmpfiles.conf") { key = $2; value = $7 }
    else if (kind == "service.conf") { key = $0; sub(/=.*/, "=", key); value = substr($0, length(key) + 1) }
    else { key = "limits.d: nofile"; value = $NF }
    if (value == "") value = "(empty)"
    id = kind " " key
    if (!(id in seen)) { order[++count] = id; seen[id] = 1; name[id] = key; title[id] = kind }
    if (kind == "limits.conf" && ((id SUBSEP profile) in values)) next # soft, hard, root: one reason for all
    for (i = 1; i <= 3; i++) {
        want = i == 1 ? "why" : i == 2 ? "effect" : "check"
        if (f[want] == "") { printf "%s: %s has no %s\n", FILENAME, key, want >"/dev/stderr"; bad = 1 }
    }
    values[id, profile] = value
    rule[id] = f["rule"]
    text = f["why"] "\n  *Effect or source:* " f["effect"] "\n  *Check:* " f["check"]
    if (f["when"] != "") text = text "\n  *Only where:* " f["when"]
    if (!(id in texts)) texts[id] = text
    else if (texts[id] != text) more[id] = more[id] "\n  *In `" profile "`:* " text
}
END {
    heading["sysctl.conf"] = "Values of /proc/sys (`sysctl.conf`)"
    heading["tmpfiles.conf"] = "Values of /sys (`tmpfiles.conf`)"
    heading["limits.conf"] = "Limits of logins (`limits.conf`)"
    heading["service.conf"] = "The service (`service.conf`, a drop-in of the hardened unit)"
    split("sysctl.conf tmpfiles.conf limits.conf service.conf", kinds, " ")
    for (k = 1; k <= 4; k++) {
        printf "%s### %s\n\n", (k > 1 ? "\n" : ""), heading[kinds[k]]
        for (i = 1; i <= count; i++) {
            id = order[i]
            if (title[id] != kinds[k]) continue
            where = ""
            split("chat hold bench", profiles, " ")
            for (j = 1; j <= 3; j++)
                if (((id SUBSEP profiles[j])) in values)
                    where = where (where == "" ? "" : ", ") profiles[j] " " values[id, profiles[j]]
            printf "- **`%s`** %s%s.  \n  %s%s\n", name[id], (rule[id] == "" ? "" : rule[id] ": "), where, texts[id], more[id]
        }
    }
    exit bad
}' chat/sysctl.conf hold/sysctl.conf bench/sysctl.conf chat/tmpfiles.conf hold/tmpfiles.conf bench/tmpfiles.conf \
    chat/limits.conf hold/limits.conf bench/limits.conf chat/service.conf hold/service.conf bench/service.conf
