#!/bin/sh
# Builds a miniport in C against the open headers: c-driver.sh OUT.sys SOURCE.c... [-- COMPILER OPTIONS... [-- LINKER OPTIONS...]].
# Import libraries are made anew from crates/wdk-build/lib; the program database goes beside OUT.sys.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$root/scripts/environment.sh"
[ $# -ge 2 ] || fail "c-driver.sh OUT.sys SOURCE.c... [-- COMPILER OPTIONS... [-- LINKER OPTIONS...]]"
out=$1
shift

sources=
while [ $# -gt 0 ] && [ "$1" != -- ]; do
    sources="$sources $1"
    shift
done
[ $# -eq 0 ] || shift
compiler=
while [ $# -gt 0 ] && [ "$1" != -- ]; do
    compiler="$compiler $1"
    shift
done
[ $# -eq 0 ] || shift

command -v clang >/dev/null 2>&1 || fail "there is no clang: run './x setup', then try again"
mingw=${FERROPORT_MINGW_INCLUDE:-/usr/share/mingw-w64/include}
headers=$root/crates/wdk-build/include
sysroot=$(rustc --print sysroot)
lld=$sysroot/lib/rustlib/$(rustc -vV | sed -n 's/^host: //p')/bin/rust-lld
[ -x "$lld" ] || fail "there is no rust-lld in $sysroot: install rustc with its linker"

work=${out%.sys}.build
mkdir -p "$work"
for definition in "$root"/crates/wdk-build/lib/*.def; do
    library=$work/$(basename "$definition" .def).lib
    "$lld" -flavor link /lib /nologo /machine:x64 "/def:$definition" "/out:$library"
done

objects=
for source in $sources; do
    object=$work/$(basename "$source" .c).obj
    # Own headers as user headers, mingw-w64's as the system's; the kit's macros; no red zone and no SSE moves of the compiler's own are
    # needed: the kernel saves both for drivers on x86-64. Options may be several words.
    # shellcheck disable=SC2086
    clang --target=x86_64-pc-windows-msvc -c -O2 -g -gcodeview -nostdlibinc -ffreestanding -fms-extensions -Wall -Wextra -Werror \
        -Wno-pragma-pack -D_WIN64 -D_AMD64_ -DAMD64 -D_KERNEL_MODE -I"$headers" -isystem "$mingw/ddk" -isystem "$mingw" \
        $compiler -o "$object" "$source"
    objects="$objects $object"
done
# shellcheck disable=SC2086
"$lld" -flavor link /nologo /driver /nodefaultlib /subsystem:native /kernel /entry:DriverEntry /nxcompat /dynamicbase /opt:ref,icf \
    /integritycheck /manifest:no /release /debug "/pdb:${out%.sys}.pdb" "/out:$out" $objects \
    "$work/storport.lib" "$work/ntoskrnl.lib" "$work/hal.lib" "$@"
