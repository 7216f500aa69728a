// Reads a JSON list of objects from standard input and writes a JSON list: what each one's operator would refuse, or null.
import { readFileSync } from "node:fs";

const packages = JSON.parse(readFileSync(new URL("groups.json", import.meta.url)));

async function refused(object) {
  const group = object.apiVersion.split("/")[0];
  const place = `@kubernetes-models/${packages[group]}/${object.apiVersion}/${object.kind}`;
  const kinds = await import(place);
  try {
    new kinds[object.kind](object).validate();
    return null;
  } catch (error) {
    return error.message;
  }
}

let text = "";
for await (const part of process.stdin) text += part;
const found = [];
for (const object of JSON.parse(text)) found.push(await refused(object));
process.stdout.write(JSON.stringify(found));
