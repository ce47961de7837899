// The surface under the trajectories: asked for when the function, its shown coordinates or the view has changed.

import { asking } from "./asking.mjs";
import { fetchBytes } from "./latest.mjs";
import { decode } from "../playground/trace.mjs";

const STILL = 120; // ms without a movement of the view

export class Landscapes {
  /**
   * @param {{place: () => string, take: (grid: object, whole: boolean) => void, refused: (error: import("./latest.mjs").SpecError) => void}} hooks
   *   `place` is what of the state a surface depends on, as a query; `take` gets a surface, `whole` if the view is to follow it
   */
  constructor({ place, take, refused }) {
    Object.assign(this, { place, asked: null, whole: true, family: null, timer: 0 });
    this.latest = asking(
      async (query, signal) => {
        const { header, view } = decode(await fetchBytes(`/api/landscape?${query}`, signal));
        return { ...header, z: view(header.arrays.z) };
      },
      (grid, query) => {
        const family = grid.f.split(":")[0];
        const whole = this.whole || (!query.includes("xrange=") && family !== this.family);
        Object.assign(this, { whole: false, family });
        take(grid, whole);
      },
      (error, query) => `${query}&`.startsWith(`${this.place()}&`) && refused(error), // of a place that is another by now, nobody needs to know
    );
  }

  /** Ask for the state's surface, if it is another. */
  request() {
    const place = this.place();
    if (place === this.asked) return;
    this.asked = place;
    this.latest.request(place);
  }

  /** Another spec is open: its surface is asked for, and shown whole, even if it is the same. */
  clear() {
    clearTimeout(this.timer);
    Object.assign(this, { asked: null, whole: true });
  }

  /** The view has moved: its part in more detail. @param {{xrange: number[], yrange: number[]} | null} ranges null: the whole again */
  moved(ranges) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      if (!ranges) {
        this.clear();
        return this.request();
      }
      this.asked = this.place();
      this.latest.request(`${this.asked}&xrange=${ranges.xrange.join(",")}&yrange=${ranges.yrange.join(",")}`);
    }, STILL);
  }
}
