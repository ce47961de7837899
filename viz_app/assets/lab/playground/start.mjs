// The start on the picture: a ring that can be dragged, and clicks.

import { page } from "./page.mjs";
import { movedTo, pointOf } from "../web/point.mjs";

const coordinates = (state) => (state.dim > 2 ? state.view.coords.split(",").map(Number) : [0, 1]);

/** Put the ring where the state's start is. */
export function placeStart() {
  page.parts.landscape.setStart(pointOf(page.state.x0, coordinates(page.state)));
}

/** The start as typed, for a point on the picture. */
export function startAt(point) {
  const { state, grid } = page;
  return movedTo(point, state.x0, state.dim, coordinates(state), grid);
}
