#!/bin/sh
# Fuzzes each target for a number of seconds, starting from the seeds in the repository:
#   tests/fuzz/run.sh [SECONDS [TARGET...]]
#
# libFuzzer is part of the crate libfuzzer-sys, and only needs a C++ compiler: its coverage passes are in
# stable rustc. cargo-fuzz sets the same passes; its sanitizers need nightly, and search only for errors that
# safe Rust excludes. A finding ends the run with an error, and is stored in artifacts/.
set -eu

cd "$(dirname "$0")"
seconds=${1:-60}
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- expression_parse expression_print path_match token_verify

if ! command -v c++ >/dev/null; then
    apt-get update && apt-get install -y --no-install-recommends g++
fi

host=$(rustc -vV | sed -n 's/^host: //p')
# With --target, these flags do not apply to build scripts.
RUSTFLAGS="--cfg fuzzing -Ccodegen-units=1 -Cpasses=sancov-module \
-Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
-Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares" \
    cargo build --locked --release --target "$host"

for target; do
    seeds=${target%%_*}
    mkdir -p "target/corpus/$target" "artifacts/$target"
    "target/$host/release/$target" "target/corpus/$target" "seeds/$seeds" \
        -dict="seeds/$seeds.dict" -artifact_prefix="artifacts/$target/" \
        -max_total_time="$seconds" -max_len=4096 -timeout=10 -rss_limit_mb=2048 \
        -print_final_stats=1 -print_funcs=0 -verbosity=0
done
