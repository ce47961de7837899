// The start on the picture: a ring that can be dragged, and clicks.

import { page } from "./page.mjs";

const shown = (state) => (state.dim > 2 ? state.view.coords.split(",").map(Number) : [0, 1]);

/** Put the ring where the state's start is. */
export function placeStart() {
  const { state, parts } = page;
  const numbers = String(state.x0).split(",").map(Number);
  const [i, j] = shown(state);
  parts.landscape.setStart(numbers.length === 1 ? [numbers[0], numbers[0]] : [numbers[i], numbers[j]]);
}

/** The start as typed, for a point on the picture: as many digits as its pixels are worth. */
export function startAt(point) {
  const { state, grid } = page;
  const rounded = point.map((value, k) => {
    const range = k === 0 ? grid.xrange : grid.yrange;
    const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(range[1] - range[0]))));
    return Number(value.toFixed(digits));
  });
  if (state.dim === 2) return rounded.join(", ");
  const numbers = String(state.x0).split(",").map(Number);
  const all = numbers.length === 1 ? new Array(state.dim).fill(numbers[0]) : numbers;
  const [i, j] = shown(state);
  [all[i], all[j]] = rounded;
  return all.join(", ");
}
