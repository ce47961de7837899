// The Tuning page of a language-model job: the address's spec → what the server says of it → its cells, as the worker
// computes them. The worker goes on when the page is closed; opened again, it is told everything from the beginning.

import { ask, inWords, sentence as errorIn } from "../finetuning/server.mjs";
import { html, nothing, render } from "../vendor/lit.mjs";
import { Picture } from "../tuning/picture.mjs";
import { setting, unbroken } from "../tuning/words.mjs";
import { inFrame } from "../web/frame.mjs";
import { SpecError } from "../web/latest.mjs";
import { byId, one } from "../web/one.mjs";
import { CellView } from "./cell.mjs";
import { showAxes, showJob, showRun, showTune } from "./controls.mjs";
import { ModelMap } from "./data.mjs";
import * as measuring from "./measures.mjs";
import { withKeys } from "./text.mjs";
import { Watched } from "./watched.mjs";

/** @import { Found } from "./controls.mjs" */
/** @import { About, Cell } from "./data.mjs" */
/** @import { MeasureName } from "./measures.mjs" */

const { promise: ready, resolve: isReady } = Promise.withResolvers();
/** Kept when a map has been opened for the first time. */
export { ready };

const TRIALS = 16; // of a search, unless something else is typed

/** @type {About | null} */
let about = null;
/** @type {ModelMap | null} */
let map = null;
/** @type {MeasureName} */
let measure = "loss";
/** @type {number | null} */
let pointed = null;
const search = { over: "", trials: String(TRIALS), error: "", found: /** @type {Found | null} */ (null), made: 0, why: "" };
/** @type {{picture: Picture, cell: CellView} | null} */
let built = null;
/** The newest question: answers to older ones come too late. */
let asked = 0;

const drawSoon = inFrame(() => draw());
const job = new Watched({ message: take, changed: () => drawSoon() });
const tuning = new Watched({ message: takeFound, changed: () => drawSoon() });
const hooks = { changed, compute, tune };

// ---- what Dash calls ----

export async function open() {
  while (!window.Plotly) await new Promise((resolve) => setTimeout(resolve, 20));
  built = {
    picture: new Picture(byId("map"), { pick: (cell) => point(cell), address }, measuring),
    cell: new CellView(),
  };
  document.addEventListener("lab:theme", () => {
    built?.picture.restyle();
    draw();
  });
  await load(location.search.slice(1));
  isReady(null);
}

// ---- from the address to the map ----

/** @param {string} text */
async function load(text) {
  const mine = ++asked;
  try {
    const found = /** @type {About} */ (await ask(`/search?${withKeys(text, { over: null, trials: null })}`));
    if (mine !== asked) return;
    message("");
    accept(found);
  } catch (error) {
    if (mine !== asked) return;
    message(error instanceof SpecError ? error.errors.map(errorIn).join("\n") : inWords(error));
    if (about) draw(); // the fields show what is computed
  }
}

/** @param {About} found */
function accept(found) {
  const isOther = found.job === null || found.job !== job.id || found.text !== about?.text;
  about = found;
  history.replaceState(history.state, "", `/tuning?${found.text}${location.hash}`);
  search.over ||= [found.x.name, found.y.name].join(",");
  if (isOther) {
    map = new ModelMap(found);
    pointed = null;
    job.leave();
    job.watch(found.job);
    tuning.leave();
    Object.assign(search, { found: null, made: 0, error: "", why: "" });
    recallSearch();
  }
  draw();
}

/** Other keys of the map's text. @param {Record<string, string | number>} changes */
function changed(changes) {
  if (about) load(withKeys(about.text, changes));
}

/** @param {{type: string, [key: string]: any}} message */
function take(message) {
  if (message.type === "start") map?.starts.set(message.seed, message.loss);
  else if (message.type === "cell") map?.take(/** @type {Cell} */ (/** @type {unknown} */ (message)));
}

async function compute() {
  if (!about) return;
  try {
    if (job.isOpen) await job.stop();
    else await job.start(about.text);
  } catch (error) {
    message(inWords(error));
  }
}

// ---- the search ----

/** The text of the search that the fields say. @param {About} of */
const searchText = (of) => withKeys(of.text, { over: search.over, trials: search.trials });

/** A search that was computed before, or is being computed, is shown again. */
async function recallSearch() {
  const of = about;
  if (!of) return;
  const known = await ask(`/search?${searchText(of)}`).catch(() => null);
  if (of === about && known?.job) tuning.watch(known.job);
}

