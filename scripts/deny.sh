#!/bin/sh
# Runs the pinned cargo-deny over all dependencies; installs it into target/tools when the one at hand is another.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$root/scripts/environment.sh"

tools=${CARGO_TARGET_DIR:-$root/target}/tools
PATH=$tools/bin:$PATH
if [ "$(cargo-deny --version 2>/dev/null)" != "cargo-deny $cargo_deny_version" ]; then
    echo "x: installing cargo-deny $cargo_deny_version (compiles for a minute or two)"
    # Without optimisation: it compiles in a fraction of the time.
    cargo install --quiet --locked --debug --root "$tools" --version "$cargo_deny_version" cargo-deny ||
        fail "cargo could not install cargo-deny: check the network"
fi
cd "$root"
exec cargo-deny --locked check bans licenses sources "$@"
