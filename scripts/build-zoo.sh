#!/bin/sh
# Builds the drivers of the zoo and puts them under their names into target/zoo: NAME.sys and NAME.pdb.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$root/scripts/environment.sh"
cd "$root"
folder=target/zoo
mkdir -p "$folder"

sh scripts/cross.sh build --quiet --locked -p zoo --bins
built=${CARGO_TARGET_DIR:-$root/target}/cross/$windows_target/debug
for source in tests/zoo/src/bin/*.rs; do
    name=$(basename "$source" .rs)
    # The linker writes the symbols under the crate's name.
    symbols=$(echo "$name" | tr - _)
    # An unchanged driver keeps its time.
    cmp -s "$built/$name.exe" "$folder/$name.sys" || cp "$built/$name.exe" "$folder/$name.sys"
    cmp -s "$built/$symbols.pdb" "$folder/$name.pdb" || cp "$built/$symbols.pdb" "$folder/$name.pdb"
done

# Those in C build themselves.
if [ -f tests/zoo/c/build.sh ]; then
    sh tests/zoo/c/build.sh "$folder"
fi
