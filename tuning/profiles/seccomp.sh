#!/bin/sh
# A seccomp profile for containers that allows io_uring, made from Docker's own list:
#
#   seccomp.sh DEFAULT.json >fairlead-seccomp.json
#   docker run --security-opt seccomp=fairlead-seccomp.json …     (podman: the same option)
#
# DEFAULT.json is the list of the engine that is to run it: profiles/seccomp/default.json of github.com/moby/moby at
# its version; podman has /usr/share/containers/seccomp.json. It is changed in nothing but one rule that is added.
# Needs jq.
#
# why:    Docker 25 and newer, and other engines since, answer io_uring_setup with an error, because rings had
#         security bugs. Fairlead has no other engine. The rule allows these three calls and no other:
#           io_uring_setup     makes a ring
#           io_uring_enter     submits and waits
#           io_uring_register  buffers, tables of descriptors, the ring's own descriptor
#         What goes through a ring is not seen by seccomp: allow it for Fairlead's container, not for all of them.
#         `kernel.io_uring_disabled=1` with `kernel.io_uring_group` on the host narrows it to a group besides.
# effect: tried with runc 1.1 and a list that denies these calls: `fairlead serve` refuses to start and says why; with
#         the list that this script makes of it, it serves.
# check:  docker run --rm --security-opt seccomp=fairlead-seccomp.json IMAGE fairlead --version
set -eu
if [ $# -ne 1 ]; then
    sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
command -v jq >/dev/null || { echo "seccomp.sh: needs jq (apt-get install jq)" >&2; exit 2; }
[ -r "$1" ] || { echo "seccomp.sh: $1: no such file" >&2; exit 2; }
if ! jq -e '.defaultAction and (.syscalls | type == "array")' "$1" >/dev/null 2>&1; then
    echo "seccomp.sh: $1 is no seccomp profile of a container engine (no defaultAction, no list of syscalls)" >&2
    exit 2
fi
# Rules that deny these by name come before one that allows them, so the names are taken out of every other rule.
jq --argjson calls '["io_uring_setup", "io_uring_enter", "io_uring_register"]' '
    .syscalls |= (map(.names -= $calls) | map(select(.names | length > 0)))
    | .syscalls += [{names: $calls, action: "SCMP_ACT_ALLOW", comment: "fairlead: the ring"}]' "$1"
