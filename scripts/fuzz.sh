#!/usr/bin/env bash
# Fuzzes the trickle crate: `fuzz.sh TARGET SECONDS` (request or machines), or `fuzz.sh keep`. See crates/trickle/fuzz/README.md.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
fuzz=$root/crates/trickle/fuzz
# What is found on the way stays out of the repository until `keep`.
work=$root/target/fuzz/work
most=300

# From its own folder, whose configuration has the flags.
build() {
  (cd "$fuzz" && cargo build --quiet --release)
  programs=$(echo "$root"/target/fuzz/*/release)
}

run() {
  local target=$1 seconds=$2 log
  local options=(-max_total_time="$seconds" -max_len=4096 -timeout=10 -rss_limit_mb=1024 -print_final_stats=1)
  [ -f "$fuzz/$target.dict" ] && options+=(-dict="$fuzz/$target.dict")
  mkdir -p "$work/$target" "$fuzz/found/$target"
  log=$work/$target.log
  echo "fuzz: $target for $seconds s"
  if "$programs/$target" "${options[@]}" -artifact_prefix="$fuzz/found/$target/" "$work/$target" "$fuzz/corpus/$target" >"$log" 2>&1; then
    grep -E '^stat::(number_of_executed_units|average_exec_per_sec|new_units_added|peak_rss_mb)' "$log"
    return
  fi
  grep -A 2 'panicked at' "$log" | head -n 20 >&2 || tail -n 20 "$log" >&2
  local input test=one_request
  input=$(grep -oE 'Test unit written to .*' "$log" | cut -d' ' -f5 | tail -n 1)
  [ "$target" = machines ] && test=one_row_of_operations
  {
    echo "fuzz: $target broke a promise; the whole log is $log"
    echo "  the input:     ${input#"$root"/}"
    echo "  see it again:  FRAMERILL_INPUT=$input cargo nextest run -p framerill-trickle --test corpus --run-ignored only $test"
    echo "  when fixed:    move it to crates/trickle/fuzz/corpus/$target/ under a name that says what it was"
  } >&2
  return 1
}

# Adds to the corpus what reaches code that it does not reach, smallest first. How often code is reached counts while
# fuzzing and not here, or there would be thousands of files.
keep() {
  local target=$1 found
  mkdir -p "$work/$target"
  "$programs/$target" -set_cover_merge=1 -use_counters=0 -max_len=4096 "$fuzz/corpus/$target" "$work/$target" >"$work/$target.log" 2>&1 \
    || { tail -n 20 "$work/$target.log" >&2; return 1; }
  found=$(find "$fuzz/corpus/$target" -type f | wc -l)
  echo "fuzz: $target keeps $found files, $(du -sb --apparent-size "$fuzz/corpus/$target" | cut -f1) bytes"
  [ "$found" -le "$most" ] || echo "fuzz: that is more than $most; begin with an empty target/fuzz/work and the files that have names" >&2
}

build
case ${1:-} in
  request | machines) run "$1" "${2:-60}" ;;
  keep) keep request && keep machines ;;
  *) echo "usage: scripts/fuzz.sh request|machines [SECONDS] | keep" >&2; exit 2 ;;
esac
