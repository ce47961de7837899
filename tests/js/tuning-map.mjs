// A map's figures without a server, for the tests of the Tuning page's modules.

/** @import { Figures } from "../../viz_app/assets/lab/tuning/measures.mjs" */

/**
 * A map of cells that are all known and all sound unless said otherwise.
 * @param {Partial<Figures["figures"]>} figures @param {Partial<Figures["header"]>} [header] @returns {Figures}
 */
export function mapOf(figures, header = {}) {
  const total = Math.max(...Object.values(figures).map((values) => values.length));
  /** @param {number} value */
  const all = (value) => new Array(total).fill(value);
  return {
    total,
    known: all(1),
    header: { runs: 4, forwards: 1000, target: 0.1, reference: 0, initial_gap: 100, ...header },
    figures: { passes: all(NaN), reached: all(0), loss: all(1), diverged: all(0), bias: all(1), ...figures },
  };
}
