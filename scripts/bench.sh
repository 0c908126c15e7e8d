#!/usr/bin/env bash
# `make bench`: the engines alone, then clusters on this machine: signatures and key creation under
# load, larger committees, overload, and nodes far apart.
# Writes bench-*.json into BENCH_OUT, each with the machine's description. BENCH_SECONDS is the
# length of one measurement, but for the sustained one, which takes BENCH_SUSTAINED seconds.
# BENCH_OVERLOAD is what is asked for a second under overload: twice what a cluster makes here.
set -euo pipefail
cd "$(dirname "$0")/.."
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}
out=${BENCH_OUT:-$PWD/target}
seconds=${BENCH_SECONDS:-10}
sustained=${BENCH_SUSTAINED:-60}
built=$CARGO_TARGET_DIR/${BENCH_PROFILE:-dist}
quorate=$built/quorate
mkdir -p "$out"

# Before the cluster runs, which would take the cores.
printf '== engines alone\n'
"$built/quorate-bench" --save "$out/bench-engine.json"

folder=$(mktemp -d)
proxy=
stop() {
    "$quorate" dev stop --dir "$folder/cluster" >/dev/null 2>&1 || true
    [[ -z $proxy ]] || kill "$proxy" 2>/dev/null || true
    proxy=
    rm -rf "$folder/cluster"
}
trap 'stop; rm -rf "$folder"' EXIT
export QUORATE_CONFIG=$folder/cluster/client.toml

start() {
    stop
    "$quorate" dev --dir "$folder/cluster" --nodes "$1" --detach >/dev/null
}

# The same nodes, each this many milliseconds away from each other, one way.
start_apart() {
    start "$1"
    "$quorate" dev stop --dir "$folder/cluster" >/dev/null
    coproc delays { exec python3 scripts/delay_proxy.py "$folder/cluster" "$2"; }
    proxy=$delays_PID
    read -r -u "${delays[0]}" _ready
    "$quorate" dev --dir "$folder/cluster" --nodes "$1" --detach >/dev/null
}

measure() {
    local name=$1
    shift
    printf '\n== %s\n' "$name"
    "$quorate" bench "$@" --save "$out/bench-$name.json"
}

start 5
measure sign-2of3-sustained sign --threshold 2 --nodes 3 --concurrency 64 --seconds "$sustained"
measure sign-2of3 sign --threshold 2 --nodes 3 --concurrency 1,16,256,1024 --seconds "$seconds"
measure sign-2of3-overload sign --threshold 2 --nodes 3 --rate "${BENCH_OVERLOAD:-2200}" \
    --seconds "$seconds"
measure sign-2of3-batch sign --threshold 2 --nodes 3 --concurrency 1 --batch 100 \
    --seconds "$seconds"
measure sign-3of5 sign --threshold 3 --nodes 5 --concurrency 1,16,64 --seconds "$seconds"
# 128 too: FROST has its rate only with more callers than ECDSA needs.
measure sign-ed25519-2of3 sign --algorithm EdDSA --threshold 2 --nodes 3 \
    --concurrency 1,16,64,128 --seconds "$seconds"
measure sign-bip340-2of3 sign --algorithm Schnorr --threshold 2 --nodes 3 --concurrency 1,16,64 \
    --seconds "$seconds"
measure keygen-2of3 keygen --threshold 2 --nodes 3 --concurrency 1,16,64 --seconds "$seconds"

start 9
measure sign-5of9 sign --threshold 5 --nodes 9 --concurrency 1,16 --seconds "$seconds"
start 20
measure sign-10of20 sign --threshold 10 --nodes 20 --concurrency 1,4 --seconds "$seconds"

for delay in 10 50; do
    start_apart 3 "$delay"
    measure "sign-2of3-${delay}ms" sign --threshold 2 --nodes 3 --concurrency 1,64 \
        --seconds "$seconds"
    measure "sign-ed25519-2of3-${delay}ms" sign --algorithm EdDSA --threshold 2 --nodes 3 \
        --concurrency 1,64 --seconds "$seconds"
done

printf '\nresults:\n'
printf '  %s\n' "$out"/bench-*.json
