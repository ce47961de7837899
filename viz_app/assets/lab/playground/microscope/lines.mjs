// The formulas of a step with its own numbers in them: pure functions of what /api/step answers.

import { factor, less, lostInRounding, number, together } from "./numbers.mjs";

/**
 * @typedef {object} Line one formula
 * @property {string} key what is lit with it: centre, plus, minus, slope, curvature, hessian, gradient, first, second, step
 * @property {string} title in words
 * @property {string} html
 */

const ROOT = "Σ<sup>½</sup>";
const MEAN = (n, i) => (n === 1 ? "" : `<span class="sum">(1/${n}) Σ<sub>${i}</sub></span> `);
const list = (step, vector, digits = 5) => `(${vector.map((value) => number(value, digits)).join(", ")}${step.dim > 2 ? ", …" : ""})`;

/** The lines of a step. @param {object} step the server's answer @param {number} i the direction @param {string[]} names of the two coordinates */
export function linesOf(step, i, names) {
  const shown = step.dim > 2 ? step.coords : names; // under a symbol; in more than two dimensions the names are θ₇ themselves
  return { hizoo: hizooLines, mezo: mezoLines, adam: adamLines, newton_diag: newtonLines }[step.method](step, i, shown);
}

const sub = (symbol, name) => `<i>${symbol}</i><sub>${name}</sub>`;
const ofI = (symbol, n) => (n === 1 ? `<i>${symbol}</i>` : `<i>${symbol}</i><sub>i</sub>`);

function losses(step, i) {
  const { plus, minus, centre } = step.directions[i];
  const first = less(plus, minus);
  const second = less(plus, centre) - less(centre, minus);
  const show = together([plus, minus, ...(centre === null ? [] : [centre])], [[first, 5], [second, 2]]);
  return { plus, minus, centre, first, second, show };
}

function probeLines(step, i, z) {
  const n = step.directions.length;
  const { plus, minus, show } = losses(step, i);
  const u = step.directions[i].u;
  const at = (sign) => `<i>L</i>(θ ${sign} μ${z}${ofI("u", n)})`;
  return [
    { key: "plus", title: "loss one probe ahead", html: `<i>L</i><sub>+</sub> = ${at("+")} = <b data-value="plus">${show(plus)}</b><small>${ofI("u", n)} = ${list(step, u, 4)}</small>` },
    { key: "minus", title: "loss one probe back", html: `<i>L</i><sub>−</sub> = ${at("−")} = <b data-value="minus">${show(minus)}</b>` },
  ];
}

function slopeLine(step, i) {
  const n = step.directions.length;
  const { plus, minus, first, show } = losses(step, i);
  const { mu } = step.hyperparameters;
  const lost = lostInRounding(first, plus) && first !== 0 ? `<small class="warn">within rounding of the losses: raise μ</small>` : "";
  return {
    key: "slope",
    title: "slope along the direction",
    html: `${ofI("g", n)} = (<i>L</i><sub>+</sub> − <i>L</i><sub>−</sub>) / 2μ<br>= (${show(plus)} − ${minus < 0 ? `(${show(minus)})` : show(minus)}) / ${factor(2 * mu)} = <b data-value="g">${number(step.directions[i].g)}</b>${lost}`,
  };
}

function hizooLines(step, i, names) {
  const n = step.directions.length;
  const { hyperparameters: hp, state, state_next: next } = step;
  const { centre, plus, second, show } = losses(step, i);
  const lost = lostInRounding(second, plus) ? `<small class="warn">within rounding of the losses: raise μ</small>` : "";
  return [
    { key: "centre", title: "loss at θ", html: `<i>L</i>(θ) = <b data-value="centre">${show(centre)}</b><small>θ = ${list(step, step.theta)}</small>` },
    ...probeLines(step, i, ROOT),
    slopeLine(step, i),
    {
      key: "curvature",
      title: "curvature along it",
      html: `${ofI("c", n)} = (<i>L</i><sub>+</sub> + <i>L</i><sub>−</sub> − 2<i>L</i>) / μ²<br>= ${number(second)} / ${factor(hp.mu ** 2)} = <b data-value="c">${number(step.directions[i].c)}</b>${lost}`,
    },
    { key: "hessian", title: "the estimate of the diagonal Hessian, old to new", html: (hp.estimator === "multiplicative" ? factors : smoothing)(step, names) + summands(step, names) },
    stepLine(
      step,
      `Δθ = −η ${MEAN(n, "i")}${ofI("g", n)} ${ofI("u", n)} / √<i>P</i>`,
      (j) => `−${number(hp.lr)} · ${factor(along(step, j))} / √${number(next.P[j])}`,
      names,
    ),
  ];
}

