// node .ci/vendor.mjs (make vendor): copies the small modules that the pages use out of node_modules, bundled without
// their unused parts, with their licences and types, into viz_app/assets/lab/vendor.
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const TO = join(ROOT, "viz_app/assets/lab/vendor");

/** What is vendored: file → package → exported names. */
const MODULES = {
  d3: {
    "d3-array": ["bisectLeft", "bisectRight", "bisector", "extent", "max", "median", "min", "quantileSorted", "range", "ticks"],
    "d3-format": ["format", "formatLocale"],
    "d3-scale": ["scaleLinear", "scaleLog", "scaleSymlog", "tickFormat"],
  },
  lit: {
    "lit-html": ["html", "nothing", "render", "svg"],
    "lit-html/directives/class-map.js": ["classMap"],
    "lit-html/directives/live.js": ["live"],
    "lit-html/directives/ref.js": ["ref"],
    "lit-html/directives/repeat.js": ["repeat"],
    "lit-html/directives/style-map.js": ["styleMap"],
  },
};

/** Types that are exported beside them. */
const TYPES = { d3: {}, lit: { "lit-html": ["TemplateResult"] } };

const folder = (name) => join(ROOT, "node_modules", name);
const about = (name) => JSON.parse(readFileSync(join(folder(name), "package.json"), "utf8"));
const texts = [];

for (const [file, parts] of Object.entries(MODULES)) {
  const source = Object.entries(parts).map(([name, names]) => `export { ${names.join(", ")} } from "${name}";`).join("\n");
  const { metafile } = await build({
    stdin: { contents: source, resolveDir: ROOT },
    outfile: join(TO, `${file}.mjs`),
    bundle: true,
    format: "esm",
    target: "es2022",
    minify: true,
    legalComments: "none",
    metafile: true,
    banner: { js: "// @ts-nocheck Made by .ci/vendor.mjs; licences in LICENCES.txt." },
  });
  const types = Object.entries(TYPES[file]).map(([name, names]) => `export type { ${names.join(", ")} } from "${name}";\n`);
  writeFileSync(join(TO, `${file}.d.mts`), `${source}\n${types.join("")}`);
  const used = Object.keys(metafile.inputs).map((path) => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1]);
  for (const name of new Set(used.filter(Boolean))) {
    const licence = readFileSync(join(folder(name), "LICENSE"), "utf8").trim();
    texts.push(`${name} ${about(name).version}\n\n${licence}\n`);
  }
}
writeFileSync(join(TO, "LICENCES.txt"), [...new Set(texts)].sort().join(`\n${"-".repeat(80)}\n\n`));
