#!/bin/sh
# Builds the driver with each mistake of tests/broken, in its release flavour, into target/driver/broken/MISTAKE.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
for mistake in lost-wake-up command-id-reuse buffer-freed-under-dma; do
    sh "$root/scripts/release.sh" --quiet --locked -p ferronvme-broken --features "$mistake"
    sh "$root/scripts/take-driver.sh" release ferronvme-broken "$root/target/driver/broken/$mistake"
done
