#!/bin/sh
# Runs Cargo for the Windows target on a host that is not Windows: cross.sh SUBCOMMAND [ARGUMENTS].
# For example `scripts/cross.sh build -p ferronvme` or `scripts/cross.sh clippy -p storport`.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$root/scripts/environment.sh"
[ $# -ge 1 ] || fail "cross.sh SUBCOMMAND [ARGUMENTS], for example: scripts/cross.sh build -p ferronvme"

# A folder of its own: host builds have other features and flags, and would wait for the lock.
CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$root/target}/cross
CARGO_TARGET_X86_64_PC_WINDOWS_MSVC_LINKER=${FERROPORT_LINKER:-rust-lld}
export CARGO_TARGET_DIR CARGO_TARGET_X86_64_PC_WINDOWS_MSVC_LINKER

subcommand=$1
shift
if compiles_core "$(rustc --print sysroot)"; then
    # -Z flags are refused on stable Rust otherwise.
    export RUSTC_BOOTSTRAP=1
    set -- -Zbuild-std=core,alloc,compiler_builtins "$@"
fi
# After the subcommand: clippy is a program of its own, which a --config before it does not reach.
exec cargo "$subcommand" --config "paths=[\"$root/crates/wdk-build\"]" --target "$windows_target" "$@"
