// What a picture leaves the page as: a link, a table, an image.

import { message } from "../web/messages.mjs";
import { byId } from "../web/one.mjs";
import { save, savePicture } from "../web/save.mjs";
import { short } from "../web/scale.mjs";
import { encode, functionSpec, toQuery } from "./link.mjs";
import { page } from "./page.mjs";
import { namesText, running, settings } from "./slots.mjs";

/** @import { Ranges } from "../web/landscapes.mjs" */
/** @import { State } from "./page.mjs" */

/** Connect the header's buttons. */
export function watchSharing() {
  byId("copy-link").addEventListener("click", copyLink);
  byId("to-lab").addEventListener("click", () => location.assign(labAddress()));
  for (const format of ["csv", "parquet"]) {
    byId(`download-${format}`).closest("button")?.addEventListener("click", () => save(`/api/run.${format}?${toQuery(page.state)}`, `hizoo-lab.${format}`));
  }
  byId("download-png").closest("button")?.addEventListener("click", download);
}

/** What of the view belongs to a picture: the names that optimizers were given, coordinates and target. @param {State} state @returns {Record<string, string>} */
export function viewOf(state) {
  const { coords, target } = state.view;
  const view = { names: namesText(state), coords: state.dim > 2 ? coords : "", target };
  return Object.fromEntries(Object.entries(view).filter(([, text]) => text));
}

/** What the address says of the view: its keys stay there only as long as they are true. @type {Record<string, string>} */
let linked = {};

/** Read the address. */
export function linkedView() {
  linked = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
  return linked;
}

/** Parts of the view have changed: they leave the address. @param {...string} keys */
export function forget(...keys) {
  if (!keys.some((key) => key in linked)) return;
  const view = new URLSearchParams(location.hash.slice(1));
  for (const key of keys) {
    delete linked[key];
    view.delete(key);
  }
  const fragment = view.toString();
  history.replaceState(history.state, "", `${location.pathname}${location.search}${fragment && `#${fragment}`}`);
}

/** The player is at a part of the run: the address's, or another. @param {number} part */
export function leftAt(part) {
  if ("t" in linked && !(Math.abs(part - Number(linked.t)) <= 1e-4)) forget("t"); // as a link rounds it
}

/** The picture shows these ranges, or the whole. @param {Ranges | null} ranges */
export function zoomedTo(ranges) {
  /** @param {string | undefined} text @param {[number, number]} range */
  const same = (text, [low, high]) => text?.split(",").every((bound, i) => Math.abs(Number(bound) - [low, high][i]) <= 1e-3 * (high - low));
  if (!ranges || !same(linked.x, ranges.xrange) || !same(linked.y, ranges.yrange)) forget("x", "y");
}

/** The address for the state: its spec, and in the fragment its view, beside what else stands there. */
export function address() {
  const view = new URLSearchParams(location.hash.slice(1));
  for (const key of ["names", "coords", "target"]) view.delete(key);
  for (const [key, text] of Object.entries(viewOf(page.state))) view.set(key, text);
  const fragment = view.toString();
  return `/?${toQuery(page.state)}${fragment && `#${fragment}`}`;
}

/** The estimators at the start of the runs, with the settings of the first optimizer that has them. */
function labAddress() {
  const { state } = page;
  const first = running(state).find(({ values }) => "estimator" in values);
  /** @type {[string, string | number][]} */
  const place = [["f", functionSpec(state)], ["x0", state.x0.replace(/\s+/g, "")]];
  const own = first ? Object.entries(settings(state, first)).filter(([name]) => ["n", "alpha", "mu"].includes(name)) : [];
  return `/tuning#lab&${[...place, ...own].map(([key, value]) => `${key}=${encode(String(value))}`).join("&")}`;
}

async function copyLink() {
  const { state, parts } = page;
  /** @type {Record<string, string>} */
  const view = { t: String(Number(parts.player.part.toFixed(4))), clock: page.clock, hessian: page.hessian };
  if (!parts.landscape.home.hidden) {
    const { xaxis, yaxis } = parts.landscape.graph._fullLayout;
    Object.assign(view, { x: xaxis.range.map(short).join(), y: yaxis.range.map(short).join() });
  }
  const link = `${location.origin}/?${toQuery(state)}#${new URLSearchParams({ ...view, ...viewOf(state) })}`;
  history.replaceState(history.state, "", link);
  linkedView();
  try {
    await navigator.clipboard.writeText(link);
    message("Link copied: it opens exactly this picture.");
  } catch {
    message("The browser does not let the page copy. The address bar holds the link.");
  }
}

async function download() {
  const { picture, parts, look } = page;
  if (!picture) return message("There is no picture yet.");
  parts.player.pause();
  await Promise.all([parts.landscape.commit(), parts.loss.commit(), parts.hessian.commit()]);
  /** @type {NodeListOf<HTMLElement>} */
  const stages = document.querySelectorAll(".stage");
  await savePicture([...stages], look, "hizoo-lab.png", `HiZOO Lab  ${decodeURIComponent(picture.trace.header.spec)}`);
}
