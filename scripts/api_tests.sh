#!/usr/bin/env bash
# The API with clients that know nothing of this repository (tests/api/README.md).
#
#   api_tests.sh VENV BIN    VENV is made when it is missing; BIN has the binaries
set -euo pipefail
cd "$(dirname "$0")/.."
venv=$1 bin=$2
requirements=tests/api/requirements.txt

if ! cmp -s "$requirements" "$venv/installed.txt"; then
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$requirements"
    cp "$requirements" "$venv/installed.txt"
fi

folder=$(mktemp -d)
stop() {
    "$bin/quorate" dev stop --dir "$folder/cluster" >/dev/null 2>&1 || true
    rm -rf "$folder"
}
trap stop EXIT
"$bin/quorate" dev --dir "$folder/cluster" --detach

"$venv/bin/python" tests/api/test_api.py --bin "$bin" --folder "$folder/cluster"

# Bounded, with a seed: the same requests in every run.
endpoint=$(sed -n 's/^endpoint *= *"\(.*\)"/\1/p' "$folder/cluster/client.toml")
status=0
QUORATE_DEV_FOLDER=$folder/cluster PYTHONPATH=tests/api SCHEMATHESIS_HOOKS=hooks \
    HYPOTHESIS_STORAGE_DIRECTORY=$folder/hypothesis NO_COLOR=1 \
    "$venv/bin/schemathesis" --config-file tests/api/schemathesis.toml \
    run "$endpoint/openapi.json" --url "$endpoint" || status=$?
if [ "$status" -eq 0 ]; then echo "1 passed, 0 failed"; else echo "0 passed, 1 failed"; fi
exit "$status"
