// The lab's controls: the function, θ, and how the estimators are looked at. They change a question in place.

import { make } from "../../opt/make.mjs";
import { fromSlider, short, toSlider } from "../../scale.mjs";
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
    this.root.replaceChildren(
      make("section", { class: "card" }, make("h2", {}, "Where"), this.#families(), this.parameters, this.#text("x0", "θ", "the function’s start", "Where the estimators are looked at: numbers separated by commas, or one for all coordinates."), this.#text("coords", "Entries shown", "least and greatest", "Which entries of the diagonal are drawn: coordinates, counted from 0, at most 4."), this.truth),
      make("section", { class: "card" }, make("h2", {}, "How"), ...FIELDS.map((field) => this.#field(field)), this.#starts()),
      make("section", { class: "card" }, make("h2", {}, "Estimators"), ...ESTIMATORS.map((each) => this.#switch(each)), this.#key()),
    ); // prettier-ignore
    this.#parameterRows();
    if (question.f.startsWith("expr:")) this.parameters.replaceChildren(make("p", { class: "note" }, question.f.slice(5)));
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
    if (key === "expr") options.unshift(make("option", { value: "expr", selected: true }, "your own f(x, y)"));
    const choose = ({ target }) => {
      if (target.value === "expr") return;
      Object.assign(this.question, { f: target.value, x0: "", coords: "" });
      this.build();
      this.changed();
    };
    return make("select", { id: "lab-function", "aria-label": "Function", on: { change: choose } }, ...options);
  }

  #parameterRows() {
    const { key, parameters } = split(this.question.f, this.families);
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
      if (!chosen.size) {
        target.checked = true; // one at least
        return;
      }
      this.question.estimators = ESTIMATORS.map((each) => each.key).filter((each) => chosen.has(each));
      this.changed();
    };
    const box = make("input", { type: "checkbox", checked: this.question.estimators.includes(key), on: { change: toggle } });
    return make("label", { class: "lab-estimator", style: `--colour: var(${colour})` }, box, make("i"), key);
  }

  #key() {
    const lines = [
      ["points", "measured, ± 2 standard errors"],
      ["dashes", "theory, and the truth"],
      ["hollow", "paper: |S|, which P is given"],
      ["here", "where the controls stand"],
      ["split", "error² = ··· bias² + -·- variance"],
    ];
    return make("div", { class: "lab-key" }, ...lines.map(([kind, text]) => make("span", { class: `key-${kind}` }, text)));
  }
}
