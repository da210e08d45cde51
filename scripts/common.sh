# What the scripts beside it share; sourced, never run. Everything they fetch goes below target/drivers, is used again
# the next time, and is fetched anew once its folder is removed.
# shellcheck shell=bash

cd "$(dirname "${BASH_SOURCE[0]}")/.."
drivers=$PWD/target/drivers
reports=$drivers/report

# What a script exits with when an archive or registry is out of reach and nothing is cached: its callers leave out
# that leg alone, and say so.
out_of_reach=75

heading() { printf '\n== %s\n' "$*"; }

fail() {
    printf '\n%s\n' "$@" >&2
    exit 1
}

# Says what could not be reached; $2 is a log to show the end of.
skip() {
    [ -z "${2:-}" ] || tail -n 5 "$2" >&2
    printf '\nSKIPPED: %s\n' "$1" >&2
    exit "$out_of_reach"
}

# Runs apt-get with lists, cache and state in the folder $1: nothing is installed, and nothing of the system changes
# or needs root. The machine's own mirror, proxy and keyring are used.
private_apt() {
    local at=$1
    shift
    apt-get -q -y -o Dir::State="$at" -o Dir::State::Lists="$at/lists" -o Dir::Cache="$at" \
        -o Dir::Cache::Archives="$at/archives" -o Debug::NoLocking=true -o APT::Sandbox::User="$(id -un)" \
        -o APT::Install-Recommends=false -o Acquire::Languages=none \
        -o Acquire::http::Timeout=20 -o Acquire::Retries=2 "${private[@]}" "$@"
}

# Prints the Debian archive that this machine fetches from.
debian_archive() {
    local uri
    # shellcheck disable=SC2016
    uri=$(apt-get indextargets --format '$(ORIGIN) $(COMPONENT) $(REPO_URI)' 'Created-By: Packages' |
        sed -n 's/^Debian main \(.*\/debian\/\{0,1\}\)$/\1/p' | head -n 1)
    printf '%s\n' "${uri:-http://deb.debian.org/debian}"
}

# Unpacks packages of Debian's suite $2, or of the system's own where that is empty, below $drivers/$1: `tree WHAT SUITE
# [--closure] PACKAGE...`. With --closure, all that they depend on comes with them, as on a machine that has nothing;
# with --missing, what this machine lacks of that; else the packages alone. `members`, if set, are the only files kept.
tree() {
    local what=$1 suite=$2 at=$drivers/$1 log wanted="$*"
    local -a private=() how=(download)
    shift 2
    case $1 in
    --closure) how=(install --download-only) && shift ;;
    --missing) how=(install --download-only) && shift ;;
    esac
    [ "$(cat "$at/complete" 2>/dev/null)" != "$wanted" ] || return 0
    command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null ||
        skip "$what: it comes from a Debian archive, by apt-get and dpkg-deb, which are missing"
    rm -rf "$at"
    mkdir -p "$at/apt/lists/partial" "$at/apt/archives/partial" "$at/root"
    log=$at/apt/log
    if [ -n "$suite" ]; then
        printf 'deb [signed-by=%s] %s %s main\n' /usr/share/keyrings/debian-archive-keyring.gpg \
            "$(debian_archive)" "$suite" >"$at/apt/sources.list"
        : >"$at/apt/status"
        private=(-o Dir::Etc::SourceList="$at/apt/sources.list" -o Dir::Etc::SourceParts=/dev/null
            -o Dir::State::Status="$at/apt/status" -o APT::Update::Error-Mode=any)
    else
        # Of all that this machine fetches from, something else may be out of reach.
        private=(-o Dir::State::Status=/var/lib/dpkg/status)
    fi
    printf '%s\n' "fetching $* ..."
    private_apt "$at/apt" update >"$log" 2>&1 || skip "$what: the Debian archive is out of reach" "$log"
    (cd "$at/apt/archives" && private_apt "$at/apt" "${how[@]}" "$@") >"$log" 2>&1 ||
        skip "$what: the packages cannot be fetched" "$log"
    unpack "$at"
    rm -rf "$at/apt"
    printf '%s\n' "$wanted" >"$at/complete"
}

# Unpacks what was fetched to $1, and keeps its names and versions.
unpack() {
    local deb
    for deb in "$1"/apt/archives/*.deb; do
        # shellcheck disable=SC2016
        dpkg-deb -W --showformat '${Package} ${Version}\n' "$deb" >>"$1/packages"
        if [ "${#members[@]}" -eq 0 ]; then
            dpkg-deb -x "$deb" "$1/root"
        else
            dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$1/root" "${members[@]}"
        fi
    done
}
members=()

# Prints the only file below $1 that is called $2.
only() {
    local found
    mapfile -t found < <(find "$1" -name "$2" -type f)
    [ "${#found[@]}" -eq 1 ] || fail "$1 has ${#found[@]} files called $2, not 1"
    printf '%s\n' "${found[0]}"
}

# Builds the tests named, as ./test does, and fills the array `binary` with their files.
declare -A binary=()
build_tests() {
    local name path target=()
    for name in "$@"; do
        target+=(--test "$name")
    done
    cargo test --quiet --features faer --no-run "${target[@]}"
    while read -r name path; do
        binary[$name]=$path
    done < <(cargo test --quiet --features faer --no-run --message-format=json "${target[@]}" 2>/dev/null |
        sed -n 's/.*"kind":\["test"\][^}]*"name":"\([a-z_]*\)".*"executable":"\([^"]*\)".*/\1 \2/p')
    for name in "$@"; do
        [ -x "${binary[$name]:-}" ] || fail "cargo built no test called $name"
    done
}

# Runs a test binary through the command in the array `through`, and says how long it took: `try NAME ARG...`.
through=()
try() {
    local name=$1 start=$SECONDS
    shift
    heading "$name $*"
    "${through[@]}" "${binary[$name]}" --quiet "$@" </dev/null || fail "FAILED: $name $*, after $((SECONDS - start)) s"
    printf '%s: %s s\n' "$name $*" "$((SECONDS - start))"
}
