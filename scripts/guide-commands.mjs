// Checks the commands that the guide gives: guide-commands.mjs PORTLAB DRVPKG. Each subcommand and option is one of the program's own help, each
// PowerShell script and its parameter is there, and so is each file of the tree that is named. Prints JSON; exit code 1 if one is wrong.
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";

const programs = { portlab: process.argv[2], drvpkg: process.argv[3] };
// Tasks whose arguments go to a subcommand of the same name, and what `./x` takes from them first.
const tasks = { demo: ["--driver", "--flavour"], torture: [], bench: [], labspeed: [] };
const pages = ["README.md", "crates/portlab/README.md", "docs/introduction.md",
    ...readdirSync("docs/guide").filter((name) => name.endsWith(".md")).map((name) => `docs/guide/${name}`)];

const helps = new Map();
// What a program says of a subcommand; undefined if there is none.
function help(program, words) {
    const key = [program, ...words].join(" ");
    if (!helps.has(key)) {
        const said = spawnSync(programs[program], [...words, "--help"], { encoding: "utf8" });
        helps.set(key, said.status === 0 ? said.stdout : undefined);
    }
    return helps.get(key);
}

// Words of a line as a shell splits it, up to the end of the command; quotes are taken away.
function words(line) {
    const found = [];
    for (const [, double, single, bare] of line.matchAll(/"([^"]*)"|'([^']*)'|([^\s"']+)/g)) {
        const word = double ?? single ?? bare;
        if (bare !== undefined && /^(#.*|\||&&?|;|>|2>&1|\.\.\.)$/.test(bare)) {
            break;
        }
        found.push(word);
    }
    return found;
}

// Complaints about the arguments of a program; `more` are options that somebody else takes.
function judge(program, args, more = []) {
    const named = [];
    let said = help(program, []);
    const rest = args.map((word) => word.replace(/^\[+|\]+$/g, ""));
    // As many words as name subcommands.
    while (rest.length > 0 && /^[a-z][a-z-]*$/.test(rest[0]) && new RegExp(`^  ${rest[0]}( |$)`, "m").test(said.split("\nOptions:")[0])) {
        named.push(rest.shift());
        said = help(program, named) ?? "";
    }
    if (named.length === 0) {
        return rest.length === 0 || rest[0].startsWith("-") ? [] : [`${program} has no subcommand ${rest[0]}`];
    }
    // A debugger's run takes the options of any run.
    const all = said + (named[0] === "debug" ? help(program, ["run"]) : "");
    return rest.map((word) => word.split("=")[0])
        .filter((word) => /^--?[a-z]/.test(word) && !more.includes(word) && word !== "--help")
        .filter((word) => !new RegExp(`(^|[\\s,\`])${word}(?![a-z-])`, "m").test(all))
        .map((word) => `${program} ${named.join(" ")} has no option ${word}`);
}

// Complaints about one command.
function command(line, isTyped) {
    const said = [];
    let all = words(line);
    if (all[0] === "./x" && (all[1] === "portlab" || all[1] === "drvpkg")) {
        said.push(...judge(all[1], all.slice(2)));
    } else if (all[0] === "./x" && tasks[all[1]]) {
        said.push(...judge("portlab", all.slice(1), tasks[all[1]]));
    } else if (all[0] in programs) {
        said.push(...judge(all[0], all.slice(1)));
        if (isTyped) {
            said.push(`${all[0]} is in no search path: ./x ${all[0]}`);
        }
    } else if (all[0] === "cargo" && all[1] === "run" && all.includes("drvpkg")) {
        said.push("./x drvpkg is shorter");
    }
    const script = /^\.\\([A-Za-z-]+\.ps1)(.*)$/.exec(line) ?? /^([A-Z][A-Za-z]+-[A-Za-z]+\.ps1)(.*)$/.exec(line);
    if (script) {
        const path = `scripts/windows/${script[1]}`;
        if (!existsSync(path)) {
            said.push(`${path} is not there`);
        } else {
            const parameters = /param\(([^]*?)\)\n/.exec(readFileSync(path, "utf8"))[1];
            for (const [, name] of script[2].replace(/#.*/, "").matchAll(/ -([A-Za-z]+)/g)) {
                if (!parameters.includes(`$${name}`)) {
                    said.push(`${script[1]} has no parameter -${name}`);
                }
            }
        }
    }
    return said;
}

let checked = 0;
// What is wrong on a page, a line each.
function check(page, text) {
    const wrong = [];
    let language;
    let line = "";
    const complain = (all) => wrong.push(...all.map((one) => `${page}: ${one}`));
    for (const each of text.split("\n")) {
        const fence = /^\s*```(.*)$/.exec(each);
        if (fence) {
            language = language === undefined ? fence[1] : undefined;
            continue;
        }
        if (language !== undefined) {
            line += each.trim();
            if (line.endsWith("\\")) {
                line = line.slice(0, -1);
                continue;
            }
            if (language !== "text" && line !== "") {
                checked += 1;
                complain(command(line.replace(/^PS> |^\$ /, ""), language === "sh"));
            }
            line = "";
            continue;
        }
        for (const [, , code] of each.matchAll(/(`+)([^`]+)\1/g)) {
            checked += 1;
            complain(command(code, false));
            if (/^(scripts|tests|crates|docs|examples|inf|src|fuzz|\.github|\.ci)\/[\w.\/-]+$/.test(code) && !existsSync(code)) {
                complain([`${code} is not there`]);
            }
        }
    }
    return wrong;
}

const wrong = pages.flatMap((page) => check(page, readFileSync(page, "utf8")));
const count = checked;
// Each of these has to be noticed.
const mistakes = ["`portlab run --no-such-option`", "`portlab no-such-command`", "```sh\nportlab run a.sys\n```", "`drvpkg inf check --no-such-option`",
    "`.\\No-Script.ps1`", "`.\\Remove-Driver.ps1 -NoSuchParameter`", "`scripts/no-such-file.sh`", "```sh\n./x demo \\\n    --no-such-option\n```"];
const caught = mistakes.filter((text) => check("mistake", text).length > 0).length;
console.log(JSON.stringify({ checked: count, wrong, mistakes: mistakes.length, mistakes_caught: caught }, null, 2));
process.exit(wrong.length === 0 && caught === mistakes.length ? 0 : 1);
