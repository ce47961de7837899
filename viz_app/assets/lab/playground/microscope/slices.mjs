// What the slice chart shows of a step: the loss along a direction, or along the step of a method that does not probe.

import { setting } from "./anatomy.mjs";

/** @import { Samples, Step } from "./anatomy.mjs" */

/** @typedef {[before: string, raised: string, after: string]} Raised a text whose middle part is raised */

/** @typedef {{key: string, s: number, loss: number | null, label: Raised, measured: boolean}} Point */

/**
 * @typedef {object} Slice
 * @property {Samples} samples evenly spaced along s
 * @property {number} unit of the axis: μ, or 1 where s counts steps
 * @property {Raised} axis its name
 * @property {number} base loss that heights are counted from
 * @property {number} level height of the parabola at s = 0, above base
 * @property {number | null} slope @property {number | null} curvature of the parabola at s = 0; without a curvature it is the tangent
 * @property {Point[]} points
 * @property {string} tangent key of the line that states the slope
 * @property {string} height what its heights are
 */

/** @param {Step} step @param {number} i the direction @param {"near" | "wide"} span @returns {Slice} */
export function sliceOf(step, i, span) {
  const direction = step.directions.at(i);
  if (!direction) return alongStep(step, span);
  const mu = setting(step, "mu");
  const { centre, plus, minus, g, c } = direction;
  const [root, half] = step.state.P ? ["Σ", "½"] : ["", ""];
  /** @param {string} key @param {1 | -1} sign @param {number | null} loss @returns {Point} */
  const probe = (key, sign, loss) => ({ key, s: sign * mu, loss, label: [`L(θ ${sign > 0 ? "+" : "−"} μ${root}`, half, "u)"], measured: true });
  const base = centre ?? step.loss ?? NaN;
  /** @type {Point} */
  const middle =
    centre === null
      ? { key: "theta", s: 0, loss: step.loss, label: ["L(θ), not measured", "", ""], measured: false }
      : { key: "centre", s: 0, loss: centre, label: ["L(θ)", "", ""], measured: true };
  return {
    samples: direction[span],
    unit: mu,
    axis: [`s / μ: along ${root}`, half, `u${step.directions.length > 1 ? `, direction ${i + 1}` : ""}`],
    height: "loss − L(θ)",
    base,
    level: centre === null ? ((plus ?? NaN) + (minus ?? NaN)) / 2 - base : 0, // MeZO's secant goes through its two points
    slope: g,
    tangent: "slope",
    curvature: c,
    points: [probe("plus", 1, plus), probe("minus", -1, minus), middle],
  };
}

/** @param {Step} step @param {"near" | "wide"} span @returns {Slice} */
function alongStep(step, span) {
  if (!step.path) throw new Error("a step without directions has no path");
  return {
    samples: step.path[span],
    unit: 1,
    axis: ["s / step: along Δθ", "", ""],
    height: "L(θ + sΔθ) − L(θ)",
    base: step.loss ?? NaN,
    level: 0,
    slope: step.path.slope,
    tangent: "gradient",
    curvature: null,
    points: [
      { key: "gradient", s: 0, loss: step.loss, label: ["L(θ)", "", ""], measured: true },
      { key: "step", s: 1, loss: step.loss_next, label: ["L(θ + Δθ)", "", ""], measured: false },
    ],
  };
}
