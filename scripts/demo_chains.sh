#!/usr/bin/env bash
# Installs the local chains (Anvil, litesvm) by their lock file into FOLDER, outside the tree.
#
#   demo_chains.sh FOLDER    does nothing, quickly, where they are there
set -euo pipefail
mkdir -p "$1"
folder=$(cd "$1" && pwd)
export npm_config_cache=${npm_config_cache:-$folder/../npm-cache}
cd "$(dirname "$0")/demo"

if cmp -s package-lock.json "$folder/package-lock.json" \
    && [ -x "$folder/node_modules/.bin/anvil" ] && [ -d "$folder/node_modules/litesvm" ]; then
    exit 0
fi
cp package.json package-lock.json .npmrc "$folder/"
cd "$folder"
npm install --no-audit --no-fund --loglevel=error
