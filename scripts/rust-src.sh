# The source of core and alloc for exactly the compiler in use, for machines without rustup's Windows target. Sourced by setup.sh.

# Suites of the machine's own Debian mirror that may hold this version's rust-src.
rust_src_suites="trixie-backports sid forky trixie bookworm-backports"

# Says where the source came from; rustup's own has no such file and follows rustup's updates.
rust_src_mark=.ferroport-rustc-version

provide_rust_src() {
    rust_src=$sysroot/lib/rustlib/src/rust
    if [ -f "$rust_src/library/core/src/lib.rs" ]; then
        [ -f "$rust_src/$rust_src_mark" ] || return 0
        [ "$(cat "$rust_src/$rust_src_mark")" != "$rustc_version" ] || return 0
    fi
    rust_src_scratch=$(mktemp -d)
    trap 'rm -rf "$rust_src_scratch"' EXIT
    if [ -n "${FERROPORT_RUST_SRC_ARCHIVE-}" ]; then
        rust_src_from_archive
    else
        rust_src_from_debian
    fi
    install_rust_src
}

rust_src_from_archive() {
    [ -f "$FERROPORT_RUST_SRC_ARCHIVE" ] || fail "FERROPORT_RUST_SRC_ARCHIVE names no file: $FERROPORT_RUST_SRC_ARCHIVE"
    say "unpacking the source of core from $FERROPORT_RUST_SRC_ARCHIVE"
    tar -xJf "$FERROPORT_RUST_SRC_ARCHIVE" -C "$rust_src_scratch" 2>"$log" ||
        fail "cannot unpack $FERROPORT_RUST_SRC_ARCHIVE: $(reason)"
}

rust_src_from_debian() {
    have apt-get && have dpkg-deb ||
        fail "core for $windows_target is missing: run 'rustup target add $windows_target' or set FERROPORT_RUST_SRC_ARCHIVE"
    say "looking for Debian's rust-src $rustc_version"
    cd "$rust_src_scratch"
    download_rust_src || for suite in $rust_src_suites; do
        use_suite "$suite" && download_rust_src && break
    done
    cd "$root"
    set -- "$rust_src_scratch"/rust-src_*.deb
    [ -f "$1" ] ||
        fail "found no source of core for rustc $rustc_version: check the network, or set FERROPORT_RUST_SRC_ARCHIVE to its .tar.xz"
    say "unpacking $(basename -- "$1")"
    dpkg-deb -x "$1" "$rust_src_scratch/package"
    mv "$rust_src_scratch"/package/usr/src/rustc-*/library "$rust_src_scratch/library"
}

# Downloads the package of this version from the apt configuration in use: the machine's, then that of use_suite.
download_rust_src() {
    version=$(apt-cache ${apt_options-} madison rust-src 2>/dev/null |
        awk -F '|' -v prefix="$rustc_version+" '{ gsub(/ /, "", $2); if (index($2, prefix) == 1) { print $2; exit } }')
    [ -n "$version" ] || return 1
    # Word splitting is meant.
    # shellcheck disable=SC2086
    apt-get ${apt_options-} download "rust-src=$version" >"$log" 2>&1 </dev/null
}

# Looks into another suite of the mirror that the machine uses, in folders of its own: the system's lists stay as they are.
use_suite() {
    mirror=$(apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
        sed -n 's/^Debian|Debian|//p' | head -n 1)
    [ -n "$mirror" ] || return 1
    apt=$rust_src_scratch/apt-$1
    mkdir -p "$apt/lists/partial" "$apt/archives/partial"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $1 main" >"$apt/sources.list"
    apt_options="-o Dir::Etc::SourceList=$apt/sources.list -o Dir::Etc::SourceParts=- -o Dir::State::Lists=$apt/lists"
    apt_options="$apt_options -o Dir::Cache=$apt -o APT::Sandbox::User=$(id -un) -o Acquire::Retries=0"
    # shellcheck disable=SC2086
    apt-get $apt_options update >"$log" 2>&1 </dev/null
}

# Moves the finished folder into place in one step.
install_rust_src() {
    [ -f "$rust_src_scratch/library/core/src/lib.rs" ] || fail "the source of core is not in what was unpacked: library/core/src/lib.rs"
    mkdir -p "$sysroot/lib/rustlib/src" 2>"$log" || fail "cannot write to the compiler's folder: $(reason)"
    staged=$(mktemp -d "$sysroot/lib/rustlib/src/.ferroport-XXXXXX") || fail "cannot write to $sysroot/lib/rustlib/src"
    mv "$rust_src_scratch/library" "$staged/library"
    [ ! -f "$rust_src_scratch/Cargo.lock" ] || mv "$rust_src_scratch/Cargo.lock" "$staged/Cargo.lock"
    echo "$rustc_version" >"$staged/$rust_src_mark"
    chmod 755 "$staged"
    rm -rf "$rust_src"
    mv "$staged" "$rust_src"
}
