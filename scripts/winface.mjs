// Puts what scripts/winface.sh found together: node winface.mjs WORK PACKAGE REPORT. Nothing that is missing is made up: it is named, and
// makes exit code 1.
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";

const [work, folder, report] = process.argv.slice(2);
const wrong = [];

// What a part said; undefined, and a complaint, if it said nothing.
function part(name) {
    try {
        return JSON.parse(readFileSync(`${work}/${name}.json`, "utf8"));
    } catch {
        wrong.push(`${name} said nothing: see ${work}/${name}.log`);
        return undefined;
    }
}

// A value that has to be as it should.
function demand(what, value, holds) {
    if (value === undefined || value === null || !holds(value)) {
        wrong.push(`${what}: ${JSON.stringify(value)}`);
    }
    return value ?? null;
}

const is = (expected) => (value) => value === expected;
const some = (value) => value > 0;

const natvis = part("natvis");
const natvisDev = part("natvis-dev");
const commands = part("commands");
const rules = part("inf-rules");
const lint = part("lint");
const run = part("etw");
const messages = part("messages");
const guide = part("guide");
const typed = part("guide-commands");
part("capture");
part("inf-check");

const pdbutil = existsSync(`${work}/llvm-pdbutil`) ? Number(readFileSync(`${work}/llvm-pdbutil`, "utf8")) : null;
const natvisFiles = natvis?.natvis_in_pdb?.length;
if (pdbutil !== null && pdbutil !== natvisFiles) {
    wrong.push(`llvm-pdbutil sees ${pdbutil} natvis files in the PDB, drvpkg ${natvisFiles}`);
}
if (existsSync(`${work}/natvis-missed`)) {
    wrong.push(`a wrong member is not seen in ${readFileSync(`${work}/natvis-missed`, "utf8").trim()}`);
}
if (existsSync(`${work}/messages-missed`)) {
    wrong.push("an event without a text is not seen");
}
if (commands && !commands.events_agree) {
    wrong.push("ferro.js has other events than crates/ferronvme-events");
}
const contents = readdirSync(folder);
const scripts = [...readdirSync("scripts/windows"), ...readdirSync("scripts/windbg")];
for (const file of ["ferronvme.sys", "ferronvme.pdb", "ferronvme.inf", "ferronvme.cat", "ferronvme.cer", "README.txt", "package.json", ...scripts]) {
    demand(`${file} in the package`, contents.includes(file), is(true));
}
// What the package says of itself: each file but the list, with its hash.
const said = contents.includes("package.json") ? JSON.parse(readFileSync(`${folder}/package.json`, "utf8")).files : [];
for (const file of contents.filter((file) => file !== "package.json")) {
    const hash = createHash("sha256").update(readFileSync(`${folder}/${file}`)).digest("hex");
    demand(`${file} as package.json has it`, said.find((one) => one.name === file)?.sha256, is(hash));
}

const seen = run?.etw_events_seen;
// What this run has to tell, and nothing that the table of events does not have.
const table = JSON.parse(readFileSync("crates/ferronvme-events/events.json", "utf8")).events;
const due = ["AdapterFound", "AdapterStarted", "AdapterReady", "ResetBegun", "ResetEnded", "AdapterStopping", "AdapterStopped", "AdapterRestarting"];
for (const name of due) {
    demand(`${name} among the ETW events`, seen?.[table.find((event) => event.name === name)?.id], some);
}
for (const id of Object.keys(seen ?? {})) {
    demand(`ETW event ${id} in the table`, table.some((event) => String(event.id) === id), is(true));
}
const rulesCaught = rules?.filter((rule) => rule.caught).length;
const found = {
    natvis_in_pdb: demand("natvis_in_pdb", natvisFiles === undefined ? undefined : natvisFiles > 0, is(true)),
    natvis_files: natvisFiles ?? null,
    natvis_files_llvm_pdbutil: pdbutil,
    natvis_types_matched: natvis?.types_matched ?? null,
    natvis_paths_checked: demand("natvis_paths_checked", natvis?.paths_checked, some),
    natvis_paths_missing: demand("natvis_paths_missing", natvis?.paths_missing, is(0)),
    natvis_paths_checked_dev: demand("natvis_paths_checked_dev", natvisDev?.paths_checked, some),
    natvis_paths_missing_dev: demand("natvis_paths_missing_dev", natvisDev?.paths_missing, is(0)),
    // A command is right if its check holds, and does not hold once a member is said to lie elsewhere.
    extension_commands: demand("extension_commands", commands?.commands?.map(({ name, ok, bites, failure }) => ({ name, ok: ok && bites, failure })),
        (all) => all.length === 5 && all.every((one) => one.ok)),
    inf_rules: demand("inf_rules", rules?.length, some),
    inf_rules_caught: demand("inf_rules_caught", rulesCaught, is(rules?.length)),
    workflow_lint_ok: demand("workflow_lint_ok", lint?.workflow_lint_ok, is(true)),
    powershell_ok: demand("powershell_ok", lint?.powershell_ok, is(true)),
    lint_mistakes: lint?.mistakes ?? null,
    lint_mistakes_caught: demand("lint_mistakes_caught", lint?.mistakes_caught, is(lint?.mistakes)),
    etw_events_seen: demand("etw_events_seen", seen && Object.values(seen).reduce((sum, count) => sum + count, 0), some),
    etw_event_ids_seen: seen ? Object.keys(seen).map(Number) : null,
    message_table_ok: demand("message_table_ok", messages?.message_table_ok, is(true)),
    // Commands, options, scripts, files that the guide names, and how many of them there are not.
    guide_commands_checked: demand("guide_commands_checked", typed?.checked, some),
    guide_commands_wrong: demand("guide_commands_wrong", typed?.wrong.length, is(0)),
    guide_commands_mistakes_caught: demand("guide_commands_mistakes_caught", typed?.mistakes_caught, is(typed?.mistakes)),
    guide_links_broken: demand("guide_links_broken", guide?.guide_links_broken, is(0)),
    package: contents.sort(),
    ok: wrong.length === 0,
    wrong,
};
writeFileSync(report, JSON.stringify(found, null, 2) + "\n");
for (const complaint of wrong) {
    console.log(`winface: ${complaint}`);
}
console.log(`winface: ${wrong.length === 0 ? "all is well" : `${wrong.length} thing(s) wrong`}: ${report}`);
process.exit(wrong.length === 0 ? 0 : 1);
