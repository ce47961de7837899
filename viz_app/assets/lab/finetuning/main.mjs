// The language-model page: form → job → feed → record → panels.
//
// The panels' contract (loss and accuracy: curves.mjs; plane, sentences, hessian, memory: their own modules): see Panel.
// window.Plotly is there before the first show. While there is no plan, the page itself says what each panel will show.

/** @import { Cursor, PlannedRecord } from "./record.mjs" */
/** @import { Job } from "./jobs.mjs" */
/** @import { Look } from "./look.mjs" */
/** @import { Clock } from "./courses.mjs" */
/** @import { FormState } from "./formstate.mjs" */
import { html, render } from "../vendor/lit.mjs";
import { byId, one } from "../web/one.mjs";
import { saveAnswer } from "../web/save.mjs";
import { count } from "../web/scale.mjs";
import { Bar } from "./bar.mjs";
import { bytes } from "./bytes.mjs";
import { AccuracyCurves, LossCurves, StepCurves } from "./curves.mjs";
import { nameOf } from "./facts.mjs";
import { Form } from "./form.mjs";
import { HeadroomPanel } from "./headroom.mjs";
import { HessianMap } from "./hessian.mjs";
import { Histogram } from "./histogram.mjs";
import { Jobs } from "./jobs.mjs";
import { LowerStates } from "./lowerstates.mjs";
import { Memory } from "./memory.mjs";
import { RealModels } from "./models.mjs";
import { Overlays } from "./over.mjs";
import { Plane } from "./plane.mjs";
import { spent, stepAt } from "./record.mjs";
import { ofSeed, optimizersOf, shownSeed } from "./seeds.mjs";
import { Sentences } from "./sentences.mjs";
import { ask, inWords } from "./server.mjs";
import { ENDED, ShownJob } from "./shown.mjs";
import { Starting } from "./starting.mjs";
import { statusLine } from "./status.mjs";
import { watchTabs } from "./tabs.mjs";
import { takeFiles } from "./takefiles.mjs";
import { watchTips } from "./tips.mjs";
import { intention, waiting } from "./words.mjs";

const PACE = 250; // ms between two drawings
const RETRY = 2000;

/**
 * @typedef {object} Panel a part of the page that shows a job
 * @property {(record: PlannedRecord, look: Look, cursor: Cursor) => void} show at most four times a second, and when
 *   theme, cursor or tab change; not while its element is hidden in a tab, but then at once when it is shown. A panel
 *   never changes the record.
 * @property {Clock=} clock what its x axis is, where it has one of time
 */

/**
 * @typedef {object} Asks what a panel may ask for
 * @property {(forwards: number) => void} seek go to a moment
 * @property {(path: string) => Promise<string>} post something of the job's worker: what went wrong, in words, or ""
 */

/** Panel by element, and what it will show, in words. @type {Record<string, [new (element: HTMLElement, asks: Asks) => Panel, string, string]>} */
const PANELS = {
  plane: [Plane, "Trajectories", ""],
  sentences: [Sentences, "Held-out sentences", "Texts the model is not trained on: how the prediction for each of them flips while it learns, for every optimizer."],
  loss: [LossCurves, "Loss", "Training loss of every optimizer, each step and smoothed, and the loss on held-out texts; on the same minibatches, so that they can be compared."],
  accuracy: [AccuracyCurves, "Accuracy", "Share of held-out texts that are classified correctly, against zero-shot: the model before any training."],
  steps: [StepCurves, "Slope, curvature, step length", "What HiZOO measures in each step with its forward passes: the slope along random directions, the curvature along them, and how far it then goes."],
  hessian: [HessianMap, "Diagonal Hessian over time", "HiZOO's P, the estimated diagonal of the Hessian, layer by layer while it trains; beside it a reference, estimated through autograd now and then."],
  histogram: [Histogram, "Histogram of P", "How P spreads within each group of parameters, on a log axis."],
  headroom: [HeadroomPanel, "Headroom", "What curvature could gain at most on this model and task, measured with true gradients: R with and without a preconditioner, tensor by tensor."],
  memory: [Memory, "Memory", "Weights, activations, gradients, optimizer state: forward passes only against Adam, measured."],
};

/** @typedef {{root: HTMLElement, form: Form, jobs: Jobs, bar: Bar, starting: Starting, over: Overlays, panels: {name: string, place: HTMLElement, panel: Panel}[]}} Page */

/** The page's element that is being filled, or is. @type {HTMLElement | null} */
let root = null;
/** @type {Page | null} */
let page = null;
/** @type {ShownJob | null} */
let job = null;

