#!/usr/bin/env bash
# Keys and signatures of a real cluster, checked with two other libraries (tests/interop/README.md).
#
#   interop.sh VENV FOLDER    records go to FOLDER; so may tests put signatures*.jsonl and
#                             addresses*.jsonl there
set -euo pipefail
cd "$(dirname "$0")/.."
venv=$1 folder=$2
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}
requirements=tests/interop/requirements.txt

if ! cmp -s "$requirements" "$venv/installed.txt"; then
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$requirements"
    cp "$requirements" "$venv/installed.txt"
fi

"$venv/bin/python" tests/interop/test_interop.py

cargo build --release --locked --quiet --package quorate-cli --package quorate-participant
mkdir -p "$folder"
"$venv/bin/python" tests/interop/record.py "$CARGO_TARGET_DIR/release" "$folder"

for kind in signatures addresses; do
    script=tests/interop/verify_signatures.py
    if [ "$kind" = addresses ]; then script=tests/interop/addresses.py; fi
    for file in "$folder/$kind"*.jsonl; do
        echo "${file##*/}:"
        "$venv/bin/python" "$script" "$file"
    done
done
