#!/usr/bin/env bash
# Builds the fuzz targets on stable Rust and runs each for FUZZ_SECONDS (default 300).
# Any crash, time-out or out-of-memory fails the run; the input is kept under fuzz/artifacts/<target>/.
#   FUZZ_SECONDS=30 scripts/fuzz.sh [target ...]
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${FUZZ_SECONDS:-300}
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=(er7_to_patient json_to_er7 mllp_decode)

# libFuzzer comes with the libfuzzer-sys crate and is compiled by the C++ compiler at hand; LLVM's coverage pass is
# part of every rustc. --target keeps the flags away from build scripts.
host=$(rustc -vV | sed -n 's/^host: //p')
flags="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing -Ccodegen-units=1"
out=${FUZZ_TARGET_DIR:-fuzz/target}
# A terminal or CI may have set other flags for the product.
env -u CARGO_ENCODED_RUSTFLAGS RUSTFLAGS="$flags" CARGO_TARGET_DIR="$out" \
  cargo build --locked --release --manifest-path fuzz/Cargo.toml --target "$host"

corpus=crates/fhir-adt/tests/corpus
failed=0
for target in "${targets[@]}"; do
  case $target in
    er7_to_patient) seeds=("$corpus"/hl7v2-adt "$corpus"/hl7v2-malformed crates/fhir-adt/tests/examples); max=8192; dictionary=er7 ;;
    json_to_er7) seeds=("$corpus"/fhir-patients "$corpus"/fhir-invalid crates/fhir-adt/tests/examples); max=8192; dictionary=json ;;
    mllp_decode) seeds=(fuzz/seeds/mllp_decode "$corpus"/hl7v2-malformed); max=2048; dictionary=er7 ;;
    *) echo "unknown target: $target" >&2; exit 2 ;;
  esac
  mkdir -p "fuzz/corpus/$target" "fuzz/artifacts/$target"
  echo "== $target for ${seconds}s"
  if ! "$out/$host/release/$target" "fuzz/corpus/$target" "${seeds[@]}" \
    -max_total_time="$seconds" -max_len=$max -dict="fuzz/dictionaries/$dictionary.dict" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
    -artifact_prefix="fuzz/artifacts/$target/"; then
    failed=1
    echo "FAILED $target: inputs in fuzz/artifacts/$target" >&2
  fi
done
[ $failed -eq 0 ] && echo "fuzz: ${#targets[@]} passed, 0 failed"
exit $failed
