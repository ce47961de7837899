// The OPT page: form → job → feed → record → panels.
//
// The panels' contract (loss and accuracy: curves.mjs; plane, sentences, hessian, memory: their own modules):
//
//   export class Name {
//     constructor(element)              an empty element of the page (see PANELS); once
//     show(record, look, cursor)        at most four times a second, and when theme, cursor or tab change;
//   }                                   not while the element is hidden in a tab, but then at once when it is shown
//
//   record   see record.mjs (Record); a panel never changes it. `record.plan` is not null.
//   look     {theme, colours, titles}: theme as theme.mjs reads it; one colour and one title for each run, by index
//   cursor   {run, forwards, live}: see record.mjs (Cursor); stepAt, latest, evaluationAt and hessianAt look things up
//
// window.Plotly is there before the first show. While there is no plan, the page itself says what each panel will show.

import { Latest, SpecError } from "../web/latest.mjs";
import { save } from "../web/save.mjs";
import { count } from "../web/scale.mjs";
import { readTheme } from "../web/theme.mjs";
import { Bar } from "./bar.mjs";
import { AccuracyCurves, LossCurves, StepCurves } from "./curves.mjs";
import { Feed } from "./feed.mjs";
import { Form } from "./form.mjs";
import { HessianMap, Histogram } from "./hessian.mjs";
import { ENDED, Jobs } from "./jobs.mjs";
import { make, setText } from "../web/make.mjs";
import { Memory } from "./memory.mjs";
import { Plane } from "./plane.mjs";
import { budget, emptyRecord, fold, isOver, keepRebuilt, spent, stepAt } from "./record.mjs";
import { Sentences } from "./sentences.mjs";
import { colourVariables } from "./spec.mjs";
import { watchTabs } from "./tabs.mjs";
import { watchTips } from "./tips.mjs";

const PACE = 250; // ms between two drawings
const ESTIMATE = 350; // ms after the last change of the form
const REBUILD = 350; // ms that the cursor must rest before a step is rebuilt
const RETRY = 2000;

/** Panel by element, and what it will show, in words. */
const PANELS = {
  plane: [Plane, "Trajectories", ""],
  sentences: [Sentences, "Held-out sentences", "Texts the model is not trained on: how the prediction for each of them flips while it learns, for every optimizer."],
  loss: [LossCurves, "Loss", "Training loss of every optimizer, each step and smoothed, and the loss on held-out texts; on the same minibatches, so that they can be compared."],
  accuracy: [AccuracyCurves, "Accuracy", "Share of held-out texts that are classified rightly, against zero-shot: the model before any tuning."],
  steps: [StepCurves, "Slope, curvature, step length", "What HiZOO measures in each step with its forward passes: the slope along random directions, the curvature along them, and how far it then goes."],
  hessian: [HessianMap, "Diagonal Hessian over time", "HiZOO's P, the estimated diagonal of the Hessian, layer by layer while it trains; beside it the true diagonal, estimated through autograd now and then."],
  histogram: [Histogram, "Histogram of P", "How P spreads within each group of parameters, on a log axis."],
  memory: [Memory, "Memory", "Weights, activations, gradients, optimizer state: forward passes only against Adam, measured."],
};

const element = (id) => document.getElementById(id);

/** @type {{root: HTMLElement, form: Form, jobs: Jobs, bar: Bar, panels: object[]}|null} */
let page = null;
let job = null; // id of the job that is shown
let feed = null;
let record = emptyRecord();
let cursor = { run: null, forwards: 0, live: true };
let line = ""; // what the connection has to say
let cannot = ""; // why a step was not rebuilt

/** Fill the page; again if Dash has made it anew. */
export async function open() {
  let root;
  while (!(root = document.querySelector("main.opt"))) await new Promise(requestAnimationFrame); // Dash calls before it has drawn
  if (page?.root === root) return;
  page = { root };
  watchTips(root);
  const options = await getOptions();
  if (page.root !== root) return;
  const names = Object.fromEntries(options.methods.map(({ key, name }) => [key, name]));
  page.names = (method) => names[method] ?? method;
  page.panels = Object.entries(PANELS).map(([name, [Kind]]) => ({ name, place: element(`opt-${name}-place`), panel: new Kind(element(`opt-${name}`), seek) }));
  page.bar = new Bar(element("opt-bar"), { act, seek, point, set, save: download, link: copyLink });
  page.jobs = new Jobs(element("opt-jobs"), { open: (chosen) => show(chosen.id, chosen.spec), gone, failed: message, names: page.names });
  page.start = buildStart();
  page.form = new Form(element("opt-form"), options, formChanged);
  watchTabs(root, draw);
  element("opt-clock").addEventListener("change", ({ target }) => {
    for (const { panel } of page.panels) if ("clock" in panel) panel.clock = target.value;
    draw();
  });
  while (!window.Plotly) await new Promise((resolve) => setTimeout(resolve, 20));
  await openAddress();
}

