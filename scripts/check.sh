#!/usr/bin/env bash
# `make check`: what can be checked in minutes.
set -euo pipefail
cd "$(dirname "$0")/.."
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}

scripts/setup.sh build
# shellcheck source=scripts/steps.sh
. scripts/steps.sh

format_step
tidy_step
deny_step
clippy_step
docs_step
step "unit tests" cargo test --release --locked --workspace --no-fail-fast --lib --bins
finish
