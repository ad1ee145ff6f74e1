#!/usr/bin/env bash
# Installs what is missing for a purpose, and says what and why:
#   deps.sh run     to build and run
#   deps.sh test    and to test
#   deps.sh bench   and to compare with peers in the lab
#   deps.sh dev     and to work on the code
#   deps.sh check   installs nothing: exit 1 and a sentence when `run` would install something
# Looks for the thing itself (a header, a program), not for the package, so that other sources of it
# count; touches the network only when something is missing.
set -u

# purpose | Debian package | how it is looked for | why
table='
run   | gcc               | command ${CC:-gcc}   | the compiler
run   | libc6-dev         | header stdio.h       | the C library
run   | liburing-dev      | header liburing.h    | the ring: all I/O
run   | libxxhash-dev     | header xxhash.h      | hashing of room names
run   | libssl-dev        | header openssl/evp.h | SHA-1 of the WebSocket handshake, random numbers
run   | libmicrohttpd-dev | header microhttpd.h  | the control plane: page, metrics
run   | libjansson-dev    | header jansson.h     | JSON of the control plane and of reports
run   | libcyaml-dev      | header cyaml/cyaml.h | the configuration file
run   | libcurl4-openssl-dev | header curl/curl.h | the load tool asks control planes over HTTP
run   | libyaml-dev       | header yaml.h        | the line of a mistake in it; plans of `fairlead load mix`
run   | zlib1g-dev        | header zlib.h        | the page, compressed at build time
run   | libjs-chart.js    | file /usr/share/javascript/chart.js/chart.min.js | plots of `--html` reports, embedded at build time
test  | check             | header check.h       | unit tests
test  | clang             | command clang        | fuzzing
test  | libclang-rt-dev   | fuzzer               | fuzzing
test  | nodejs            | node 18              | clients of the end-to-end tests (phoenix, ws)
test  | npm               | command npm          | installs them by the lockfile
test  | mosquitto-clients | command mosquitto_rr | MQTT by command line: mosquitto_pub, _sub, _rr
test  | libpaho-mqtt-dev  | header MQTTAsync.h   | MQTT by C programs, blocking and with callbacks
test  | mosquitto         | command mosquitto    | the broker by which the MQTT tests are themselves tested
test  | chromium          | command chromium     | drives the page as two people
test  | fonts-dejavu-core | font                 | text in its screenshots
test  | curl              | command curl         | asks the control plane
test  | procps            | command ps           | looks at processes under test
bench | iproute2          | command ip           | the lab: two network namespaces
bench | mosquitto         | command mosquitto    | a peer to compare with
bench | erlang-base       | command erl          | a peer to compare with
dev   | clang-format      | command clang-format | the code style
dev   | clang-tidy        | command clang-tidy   | static checks
dev   | cppcheck          | command cppcheck     | static checks
dev   | shellcheck        | command shellcheck   | checks of scripts
dev   | gdb               | command gdb          | debugging
dev   | valgrind          | command valgrind     | debugging
'

has() { # kind argument
    case $1 in
    command) PATH=$PATH:/usr/sbin command -v "$2" >/dev/null 2>&1 ;;
    header) printf '#include <stddef.h>\n#include <%s>\n' "$2" | "${CC:-gcc}" -E -x c -o /dev/null - 2>/dev/null ;;
    file) [ -e "$2" ] ;;
    fuzzer) compgen -G "$(clang -print-resource-dir 2>/dev/null)/lib/*/libclang_rt.fuzzer*.a" >/dev/null ;;
    font) compgen -G '/usr/share/fonts/truetype/*/*.ttf' >/dev/null ;;
    node) node -e "process.exit(parseInt(process.versions.node) < $2 ? 1 : 0)" 2>/dev/null ;;
    *) echo "deps.sh: no way to look for $1" >&2; exit 2 ;;
    esac
}

case ${1:-} in
run | check) purposes=' run ' ;;
test) purposes=' run test ' ;;
bench) purposes=' run bench ' ;;
dev) purposes=' run test dev ' ;;
*) sed -n '2,/^set/s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac

missing=() reasons=()
while IFS='|' read -r purpose package look why; do
    purpose=${purpose// /} package=${package// /} why=${why# }
    [[ -n $purpose && $purposes == *" $purpose "* ]] || continue
    read -r kind argument <<<"$look"
    has "$kind" "$(eval "echo ${argument:-}")" && continue
    missing+=("$package")
    reasons+=("$(printf '  %-18s %s' "$package" "$why")")
done <<<"$table"
[ ${#missing[@]} -eq 0 ] && exit 0

if [ "$1" = check ]; then
    printf 'Missing for the build:\n'
    printf '%s\n' "${reasons[@]}"
    printf 'Run `make deps`, which installs them (apt, with sudo where you are not root).\n'
    exit 1
fi
printf 'Installing for `%s` (Debian packages, by apt):\n' "$1"
printf '%s\n' "${reasons[@]}"
install=(apt-get install -y -q --no-install-recommends "${missing[@]}")
if ! command -v apt-get >/dev/null; then
    printf 'There is no apt-get here: install these packages, or what your system calls them, by hand.\n'
    exit 1
fi
as_root=()
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
        printf 'You are not root and there is no sudo. As root run:\n  apt-get update && %s\n' "${install[*]}"
        exit 1
    fi
    as_root=(sudo)
fi
log=$(mktemp) && trap 'rm -f "$log"' EXIT
apt() { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive "$@" </dev/null >"$log" 2>&1; }
if ! { apt apt-get update -q && apt "${install[@]}"; }; then
    tail -20 "$log"
    printf 'apt failed (above). Mend that, or run by hand: %s\n' "${install[*]}"
    exit 1
fi
printf 'Installed.\n'
