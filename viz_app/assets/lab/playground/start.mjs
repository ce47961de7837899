// The start on the picture: a ring that can be dragged, and clicks.

import { movedTo, pointOf } from "../web/point.mjs";
import { page } from "./page.mjs";

/** @import { Point } from "../web/point.mjs" */
/** @import { Grid } from "../web/landscapes.mjs" */
/** @import { State } from "./page.mjs" */

/** @param {State} state @returns {Point} */
function coordinates({ dim, view }) {
  if (dim === 2) return [0, 1];
  const [i, j] = view.coords.split(",").map(Number);
  return [i, j];
}

/** Put the ring where the state's start is. */
export function placeStart() {
  page.parts.landscape.setStart(pointOf(page.state.x0, coordinates(page.state)));
}

/** The start as typed, for a point on the picture. @param {Point} point @param {Grid} grid */
export function startAt(point, grid) {
  const { state } = page;
  return movedTo(point, state.x0, state.dim, coordinates(state), grid);
}
