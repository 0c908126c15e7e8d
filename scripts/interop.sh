#!/usr/bin/env bash
# Keys and signatures of a real cluster, checked with other libraries (tests/interop/README.md), by
# the script engine of Bitcoin Core and by Solana's virtual machine.
#
#   interop.sh VENV FOLDER CHAINS
#       FOLDER has what scripts/e2e.py left: KIND*.jsonl
#       CHAINS is the folder in which scripts/demo_chains.sh installs litesvm
set -euo pipefail
cd "$(dirname "$0")/.."
venv=$1 folder=$2 chains=$3
requirements=tests/interop/requirements.txt

if ! cmp -s "$requirements" "$venv/installed.txt"; then
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$requirements"
    cp "$requirements" "$venv/installed.txt"
fi
scripts/demo_chains.sh "$chains"

"$venv/bin/python" tests/interop/test_interop.py
"$venv/bin/python" scripts/demo/unsigned.py check

for chain in bitcoin solana; do
    "$venv/bin/python" "vectors/$chain/make.py" --check
done

# check KIND COMMAND…: the command with each file of this kind; there must be one.
check() {
    local kind=$1 file
    shift
    local files=("$folder/$kind"*.jsonl)
    if [ ! -e "${files[0]}" ]; then
        echo "no $kind*.jsonl: the end-to-end tests left nothing to check" >&2
        exit 1
    fi
    for file in "${files[@]}"; do
        echo "${file##*/}:"
        "$@" "$file"
    done
}

python=$venv/bin/python
check signatures "$python" tests/interop/verify_signatures.py
check addresses "$python" tests/interop/addresses.py
check schemes "$python" tests/interop/verify_schemes.py
check bitcoin "$python" tests/interop/verify_bitcoin.py
cargo build --release --locked --quiet --package quorate-chains --example bitcoin_consensus
check bitcoin "${CARGO_TARGET_DIR:-target}/release/examples/bitcoin_consensus"
check solana "$python" tests/interop/execute_solana.py "$chains"