/** Fill the page; again if Dash has made it anew. */
export async function open() {
  /** @type {HTMLElement | null} */
  let found;
  while (!(found = document.querySelector("main.opt"))) await new Promise(requestAnimationFrame); // Dash calls before it has drawn
  if (root === found) return;
  const mine = (root = found);
  page = null;
  watchTips(mine);
  const options = await getOptions();
  if (root !== mine) return;
  const asks = { seek: (/** @type {number} */ forwards) => job?.seek(forwards), post: async (/** @type {string} */ path) => job?.post(path) ?? "" };
  const panels = Object.entries(PANELS).map(([name, [Kind]]) => ({ name, place: byId(`opt-${name}-place`), panel: new Kind(byId(`opt-${name}`), asks) }));
  const form = new Form(byId("opt-form"), options, formChanged);
  const starting = new Starting(() => form, { started, message });
  new LowerStates(byId("opt-states"));
  new RealModels(byId("opt-models"), {
    use: (name) => form.open(`model=${name}&tune=layernorm&batch=16&opt=mezo:n=1`),
    got: () => starting.changed(form.spec),
  });
  const bar = new Bar(byId("opt-bar"), {
    act: command,
    seek: (forwards) => job?.seek(forwards),
    point: (run) => job?.point(run),
    choose: (repetition) => job?.choose(repetition),
    set: (run, name, value) => command(`set?run=${run}&${name}=${encodeURIComponent(value)}`),
    save: download,
    link: copyLink,
  });
  const over = new Overlays(drawSoon);
  const lay = (/** @type {Job} */ { id, state, spec }) => {
    over.toggle(String(id), state, spec);
    address();
    draw();
  };
  const compare = async (/** @type {File} */ file) => message(await over.add(file));
  const jobs = new Jobs(byId("opt-jobs"), { open: (chosen) => show(chosen.id, chosen.spec), gone, failed: message, over, lay, file: compare });
  takeFiles(byId("opt-curves-card"), () => job !== null, compare);
  page = { root: mine, form, starting, bar, jobs, panels, over };
  watchTabs(mine, draw);
  byId("opt-clock").addEventListener("change", ({ target }) => {
    for (const { panel } of panels) if ("clock" in panel) panel.clock = /** @type {Clock} */ (/** @type {HTMLSelectElement} */ (target).value);
    draw();
  });
  while (!window.Plotly) await new Promise((resolve) => setTimeout(resolve, 20));
  await openAddress(page);
}

// ---- what Dash calls: (values, what triggered) ----

/** @typedef {{slot: string, name: string}} Place a widget's card and name */

/** Widgets of the form are there. @param {[number]} values */
export const made = ([number]) => page?.form.made(number);

/** @param {[string | null | undefined]} values @param {Place} place */
export const field = ([text], { slot, name }) => typeof text === "string" && page?.form.took(text, slot, name);
export { field as choice };

/** @param {[number | undefined]} values @param {Place} place */
export const reset = ([clicks], { slot, name }) => clicks && page?.form.reset(slot, name);

/** @param {[(number | undefined)[]]} values @param {{slot: string} | undefined} trigger */
export const duplicate = ([clicks], trigger) => trigger && clicks.some(Boolean) && page?.form.duplicate(trigger.slot);

// ---- from the outside ----

document.addEventListener("lab:theme", () => draw());
window.addEventListener("hashchange", () => page && (hashRun() !== (job?.id ?? null) || hashOver().join() !== page.over.ids.join()) && openAddress(page));

const hashRun = () => new URLSearchParams(location.hash.slice(1)).get("run");

/** The jobs that the address lays over. */
const hashOver = () => (new URLSearchParams(location.hash.slice(1)).get("over") ?? "").split(",").filter(Boolean);

/** What the address says: settings, and the run; without a run, the one that is under way. @param {Page} page */
async function openAddress({ jobs, form, over }) {
  const laid = hashOver();
  const list = await jobs.refresh();
  const asked = hashRun();
  const search = location.search.slice(1);
  const chosen = asked ? jobs.find(asked) : search ? undefined : list.find(({ state, search }) => !search && !ENDED.has(state));
  if (chosen?.search) return location.replace(`/tuning?${chosen.spec}`);
  form.open(search || (chosen?.spec ?? ""));
  over.clear();
  for (const id of laid) {
    const other = jobs.find(id);
    if (other && !other.search) over.toggle(id, other.state, other.spec);
  }
  if (chosen) show(chosen.id, null);
  else {
    leave();
    if (asked) message(`Run ${asked} is no longer here: it was deleted, or the link is from another machine.`);
  }
}

async function getOptions() {
  for (;;) {
    try {
      return await ask("/options");
    } catch {
      message("The server does not answer. Trying again every two seconds.");
      await new Promise((resolve) => setTimeout(resolve, RETRY));
      message("");
    }
  }
}

/** @param {string} spec */
function formChanged(spec) {
  if (page) toMap(page.form.state);
  page?.starting.changed(spec);
  address();
  if (!job) draw();
}

/** The link to a map around these settings. @param {FormState} state */
function toMap({ mapSpec, slots: [{ method, values }] }) {
  const link = byId("opt-map", HTMLAnchorElement);
  link.href = `/tuning?${mapSpec}`;
  link.textContent = `Map ${"alpha" in values ? "α × n" : "of settings"} of this job (${nameOf(method)})`;
}

/** @param {number} id */
async function started(id) {
  await page?.jobs.refresh();
  show(id, null);
}

// ---- the address ----

