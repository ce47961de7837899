// The lab's controls: the function, θ, and how the estimators are looked at. They change a question in place.

import { make } from "../web/make.mjs";
import { fromSlider, short, toSlider } from "../web/scale.mjs";
import { ESTIMATORS, FIELDS, STARTS } from "./state.mjs";

/** A function's spec as its family and parameters' texts. */
function split(f, families) {
  const at = f.indexOf(":");
  const key = at < 0 ? f : f.slice(0, at);
  const rest = at < 0 ? "" : f.slice(at + 1);
  const family = families.find((each) => each.key === key);
  const given = Object.fromEntries(rest.split(",").filter((part) => part.includes("=")).map((part) => part.split("=")));
  return { key, rest, parameters: (family?.parameters ?? []).map((each) => ({ ...each, text: given[each.name] ?? short(each.default) })) };
}

const OWN = "expr:100*(y-x^2)^2+(1-x)^2"; // where an own formula starts
const OWN_HELP = "Numbers, x, y, + - * / ^ and parentheses; sin, cos, tan, exp, log, sqrt, abs, tanh …; pi, e. Example: 100*(y-x^2)^2 + (1-x)^2";
const QUIET = "σ cancels here: the noise is linear in θ, and second differences do not see it. S and P stay as they are.";

export class Controls {
  /**
   * @param {HTMLElement} root @param {object} question changed in place
   * @param {object[]} families of /api/list @param {() => void} changed
   */
  constructor(root, question, families, changed) {
    Object.assign(this, { root, question, families, changed });
    this.build();
  }

