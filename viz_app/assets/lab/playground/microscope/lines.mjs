// The formulas of a step with its own numbers in them: pure functions of what /api/step answers.

import { html } from "../../vendor/lit.mjs";
import { less, moveOf, setting, vector } from "./anatomy.mjs";
import { factor, lostInRounding, number, together } from "./numbers.mjs";

/** @import { Direction, Pair, Step } from "./anatomy.mjs" */
/** @import { Written } from "./numbers.mjs" */

/**
 * @typedef {object} Line one formula
 * @property {string} key what is lit with it: centre, plus, minus, slope, curvature, hessian, gradient, first, second, step
 * @property {string} title in words
 * @property {Written} text
 */

/** @typedef {[string, string]} Names of the two shown coordinates */

const ROOT = html`Σ<sup>½</sup>`;

/** The mean over n directions. @param {number} n */
const mean = (n) => (n === 1 ? "" : html`<span class="sum">(1/${n}) Σ<sub>i</sub></span> `);

/** A vector as far as it is shown. @param {Step} step @param {readonly (number | null)[]} values @param {number} [digits] */
const list = ({ dim }, [a, b], digits = 5) => html`(${number(a, digits)}, ${number(b, digits)}${dim > 2 ? ", …" : ""})`;

/** @param {string} symbol @param {string} name */
const sub = (symbol, name) => html`<i>${symbol}</i><sub>${name}</sub>`;

/** A direction's own quantity: with an index where there are several directions. @param {string} symbol @param {number} n */
const ofI = (symbol, n) => (n === 1 ? html`<i>${symbol}</i>` : sub(symbol, "i"));

/** A coordinate. @param {Step} step @param {string} name */
const theta = ({ dim }, name) => (dim > 2 ? sub("θ", name) : html`<i>${name}</i>`);

/** @type {Record<string, (step: Step, i: number, names: Names) => Line[]>} */
const METHODS = { hizoo: hizooLines, mezo: mezoLines, adam: adamLines, newton_diag: newtonLines };

/** The lines of a step. @param {Step} step @param {number} i the direction @param {Names} names of the two coordinates @returns {Line[]} */
export function linesOf(step, i, names) {
  /** @type {Names} */
  const shown = step.dim > 2 ? [String(step.coords[0]), String(step.coords[1])] : names; // under a symbol; in more than two dimensions the names are θ₇ themselves
  return (METHODS[step.method] ?? otherLines)(step, i, shown);
}

/** @param {Direction} direction */
function losses({ plus, minus, centre }) {
  const first = less(plus, minus);
  const second = less(plus, centre) - less(centre, minus);
  const show = together([plus, minus, ...(centre === null ? [] : [centre])], [[first, 5], [second, 2]]);
  return { plus, minus, centre, first, second, show };
}

/** @param {boolean} is */
const lostNote = (is) => (is ? html`<small class="warn">within rounding of the losses: raise μ</small>` : "");

/** @param {Step} step @param {number} i @param {Written} z what stands before u @returns {Line[]} */
function probeLines(step, i, z) {
  const n = step.directions.length;
  const { plus, minus, show } = losses(step.directions[i]);
  /** @param {string} sign */
  const at = (sign) => html`<i>L</i>(θ ${sign} μ${z}${ofI("u", n)})`;
  return [
    { key: "plus", title: "loss one probe ahead", text: html`<i>L</i><sub>+</sub> = ${at("+")} = <b data-value="plus">${show(plus)}</b><small>${ofI("u", n)} = ${list(step, step.directions[i].u, 4)}</small>` },
    { key: "minus", title: "loss one probe back", text: html`<i>L</i><sub>−</sub> = ${at("−")} = <b data-value="minus">${show(minus)}</b>` },
  ];
}

/** @param {Step} step @param {number} i @returns {Line} */
function centreLine(step, i) {
  const { centre, show } = losses(step.directions[i]);
  return { key: "centre", title: "loss at θ", text: html`<i>L</i>(θ) = <b data-value="centre">${show(centre)}</b><small>θ = ${list(step, step.theta)}</small>` };
}

