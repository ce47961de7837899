// For every cell of a map that fills up, the nearest one that is computed.

/** @typedef {{total: number, nx: number, known: ArrayLike<number>}} Cells */

export class Nearest {
  /** @param {Cells} map */
  constructor(map) {
    this.map = map;
    /** The nearest computed cell, −1 while there is none. */
    this.of = new Int32Array(map.total).fill(-1);
    this.far = new Float64Array(map.total).fill(Infinity); // squared distances
  }

  /** Take the cells that have been computed since: each is compared with the empty ones, once. */
  update() {
    const { map, of, far } = this;
    for (let cell = 0; cell < map.total; cell++) {
      if (!map.known[cell] || of[cell] === cell) continue;
      [of[cell], far[cell]] = [cell, 0];
      const [x, y] = [cell % map.nx, Math.floor(cell / map.nx)];
      for (let other = 0; other < map.total; other++) {
        const distance = ((other % map.nx) - x) ** 2 + (Math.floor(other / map.nx) - y) ** 2;
        if (distance < far[other]) [of[other], far[other]] = [cell, distance];
      }
    }
    return of;
  }
}
