// What differs between two canonical specs, in words.

import { decoded } from "../web/decoded.mjs";
import { arrow, changes } from "./words.mjs";

const NAMES = { hizoo: "HiZOO", mezo: "MeZO", adam: "Adam", newton_diag: "Exact diagonal" };

const value = (text) => (text !== "" && Number.isFinite(Number(text)) ? Number(text) : text);

const settings = (text) => Object.fromEntries(text.split(",").filter(Boolean).map((item) => item.split("=")).map(([name, text]) => [name, value(text)]));

/** A canonical query, taken apart: {f, x0, steps, runs, seed, noise, opts: [{text, method, label, segments}]}. */
export function read(query) {
  const spec = { noise: "0", opts: [] };
  const seen = {};
  for (const part of query.split("&")) {
    const at = part.indexOf("=");
    const [key, text] = [part.slice(0, at), decoded(part.slice(at + 1))];
    if (key !== "opt") {
      spec[key] = text;
      continue;
    }
    const method = text.split(/[:@]/, 1)[0];
    const [first, ...later] = text.slice(method.length).replace(/^:/, "").split("@");
    const segments = [{ step: 0, values: settings(first) }];
    for (const change of later) {
      const [step, given = ""] = change.split(":");
      segments.push({ step: Number(step), values: { ...segments.at(-1).values, ...settings(given) } });
    }
    seen[method] = (seen[method] ?? 0) + 1;
    const copy = later.length ? ` @${segments.at(-1).step}` : seen[method] > 1 ? ` ${seen[method]}` : "";
    const label = `${NAMES[method] ?? method}${copy}`;
    spec.opts.push({ text, method, label, segments });
  }
  return spec;
}

/** The function without its parameters. */
export const family = (spec) => spec.f.split(":")[0];

/** One optimizer's own: how its settings differ from another of the same method's, and where it was forked. */
function optimizer(before, after) {
  const words = changes(before.segments[0].values, after.segments[0].values);
  const forks = ({ segments }) => segments.slice(1).map(({ step, values }, i) => `@${step} ${changes(segments[i].values, values).join(", ")}`.trim());
  const old = forks(before);
  words.push(...forks(after).filter((fork) => !old.includes(fork)));
  if (after.segments.length < before.segments.length) words.push("without its fork");
  return words;
}

/** α 0.1 → 0.03; n 4 → 8; + Adam: what makes `after` of `before`. */
export function differences(before, after) {
  const words = [];
  if (before.f !== after.f) words.push(`${before.f} → ${after.f}`);
  const elsewhere = family(before) !== family(after); // another function comes with settings of its own
  for (const key of ["x0", "steps", "runs", "seed", "noise"]) {
    if (before[key] !== after[key] && !(elsewhere && key !== "seed" && key !== "noise")) words.push(arrow(key === "x0" ? "start" : key, value(before[key]), value(after[key])));
  }
  const left = [...before.opts];
  const fresh = [];
  // Those that have not changed find each other first, whatever was put in before them.
  for (const opt of after.opts) {
    const same = left.findIndex(({ text }) => text === opt.text);
    if (same < 0) fresh.push(opt);
    else left.splice(same, 1);
  }
  for (const opt of fresh) {
    const at = left.findIndex((other) => other.method === opt.method && other.segments.length <= opt.segments.length);
    const found = at < 0 ? parentOf(opt, after) : left.splice(at, 1)[0];
    const own = found && !elsewhere ? optimizer(found, opt) : [];
    // A new fork's name says its step.
    if (at < 0) words.push(`+ ${opt.label}${own.length ? ` (${own.join(", ").replace(`@${opt.segments.at(-1).step} `, "")})` : ""}`);
    else if (own.length) words.push(after.opts.length > 1 ? `${opt.label}: ${own.join(", ")}` : own.join(", "));
  }
  for (const { label } of left) words.push(`− ${label}`);
  return words;
}

/** What a fork was forked from, in its spec. */
const parentOf = (opt, spec) => opt.segments.length > 1 && spec.opts.find((other) => other !== opt && other.method === opt.method);