/** @param {Step} step @param {number} i @returns {Line} */
function slopeLine(step, i) {
  const { plus, minus, first, show } = losses(step.directions[i]);
  const taken = minus !== null && minus < 0 ? html`(${show(minus)})` : show(minus);
  const lost = lostNote(lostInRounding(first, plus) && first !== 0);
  return {
    key: "slope",
    title: "slope along the direction",
    text: html`${ofI("g", step.directions.length)} = (<i>L</i><sub>+</sub> − <i>L</i><sub>−</sub>) / 2μ<br>= (${show(plus)} − ${taken}) / ${factor(2 * setting(step, "mu"))} = <b data-value="g">${number(step.directions[i].g)}</b>${lost}`,
  };
}

/** @param {Step} step @param {number} i @returns {Line} */
function curvatureLine(step, i) {
  const { plus, second } = losses(step.directions[i]);
  return {
    key: "curvature",
    title: "curvature along it",
    text: html`${ofI("c", step.directions.length)} = (<i>L</i><sub>+</sub> + <i>L</i><sub>−</sub> − 2<i>L</i>) / μ²<br>= ${number(second)} / ${factor(setting(step, "mu") ** 2)} = <b data-value="c">${number(step.directions[i].c)}</b>${lostNote(lostInRounding(second, plus))}`,
  };
}

/** @param {Step} step @returns {Line} */
function gradientLine(step) {
  const how = step.method === "adam" ? "the gradient at θ, by a backward pass" : "the gradient at θ";
  return { key: "gradient", title: how, text: html`<i>g</i> = ∇<i>L</i>(θ) = <b>${list(step, vector(step.seen, "gradient"))}</b><small>θ = ${list(step, step.theta)}, <i>L</i>(θ) = ${number(step.loss, 6)}</small>` };
}

/** @param {Step} step @param {number} i @param {Names} names @returns {Line[]} */
function hizooLines(step, i, names) {
  const n = step.directions.length;
  const next = vector(step.state_next, "P");
  const estimate = ["multiplicative", "reliable"].includes(String(step.hyperparameters.estimator)) ? factors : smoothing;
  return [
    centreLine(step, i),
    ...probeLines(step, i, ROOT),
    slopeLine(step, i),
    curvatureLine(step, i),
    { key: "hessian", title: "the estimate of the diagonal Hessian, old to new", text: html`${estimate(step, names)}${summands(step, names)}` },
    stepLine(step, html`Δθ = −η ${mean(n)}${ofI("g", n)} ${ofI("u", n)} / √<i>P</i>`, (j) => html`−${number(setting(step, "lr"))} · ${factor(along(step, j))} / √${number(next[j])} = `, names),
  ];
}

/** The mean over directions of g u at a shown coordinate. @param {Step} step @param {number} j */
const along = (step, j) => step.directions.reduce((sum, { g, u }) => sum + (g ?? NaN) * u[j], 0) / step.directions.length;

/** P ← (1 − α) P + α S, of `paper` and `released`. @param {Step} step @param {Names} names */
function smoothing(step, names) {
  const n = step.directions.length;
  const alpha = setting(step, "alpha");
  const [c, u] = [ofI("c", n), ofI("u", n)];
  const formula = step.hyperparameters.estimator === "paper" ? html`|${mean(n)}½ ${c} <i>P</i> (${u}² − 1)|` : html`${mean(n)}½ |${c}| <i>P</i> ${u}²`;
  const [P, S, next] = [vector(step.state, "P"), vector(step.terms, "S"), vector(step.state_next, "P")];
  const rows = names.map((name, j) =>
    row(step, j, html`${sub("P", name)} ← ${number(1 - alpha)} · ${number(P[j])} + ${number(alpha)} · ${number(S[j])} = <b data-value="P${j}">${number(next[j])}</b>`),
  );
  return html`<i>S</i> = ${formula}<br><i>P</i> ← (1 − α) <i>P</i> + α <i>S</i>${rows}`;
}

