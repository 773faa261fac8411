#!/bin/sh
# Builds the drivers in C into a folder: build.sh FOLDER. A source names options of its own in a line `build: COMPILER... -- LINKER...`.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
out=$1
mkdir -p "$out"
for source in "$here"/*.c; do
    name=$(basename "$source" .c)
    # Words are meant to be split: one option each.
    # shellcheck disable=SC2046
    sh "$here/../../../scripts/c-driver.sh" "$out/$name.sys" "$source" -- \
        $(sed -n 's/^ \* build: //p' "$source" | head -n 1)
done
