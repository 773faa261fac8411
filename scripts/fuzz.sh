#!/bin/sh
# Fuzzes what is read from devices and initiators, with coverage feedback (libFuzzer): fuzz.sh [--minutes N]. N minutes in all [default: 5],
# shared out to the targets of fuzz/. First a planted crash has to be found. The report is target/reports/fuzz.json.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$root/scripts/environment.sh"
cd "$root"

minutes=5
while [ $# -gt 0 ]; do
    case $1 in
        --minutes) [ $# -ge 2 ] || fail "--minutes N"; minutes=$2; shift 2 ;;
        --minutes=*) minutes=${1#--minutes=}; shift ;;
        *) fail "fuzz takes --minutes N" ;;
    esac
done
case $minutes in '' | *[!0-9]* | 0) fail "--minutes takes a whole number from 1 on" ;; esac

targets="identify completion log prp cdb"
seconds=$((minutes * 60 / 5))
host=$(rustc -vV | sed -n 's/^host: //p')
work=target/fuzz
reports=target/reports
mkdir -p "$work" "$reports"

# Counters at each edge and at each comparison, by options that stable rustc has. `--target` keeps them out of build scripts.
flags="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4"
flags="$flags -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table"
flags="$flags -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 --cfg fuzzing"
built=${CARGO_TARGET_DIR:-$root/target}/fuzz
RUSTFLAGS=$flags CARGO_TARGET_DIR=$built cargo build --quiet --locked --manifest-path fuzz/Cargo.toml --target "$host" --bins
binaries=$built/$host/debug

value() {
    sed -n "s/^stat::$1: *\([0-9]*\).*/\1/p" "$2" | tail -1
}

# TARGET SECONDS: leaves its exit status in $status.
run() {
    mkdir -p "$work/corpus/$1" "$work/artifacts/$1"
    seeds=
    [ ! -d "fuzz/seeds/$1" ] || seeds=fuzz/seeds/$1
    status=0
    # shellcheck disable=SC2086
    "$binaries/$1" "$work/corpus/$1" $seeds -max_total_time="$2" -max_len=8192 -print_final_stats=1 -rss_limit_mb=1024 \
        -timeout=10 -artifact_prefix="$work/artifacts/$1/" >"$work/$1.log" 2>&1 || status=$?
}

rm -rf "$work/corpus/planted" "$work/artifacts/planted"
run planted 60
planted=false
if [ "$status" -ne 0 ] && grep -q "planted" "$work/planted.log" && ls "$work/artifacts/planted/"crash-* >/dev/null 2>&1; then
    planted=true
    echo "planted crash: found"
else
    echo "planted crash: not found in 60 s; see $work/planted.log" >&2
fi

ok=$planted
rows=
for target in $targets; do
    run "$target" "$seconds"
    runs=$(value number_of_executed_units "$work/$target.log")
    rate=$(value average_exec_per_sec "$work/$target.log")
    covered=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$work/$target.log" | tail -1)
    crashed=false
    if [ "$status" -ne 0 ]; then
        crashed=true
        ok=false
        echo "$target: status $status, see $work/$target.log and $work/artifacts/$target/" >&2
    fi
    echo "$target: ${runs:-0} inputs in $seconds s, ${rate:-0} a second, ${covered:-0} edges covered"
    rows="$rows${rows:+,}
    {\"target\": \"$target\", \"seconds\": $seconds, \"inputs\": ${runs:-0}, \"inputs_per_second\": ${rate:-0}, \"edges\": ${covered:-0}, \"crashed\": $crashed}"
done

cat >"$reports/fuzz.json" <<END
{
  "ok": $ok,
  "minutes": $minutes,
  "planted_crash_found": $planted,
  "targets": [$rows
  ]
}
END
[ "$ok" = true ]