/** P ← P exp δ, of `multiplicative` and `reliable`. @param {Step} step @param {Names} names */
function factors(step, names) {
  const [s, m, delta] = ["s", "m", "delta"].map((name) => vector(step.terms, name));
  const [P, next] = [vector(step.state, "P"), vector(step.state_next, "P")];
  const rows = names.map((name, j) =>
    row(step, j, html`${sub("s", name)} = ${number(s[j], 3)},&ensp;${sub("m", name)} = ${number(m[j], 3)},&ensp;δ<sub>${name}</sub> = ${number(delta[j], 3)},<br>${sub("P", name)} ← ${number(P[j])} · <i>e</i><sup>δ</sup> = <b data-value="P${j}">${number(next[j])}</b>`),
  );
  const [beside, learning] =
    step.hyperparameters.estimator === "reliable"
      ? [html`Σ<sub>j</sub> <i>m</i><sub>j</sub> <i>u</i><sub>ij</sub>²`, html`<i>m</i> ← <i>m</i> + <i>x</i> of the whole and <i>s</i> at gains of their own, δ from |<i>m</i>|`]
      : [html`<i>c̄</i><sub>i</sub>`, html`<i>m</i> ← (1 − β) <i>m</i> + β <i>s</i>, δ = α (|<i>m</i>| − 1)`];
  return html`<i>s</i> = <span class="sum">(1/n) Σ<sub>i</sub></span> ½ (<i>c</i><sub>i</sub> − ${beside}) (<i>u</i><sub>i</sub>² − 1)<br>${learning}, <span class="sum"><i>P</i> ← <i>P</i> <i>e</i><sup>δ</sup></span>${rows}`;
}

/** What the estimate adds up over the directions: cᵢ, and uᵢ² − 1 (of `released`, uᵢ²) at the shown coordinates. Folded where it is long. @param {Step} step @param {Names} names */
function summands(step, names) {
  const { directions, hyperparameters: hp } = step;
  const offset = hp.estimator === "released" ? 0 : 1;
  const heads = names.map((name) => html`<th><i>u</i><sub>i</sub>²${offset ? " − 1" : ""}, ${theta(step, name)}</th>`);
  const rows = directions.map(
    ({ c, u }, i) => html`<tr><td>${i + 1}</td><td data-value="c${i}">${number(c)}</td>${u.map((value, j) => html`<td data-value="w${i}${j}">${number(value ** 2 - offset)}</td>`)}</tr>`,
  );
  const others = hp.estimator === "multiplicative" ? html`<small><i>c̄</i><sub>i</sub>: mean of the others' <i>c</i></small>` : "";
  const table = html`<table><thead><tr><th>i</th><th><i>c</i><sub>i</sub></th>${heads}</tr></thead><tbody>${rows}</tbody></table>${others}`;
  return directions.length > 4 ? html`<details><summary>all ${directions.length} directions</summary>${table}</details>` : table;
}

/** A row of the estimate, and whether P is held at one of its bounds. @param {Step} step @param {number} j @param {Written} text */
function row(step, j, text) {
  const floor = setting(step, "floor");
  const P = vector(step.state_next, "P")[j];
  const held = floor > 0 && P !== null && (P <= floor || P >= 1 / floor);
  return html`<div class="number">${text}${held ? html`<small class="warn">held at its floor</small>` : ""}</div>`;
}

/** @param {Step} step @param {number} i @param {Names} names @returns {Line[]} */
function mezoLines(step, i, names) {
  const n = step.directions.length;
  return [
    ...probeLines(step, i, ""),
    slopeLine(step, i),
    stepLine(step, html`Δθ = −η ${mean(n)}${ofI("g", n)} ${ofI("u", n)}`, (j) => html`−${number(setting(step, "lr"))} · ${factor(along(step, j))} = `, names),
  ];
}

