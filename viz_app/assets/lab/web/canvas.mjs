// Lines and dots on a canvas.

/** @typedef {{width?: number, dash?: number[]}} Pen in pixels */

/** @param {HTMLCanvasElement} canvas @returns {CanvasRenderingContext2D} */
export const drawing = (canvas) => /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));

/**
 * Draw the line of a path.
 * @param {CanvasRenderingContext2D} context @param {string} colour @param {Pen} pen @param {() => void} path adds to the context's path
 */
export function stroke(context, colour, { width = 1, dash = [] }, path) {
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.lineJoin = "round";
  context.setLineDash(dash);
  context.beginPath();
  path();
  context.stroke();
  context.setLineDash([]);
}

/**
 * Add a line through points to the path; where `y` is not a finite number it breaks.
 * @param {CanvasRenderingContext2D} context @param {ArrayLike<number>} x @param {ArrayLike<number>} y
 * @param {(x: number) => number} px @param {(y: number) => number} py pixel of a value
 */
export function polyline(context, x, y, px, py) {
  let pen = false;
  for (let i = 0; i < x.length; i++) {
    if (!Number.isFinite(y[i])) pen = false;
    else if (pen) context.lineTo(px(x[i]), py(y[i]));
    else {
      context.moveTo(px(x[i]), py(y[i]));
      pen = true;
    }
  }
}

/**
 * Add a straight line to the path.
 * @param {CanvasRenderingContext2D} context @param {readonly [number, number]} from @param {readonly [number, number]} to
 */
export function segment(context, from, to) {
  context.moveTo(...from);
  context.lineTo(...to);
}

/**
 * A filled disc, with an edge if that has a colour.
 * @param {CanvasRenderingContext2D} context @param {readonly [number, number]} centre @param {number} radius
 * @param {string} fill @param {string} [edge] @param {number} [width] of the edge
 */
export function disc(context, [x, y], radius, fill, edge, width = 1.5) {
  context.fillStyle = fill;
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.fill();
  if (!edge) return;
  context.strokeStyle = edge;
  context.lineWidth = width;
  context.stroke();
}

/**
 * A triangle with a side of 12 pixels on one side of y and its tip on the other.
 * @param {CanvasRenderingContext2D} context @param {readonly [number, number]} centre @param {1 | -1} down where the tip is
 */
export function triangle(context, [x, y], down) {
  context.beginPath();
  context.moveTo(x - 6, y - 4 * down);
  context.lineTo(x + 6, y - 4 * down);
  context.lineTo(x, y + 5 * down);
  context.fill();
}

/** Add a cross of 10 pixels to the path. @param {CanvasRenderingContext2D} context @param {readonly [number, number]} centre */
export function cross(context, [x, y]) {
  for (const sign of [1, -1]) segment(context, [x - 5, y - 5 * sign], [x + 5, y + 5 * sign]);
}
