#!/bin/sh
# Builds the files of crates/storport/tests/compile_fail for Windows: what breaks a rule must not compile, for the reason in the
# .stderr beside it. Arguments go to the test; TRYBUILD=overwrite writes what the compiler says now.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$root/scripts/environment.sh"

# A folder of its own: trybuild's projects lie below it, and Cargo reads the configuration above them.
target=${CARGO_TARGET_DIR:-$root/target}/compile-fail
mkdir -p "$target/tests/.cargo"
{
    cat <<END
# Written by scripts/compile-fail.sh.
paths = ["$root/crates/wdk-build"]

[build]
target = "$windows_target"

# Nothing is linked, and nothing runs: the case that must pass is built, and that is all.
[target.$windows_target]
linker = "true"
runner = "true"

[profile.dev]
panic = "abort"
debug = false
END
    if compiles_core "$(rustc --print sysroot)"; then
        printf '\n[unstable]\nbuild-std = ["core", "alloc", "compiler_builtins"]\n'
    fi
} >"$target/tests/.cargo/config.toml"
# -Z flags are refused on stable Rust otherwise; without them this changes nothing.
if compiles_core "$(rustc --print sysroot)"; then
    export RUSTC_BOOTSTRAP=1
fi

# trybuild would build for the host.
CARGO_TARGET_DIR=$target RUSTFLAGS="--cfg trybuild_no_target" \
    exec cargo test --locked --manifest-path "$root/Cargo.toml" --package storport-compile-fail "$@"
