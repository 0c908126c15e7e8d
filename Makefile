# Everything a person or a build machine runs. `make help` lists it.
# One cargo profile (release) for tests, lints, documentation and the demo, so that each crate is
# built once. QUORATE_BUILD_CACHE moves what is built and downloaded out of the checkout.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

ifdef QUORATE_BUILD_CACHE
export QUORATE_BUILD_CACHE
export CARGO_TARGET_DIR ?= $(QUORATE_BUILD_CACHE)/target
else
export CARGO_TARGET_DIR ?= $(CURDIR)/target
endif

BENCH_OUT ?= $(CURDIR)/target
# What ships is measured; `release` builds sooner.
BENCH_PROFILE ?= dist
SOAK_SEEDS ?= 200000
SEED_TESTS := --package quorate-protocol --package quorate-dkg --package quorate-dkls23 --package quorate-frost --package quorate-lead

.PHONY: help demo test check bench soak dist clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile

demo: ## Create a key on three nodes, sign, and see a local chain accept it
	@scripts/demo.sh

test: ## Everything: checks, all tests, simulations, other libraries, the demo
	@scripts/test.sh

check: ## What can be checked in minutes: format, lints, tidy, licences, docs, unit tests
	@scripts/check.sh

bench: ## Measure the engines alone, then whole clusters (about 10 minutes); results in target/bench-*.json
	@scripts/setup.sh build
	@QUORATE_COMMIT=$$(git describe --always --dirty 2>/dev/null || true) \
	    cargo build --profile $(BENCH_PROFILE) --locked --package quorate-cli \
	    --package quorate-participant --package quorate-bench
	@BENCH_OUT="$(BENCH_OUT)" BENCH_PROFILE="$(BENCH_PROFILE)" scripts/bench.sh

soak: ## Simulations with more seeds (SOAK_SEEDS, 200000), and timing of what handles secrets
	@scripts/setup.sh build
	@QUORATE_SIM_SEEDS=$(SOAK_SEEDS) cargo test --release --locked --no-fail-fast $(SEED_TESTS) -- --nocapture simul
	@cargo test --release --locked --no-fail-fast --package quorate-kernels --package quorate-dkls23 a8_ -- --ignored --nocapture

dist: ## Build what ships (profile dist) into target/dist-out, with checksums
	@scripts/setup.sh build
	@cargo build --profile dist --locked --package quorate-cli --package quorate-participant
	@mkdir -p target/dist-out
	@cp "$(CARGO_TARGET_DIR)/dist/quorate" "$(CARGO_TARGET_DIR)/dist/quorate-participant" target/dist-out/
	@cd target/dist-out && sha256sum quorate quorate-participant | tee SHA256SUMS

clean: ## Remove what was built here
	@cargo clean
	@rm -rf target