let addressTimer = 0;

function address() {
  clearTimeout(addressTimer);
  addressTimer = window.setTimeout(() => history.replaceState(history.state, "", link()), 200);
}

function link() {
  const hash = new URLSearchParams(location.hash.slice(1));
  if (job === null) hash.delete("run");
  else hash.set("run", job.id);
  const over = page?.over.ids.filter((id) => id !== job?.id) ?? [];
  if (job && over.length) hash.set("over", over.join(","));
  else hash.delete("over");
  return `${location.origin}/opt?${page?.form.spec ?? ""}${hash.size ? `#${hash}`.replaceAll("%2C", ",") : ""}`;
}

async function copyLink() {
  try {
    await navigator.clipboard.writeText(link());
    message("Link copied: it opens these settings and this run.", true);
  } catch {
    history.replaceState(history.state, "", link());
    message("The browser does not let the page copy. The address bar holds the link.", true);
  }
}

// ---- the job that is shown ----

/** Show a job; `spec`: put its settings into the form. @param {number | string} id @param {string | null} spec */
function show(id, spec) {
  if (!page) return;
  leave();
  message("");
  const { jobs, form } = page;
  job = new ShownJob(String(id), jobs.find(id)?.state ?? "queued", { drawSoon, draw, moved: () => jobs.refresh() });
  if (spec) form.open(spec);
  address();
  draw();
}

function leave() {
  job?.close();
  job = null;
  draw();
}

/** @param {number} id */
function gone(id) {
  if (page?.over.has(String(id))) page.over.remove(String(id));
  if (String(id) !== job?.id) return;
  leave();
  address();
}

/** @param {string} path */
async function command(path) {
  const problem = await job?.post(path);
  if (problem) message(problem, true);
  draw();
}

/** @param {"table" | "weights"} what */
async function download(what) {
  if (!job) return;
  const { id, record, cursor } = job;
  const run = record.runs[shownSeed(record, cursor) * optimizersOf(record) + (cursor.run ?? 0)];
  const step = stepAt(run, cursor);
  const isTable = what === "table";
  const title = isTable ? `Table of run ${id}` : `Weights at step ${count(step)}`;
  message(`${title}: the server ${isTable ? "writes it" : "rebuilds them from the log"} …`);
  try {
    const name = await saveAnswer(
      `/api/finetune/${id}/${isTable ? "table.csv" : `weights.safetensors?run=${run.index}&step=${step}`}`,
      (come, all) => message(`${title}: ${bytes(come)}${all ? ` of ${bytes(all)}` : ""} loaded`),
    );
    message(`Saved as ${name}.`, true);
  } catch (error) {
    message(`${title}: ${inWords(error)}`);
  }
}

// ---- drawing ----

/** When it was drawn last, and the timer of the next drawing. */
const drawn = { at: 0, timer: 0 };

/** Draw at the next beat: four a second. */
function drawSoon() {
  drawn.timer ||= window.setTimeout(draw, Math.max(0, drawn.at + PACE - performance.now()));
}

function draw() {
  clearTimeout(drawn.timer);
  Object.assign(drawn, { timer: 0, at: performance.now() });
  if (!page?.root.isConnected) return;
  const { bar, jobs, panels } = page;
  const plan = job?.record.plan ?? null;
  page.root.classList.toggle("planned", plan !== null);
  byId("opt-bar").hidden = job === null;
  if (job) {
    if (job.cursor.live) job.cursor.forwards = spent(job.record);
    const listed = jobs.find(job.id);
    bar.show(job.record, job.look, job.cursor, statusLine(job, listed?.left ?? null), listed?.labels.length ?? 0);
    jobs.show(job.id, job.record.status.state, job.part);
  } else jobs.show(null, null, null);
  if (!job || !plan) return void panels.forEach(({ name, place }) => explain(name, place));
  const { over, words } = page.over.of(job.id, plan.spec);
  const whole = { ...job.record, plan, over, own: { title: `#${job.id}`, words } };
  const one = ofSeed(whole, job.look, job.cursor);
  for (const { name, place, panel } of panels) {
    if (!place.offsetParent) continue;
    if (name === "loss" || name === "accuracy") panel.show(whole, job.look, job.cursor);
    else panel.show(one.record, one.look, job.cursor);
  }
}

/** What a panel will show, and in the largest of them what Start will do. @param {string} name @param {HTMLElement} place */
function explain(name, place) {
  const [, title, text] = PANELS[name];
  const words = name !== "plane" ? html`<p>${text}</p>` : job ? waiting(job.record) : page ? intention(page.form.state) : "";
  render(html`<h2>${title}</h2>${words}`, one(place, ".opt-empty"));
}

let messageTimer = 0;

/** A line over the picture: until the next, or for a moment. @param {string} text @param {boolean} briefly */
function message(text, briefly = false) {
  const box = byId("opt-message");
  box.textContent = text;
  box.classList.toggle("shown", Boolean(text));
  clearTimeout(messageTimer);
  if (briefly) messageTimer = window.setTimeout(() => message(""), 4000);
}