/** @param {string} over @param {string} trials */
async function tune(over, trials) {
  if (!about) return;
  Object.assign(search, { over, trials, error: "" });
  try {
    if (tuning.isOpen) return await tuning.stop();
    if (tuning.id !== null) tuning.leave();
    Object.assign(search, { found: null, made: 0, why: "" });
    await tuning.start(searchText(about));
  } catch (error) {
    search.error = inWords(error);
  }
  draw();
}

/** @param {{type: string, [key: string]: any}} message */
function takeFound(message) {
  if (message.type === "cell") search.made += 1;
  if (message.type === "found") search.found = /** @type {Found} */ (/** @type {unknown} */ (message));
}

/** Why what was found is worse than a cell on the map, if it is: the map has gone on since. */
function worse() {
  const best = map && measuring.best(map);
  const loss = search.found?.loss;
  if (!map || best === null || best === undefined || loss === null || loss === undefined || map.figures.loss[best] >= loss) return "";
  return "A cell of the map is better by now: it was computed after the search had begun. Tune again to start from it, with one more setting.";
}

// ---- drawing ----

/** @param {string} text */
function message(text) {
  const box = byId("message");
  box.textContent = text;
  box.classList.toggle("shown", Boolean(text));
}

/** A cell is under the pointer or has the focus; the last one stays. @param {number | null} cell */
function point(cell) {
  if (cell === null || !map?.known[cell]) return;
  pointed = cell;
  built?.picture.rove(cell);
  showCell();
}

/** The Language model page with a cell's first run. @param {number} cell */
const address = (cell) => `/opt?${map?.jobs[cell].toSorted((a, b) => a.seed - b.seed)[0]?.spec ?? ""}`;

function showCell() {
  if (!map || !built) return;
  const cell = pointed ?? measuring.best(map) ?? map.cells.at(0) ?? null;
  one(document, "main").classList.toggle("bare", cell === null);
  built.cell.show(map, cell, address);
  built.picture.ring(cell);
}

function draw() {
  if (!about || !map || !built || !byId("map").isConnected) return;
  map.complete = !job.isOpen;
  const best = measuring.best(map);
  const { x, y, hyperparameters } = about;
  built.picture.show(map, { measure, best, here: { x: Number(hyperparameters[x.name]), y: Number(hyperparameters[y.name]) }, picked: pointed ?? best });
  search.why = worse();
  showJob(about, hooks);
  showAxes(about, hooks);
  showRun(about, map, job, hooks);
  showTune(about, tuning, search, hooks);
  showHead();
  showSentence(best);
  showCell();
  document.dispatchEvent(new CustomEvent("lab:modelmap", { detail: { done: map.done, total: map.total, state: job.state } }));
}

/** The title, and the switch of what is shown. */
function showHead() {
  const choose = (/** @type {MeasureName} */ name) => {
    measure = name;
    draw();
  };
  const names = /** @type {MeasureName[]} */ (Object.keys(measuring.MEASURES));
  render(
    html`<h2>Map</h2><div class="segments" role="group" aria-label="What the map shows">${names.map((name) => html`<button type="button" aria-pressed=${name === measure} @click=${() => choose(name)}>${measuring.MEASURES[name].label}</button>`)}</div>`,
    byId("mm-head"),
  );
}

/** What is best, whether that is a tie, and the key. @param {number | null} best */
function showSentence(best) {
  if (!map) return;
  const { header } = map;
  const stopped = map.cells.filter((cell) => measuring.stopped(/** @type {ModelMap} */ (map), cell)).length;
  const ties = best === null ? 0 : measuring.ties(map, best);
  const at = best === null ? null : map.at(best);
  const found =
    at && best !== null
      ? html`<strong>★ ${unbroken(`${setting(header.x, at.x, " = ")}, ${setting(header.y, at.y, " = ")}`)}: </strong>${unbroken(measuring.sentence(map, best))}.${ties ? ` A tie with ${ties} other cell${ties > 1 ? "s" : ""}: their seeds overlap.` : ""}`
      : map.cells.length
        ? html`<strong>${map.done === map.total ? "Every cell was stopped early." : "No cell is complete yet."}</strong>`
        : "Every cell is this job with two settings changed, at the same budget of forward passes and with the same minibatches and directions.";
  render(
    html`<p>${found}</p><div class="map-key">${stopped ? html`<span><i class="hatch"></i>stopped early: not finite, or hopeless (${stopped})</span>` : nothing}${best === null ? nothing : html`<span><i class="star"></i>lowest loss</span>`}<span><i class="ring"></i>${built?.picture.inside ? "this job" : "this job: outside of this map"}</span></div>`,
    byId("map-sentence"),
  ); // prettier-ignore
}
