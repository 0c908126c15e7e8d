#!/usr/bin/env bash
# `make test`: everything. The last line is `N passed, M failed`; the status is 0 only for M = 0.
set -euo pipefail
cd "$(dirname "$0")/.."
cache=${QUORATE_BUILD_CACHE:-$PWD/target}
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}
# Where end-to-end tests leave what other libraries then check.
export QUORATE_INTEROP_DIR=$CARGO_TARGET_DIR/interop
export PIP_CACHE_DIR=${PIP_CACHE_DIR:-$cache/pip-cache}

started=$SECONDS
scripts/setup.sh demo
printf '==> setup: ok, %d s\n' "$((SECONDS - started))"
# shellcheck source=scripts/steps.sh
. scripts/steps.sh

format_step
tidy_step
install_deny </dev/null
deny_step
clippy_step
docs_step
rm -rf "$QUORATE_INTEROP_DIR"
mkdir -p "$QUORATE_INTEROP_DIR"
step "all tests and simulations" cargo test --release --locked --workspace --no-fail-fast
step "byzantine participants" cargo test --release --locked --no-fail-fast \
    --package quorate-participant --features danger_byzantine --test cluster
step "build what ships" cargo build --release --locked --package quorate-cli --package quorate-participant
step "end to end" python3 scripts/e2e.py --bin "$CARGO_TARGET_DIR/release" --interop "$QUORATE_INTEROP_DIR"
step "other libraries" scripts/interop.sh "$cache/interop-venv" "$QUORATE_INTEROP_DIR" \
    "$cache/demo-chain"
step "proto files" scripts/proto.sh "$cache"
step "API clients" scripts/api_tests.sh "$cache/api-venv" "$CARGO_TARGET_DIR/release"
step "golden bytes, by Python" python3 vectors/intent/check.py
step "demo" make --no-print-directory demo
finish
