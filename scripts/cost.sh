#!/bin/sh
# Counts the instructions of ferronvme and of its unsafe twin in the lab, and compares them: docs/guide/cost.md.
# Arguments go to `gauge cost`. The reports are target/reports/cost.json, cost-safe.json and cost-twin.json.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
cd "$root"
reports=target/reports
built=${CARGO_TARGET_DIR:-target}/cross/x86_64-pc-windows-msvc/release

sh scripts/release.sh --quiet --locked -p ferronvme -p ferronvme-twin
cargo build --quiet --locked -p portlab -p gauge

count() {
    mkdir -p "target/cost/$1"
    cp "$built/$2.dll" "target/cost/$1/$2.sys"
    cp "$built/$2.pdb" "target/cost/$1/$2.pdb"
    cargo run --quiet --locked -p portlab -- count "target/cost/$1/$2.sys" --json "$reports/cost-$1.json" >"target/cost/$1/count.log" 2>&1 || {
        cat "target/cost/$1/count.log" >&2
        exit 1
    }
}

count safe ferronvme
count twin ferronvme_twin
exec cargo run --quiet --locked -p gauge -- cost --safe "$reports/cost-safe.json" --twin "$reports/cost-twin.json" --json "$reports/cost.json" "$@"
