#!/usr/bin/env bash
# Keys and signatures of a real cluster, checked with two other libraries (tests/interop/README.md).
#
#   interop.sh VENV FOLDER    FOLDER has what scripts/e2e.py left: signatures*.jsonl and
#                             addresses*.jsonl
set -euo pipefail
cd "$(dirname "$0")/.."
venv=$1 folder=$2
requirements=tests/interop/requirements.txt

if ! cmp -s "$requirements" "$venv/installed.txt"; then
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$requirements"
    cp "$requirements" "$venv/installed.txt"
fi

"$venv/bin/python" tests/interop/test_interop.py

for chain in bitcoin solana; do
    "$venv/bin/python" "vectors/$chain/make.py" --check
done

for kind in signatures addresses; do
    script=tests/interop/verify_signatures.py
    if [ "$kind" = addresses ]; then script=tests/interop/addresses.py; fi
    files=("$folder/$kind"*.jsonl)
    if [ ! -e "${files[0]}" ]; then
        echo "no $kind*.jsonl: the end-to-end tests left nothing to check" >&2
        exit 1
    fi
    for file in "${files[@]}"; do
        echo "${file##*/}:"
        "$venv/bin/python" "$script" "$file"
    done
done
