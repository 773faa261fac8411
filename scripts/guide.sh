#!/bin/sh
# Builds the guide and checks every link of it; installs the pinned mdbook and hyperlink into target/tools when others are at hand.
# Then looks whether the check bites: the guide with one mistake at a time has to fail. Writes target/reports/guide.json.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$root/scripts/environment.sh"

tools=${CARGO_TARGET_DIR:-$root/target}/tools
PATH=$tools/bin:$PATH

# $1: the crate, $2: its version; the rest: arguments of `cargo install`.
provide() {
    [ "$("$1" --version 2>/dev/null | sed 's/.*[ v]//')" != "$2" ] || return 0
    echo "x: installing $1 $2 (compiles for a minute or two)"
    name=$1
    version=$2
    shift 2
    # Without optimisation: it compiles in a fraction of the time.
    CARGO_TARGET_DIR=$tools/build CARGO_PROFILE_DEV_DEBUG=0 \
        cargo install --quiet --locked --debug --root "$tools" --version "$version" "$@" "$name" ||
        fail "cargo could not install $name: check the network"
    rm -rf "$tools/build"
}
provide mdbook "$mdbook_version" --no-default-features --features search
provide hyperlink "$hyperlink_version"

# Links of the Markdown files that are read where they stand and not in the book. $1: a root of the project.
check_files() {
    (cd "$1" && find README.md CHANGELOG.md crates tests examples docs/README.md -name '*.md' -not -path '*/target/*' 2>/dev/null) |
        while read -r file; do
            awk '/^ *```/ { code = !code; next } !code' "$1/$file" | sed 's/`[^`]*`//g' | grep -o ']([^) ]*)' | sed 's/^](//; s/)$//' |
                while read -r link; do
                    case $link in
                        http://* | https://*) echo "external $link $file" ;;
                        *) echo "internal $link $file" ;;
                    esac
                done
        done
}

# $1: an anchor, $2: a Markdown file that should have a heading for it.
has_heading() {
    awk '/^ *```/ { code = !code; next } !code && /^#+ / { sub(/^#+ /, ""); print tolower($0) }' "$2" |
        sed 's/\[\([^]]*\)\]([^)]*)/\1/g; s/[^a-z0-9 _-]//g; s/ /-/g' | grep -qxF -e "$1"
}

# $1: a root of the project, $2: where the book goes, $3: a file for what is broken, a line each. Sets pages, links and external.
check() {
    : >"$3"
    rm -rf "$2"
    if ! mdbook build "$1/docs" --dest-dir "$2" >"$2.log" 2>&1; then
        echo "the book was not built" >>"$3"
    fi
    # An include that is not there is no error to mdbook.
    grep -E '^ *(ERROR|WARN)|\[(ERROR|WARN)\]' "$2.log" >>"$3" || true
    pages=0
    links=0
    : >"$2.external"
    if [ -d "$2" ]; then
        hyperlink "$2" --check-anchors --sources "$1/docs" >"$2.links" 2>&1 || true
        grep -q '^Checking ' "$2.links" || echo "the links were not checked" >>"$3"
        awk '/^  error: / { print page ": " substr($0, 10); next } /^[^ ]/ { page = $0 }' "$2.links" | sed "s|^$2/||" >>"$3"
        pages=$(sed -n 's/^Checking .*(\([0-9]*\) documents)$/\1/p' "$2.links")
        links=$(sed -n 's/^Checking \([0-9]*\) links .*/\1/p' "$2.links")
        find "$2" -name '*.html' -exec grep -ohE '(href|src)="[a-z]+:[^"]*"' {} + | sed 's/^[a-z]*="//; s/"$//' | sort -u >"$2.external"
    fi
    # A page that no table of contents names is a page that nobody finds.
    find "$1/docs/guide" "$1/docs/adr" -name '*.md' | sed "s|^$1/docs/||" | while read -r page; do
        grep -qF "($page)" "$1/docs/SUMMARY.md" || echo "docs/SUMMARY.md does not name $page"
    done >>"$3"
    find "$1/docs/adr" -name '0*.md' -exec basename {} \; | while read -r page; do
        grep -qF "($page)" "$1/docs/adr/README.md" || echo "docs/adr/README.md does not name $page"
    done >>"$3"
    # What the chapter on soundness names as a test, a rule or a mistake is one.
    sed -n '/^| \*/p' "$1/docs/guide/soundness.md" | sed 's/.*| \([^|]*\) |$/\1/' | grep -o '`[^`]*`' | tr -d '`' | sort -u | while read -r name; do
        case $name in
            rules/*) [ -e "$1/crates/storport/tests/compile_fail/$name.rs" ] ;;
            *-*) grep -rqF -e "\"$name\"" -e "$name = [" "$root/crates/storport/tests/loom" "$root/tests/broken" ;;
            *) grep -rqE "fn $name\b" "$root/crates" "$root/tests" --include '*.rs' ;;
        esac || echo "docs/guide/soundness.md: there is no $name"
    done >>"$3"
    # Commands are those that there are, and the page of tasks has all of them.
    grep -rohE '(^|[^A-Za-z0-9_])\./x [a-z][a-z-]*' "$1/docs" "$1/README.md" "$1/CHANGELOG.md" --include '*.md' | sed 's/.* //' | sort -u |
        while read -r task; do
            echo "$tasks" | grep -qxF -e "$task" || echo "there is no task ./x $task"
        done >>"$3"
    echo "$tasks" | while read -r task; do
        grep -qE "^\\|.*\`$task\`.*\\|" "$1/docs/guide/build.md" || echo "docs/guide/build.md does not tell of the task $task"
    done >>"$3"
    check_files "$1" >"$2.files"
    links=$((links + $(grep -c '^internal' "$2.files" || true)))
    while read -r kind link file; do
        [ "$kind" = internal ] || continue
        path=${link%%#*}
        target=$1/$file
        [ -z "$path" ] || target=$(dirname -- "$1/$file")/$path
        if [ ! -e "$target" ]; then
            echo "$file: $link is not there"
        elif [ "$link" != "$path" ] && ! has_heading "${link#*#}" "$target"; then
            echo "$file: $link has no such heading"
        fi
    done <"$2.files" >>"$3"
    # The world outside is not asked: a link there has to be one, no more.
    sed -n 's/^external \([^ ]*\) .*/\1/p' "$2.files" | sort -u - "$2.external" >"$2.all"
    external=$(grep -c . "$2.all" || true)
    grep -vE '^https?://([A-Za-z0-9-]+\.)+[A-Za-z]{2,}(:[0-9]+)?([/?#][^][<>"{}|\\^` ]*)?$' "$2.all" |
        sed 's/$/ is no address/' >>"$3" || true
}

