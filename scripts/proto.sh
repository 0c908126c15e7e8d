#!/usr/bin/env bash
# `buf lint` over proto/, and `buf breaking` against proto/baseline.binpb: what clients were built
# with stays readable.
#
#   proto.sh CACHE             checks; CACHE is where the program buf is kept
#   proto.sh CACHE --accept    writes the baseline anew, for a change that is meant
set -euo pipefail
cd "$(dirname "$0")/.."
cache=$1/buf
export npm_config_cache=${npm_config_cache:-$1/npm-cache}

mkdir -p "$cache"
if ! cmp -s scripts/proto/package-lock.json "$cache/package-lock.json" \
    || [ ! -d "$cache/node_modules" ]; then
    cp scripts/proto/package.json scripts/proto/package-lock.json scripts/proto/.npmrc "$cache/"
    (cd "$cache" && npm install --ignore-scripts --no-audit --no-fund --loglevel=error)
fi
# The program itself: the package's launcher wants an install script to have run.
buf=$(find "$cache/node_modules/@bufbuild" -path '*/bin/buf' -type f -size +1M -perm -u+x -print -quit)

build() { "$buf" build "$1" --exclude-source-info -o "$2"; }

if [ "${2:-}" = --accept ]; then
    build proto proto/baseline.binpb
    exit
fi

passed=0 failed=0
verdict() {
    if [ "$1" -eq 0 ]; then
        passed=$((passed + 1))
        echo "proto $2: ok"
    else
        failed=$((failed + 1))
        echo "proto $2: FAILED"
    fi
}

status=0
"$buf" lint proto || status=$?
verdict "$status" lint

status=0
"$buf" breaking proto --against proto/baseline.binpb || status=$?
verdict "$status" breaking

# Both checks are able to fail.
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cp -r proto "$folder/proto"
sed -i 's/string key_id = 1;/string keyId = 1;/' "$folder/proto/mpc/v1/mpc.proto"
status=0
if "$buf" lint "$folder/proto" >/dev/null 2>&1; then status=1; fi
verdict "$status" "lint refuses a misnamed field"
status=0
if "$buf" breaking "$folder/proto" --against proto/baseline.binpb >/dev/null 2>&1; then status=1; fi
verdict "$status" "breaking refuses a renamed field"

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
