#!/bin/sh
# Builds miniports in their release flavour on a host that is not Windows: release.sh -p PACKAGE [ARGUMENTS].
# When the link is refused because a panic can be reached, or an SRB is dropped, says where.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$root/scripts/environment.sh"

# What the refused objects were linked into, to be looked at: linker/rust-lld writes it.
FERROPORT_REFUSED=${CARGO_TARGET_DIR:-$root/target}/cross/refused
FERROPORT_LINKER=$root/scripts/linker/rust-lld
export FERROPORT_REFUSED FERROPORT_LINKER
rm -rf "$FERROPORT_REFUSED"

status=0
sh "$root/scripts/cross.sh" build --release --no-default-features "$@" || status=$?
if [ -f "$FERROPORT_REFUSED/refused.dll" ]; then
    cargo run --quiet --locked --manifest-path "$root/Cargo.toml" --package drvpkg -- \
        explain "$FERROPORT_REFUSED/refused.dll" --pdb "$FERROPORT_REFUSED/refused.pdb" --sources "$root" >&2 || true
fi
exit "$status"