# JSON string of each line.
strings() {
    sed 's/\\/\\\\/g; s/"/\\"/g; s/\t/ /g; s/.*/"&"/' "$1" | paste -sd, - | sed 's/,"/, "/g'
}

tasks=$("$root/x" | sed -n 's/^  \([a-z-]*\)  *[A-Z].*/\1/p')
work=$root/target/guide-check
rm -rf "$work"
mkdir -p "$work" "$root/target/reports"
check "$root" "$root/target/guide" "$work/broken"
broken=$(grep -c . "$work/broken" || true)
book_pages=$pages book_links=$links book_external=$external
rm -f "$root"/target/guide.*
cat "$work/broken"

# A copy of the sources, one mistake in each, everything else where it was.
copy=$work/copy
mkdir "$copy"
for each in "$root"/* "$root"/.[a-z]*; do
    case ${each##*/} in
        docs | target | README.md | .git) ;;
        *) ln -s "$each" "$copy/" ;;
    esac
done
mistakes=0
caught=0
: >"$work/missed"
mistake() {
    mistakes=$((mistakes + 1))
    check "$copy" "$work/book" "$work/found"
    # Only what the guide itself did not have.
    if grep -vxF -f "$work/broken" "$work/found" | grep -q .; then
        caught=$((caught + 1))
    else
        echo "$1" >>"$work/missed"
    fi
}
fresh() {
    rm -rf "$copy/docs" "$copy/README.md"
    cp -R "$root/docs" "$root/README.md" "$copy/"
}
page=$copy/docs/introduction.md
fresh
printf '\n[x](no-such-page.md)\n' >>"$page"
mistake "a link to a page that is not there"
fresh
printf '\n[x](guide/build.md#no-such-heading)\n' >>"$page"
mistake "an anchor that is not there"
fresh
printf '\n![x](no-such-picture.png)\n' >>"$page"
mistake "a picture that is not there"
fresh
printf '\n[x](https://learn..microsoft.com/windows)\n' >>"$page"
mistake "an address that is none"
fresh
printf '\n{{#include no-such-file.rs}}\n' >>"$page"
mistake "an include that is not there"
fresh
echo '# x' >"$copy/docs/guide/no-such-chapter.md"
mistake "a page that the table of contents does not name"
fresh
printf '\n- [x](guide/no-such-page.md)\n' >>"$copy/docs/SUMMARY.md"
mistake "an entry without a page"
fresh
printf '\n[x](docs/guide/no-such-page.md)\n' >>"$copy/README.md"
mistake "a link of the README to a file that is not there"
fresh
printf '\n[x](#no-such-heading)\n' >>"$copy/README.md"
mistake "an anchor of the README that is not there"
fresh
sed 's/`exactly_one_caller_frees`/`exactly_two_callers_free`/' "$root/docs/guide/soundness.md" >"$copy/docs/guide/soundness.md"
mistake "a test that is not there"
fresh
printf '\n`./x no-such-task`\n' >>"$page"
mistake "a task that is not there"
fresh
sed 's/`torture`, //' "$root/docs/guide/build.md" >"$copy/docs/guide/build.md"
mistake "a task that the page of tasks does not have"

cat >"$root/target/reports/guide.json" <<END
{
  "guide_links_broken": $broken,
  "broken": [$(strings "$work/broken")],
  "pages": ${book_pages:-0},
  "links": $book_links,
  "external_links": $book_external,
  "mistakes": $mistakes,
  "mistakes_caught": $caught,
  "mistakes_missed": [$(strings "$work/missed")],
  "mdbook": "$mdbook_version",
  "hyperlink": "$hyperlink_version"
}
END
missed=$(cat "$work/missed")
rm -rf "$work"
echo "guide: ${book_pages:-0} pages, $book_links links and $book_external to elsewhere, $broken broken; $caught of $mistakes mistakes caught"
[ -z "$missed" ] || fail "the check does not notice: $missed"
[ "$broken" -eq 0 ] || exit 1
[ "${book_pages:-0}" -gt 0 ] || fail "there are no pages"
echo "guide: target/guide/index.html"
