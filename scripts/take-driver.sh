#!/bin/sh
# Takes a built miniport out of the cross build's folder: take-driver.sh debug|release PACKAGE FOLDER.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$root/scripts/environment.sh"
[ $# -eq 3 ] || fail "take-driver.sh debug|release PACKAGE FOLDER"

# Cargo writes a library under its crate's name.
library=$(echo "$2" | tr - _)
built=${CARGO_TARGET_DIR:-$root/target}/cross/$windows_target/$1
mkdir -p "$3"
# An unchanged driver keeps its time, so that nothing after it runs again.
cmp -s "$built/$library.dll" "$3/$2.sys" || cp "$built/$library.dll" "$3/$2.sys"
cmp -s "$built/$library.pdb" "$3/$2.pdb" || cp "$built/$library.pdb" "$3/$2.pdb"
