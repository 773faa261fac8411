#!/bin/sh
# Compares the structures that storport names, as this build's bindings have them, with a kit's figures: it compiles, or names the field. Then
# looks whether that bites: with one wrong figure at a time it must not compile, for that reason.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$root/scripts/environment.sh"
cd "$root"

sh scripts/cross.sh check --quiet --locked -p kit-abi

said=$(mktemp)
trap 'rm -f "$said"' EXIT
# $1: the mistake, $2: what the compiler has to say of it.
bites() {
    if sh scripts/cross.sh check --quiet --locked -p kit-abi --features "$1" 2>"$said"; then
        fail "kit-abi does not notice $1"
    fi
    grep -qF -e "$2" "$said" || { cat "$said" >&2; fail "kit-abi fails with $1, but for another reason"; }
}
bites wrong-size "_ACCESS_RANGE is smaller than in the kit"
bites wrong-alignment "alignment of _GUID"
bites wrong-offset "_GROUP_AFFINITY::Group lies elsewhere than in the kit"
echo "kit-abi: as in the kit; 3 of 3 mistakes are seen"
