#!/bin/sh
# Builds the driver with each mistake of its translation (tests/broken), in its release flavour, into
# target/driver/broken/MISTAKE: what the conformance suites have to notice.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
for mistake in unmap-does-nothing wrong-sense-out-of-range wrong-residual; do
    sh "$root/scripts/release.sh" --quiet --locked -p ferronvme-broken --features "$mistake"
    sh "$root/scripts/take-driver.sh" release ferronvme-broken "$root/target/driver/broken/$mistake"
done
