#!/usr/bin/env bash
# Builds what the demo needs and runs it. `make demo` calls this.
set -euo pipefail
cd "$(dirname "$0")/.."

cache=${QUORATE_BUILD_CACHE:-$PWD/target}
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-${QUORATE_BUILD_CACHE:-$PWD}/target}

scripts/setup.sh demo
cargo build --release --locked --package quorate-cli --package quorate-participant

chain=$cache/demo-chain
scripts/demo_chains.sh "$chain"

# The package's own launcher wants a newer Node than Debian has; the program itself needs none.
anvil=$(find "$chain/node_modules/@foundry-rs" -path '*/bin/anvil' -type f -perm -u+x -print -quit)
exec python3 scripts/demo.py --bin "$CARGO_TARGET_DIR/release" --packages "$chain" \
    --anvil "${anvil:-$chain/node_modules/.bin/anvil}" "$@"