document.addEventListener("lab:theme", () => page?.panels && draw());
window.addEventListener("hashchange", () => page?.panels && hashRun() !== job && openAddress());

const hashRun = () => new URLSearchParams(location.hash.slice(1)).get("run");

/** What the address says: settings, and the run; without a run, the one that is under way. */
async function openAddress() {
  const list = await page.jobs.refresh();
  const asked = hashRun();
  const search = location.search.slice(1);
  const chosen = asked ? page.jobs.find(asked) : search ? null : list.find(({ state }) => !ENDED.has(state));
  page.form.open(search || (chosen?.spec ?? ""));
  if (chosen) show(chosen.id, null);
  else {
    leave();
    if (asked) message(`Run ${asked} is no longer here: it was deleted, or the link is from another machine.`);
  }
}

async function getOptions() {
  for (;;) {
    const response = await fetch("/api/finetune/options").catch(() => null);
    if (response?.ok) return response.json();
    message("The server does not answer. Trying again every two seconds.");
    await new Promise((resolve) => setTimeout(resolve, RETRY));
    message("");
  }
}

// ---- form and start ----

function buildStart() {
  const root = element("opt-start");
  const button = make("button", { type: "button", class: "primary", data: { tip: "Put these runs into the queue of their device; they train side by side on the same minibatches" }, on: { click: start } }, "Start");
  const prediction = make("p", { id: "opt-prediction", role: "status" }, "");
  root.replaceChildren(button, prediction);
  return { button, prediction };
}

function formChanged(spec) {
  clearTimeout(formChanged.timer);
  const { refusal } = page.form;
  if (refusal) refuse(refusal);
  else formChanged.timer = setTimeout(() => estimates.request(spec), ESTIMATE);
  address();
  if (!record.plan) draw();
}

const estimates = new Latest(
  async (spec, signal) => answer(await fetch(`/api/finetune/estimate?${spec}`, { signal })),
  (estimate, spec) => {
    if (spec !== page.form.spec || page.form.refusal) return;
    complain([]);
    page.estimate = estimate;
    predict(estimate.sentence, false);
    if (!record.plan) draw();
  },
  (error, spec) => {
    if (spec !== page.form.spec || page.form.refusal) return;
    if (error instanceof SpecError) return refuse(error.errors);
    complain([]);
    predict(`no prediction: ${inWords(error)}`, false);
  },
);

/** JSON of an answer; SpecError for a 422, Error in words for the rest. */
async function answer(response) {
  const body = await response.json().catch(() => null);
  if (response.ok) return body;
  if (response.status === 422 && body?.errors) throw new SpecError(body.errors);
  throw new Error(body?.errors?.map(({ message: text }) => text).join("\n") ?? `The server answered ${response.status}.`);
}

/** What went wrong, for people. */
function inWords(error) {
  if (error instanceof SpecError) return error.errors.map(({ message: text }) => text).join("\n");
  return error instanceof TypeError ? "The server does not answer." : error.message;
}

/** Show errors at their fields, and the rest over the picture, where other messages stay as they are. */
function complain(errors) {
  const text = page.form.complain(errors).map(sentence).join("\n");
  if (text || element("opt-message").textContent === complain.said) message(text);
  complain.said = text;
}

/** An error as a sentence that says what it is about. */
function sentence({ field, message: text }) {
  const name = field.split(".").at(-1);
  return text.toLowerCase().startsWith(name) ? text : `${name}: ${text}`;
}

/** Errors at their fields, and the first of them beside Start. */
function refuse(errors) {
  complain(errors);
  predict(errors.length ? sentence(errors[0]) : "", true);
}

/** The line beside Start. */
function predict(text, bad) {
  setText(page.start.prediction, text);
  page.start.prediction.classList.toggle("bad", bad);
}

async function start() {
  const { button } = page.start;
  const { spec, refusal } = page.form;
  button.disabled = true;
  setText(button, "Starting …");
  try {
    if (refusal) throw new SpecError(refusal);
    const { id } = await answer(await fetch("/api/finetune", { method: "POST", body: spec, headers: { "Content-Type": "text/plain" } }));
    complain([]);
    await page.jobs.refresh();
    show(id, null);
  } catch (error) {
    if (error instanceof SpecError) {
      refuse(error.errors);
      page.form.reveal();
    } else message(inWords(error));
  } finally {
    button.disabled = false;
    setText(button, "Start");
  }
}