/** The mean over directions of g u at a shown coordinate. */
const along = (step, j) => step.directions.reduce((sum, { g, u }) => sum + (g ?? NaN) * u[j], 0) / step.directions.length;

/** P ← (1 − α) P + α S, of `paper` and `released`. */
function smoothing(step, names) {
  const { hyperparameters: hp, state, state_next: next, terms } = step;
  const n = step.directions.length;
  const [c, u] = [ofI("c", n), ofI("u", n)];
  const formula = hp.estimator === "paper" ? `|${MEAN(n, "i")}½ ${c} <i>P</i> (${u}² − 1)|` : `${MEAN(n, "i")}½ |${c}| <i>P</i> ${u}²`;
  const rows = names.map((name, j) =>
    row(step, j, name, `${sub("P", name)} ← ${number(1 - hp.alpha)} · ${number(state.P[j])} + ${number(hp.alpha)} · ${number(terms.S[j])} = <b data-value="P${j}">${number(next.P[j])}</b>`),
  );
  return `<i>S</i> = ${formula}<br><i>P</i> ← (1 − α) <i>P</i> + α <i>S</i>${rows.join("")}`;
}

/** P ← P exp δ, of `multiplicative`. */
function factors(step, names) {
  const { state, state_next: next, terms } = step;
  const rows = names.map((name, j) =>
    row(step, j, name, `${sub("s", name)} = ${number(terms.s[j], 3)},&ensp;${sub("m", name)} = ${number(terms.m[j], 3)},&ensp;δ<sub>${name}</sub> = ${number(terms.delta[j], 3)},<br>${sub("P", name)} ← ${number(state.P[j])} · <i>e</i><sup>δ</sup> = <b data-value="P${j}">${number(next.P[j])}</b>`),
  );
  return `<i>s</i> = <span class="sum">(1/n) Σ<sub>i</sub></span> ½ (<i>c</i><sub>i</sub> − <i>c̄</i><sub>i</sub>) (<i>u</i><sub>i</sub>² − 1)<br><i>m</i> ← (1 − β) <i>m</i> + β <i>s</i>, δ = α (|<i>m</i>| − 1), <span class="sum"><i>P</i> ← <i>P</i> <i>e</i><sup>δ</sup></span>${rows.join("")}`;
}

/** What the estimate adds up over the directions: cᵢ, and uᵢ² − 1 (of `released`, uᵢ²) at the shown coordinates. Folded where it is long. */
function summands(step, names) {
  const { directions, hyperparameters: hp } = step;
  const less = hp.estimator === "released" ? 0 : 1;
  const head = ["i", "<i>c</i><sub>i</sub>", ...names.map((_, j) => `<i>u</i><sub>i</sub>²${less ? " − 1" : ""}, ${step.dim > 2 ? `θ<sub>${names[j]}</sub>` : `<i>${names[j]}</i>`}`)];
  const rows = directions.map(({ c, u }, i) => `<tr><td>${i + 1}</td><td data-value="c${i}">${number(c)}</td>${u.map((value, j) => `<td data-value="w${i}${j}">${number(value ** 2 - less)}</td>`).join("")}</tr>`);
  const mean = hp.estimator === "multiplicative" ? `<small><i>c̄</i><sub>i</sub>: mean of the others' <i>c</i></small>` : "";
  const table = `<table><thead><tr>${head.map((text) => `<th>${text}</th>`).join("")}</tr></thead><tbody>${rows.join("")}</tbody></table>${mean}`;
  return directions.length > 4 ? `<details><summary>all ${directions.length} directions</summary>${table}</details>` : table;
}

function row(step, j, name, html) {
  const { floor } = step.hyperparameters;
  const held = floor && step.state_next.P[j] !== null && (step.state_next.P[j] <= floor || step.state_next.P[j] >= 1 / floor);
  return `<div class="number">${html}${held ? `<small class="warn">held at its floor</small>` : ""}</div>`;
}

