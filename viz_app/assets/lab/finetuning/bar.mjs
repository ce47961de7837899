// Under the pictures: pause, resume and stop; the moment that everything shows; and a table of the runs, in which
// learning rate and α can be changed while they train.

import { count, reading, short } from "../web/scale.mjs";
import { ENDED } from "./jobs.mjs";
import { make, setText } from "../web/make.mjs";
import { budget, evaluationAt, isOver, latest, spent, stepAt } from "./record.mjs";

const SETTINGS = [["lr", "learning rate"], ["alpha", "α"]];
const HEADS = [
  ["", ""],
  ["loss", "Cross-entropy on the held-out texts, at the last evaluation before this moment"],
  ["accuracy", "Share of the held-out texts that are classified rightly, at the same evaluation"],
  ["step", "Updates made"],
  ["passes", "Forward passes spent, or their equivalent: a backward pass counts as two"],
  ["seconds", "Training time of this run alone, without evaluations"],
  ["η", "Learning rate before the schedule. Type another to change it from the next step on; the change is recorded in the log"],
  ["α", "Smoothing of P, before the schedule. Type another to change it from the next step on"],
  ["status", ""],
];

export class Bar {
  /**
   * @param {HTMLElement} root
   * @param {{act: (verb: "pause"|"resume"|"stop") => void, seek: (forwards: number|null) => void, point: (run: number|null) => void,
   *   set: (run: number, name: string, value: string) => void, save: (what: "table"|"weights") => void, link: () => void}} hooks
   *   seek(null): follow the newest
   */
  constructor(root, hooks) {
    Object.assign(this, { root, hooks, plan: null });
    const button = (name, text, tip, listener) => make("button", { type: "button", data: { do: name, tip }, on: { click: listener } }, text);
    this.toggle = button("toggle", "Pause", "Pause after the step that is being made; resume goes on from there, and nothing is computed twice", () => hooks.act(this.toggle.dataset.verb));
    this.stop = button("stop", "Stop", "End these runs. What has been computed stays and can be looked at", () => hooks.act("stop"));
    this.slider = make("input", { type: "range", min: 0, max: 1, step: 1, "aria-label": "Time, in forward passes", data: { tip: "The moment that curves, trajectories, sentences and Hessian show, in forward passes. Drag it back to travel in time" }, on: { input: () => this.#seek() } });
    this.live = button("live", "live", "Follow the newest step", () => hooks.seek(null));
    this.output = make("output", {});
    this.menu = make("details", { class: "menu" },
      make("summary", { "aria-label": "Link and downloads", data: { tip: "Link and downloads" } }, "⋯"),
      make("div", {},
        button("link", "Copy link", "A link that opens these settings and this run", () => this.#chosen(hooks.link)),
        button("table", "Table, CSV", "Every step's loss, slope, curvature and P, and the evaluations", () => this.#chosen(() => hooks.save("table"))),
        button("weights", "Weights, safetensors", "The tuned weights at the moment shown, rebuilt from the log; of the run that is marked in the table, else of the first", () => this.#chosen(() => hooks.save("weights"))),
      ),
    );
    this.message = make("p", { class: "line", role: "status" });
    this.body = make("tbody", {});
    this.table = make("table", {}, make("thead", {}, make("tr", {}, ...HEADS.map(([text, tip]) => make("th", { scope: "col", class: text || null, data: tip ? { tip } : {} }, text)))), this.body);
    root.append(make("div", { class: "controls" }, this.toggle, this.stop, this.slider, this.live, this.output, this.menu), this.message, make("div", { class: "runs" }, this.table));
    document.addEventListener("pointerdown", ({ target }) => this.menu.contains(target) || this.menu.removeAttribute("open"));
    this.menu.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      this.menu.removeAttribute("open");
      this.menu.querySelector("summary").focus();
    });
  }

  #chosen(action) {
    this.menu.removeAttribute("open");
    action();
  }

  /** The slider's right end is the newest: there it is live. */
  #seek() {
    const forwards = Number(this.slider.value);
    const most = spent(this.record);
    this.hooks.seek(forwards >= most ? null : forwards);
  }

  /** @param {string} line what is to be said about the job  @param {number} runs how many it will have, before its plan is there */
  show(record, look, cursor, line, runs) {
    this.record = record;
    const { state } = record.status;
    const [most, whole] = [spent(record), budget(record)];
    const ended = ENDED.has(state);
    const paused = state === "paused";
    this.toggle.dataset.verb = paused ? "resume" : "pause";
    setText(this.toggle, paused ? "Resume" : "Pause");
    this.toggle.disabled = this.stop.disabled = ended || state === "";
    if (state === "queued") this.toggle.disabled = true;
    this.slider.disabled = most === 0;
    this.slider.max = whole;
    this.slider.step = Math.min(...record.runs.map((run) => run.forwardsPerStep), whole);
    const now = cursor.live ? most : cursor.forwards;
    this.slider.value = now;
    this.slider.style.setProperty("--part", `${(100 * now) / whole}%`);
    this.slider.style.setProperty("--spent", `${(100 * most) / whole}%`);
    this.slider.setAttribute("aria-valuetext", `${count(now)} of ${count(whole)} forward passes`);
    setText(this.live, ended ? "end" : "live");
    this.live.setAttribute("aria-pressed", cursor.live);
    setText(this.output, record.plan ? `${count(now)} / ${count(whole)} passes` : "");
    setText(this.message, line);
    this.message.title = line;
    this.table.parentElement.style.setProperty("--runs", record.runs.length || runs); // keeps its place, so that nothing jumps
    if (record.plan !== this.plan || look.colours.join() !== this.colours) this.#rows(record, look);
    for (const run of record.runs) this.#fill(run, cursor, state);
    for (const row of this.body.rows) row.classList.toggle("pointed", Number(row.dataset.run) === cursor.run);
  }

  #rows(record, look) {
    this.plan = record.plan;
    this.colours = look.colours.join();
    this.body.replaceChildren(...record.runs.map((run) => {
      const title = look.titles[run.index];
      const point = () => this.hooks.point(run.index);
      const setting = ([name, label]) => make("td", {}, name in run.hyperparameters
        ? make("input", { type: "text", spellcheck: "false", "aria-label": `${label} of ${title}`, data: { name }, on: { change: ({ target }) => this.hooks.set(run.index, name, target.value.trim()) } })
        : "–");
      return make("tr", { data: { run: run.index, label: run.label } },
        make("th", { scope: "row" }, make("button", { type: "button", class: "quiet", data: { tip: "Mark this run: panels that show one run show this one. Again: unmark" }, on: { click: point } }, make("i", { style: `background:${look.colours[run.index]}` }), title)),
        ...["loss", "accuracy", "step", "passes", "seconds"].map((name) => make("td", { class: name, data: { cell: name } })),
        ...SETTINGS.map(setting),
        make("td", { data: { cell: "status" } }, make("span", {})),
      );
    }));
  }

  #fill(run, cursor, state) {
    const row = this.body.rows[run.index];
    const cell = (name, text) => setText(row.querySelector(`[data-cell=${name}]`), text);
    const step = stepAt(run, cursor);
    const evaluation = evaluationAt(run, cursor);
    const at = run.steps.step.findLastIndex((made) => made <= step);
    cell("loss", evaluation ? fixed(evaluation.loss) : "–");
    cell("accuracy", evaluation ? `${(100 * evaluation.accuracy).toFixed(1)} %` : "–");
    cell("step", count(step));
    cell("passes", count(step * run.forwardsPerStep));
    cell("seconds", at < 0 ? "0 s" : `${run.steps.seconds[at].toFixed(1)} s`);
    const change = (name) => run.settings.findLast((setting) => Number.isFinite(setting[name]) && setting.step <= step)?.[name];
    const over = ENDED.has(state) || isOver(run);
    for (const input of row.querySelectorAll("input")) {
      const { name } = input.dataset;
      input.disabled = over || !cursor.live;
      if (over || cursor.live) delete input.parentElement.dataset.tip;
      else input.parentElement.dataset.tip = "Go live to change it: a change takes effect from the next step on";
      if (input !== document.activeElement) input.value = short(change(name) ?? run.hyperparameters[name]);
    }
    const status = row.querySelector("[data-cell=status] span");
    const text = statusOf(run, state, cursor, latest(run.evaluations, { live: true }));
    setText(status, text);
    status.title = text;
    status.classList.toggle("bad", run.ended?.state === "failed");
  }
}

/** Three decimals, so that nothing jumps; a loss beyond all scales as it is. */
const fixed = (loss) => (Math.abs(loss) < 100 ? loss.toFixed(3) : reading(loss));

function statusOf(run, state, cursor, newest) {
  if (run.ended?.message) return run.ended.message;
  const made = run.steps.step.at(-1) ?? 0;
  if (made >= run.planned) return "finished";
  if (ENDED.has(state)) return `${state} after ${count(made)} of ${count(run.planned)} steps`;
  return newest ? `${count(run.planned - made)} left` : "waiting";
}
