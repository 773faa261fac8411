# What x and the scripts beside it share; sourced, with $root set.

# cargo-make and cargo may be installed without being on PATH.
PATH=$PATH:${CARGO_HOME:-${HOME:-}/.cargo}/bin
export PATH

windows_target=x86_64-pc-windows-msvc

fail() {
    echo "x: $*" >&2
    exit 1
}

# core for the Windows target comes from rustup, unless it is not there or its source is asked for.
# $1: rustc's sysroot.
compiles_core() {
    [ "${FERROPORT_RUST_SRC:-0}" = 1 ] || ! ls "$1/lib/rustlib/$windows_target/lib/"libcore-*.rlib >/dev/null 2>&1
}

# Pinned tools.
cargo_make_version=0.37.24
cargo_deny_version=0.20.2
mdbook_version=0.5.4
hyperlink_version=0.3.2
