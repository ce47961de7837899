// The start between its text (one number for all coordinates, or one for each) and a point of the picture.

/** @typedef {[number, number]} Point */

/** @param {string} x0 */
const numbersOf = (x0) => x0.split(",").map(Number);

/** The two shown coordinates of a start. @param {string} x0 @param {Point} coords @returns {Point} */
export function pointOf(x0, [i, j]) {
  const numbers = numbersOf(x0);
  return numbers.length === 1 ? [numbers[0], numbers[0]] : [numbers[i], numbers[j]];
}

/**
 * A start's text with its shown coordinates moved to a point: as many digits as the picture's pixels are worth.
 * @param {Point} point @param {string} x0 @param {number} dim @param {Point} coords
 * @param {{xrange: Point, yrange: Point}} grid
 */
export function movedTo(point, x0, dim, [i, j], grid) {
  const rounded = point.map((value, k) => {
    const [low, high] = k === 0 ? grid.xrange : grid.yrange;
    return Number(value.toFixed(Math.max(0, 2 - Math.floor(Math.log10(Math.abs(high - low))))));
  });
  if (dim === 2) return rounded.join(", ");
  const numbers = numbersOf(x0);
  const all = numbers.length === 1 ? new Array(dim).fill(numbers[0]) : numbers;
  [all[i], all[j]] = rounded;
  return all.join(", ");
}