  build() {
    const { question } = this;
    this.parameters = make("div", { class: "lab-parameters" });
    this.truth = make("p", { class: "note", id: "lab-truth" });
    this.onlyOne = make("p", { class: "note", id: "lab-only-one" }, "One estimator stays on.");
    this.root.replaceChildren(
      make("section", { class: "card" }, make("h2", {}, "Where"), this.#families(), this.parameters, this.#text("x0", "θ", "the function’s start", "Where the estimators are looked at: numbers separated by commas, or one for all coordinates."), this.#text("coords", "Entries shown", "least and greatest", "Which entries of the diagonal are drawn: coordinates, counted from 0, at most 4."), this.truth),
      make("section", { class: "card" }, make("h2", {}, "How"), ...FIELDS.map((field) => this.#field(field)), this.#starts()),
      make("section", { class: "card" }, make("h2", {}, "Estimators"), ...ESTIMATORS.map((each) => this.#switch(each)), this.onlyOne, this.#key()),
    ); // prettier-ignore
    this.#parameterRows();
    this.#lockLast();
  }

  /** Show what is wrong beside the controls; what belongs to none is returned. */
  complain(errors) {
    for (const old of this.root.querySelectorAll(".error-text")) old.remove();
    for (const row of this.root.querySelectorAll(".row.error")) row.classList.remove("error");
    return errors.filter(({ field, message }) => {
      const row = this.root.querySelector(`[data-field="lab.${field}"]`);
      if (!row) return true;
      row.classList.add("error");
      row.append(make("p", { class: "error-text", role: "alert" }, message));
      return false;
    });
  }

  #families() {
    const { key } = split(this.question.f, this.families);
    const groups = [...new Set(this.families.map(({ group }) => group))];
    const option = (each) => make("option", { value: each.key, selected: each.key === key }, each.name);
    const options = groups.map((group) => make("optgroup", { label: group }, ...this.families.filter((each) => each.group === group).map(option)));
    options.push(make("option", { value: "expr", selected: key === "expr" }, "your own f(x, y)"));
    const choose = ({ target }) => {
      Object.assign(this.question, { f: target.value === "expr" ? OWN : target.value, x0: "", coords: "" });
      this.build();
      this.changed();
    };
    return make("select", { id: "lab-function", "aria-label": "Function", on: { change: choose } }, ...options);
  }

  #parameterRows() {
    const { key, rest, parameters } = split(this.question.f, this.families);
    if (key === "expr") {
      const change = ({ target }) => {
        this.question.f = `expr:${target.value.trim()}`;
        this.changed();
      };
      const row = make("div", { class: "row text", data: { field: "lab.f" } }, make("label", { title: OWN_HELP }, "f(x, y)"));
      row.append(make("input", { value: rest, "aria-label": "f(x, y)", spellcheck: "false", on: { change } }));
      return this.parameters.replaceChildren(row);
    }
    const values = Object.fromEntries(parameters.map(({ name, text }) => [name, text]));
    const commit = (name, text) => {
      values[name] = text.trim();
      const words = parameters.filter(({ name, default: usual }) => values[name] !== short(usual)).map(({ name }) => `${name}=${values[name]}`);
      Object.assign(this.question, { f: words.length ? `${key}:${words.join(",")}` : key, coords: "" });
      if (name === "d") this.question.x0 = "";
      for (const [at, field] of [["x0", this.question.x0], ["coords", ""]]) this.root.querySelector(`[data-field="lab.${at}"] input`).value = field;
      this.changed();
    };
    this.parameters.replaceChildren(
      ...parameters.map(({ name, label, help, choices, text }) => {
        const on = { change: ({ target }) => commit(name, target.value) };
        const input = choices
          ? make("select", { "aria-label": label, on }, ...choices.map((value) => make("option", { value, selected: value === text }, value.replace("_", " "))))
          : make("input", { value: text, "aria-label": label, on });
        return make("div", { class: "row text", data: { field: `lab.f.${name}` } }, make("label", { title: help }, label), input);
      }),
    );
  }

  #text(key, label, empty, help) {
    const on = {
      change: ({ target }) => {
        this.question[key] = target.value.trim();
        this.changed();
      },
    };
    const input = make("input", { value: this.question[key], placeholder: empty, "aria-label": label, on });
    return make("div", { class: "row text", data: { field: `lab.${key}` } }, make("label", { title: help }, label), input);
  }

  #field({ key, label, help, least, most, scale, integer }) {
    const field = make("input", { value: this.question[key], "aria-label": label, class: "lab-number" });
    const row = make("div", { class: least ? "row" : "row text", data: { field: `lab.${key}` } }, make("label", { title: help }, label));
    const set = (text) => {
      this.question[key] = text;
      this.changed();
    };
    if (least) {
      const range = { scale, integer, low: least, high: most };
      const [low, high] = scale === "log" ? [Math.log10(least), Math.log10(most)] : [least, most];
      const slider = make("input", { type: "range", min: low, max: high, step: (high - low) / 200, "aria-label": `${label}, slider` });
      slider.value = toSlider(Number(this.question[key]), range);
      slider.addEventListener("input", () => {
        field.value = short(fromSlider(Number(slider.value), range));
        set(field.value);
      });
      field.addEventListener("change", () => {
        slider.value = toSlider(Number(field.value), range);
        set(field.value.trim());
      });
      row.append(slider);
    } else field.addEventListener("change", () => set(field.value.trim()));
    row.append(field);
    if (key === "noise") {
      const quiet = make("p", { class: "note lab-quiet", hidden: !(Number(field.value) > 0) }, QUIET);
      field.addEventListener("change", () => (quiet.hidden = !(Number(field.value) > 0)));
      row.append(quiet);
    }
    return row;
  }

  #starts() {
    const choose = ({ target }) => {
      this.question.P = target.value;
      this.changed();
    };
    return make(
      "div",
      { class: "lab-starts", role: "radiogroup", "aria-label": "Where P stands", title: "Where P stands when a step is looked at, and where it starts when it runs. The charts against n and d always have P at the truth." },
      ...STARTS.map(({ key, label }) =>
        make("label", {}, make("input", { type: "radio", name: "lab-start", value: key, checked: key === this.question.P, on: { change: choose } }), label),
      ),
    ); // prettier-ignore
  }

  #switch({ key, colour }) {
    const toggle = ({ target }) => {
      const chosen = new Set(this.question.estimators);
      if (target.checked) chosen.add(key);
      else chosen.delete(key);
      this.question.estimators = ESTIMATORS.map((each) => each.key).filter((each) => chosen.has(each));
      this.#lockLast();
      this.changed();
    };
    const box = make("input", { type: "checkbox", checked: this.question.estimators.includes(key), on: { change: toggle } });
    return make("label", { class: "lab-estimator", style: `--colour: var(${colour})` }, box, make("i"), key);
  }

  /** The last estimator that is on cannot be switched off. */
  #lockLast() {
    const last = this.question.estimators.length === 1;
    for (const box of this.root.querySelectorAll(".lab-estimator input")) box.disabled = last && box.checked;
    this.onlyOne.hidden = !last;
  }

  #key() {
    const lines = [
      ["points", "measured, ± 2 s.e."],
      ["dashes", "theory; the truth"],
      ["hollow", "|S|, given to P"],
      ["here", "the controls’ value"],
    ];
    return make("div", { class: "lab-key" }, ...lines.map(([kind, text]) => make("span", { class: `key-${kind}` }, text)), make("p", {}, "theory: exact for quadratics as μ → 0"));
  }
}
