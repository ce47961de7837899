// What the page's modules share: the state that its controls say, the map on screen, and how it is looked at.

import { Address } from "../web/address.mjs";
import { one } from "../web/one.mjs";
import { pageQuery } from "./spec.mjs";
import { viewHash } from "./view.mjs";

/** @import { Grid } from "../web/landscapes.mjs" */
/** @import { AxisControls } from "./axes.mjs" */
/** @import { CellView } from "./cell.mjs" */
/** @import { Controls } from "./controls.mjs" */
/** @import { MapData } from "./grid.mjs" */
/** @import { Maps } from "./maps.mjs" */
/** @import { MeasureName } from "./measures.mjs" */
/** @import { Picture } from "./picture.mjs" */
/** @import { State } from "./state.mjs" */
/** @import { Strip } from "./strip.mjs" */
/** @import { Tune } from "./tune.mjs" */
/** @typedef {{cell: CellView, picture: Picture, axes: AxisControls, strip: Strip, tune: Tune, controls: Controls, maps: Maps}} Parts */

class Page {
  /** What the controls say; null until a map is open. @type {State | null} */
  opened = null;
  /** @type {Parts | null} */
  built = null;
  /** The map on screen. @type {MapData | null} */
  shown = null;
  /** The surface beside it. @type {Grid | null} */
  grid = null;
  /** @type {MeasureName} */
  measure = "passes";
  /** By a person or a link; null: the passes, or where nothing reaches the target the final loss. @type {MeasureName | null} */
  chosenMeasure = null;
  /** Opened before, or reached with the keyboard: focused when its map is there. @type {number | null} */
  chosenCell = null;
  /** The cells under the pointer and with the focus. @type {Record<"pointer" | "focus", number | null>} */
  pointed = { pointer: null, focus: null };

  /** The map's address; the estimators' tab writes its own. */
  address = new Address(() => {
    const state = this.opened;
    return state && mapIsOn() && !state.errors.length ? `/tuning?${pageQuery(state)}${viewHash({ measure: this.chosenMeasure, cell: this.chosenCell })}` : null;
  });

  get state() {
    if (!this.opened) throw new Error("no map is open");
    return this.opened;
  }

  get parts() {
    if (!this.built) throw new Error("the page is not built");
    return this.built;
  }
}

export const page = new Page();

export const main = () => one(document, "main");

/** Whether the map's tab is on. */
export const mapIsOn = () => main().dataset.tab === "map";
