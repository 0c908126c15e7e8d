#!/usr/bin/env bash
# `make bench`: the engines alone, then a cluster on this machine, signatures and key creation under
# load.
# Writes bench-*.json into BENCH_OUT, each with the machine's description.
set -euo pipefail
cd "$(dirname "$0")/.."
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}
out=${BENCH_OUT:-$PWD/target}
seconds=${BENCH_SECONDS:-10}
quorate=$CARGO_TARGET_DIR/release/quorate
mkdir -p "$out"

# Before the cluster runs, which would take the cores.
printf '== engines alone\n'
"$CARGO_TARGET_DIR/release/quorate-bench" --save "$out/bench-engine.json"

folder=$(mktemp -d)
stop() {
    "$quorate" dev stop --dir "$folder/cluster" >/dev/null 2>&1 || true
    rm -rf "$folder"
}
trap stop EXIT

"$quorate" dev --dir "$folder/cluster" --nodes 5 --detach
export QUORATE_CONFIG=$folder/cluster/client.toml

measure() {
    local name=$1
    shift
    printf '\n== %s\n' "$name"
    "$quorate" bench "$@" --seconds "$seconds" --save "$out/bench-$name.json"
}

measure sign-2of3 sign --threshold 2 --nodes 3
measure sign-3of5 sign --threshold 3 --nodes 5
measure sign-ed25519-2of3 sign --algorithm EdDSA --threshold 2 --nodes 3 --concurrency 1,16,64
measure sign-bip340-2of3 sign --algorithm Schnorr --threshold 2 --nodes 3 --concurrency 1,16,64
measure keygen-2of3 keygen --threshold 2 --nodes 3
printf '\nresults:\n'
printf '  %s\n' "$out"/bench-*.json
