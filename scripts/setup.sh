#!/usr/bin/env bash
# Installs what is missing on Debian or Ubuntu. Does nothing, quickly, where all is there.
#
#   setup.sh build    what compiling needs
#   setup.sh test     that, and curl and Python with venv for the checks by other programs
#   setup.sh demo     that, and Node with npm for the local chain
#
# aws-lc-sys and SQLite are C, compiled by cargo: a C compiler is all they need on x86-64 and ARM64.
# protoc is not needed: `protox` reads the .proto files. The Rust toolchain is the user's own.
set -euo pipefail

purpose=${1:-test}
case $purpose in
    build | test | demo) ;;
    *)
        echo "usage: setup.sh [build|test|demo]" >&2
        exit 2
        ;;
esac

say() { printf 'setup: %s\n' "$*"; }
fail() {
    printf 'setup: %s\n' "$*" >&2
    exit 1
}
has() { command -v "$1" >/dev/null 2>&1; }

least_rust=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$(dirname "$0")/../Cargo.toml" | head -n 1)

check_rust() {
    has cargo || fail "cargo is missing. Install Rust $least_rust or later: https://rustup.rs"
    local version
    version=$(rustc --version | awk '{ print $2 }')
    if [ "$(printf '%s\n%s\n' "$least_rust" "$version" | sort -V | head -n 1)" != "$least_rust" ]; then
        fail "Rust $version is too old, $least_rust is needed: rustup update stable"
    fi
    local component
    for component in fmt clippy; do
        if ! cargo "$component" --version >/dev/null 2>&1; then
            # Without rustup, or offline, the scripts that want it say so themselves.
            has rustup && rustup component add "${component/#fmt/rustfmt}" || true
        fi
    done
}

needed_packages() {
    if ! has cc || ! has make; then echo build-essential; fi
    if ! has git; then echo git; fi
    if [ ! -e /etc/ssl/certs/ca-certificates.crt ]; then echo ca-certificates; fi
    if [ "$purpose" != build ]; then
        if ! has curl; then echo curl; fi
        if ! has python3; then
            echo python3 python3-venv
        elif ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
            echo python3-venv
        fi
    fi
    if [ "$purpose" = demo ]; then
        if ! has node; then echo nodejs; fi
        if ! has npm; then echo npm; fi
    fi
}

install_packages() {
    has apt-get || fail "please install: $* (no apt-get on this system)"
    local as_root=()
    if [ "$(id -u)" != 0 ]; then
        has sudo || fail "please install as root: apt-get install $*"
        as_root=(sudo)
        # Nobody is there to type a password.
        if [ -n "${CI:-}" ] || [ ! -t 0 ]; then as_root=(sudo -n); fi
    fi
    say "installing $*"
    local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get)
    if ! "${apt[@]}" install -y -qq --no-install-recommends "$@" >/dev/null 2>&1; then
        "${apt[@]}" update -qq || say "apt-get update failed, trying with the lists that are there"
        "${apt[@]}" install -y -qq --no-install-recommends "$@" \
            || fail "could not install: $*"
    fi
}

mapfile -t missing < <(needed_packages | tr ' ' '\n')
if [ "${#missing[@]}" -gt 0 ]; then install_packages "${missing[@]}"; fi
check_rust