function mezoLines(step, i, names) {
  const n = step.directions.length;
  const hp = step.hyperparameters;
  return [
    ...probeLines(step, i, ""),
    slopeLine(step, i),
    stepLine(step, `Δθ = −η ${MEAN(n, "i")}${ofI("g", n)} ${ofI("u", n)}`, (j) => `−${number(hp.lr)} · ${factor(along(step, j))}`, names),
  ];
}

function adamLines(step, _, names) {
  const { hyperparameters: hp, state, terms, seen } = step;
  const moment = (symbol, beta, value, power) =>
    names.map((name, j) => `<div class="number">${sub(symbol, name)} ← ${number(beta)} · ${factor(state[symbol][j])} + ${number(1 - beta)} · ${factor(seen.gradient[j])}${power} = ${number(value[j])}, <span class="sum">${sub(`${symbol}̂`, name)} = <b data-value="${symbol}_hat${j}">${number(terms[`${symbol}_hat`][j])}</b></span></div>`).join("");
  const t = step.step + 1;
  return [
    { key: "gradient", title: "the gradient at θ, by a backward pass", html: `<i>g</i> = ∇<i>L</i>(θ) = <b>${list(step, seen.gradient)}</b><small>θ = ${list(step, step.theta)}, <i>L</i>(θ) = ${number(step.loss, 6)}</small>` },
    { key: "first", title: "mean of the gradients, bias corrected", html: `<i>m</i> ← β₁<i>m</i> + (1 − β₁) <i>g</i>,&ensp;<i>m̂</i> = <i>m</i> / (1 − β₁<sup>${t}</sup>)${moment("m", hp.beta1, terms.m, "")}` },
    { key: "second", title: "mean of their squares, bias corrected", html: `<i>v</i> ← β₂<i>v</i> + (1 − β₂) <i>g</i>²,&ensp;<i>v̂</i> = <i>v</i> / (1 − β₂<sup>${t}</sup>)${moment("v", hp.beta2, terms.v, "²")}` },
    stepLine(step, `Δθ = −η <i>m̂</i> / (√<i>v̂</i> + ε)`, (j) => `−${number(hp.lr)} · ${factor(terms.m_hat[j])} / √${number(terms.v_hat[j])}`, names),
  ];
}

function newtonLines(step, _, names) {
  const { hyperparameters: hp, terms, seen } = step;
  const rows = names.map((name, j) => `<div class="number">${sub("H", name)} = <b data-value="H${j}">${number(seen.hessian_diagonal[j])}</b>, divided by ${number(terms.divisor[j])}</div>`);
  return [
    { key: "gradient", title: "the gradient at θ", html: `<i>g</i> = ∇<i>L</i>(θ) = <b>${list(step, seen.gradient)}</b><small>θ = ${list(step, step.theta)}, <i>L</i>(θ) = ${number(step.loss, 6)}</small>` },
    { key: "hessian", title: "the exact diagonal Hessian", html: `<i>D</i> = max(|diag <i>H</i>|, ${number(hp.floor)})${rows.join("")}` },
    stepLine(step, `Δθ = −η <i>g</i> / <i>D</i>`, (j) => `−${number(hp.lr)} · ${factor(seen.gradient[j])} / ${number(terms.divisor[j])}`, names),
  ];
}

/** The last line: the step at the shown coordinates, and what it did to the loss. */
function stepLine(step, formula, numbers, names) {
  const { theta, theta_next: next, loss, loss_next: after } = step;
  const change = less(after, loss);
  const apart = Math.abs(change) > 1e3 * Math.min(Math.abs(loss), Math.abs(after));
  const show = apart ? number : together([loss, after], [[change, 2]]);
  const word = after === null ? "diverges" : loss === null ? "is finite again" : after < loss ? "falls" : after > loss ? "rises" : "stays";
  const outcome = `<small>loss ${word}: ${show(loss)} → ${show(after)}</small>`;
  if (step.warming) {
    return { key: "step", title: "no step", html: `<b data-value="warming">Warm-up: θ stays.</b> Step ${step.step + 1} of ${step.hyperparameters.warmup} that only update <i>P</i>.` };
  }
  const rows = names.map((name, j) => `<div class="number">Δ${step.dim > 2 ? sub("θ", name) : `<i>${name}</i>`} = ${numbers(j)} = <b data-value="move${j}">${number(less(next[j], theta[j]))}</b></div>`);
  return { key: "step", title: "the step", html: `${formula}${rows.join("")}${outcome}` };
}