/** @param {Step} step @param {number} _ @param {Names} names @returns {Line[]} */
function adamLines(step, _, names) {
  const [beta1, beta2] = [setting(step, "beta1"), setting(step, "beta2")];
  const gradient = vector(step.seen, "gradient");
  const [first, second] = ["m_hat", "v_hat"].map((name) => vector(step.terms, name));
  /** @param {"m" | "v"} symbol @param {number} beta @param {Pair} hat @param {string} power */
  const moment = (symbol, beta, hat, power) => {
    const [before, after] = [vector(step.state, symbol), vector(step.terms, symbol)];
    return names.map(
      (name, j) => html`<div class="number">${sub(symbol, name)} ← ${number(beta)} · ${factor(before[j])} + ${number(1 - beta)} · ${factor(gradient[j])}${power} = ${number(after[j])}, <span class="sum">${sub(`${symbol}̂`, name)} = <b data-value="${symbol}_hat${j}">${number(hat[j])}</b></span></div>`,
    );
  };
  const t = step.step + 1;
  return [
    gradientLine(step),
    { key: "first", title: "mean of the gradients, bias corrected", text: html`<i>m</i> ← β₁<i>m</i> + (1 − β₁) <i>g</i>,&ensp;<i>m̂</i> = <i>m</i> / (1 − β₁<sup>${t}</sup>)${moment("m", beta1, first, "")}` },
    { key: "second", title: "mean of their squares, bias corrected", text: html`<i>v</i> ← β₂<i>v</i> + (1 − β₂) <i>g</i>²,&ensp;<i>v̂</i> = <i>v</i> / (1 − β₂<sup>${t}</sup>)${moment("v", beta2, second, "²")}` },
    stepLine(step, html`Δθ = −η <i>m̂</i> / (√<i>v̂</i> + ε)`, (j) => html`−${number(setting(step, "lr"))} · ${factor(first[j])} / √${number(second[j])} = `, names),
  ];
}

/** @param {Step} step @param {number} _ @param {Names} names @returns {Line[]} */
function newtonLines(step, _, names) {
  const [gradient, hessian, divisor] = [vector(step.seen, "gradient"), vector(step.seen, "hessian_diagonal"), vector(step.terms, "divisor")];
  const rows = names.map((name, j) => html`<div class="number">${sub("H", name)} = <b data-value="H${j}">${number(hessian[j])}</b>, divided by ${number(divisor[j])}</div>`);
  return [
    gradientLine(step),
    { key: "hessian", title: "the exact diagonal Hessian", text: html`<i>D</i> = max(|diag <i>H</i>|, ${number(setting(step, "floor"))})${rows}` },
    stepLine(step, html`Δθ = −η <i>g</i> / <i>D</i>`, (j) => html`−${number(setting(step, "lr"))} · ${factor(gradient[j])} / ${number(divisor[j])} = `, names),
  ];
}

/** Of a method whose formulas the page does not know: what it saw, and its step. @param {Step} step @param {number} i @param {Names} names @returns {Line[]} */
function otherLines(step, i, names) {
  const direction = step.directions.at(i);
  const probed = direction ? [...probeLines(step, i, step.state.P ? ROOT : ""), slopeLine(step, i)] : [];
  const measured = direction && direction.centre !== null ? [centreLine(step, i), ...probed, curvatureLine(step, i)] : probed;
  return [...measured, ...(step.seen.gradient ? [gradientLine(step)] : []), stepLine(step, "Δθ", () => "", names)];
}

/** The last line: the step at the shown coordinates, and what it did to the loss. @param {Step} step @param {Written} formula @param {(j: number) => Written} numbers its numbers, with an equals sign after them @param {Names} names @returns {Line} */
function stepLine(step, formula, numbers, names) {
  const { loss, loss_next: after } = step;
  const change = less(after, loss);
  const apart = Math.abs(change) > 1e3 * Math.min(Math.abs(loss ?? NaN), Math.abs(after ?? NaN));
  const show = apart ? number : together([loss, after], [[change, 2]]);
  const word = after === null ? "diverges" : loss === null ? "is finite again" : after < loss ? "falls" : after > loss ? "rises" : "stays";
  if (step.warming) {
    return { key: "step", title: "no step", text: html`<b data-value="warming">Warm-up: θ stays.</b> Step ${step.step + 1} of ${step.hyperparameters.warmup} that only update <i>P</i>.` };
  }
  const move = moveOf(step);
  const rows = names.map((name, j) => html`<div class="number">Δ${theta(step, name)} = ${numbers(j)}<b data-value="move${j}">${number(move[j])}</b></div>`);
  return { key: "step", title: "the step", text: html`${formula}${rows}<small>loss ${word}: ${show(loss)} → ${show(after)}</small>` };
}
