// Import this before a module that reads the catalogue: it is what the server would put into the page.

import { execFileSync } from "node:child_process";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const text = execFileSync("python", ["-m", "viz_app.catalogue"], { cwd: root, encoding: "utf8" });

export const catalogue = JSON.parse(text);
Object.assign(globalThis, { labCatalogue: catalogue });
