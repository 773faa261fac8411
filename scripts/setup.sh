#!/bin/sh
# Installs what building and running Ferroport needs and is not there: Debian packages, cargo-make, core for the Windows target.
# Looks at files only, so that it takes no time when nothing is missing. With --quiet it speaks only when it acts, and leaves out
# what only `./x conformance` needs; with --judges it speaks only when it acts.
set -eu

# The compiler's minimum is rust-version in Cargo.toml.
libclang_minimum=14

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$root/scripts/environment.sh"
. "$root/scripts/rust-src.sh"
quiet=${1-}
log=${CARGO_TARGET_DIR:-$root/target}/setup.log
refusal=${CARGO_TARGET_DIR:-$root/target}/rustup-refused

say() { echo "x: $*"; }
have() { command -v "$1" >/dev/null 2>&1; }
# Last line of the log that says something.
reason() { grep -v '^[[:space:]]*$' "$log" | tail -n 1; }

# $1 is a version of the form 1.2.3, not below $2.
at_least() {
    [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$2" ]
}

check_rust() {
    have rustc && have cargo || fail "there is no Rust: install it from https://rustup.rs, then try again"
    rustc_version=$(rustc -V | cut -d ' ' -f 2)
    minimum=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$root/Cargo.toml")
    at_least "${rustc_version%%-*}" "$minimum" ||
        fail "rustc $rustc_version is older than $minimum: run 'rustup update stable', then try again"
    sysroot=$(rustc --print sysroot)
}

has_libclang() {
    [ -z "${LIBCLANG_PATH-}" ] || return 0
    for llvm in /usr/lib/llvm-*; do
        [ "${llvm##*-}" -ge "$libclang_minimum" ] 2>/dev/null || continue
        ls "$llvm"/lib/libclang*.so* "$llvm"/lib/clang/*/include/stddef.h >/dev/null 2>&1 && return 0
    done
    return 1
}

newest_libclang() {
    apt-cache --names-only search '^libclang-[0-9]+-dev$' | sed 's/^libclang-\([0-9]*\)-dev .*/\1/' | sort -n | tail -n 1
}

missing_packages() {
    [ -f "${FERROPORT_MINGW_INCLUDE:-/usr/share/mingw-w64/include}/ddk/wdm.h" ] || echo mingw-w64-common
    has_libclang || echo libclang
    have clang || echo clang
    have cc || echo gcc libc6-dev
    have qemu-system-x86_64 || echo qemu-system-x86
    have osslsigncode || echo osslsigncode
    have gdb || echo gdb
    have node || echo nodejs
    have npm || echo npm
    have chromium || echo chromium
    ls -d /usr/lib/python3*/ensurepip >/dev/null 2>&1 || echo python3-venv
    have xz || echo xz-utils
}

# What `./x conformance` asks for its opinion; only that task installs them.
missing_judges() {
    have iscsi-test-cu && have iscsi-perf || echo libiscsi-bin
    have tgtd && have tgtadm || echo tgt
    have sg_vpd || echo sg3-utils
    have fio || echo fio
    have nbdcopy && have nbdinfo || echo libnbd-bin
    have mke2fs && have debugfs || echo e2fsprogs
    have mkntfs && have ntfscat || echo ntfs-3g
    have setpriv || echo util-linux
}

install_packages() {
    packages=$({ missing_packages; [ "$quiet" = --quiet ] || missing_judges; } | paste -s -d " " -)
    [ -n "$packages" ] || return 0
    have apt-get || fail "these are missing and there is no apt-get to install them: $packages (Debian's names)"
    case $packages in
        *libclang*)
            newest=$(newest_libclang)
            if [ -z "$newest" ] && [ "$(id -u)" = 0 ]; then
                apt-get update >"$log" 2>&1 </dev/null || fail "apt-get update failed: $(reason); check the network"
                newest=$(newest_libclang)
            fi
            [ "${newest:-0}" -ge "$libclang_minimum" ] ||
                fail "apt knows no libclang-$libclang_minimum-dev or newer: run 'apt-get update' as root, then try again"
            packages=$(echo "$packages" | sed "s/\blibclang\b/libclang-$newest-dev/")
            ;;
    esac
    [ "$(id -u)" = 0 ] || fail "run this as root, then try again: apt-get install -y --no-install-recommends $packages"
    say "installing Debian packages: $packages"
    # Word splitting is meant: one argument a package.
    # shellcheck disable=SC2086
    apt_install $packages || {
        apt-get update >"$log" 2>&1 </dev/null || true
        # shellcheck disable=SC2086
        apt_install $packages || fail "apt-get could not install $packages: $(reason); check the network ($log)"
    }
}

apt_install() {
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@" >"$log" 2>&1 </dev/null
}

install_cargo_make() {
    if have cargo-make; then
        installed=$(cargo-make make --version | sed 's/[^0-9]*\([0-9.]*\).*/\1/')
        at_least "$installed" "$cargo_make_version" && return 0
    fi
    say "installing cargo-make $cargo_make_version (compiles for a minute or two)"
    # Its own profile optimises across all crates, which takes several times as long.
    CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_OPT_LEVEL=1 \
        cargo install --force --locked --quiet --version "$cargo_make_version" cargo-make >"$log" 2>&1 </dev/null ||
        fail "cargo could not install cargo-make: $(reason); check the network ($log)"
}

install_windows_target() {
    compiles_core "$sysroot" || return 0
    if [ "${FERROPORT_RUST_SRC:-0}" != 1 ] && have rustup && ! rustup_refused_before; then
        say "installing core for $windows_target (rustup target add)"
        rustup target add "$windows_target" >"$log" 2>&1 </dev/null && ! compiles_core "$sysroot" && return 0
        say "rustup did not provide it: $(reason); taking its source instead"
        provide_rust_src
        # Only now: without either, the next try asks rustup again.
        echo "$rustc_version" >"$refusal"
        return 0
    fi
    provide_rust_src
}

# Asked once a compiler version, and whenever somebody runs `./x setup`.
rustup_refused_before() {
    [ "$quiet" = --quiet ] && [ -f "$refusal" ] && [ "$(cat "$refusal")" = "$rustc_version" ]
}

check_rust
[ "$(uname -sm)" = "Linux x86_64" ] || fail "./x is for Linux on x86-64; on Windows use 'cargo make'"
mkdir -p "$(dirname -- "$log")"
install_packages
install_cargo_make
install_windows_target
[ -n "$quiet" ] || say "nothing is missing"
