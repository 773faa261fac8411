#!/bin/sh
# Builds the files of crates/storport/tests/compile_fail for Windows: what breaks a rule must not compile, for the reason in the
# .stderr beside it. Arguments go to the test; TRYBUILD=overwrite writes what the compiler says now.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$root/scripts/environment.sh"

# A folder of its own: trybuild's projects lie below it, and Cargo reads the configuration above them.
target=${CARGO_TARGET_DIR:-$root/target}/compile-fail
sysroot=$(rustc --print sysroot)
mkdir -p "$target/tests/.cargo"
# The compiler quotes core's source where it finds it, which is where core is compiled from it. Compiled under a path that leads
# nowhere it is quoted on neither route; what uses core must not know the path, or the compiler finds its way back.
cat >"$target/tests/rustc" <<END
#!/bin/sh
case \${CARGO_MANIFEST_DIR-} in
    "$sysroot/lib/rustlib/src/"*)
        set -- "\$@" --remap-path-prefix="$sysroot/lib/rustlib/src/rust=/rustc/0000000000000000000000000000000000000000"
        ;;
esac
exec "\$@"
END
chmod +x "$target/tests/rustc"
{
    cat <<END
# Written by scripts/compile-fail.sh.
paths = ["$root/crates/wdk-build"]

[build]
target = "$windows_target"
END
    if compiles_core "$sysroot"; then
        printf 'rustc-wrapper = "%s/tests/rustc"\n' "$target"
    fi
    cat <<END

# Nothing is linked, and nothing runs: the case that must pass is built, and that is all.
[target.$windows_target]
linker = "true"
runner = "true"

[profile.dev]
panic = "abort"
debug = false
END
    if compiles_core "$sysroot"; then
        printf '\n[unstable]\nbuild-std = ["core", "alloc", "compiler_builtins"]\n'
    fi
} >"$target/tests/.cargo/config.toml"
# -Z flags are refused on stable Rust otherwise; without them this changes nothing.
if compiles_core "$sysroot"; then
    export RUSTC_BOOTSTRAP=1
fi

# trybuild would build for the host.
CARGO_TARGET_DIR=$target RUSTFLAGS="--cfg trybuild_no_target" \
    exec cargo test --locked --manifest-path "$root/Cargo.toml" --package storport-compile-fail "$@"
