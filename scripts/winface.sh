#!/bin/sh
# What Windows people meet of the driver besides its running, each part judged by something that is not itself, into
# target/reports/winface.json: natvis, WinDbg commands, INF rules, workflow and scripts, ETW events, message table, guide.
# Every part is made; whatever is wrong or missing is named at the end, and is the exit code.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$root/scripts/environment.sh"
cd "$root"

command -v node >/dev/null || fail "node is missing: run 'apt-get install -y --no-install-recommends nodejs npm' as root, then try again"
package=target/package
work=target/winface
rm -rf "$work"
mkdir -p "$work" target/reports
cargo build --quiet --locked --package drvpkg --package portlab
drvpkg=${CARGO_TARGET_DIR:-target}/debug/drvpkg
portlab=${CARGO_TARGET_DIR:-target}/debug/portlab

# $1: the part; the rest: a command that prints JSON. What it says on the way goes to a log that is shown when it fails.
part() {
    name=$1
    shift
    if "$@" >"$work/$name.json" 2>"$work/$name.log"; then
        echo "ok      $name"
    else
        echo "WRONG   $name: $*"
        tail -n 5 "$work/$name.log"
    fi
}

echo "natvis"
part natvis "$drvpkg" natvis "$package/ferronvme.pdb" --json
# Types are others in the development flavour: nothing is inlined away, and debugging has members of its own.
part natvis-dev "$drvpkg" natvis target/driver/dev/ferronvme.pdb --json
# Another reader of PDBs, where there is one.
if command -v llvm-pdbutil >/dev/null; then
    llvm-pdbutil dump --named-streams "$package/ferronvme.pdb" | grep -c 'src/files.*\.natvis$' >"$work/llvm-pdbutil" || true
fi
# The check has to see a member that is not there: one in each file.
for file in src/ferronvme.natvis crates/storport/src/storport.natvis crates/nvme-core/src/nvme-core.natvis; do
    sed 's/\.v\.value/.v.valve/' "$file" >"$work/wrong.natvis"
    if "$drvpkg" natvis "$package/ferronvme.pdb" --file "$work/wrong.natvis" >/dev/null 2>&1; then
        echo "$file" >>"$work/natvis-missed"
    fi
done

echo "WinDbg's commands, on a running driver's memory"
part capture sh -c "'$portlab' capture '$package/ferronvme.sys' --out '$work/memory.json' >&2 && echo true"
part layout "$drvpkg" layout "$package/ferronvme.pdb" 'storport::extension::Extension<ferronvme::FerroNvme>' \
    wdk_sys::types::bindings::_STORAGE_REQUEST_BLOCK wdk_sys::types::bindings::_SRBEX_DATA_SCSI_CDB16 storport::debugger::Adapters
# The script as it is in the package.
part commands node tests/windbg/check.mjs "$package/ferro.js" "$work/memory.json" "$work/layout.json" crates/ferronvme-events/events.json

echo "INF"
part inf-rules "$drvpkg" inf rules --json
part inf-check sh -c "'$drvpkg' inf check '$package/ferronvme.inf' >&2 && echo true"

echo "Workflow and scripts"
rm -f target/reports/lint.json
part lint sh -c "sh scripts/lint.sh >&2; cat target/reports/lint.json"

echo "Events"
part etw sh -c "'$portlab' run '$package/ferronvme.sys' --device lab:nvme,size=64M --traffic 4M --reset --life power-cycle --etw \
    --json '$work/run.json' >&2 && cat '$work/run.json'"
part messages "$drvpkg" messages "$package/ferronvme.sys" --events crates/ferronvme-events/events.json --json
# Seen to bite: an event that is logged under an id without a text.
node -e '
    const events = JSON.parse(require("fs").readFileSync("crates/ferronvme-events/events.json", "utf8"));
    events.events.find((event) => event.message_id).message_id += 256;
    console.log(JSON.stringify(events));' >"$work/wrong-events.json"
if "$drvpkg" messages "$package/ferronvme.sys" --events "$work/wrong-events.json" >/dev/null 2>&1; then
    echo messages >"$work/messages-missed"
fi

echo "Guide"
rm -f target/reports/guide.json
part guide sh -c "sh scripts/guide.sh >&2; cat target/reports/guide.json"

part guide-commands node scripts/guide-commands.mjs "$portlab" "$drvpkg"

exec node scripts/winface.mjs "$work" "$package" target/reports/winface.json