function address() {
  clearTimeout(address.timer);
  address.timer = setTimeout(() => history.replaceState(history.state, "", link()), 200);
}

function link() {
  const hash = new URLSearchParams(location.hash.slice(1));
  if (job === null) hash.delete("run");
  else hash.set("run", job);
  return `${location.origin}/opt?${page.form.spec}${hash.size ? `#${hash}` : ""}`;
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

/** Show a job; `spec`: put its settings into the form. */
function show(id, spec) {
  leave();
  message("");
  job = String(id);
  if (spec) page.form.open(spec);
  address();
  const mine = (record = emptyRecord());
  record.status.state = page.jobs.find(id)?.state ?? "queued";
  feed = new Feed(job, {
    messages(messages) {
      const before = mine.status.state;
      for (const one of messages) fold(mine, one);
      if (mine.status.state !== before) page.jobs.refresh();
      soon();
    },
    line(state, seconds) {
      line = state === "open" ? "" : `No connection to the server; trying again in ${seconds} s. Training does not depend on this page.`;
      soon();
    },
    ended: () => ENDED.has(mine.status.state),
  });
  draw();
}

function leave() {
  feed?.close();
  feed = job = null;
  line = cannot = "";
  record = emptyRecord();
  record.status.state = "";
  cursor = { run: null, forwards: 0, live: true };
  clearTimeout(rebuildSoon.timer);
  rebuilding?.abort();
  draw();
}

function gone(id) {
  if (String(id) !== job) return;
  leave();
  address();
}

async function post(path) {
  try {
    return await answer(await fetch(`/api/finetune/${job}/${path}`, { method: "POST" }));
  } catch (error) {
    message(inWords(error), true);
    draw();
  }
}

const act = (verb) => post(verb);
const set = (run, name, value) => post(`set?run=${run}&${name}=${encodeURIComponent(value)}`);

function download(what) {
  if (what === "table") return save(`/api/finetune/${job}/table.csv`, `hizoo-lab-run-${job}.csv`);
  const run = record.runs[cursor.run ?? 0];
  const step = stepAt(run, cursor);
  save(`/api/finetune/${job}/weights.safetensors?run=${run.index}&step=${step}`, `hizoo-lab-run-${job}-${run.label}-step-${step}.safetensors`);
}

// ---- the cursor ----

/** Go to a number of forward passes, or with null to the newest. */
function seek(forwards) {
  const most = spent(record);
  const live = forwards === null || forwards >= most;
  cursor = { ...cursor, live, forwards: live ? most : Math.max(0, forwards) };
  rebuildSoon();
  draw();
}

function point(run) {
  cursor = { ...cursor, run: cursor.run === run ? null : run };
  draw();
}

let rebuilding = null;

/** When the cursor rests on steps of which nothing was sent, have them rebuilt from the log, one run after another. */
function rebuildSoon() {
  clearTimeout(rebuildSoon.timer);
  rebuilding?.abort();
  record.rebuilding = null;
  cannot = "";
  if (!cursor.live) rebuildSoon.timer = setTimeout(rebuild, REBUILD);
}

async function rebuild() {
  const [mine, { signal }] = [record, (rebuilding = new AbortController())];
  const order = [...mine.runs].sort((a, b) => (b.index === cursor.run) - (a.index === cursor.run));
  for (const run of order) {
    const step = stepAt(run, cursor);
    const known = ({ evaluation, ...entry }) => (evaluation ?? entry).step === step;
    if (run.evaluations.some(known) || run.rebuilt.some(known)) continue;
    mine.rebuilding = { run: run.index, step };
    draw();
    try {
      keepRebuilt(mine, run.index, await answer(await fetch(`/api/finetune/${job}/at?run=${run.index}&step=${step}`, { signal })));
    } catch (error) {
      if (signal.aborted) return;
      cannot = `${look().titles[run.index]} at step ${count(step)}: ${inWords(error)}`;
    }
    mine.rebuilding = null;
    draw();
  }
}

// ---- drawing ----

function look() {
  const theme = readTheme();
  const copies = (label) => (label.includes("#") ? ` ${label.split("#")[1]}` : "");
  return {
    theme,
    colours: colourVariables(record.runs.map(({ method }) => method)).map(theme.colour),
    titles: record.runs.map(({ name, label }) => `${name}${copies(label)}`),
  };
}

/** Draw at the next beat: four a second. */
function soon() {
  soon.timer ??= setTimeout(draw, Math.max(0, (draw.last ?? 0) + PACE - performance.now()));
}

function draw() {
  clearTimeout(soon.timer);
  soon.timer = null;
  draw.last = performance.now();
  if (!page?.bar || !page.root.isConnected) return;
  const { bar, jobs, panels, root } = page;
  const planned = record.plan !== null;
  root.classList.toggle("planned", planned);
  if (cursor.live) cursor.forwards = spent(record);
  const dress = look();
  element("opt-bar").hidden = job === null;
  if (job !== null) {
    bar.show(record, dress, cursor, said(), jobs.find(job)?.labels.length ?? 0);
    const all = record.runs.reduce((sum, run) => sum + run.planned * run.forwardsPerStep, 0);
    const done = record.runs.reduce((sum, run) => sum + (run.steps.forwards.at(-1) ?? 0), 0);
    jobs.show(job, record.status.state, all ? done / all : null);
  } else jobs.show(null, null, null);
  for (const { name, place, panel } of panels) {
    if (!planned) explain(name, place);
    else if (place.offsetParent) panel.show(record, dress, cursor);
  }
}

/** The line of the live bar: the connection, the cursor's step, loading, or the state. */
function said() {
  if (line) return line;
  if (record.rebuilding) return `Rebuilding step ${count(record.rebuilding.step)} of ${look().titles[record.rebuilding.run]} from the log …`;
  if (cannot) return cannot;
  const { progress, status } = record;
  if (progress) return `${progress.message}${progress.total > 0 ? `: ${Math.round((100 * progress.done) / progress.total)} %` : ""}`;
  const place = record.plan ? `${record.plan.model.title}; ${record.plan.device.title}; ${record.plan.dtype}; ${large(record.plan.model.tuned)} parameters tuned` : "";
  const failures = record.runs.filter(({ ended }) => ended?.state === "failed").map(({ index, ended }) => `${look().titles[index]} ${ended.message}`);
  return [status.message || (computingPlane() ? COMPUTING : STATES[status.state]) || status.state, ...failures, place].filter(Boolean).map((text) => text.replace(/\.$/, "")).join(". ");
}

const COMPUTING = "All runs have ended; computing the loss on their plane";

/** Whether nothing trains any more in a job that has not ended. */
const computingPlane = () => record.status.state === "running" && record.runs.length > 0 && record.runs.every(isOver);

/** 1.33 M */
const large = (value) => (value < 1e5 ? count(value) : value < 1e9 ? `${(value / 1e6).toPrecision(3)} M` : `${(value / 1e9).toPrecision(3)} G`);

const STATES = { queued: "Waiting for its turn", running: "Training", paused: "Paused", finished: "Finished", stopped: "Stopped", failed: "Failed" };

/** What a panel will show, and in the largest of them what Start will do. */
function explain(name, place) {
  const [, title, text] = PANELS[name];
  const empty = place.querySelector(".opt-empty");
  const words = name === "plane" ? intention() : [make("p", {}, text)];
  const key = `${title}${words.map(({ textContent }) => textContent).join("\n")}${readTheme().ink}`;
  if (empty.dataset.key === key) return;
  empty.dataset.key = key;
  empty.replaceChildren(make("h2", {}, title), ...words);
}

function intention() {
  if (job !== null) {
    const { progress, status } = record;
    const bar = progress && progress.total > 0 ? [make("progress", { max: progress.total, value: progress.done, "aria-label": progress.message })] : [];
    return [make("p", { class: "large" }, progress?.message ?? (status.message || STATES[status.state] || "Waiting for the server")), ...bar];
  }
  const { form } = page;
  if (!form.values) return [];
  const { budget: amount, budgetKind, task } = form.values;
  const steps = (passes) => (budgetKind === "steps" ? `${count(amount)} steps` : `${count(Math.floor(amount / passes))} steps of ${passes} forward passes`);
  const each = form.optimizers.map(({ title, colour, passes }) => make("li", {}, make("i", { style: `background:var(${colour})` }), make("b", {}, title), ` ${steps(passes)}`));
  const texts = { reviews: "film reviews (synthetic)", sst2: "SST-2 film reviews", table: "your own texts" }[task] ?? task;
  return [
    make("p", { class: "large" }, `Start trains ${form.values.model === "bundled" ? "the bundled OPT model" : form.values.model} to classify ${texts}, once with each optimizer, on the same minibatches:`),
    make("ul", {}, ...each),
    make("p", {}, "Here you will see how far each of them gets from the start, on a plane through the space of all tuned parameters, over the loss on that plane."),
  ];
}

/** A line over the picture: until the next, or for a moment. */
function message(text, briefly = false) {
  const box = element("opt-message");
  box.textContent = text;
  box.classList.toggle("shown", Boolean(text));
  clearTimeout(message.timer);
  if (briefly) message.timer = setTimeout(() => message(""), 4000);
}
