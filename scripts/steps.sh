# Sourced: runs named steps, shows their times, counts tests over all of them.
# A step that fails does not stop the next one, so that one run shows everything; `finish` fails.

steps_log=$(mktemp -d)
trap 'rm -rf "$steps_log"' EXIT
failed_steps=()
skipped_steps=()
step_count=0

# step NAME COMMAND…
step() {
    local name=$1 started=$SECONDS status=0
    shift
    step_count=$((step_count + 1))
    printf '\n==> %s\n' "$name"
    "$@" 2>&1 </dev/null | tee "$steps_log/$step_count.log" || status=$?
    if [ "$status" -eq 0 ]; then
        printf '==> %s: ok, %d s\n' "$name" "$((SECONDS - started))"
    else
        printf '==> %s: FAILED, %d s\n' "$name" "$((SECONDS - started))"
        failed_steps+=("$name")
    fi
}

# skip NAME WHY: said here and again at the end, so that nobody takes it for a pass.
skip() {
    printf '\n==> %s: SKIPPED, %s\n' "$1" "$2"
    skipped_steps+=("$1 ($2)")
}

# Cargo, unittest and the checks of tests/interop each print totals in their own form.
count_tests() {
    cat "$steps_log"/*.log | awk '
        /^test result: / { passed += $4; failed += $6 }
        /^[0-9]+ passed, [0-9]+ failed$/ { passed += $1; failed += $3 }
        /^Ran [0-9]+ tests? in / { ran += $2 }
        /^FAILED \(/ { line = $0; gsub(/[^0-9]+/, " ", line); n = split(line, part, " ")
                       for (i = 1; i <= n; i++) bad += part[i] }
        END { print passed + ran - bad, failed + bad }'
}

# Prints what cargo said last, what was skipped or failed, and `N passed, M failed`.
finish() {
    local passed failed
    read -r passed failed < <(count_tests)
    printf '\n'
    cat "$steps_log"/*.log | grep -E '^test result: ' | tail -n 3 || true
    local name
    for name in ${skipped_steps[@]+"${skipped_steps[@]}"}; do echo "skipped: $name"; done
    for name in ${failed_steps[@]+"${failed_steps[@]}"}; do echo "failed step: $name"; done
    # A step that failed without a failed test (a lint, a build) counts as one failure.
    if [ "${#failed_steps[@]}" -gt 0 ] && [ "$failed" -eq 0 ]; then failed=${#failed_steps[@]}; fi
    echo "$passed passed, $failed failed"
    [ "${#failed_steps[@]}" -eq 0 ] && [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
}

format_step() {
    if cargo fmt --version >/dev/null 2>&1; then
        step "format" cargo fmt --all --check
    else
        skip "format" "this toolchain has no rustfmt"
    fi
}

clippy_step() {
    if cargo clippy --version >/dev/null 2>&1; then
        step "clippy" cargo clippy --release --locked --workspace --all-targets -- -D warnings
    else
        skip "clippy" "this toolchain has no clippy"
    fi
}

deny_version=0.20.2

# Two to four minutes on two cores, once: what is built stays in the cache.
install_deny() {
    local tools=${QUORATE_BUILD_CACHE:-$PWD/target}/tools
    export PATH=$tools/bin:$PATH
    if cargo deny --version >/dev/null 2>&1; then return; fi
    echo "installing cargo-deny $deny_version into $tools"
    env CARGO_TARGET_DIR="$tools/build" cargo install --quiet --locked --root "$tools" \
        "cargo-deny@$deny_version" || echo "cargo-deny could not be installed"
    rm -rf "$tools/build"
}

# Licences, bans and sources need no network; advisories do and are left to the operator.
deny_step() {
    if cargo deny --version >/dev/null 2>&1; then
        step "cargo deny" cargo deny --locked check bans licenses sources
    else
        skip "cargo deny" "not installed: cargo install --locked cargo-deny@$deny_version"
    fi
}

docs_step() {
    step "documentation" env RUSTDOCFLAGS="-D warnings -A rustdoc::private_intra_doc_links" \
        cargo doc --release --locked --workspace --no-deps --document-private-items
}

tidy_step() {
    step "tidy" cargo run --release --locked --quiet --package xtask -- tidy
}
