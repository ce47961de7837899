// What differs between two canonical specs, in words.

import { catalogue } from "../web/catalogue.mjs";
import { decoded } from "../web/decoded.mjs";
import { arrow, changes, keyCalled } from "./words.mjs";

/** @import { Segment, Settings } from "./slots.mjs" */

/** @typedef {{text: string, method: string, label: string, segments: [Segment, ...Segment[]]}} Opt one optimizer of a spec */
/** @typedef {{values: Record<string, string>, opts: Opt[]}} Words a spec: the text of each key but opt, and its optimizers */

/** A number where the text is one. @param {string} text */
const value = (text) => (text !== "" && Number.isFinite(Number(text)) ? Number(text) : text);

/** @param {string} text @returns {Settings} */
function settings(text) {
  const items = text.split(",").filter(Boolean).map((item) => item.split("="));
  return Object.fromEntries(items.map(([name, given]) => [name, value(given)]));
}

/** A canonical query, taken apart. @param {string} query @returns {Words} */
export function read(query) {
  /** @type {Words} */
  const spec = { values: { noise: "0" }, opts: [] };
  /** @type {Record<string, number>} */
  const seen = {};
  for (const part of query.split("&")) {
    const at = part.indexOf("=");
    const [key, text] = [part.slice(0, at), decoded(part.slice(at + 1))];
    if (key !== "opt") {
      spec.values[key] = text;
      continue;
    }
    const method = text.split(/[:@]/, 1)[0];
    const [first, ...later] = text.slice(method.length).replace(/^:/, "").split("@");
    /** @type {[Segment, ...Segment[]]} */
    const segments = [{ step: 0, values: settings(first) }];
    for (const change of later) {
      const [step, given = ""] = change.split(":");
      segments.push({ step: Number(step), values: { ...last(segments).values, ...settings(given) } });
    }
    seen[method] = (seen[method] ?? 0) + 1;
    const copy = later.length ? ` @${last(segments).step}` : seen[method] > 1 ? ` ${seen[method]}` : "";
    const label = `${catalogue.methods[method]?.name ?? method}${copy}`;
    spec.opts.push({ text, method, label, segments });
  }
  return spec;
}

/** @param {[Segment, ...Segment[]]} segments */
const last = (segments) => segments[segments.length - 1];

/** The function without its parameters. @param {Words} spec */
export const family = ({ values }) => (values.f ?? "").split(":")[0];

/** One optimizer's own: how its settings differ from another of the same method's, and where it was forked. @param {Opt} before @param {Opt} after */
function optimizer(before, after) {
  const { method } = after;
  const words = changes(method, before.segments[0].values, after.segments[0].values);
  /** @param {Opt} opt */
  const forks = ({ segments }) => segments.slice(1).map(({ step, values }, i) => `@${step} ${changes(method, segments[i].values, values).join(", ")}`.trim());
  const old = forks(before);
  words.push(...forks(after).filter((fork) => !old.includes(fork)));
  if (after.segments.length < before.segments.length) words.push("without its fork");
  return words;
}

/** α 0.1 → 0.03; n 4 → 8; + Adam: what makes `after` of `before`. @param {Words} before @param {Words} after */
export function differences(before, after) {
  const words = [];
  if (before.values.f !== after.values.f) words.push(`${before.values.f} → ${after.values.f}`);
  const elsewhere = family(before) !== family(after); // another function comes with settings of its own
  for (const key of catalogue.spec.keys.filter((name) => name !== "f" && name !== "opt")) {
    const [old, now] = [before.values[key], after.values[key]];
    if (old !== now && !(elsewhere && key !== "seed" && key !== "noise")) words.push(arrow(keyCalled(key), value(old), value(now)));
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
    if (at < 0) words.push(`+ ${opt.label}${own.length ? ` (${own.join(", ").replace(`@${last(opt.segments).step} `, "")})` : ""}`);
    else if (own.length) words.push(after.opts.length > 1 ? `${opt.label}: ${own.join(", ")}` : own.join(", "));
  }
  for (const { label } of left) words.push(`− ${label}`);
  return words;
}

/** What a fork was forked from, in its spec. @param {Opt} opt @param {Words} spec */
const parentOf = (opt, spec) => (opt.segments.length > 1 ? spec.opts.find((other) => other !== opt && other.method === opt.method) : undefined);
