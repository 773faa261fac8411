#!/bin/sh
# Serves the packaged driver and lets other people's tests judge it: conformance.sh [OPTIONS of tests/conformance].
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$root/scripts/environment.sh"
cd "$root"
sh scripts/setup.sh --judges </dev/null
# Some of the judges live where only root looks for programs.
PATH=$PATH:/usr/sbin:/sbin
export PATH

# The lab at its own speed: a test that waits says nothing about the driver.
cargo build --quiet --locked --profile lab -p portlab
cargo build --quiet --locked -p conformance
built=${CARGO_TARGET_DIR:-target}
exec "$built/debug/conformance" --portlab "$built/lab/portlab" \
    --broken "unmap-does-nothing=target/driver/broken/unmap-does-nothing/ferronvme-broken.sys" \
    --broken "wrong-sense-out-of-range=target/driver/broken/wrong-sense-out-of-range/ferronvme-broken.sys" \
    --broken "wrong-residual=target/driver/broken/wrong-residual/ferronvme-broken.sys" \
    "$@"
