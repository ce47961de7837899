// One scale of colours for P and for the reference beside it.

import { decades, logarithm } from "./decades.mjs";

const DEEPEST = 5; // decades below its largest that the reference reaches

/**
 * Exponents of the colours, the same for P and for the reference, whose smallest are cut off: some biases have no curvature at all.
 * @param {number[]} P @param {{groups: [number, number][]} | null} truth @returns {[number, number]}
 */
export function sharedRange(P, truth) {
  const reference = truth ? decades(truth.groups.map(([mean]) => logarithm(Math.abs(mean)))) : [];
  const kept = reference.length ? [Math.max(reference[0], reference[1] - DEEPEST), reference[1]] : [];
  return decades([...P.map(logarithm), ...kept]);
}
