// Maps by their queries: the one that is asked for, cell by cell, and after it those of the other optimizers in turn.

import { asking, stop } from "../web/asking.mjs";
import { inFrame } from "../web/frame.mjs";
import { SpecError } from "../web/latest.mjs";
import { MapData } from "./grid.mjs";
import { readMessages } from "./stream.mjs";

/** @import { MapHeader } from "./grid.mjs" */
/**
 * @typedef {object} Hooks
 * @property {() => string} wanted the query of the map that is to be on screen
 * @property {(map: MapData) => void} take it has grown, or is complete
 * @property {(error: SpecError) => void} refused it cannot be computed
 * @property {() => string[]} others queries of the other optimizers' maps
 * @property {() => void} told what is known of the others has changed
 */

const KEPT = 8; // finished maps that are kept, so that going back needs no computing

export class Maps {
  /** Oldest first. @type {Map<string, MapData>} */
  #finished = new Map();
  /** Another optimizer's that is under way. @type {MapData | null} */
  #growing = null;
  /** Why there is none, by query. @type {Map<string, string>} */
  #failed = new Map();
  /** Of the others, while they are asked for. @type {AbortController | null} */
  #background = null;
  /** The header of the map that was asked for last. @type {{query: string, header: MapHeader} | null} */
  #begun = null;
  /** Who waits for one. @type {{query: string, resolve: (header: MapHeader) => void}[]} */
  #waiting = [];

  /** @param {Hooks} hooks */
  constructor(hooks) {
    this.hooks = hooks;
    this.latest = asking(
      /** @param {string} query */
      (query, signal) => this.#read(query, signal, (map) => hooks.wanted() === query && !map.drawn && hooks.take(map)),
      (map, query) => {
        this.#keep(map);
        if (hooks.wanted() === query) this.#complete(map);
      },
      (error, query) => hooks.wanted() === query && hooks.refused(error),
    );
  }

  /** What there is of a map. @param {string} query */
  of(query) {
    return this.#finished.get(query) ?? (this.#growing?.query === query ? this.#growing : null);
  }

  /** Why another optimizer has no map. @param {string} query */
  why(query) {
    return this.#failed.get(query) ?? "waiting";
  }

  /** Another map is to be on screen. */
  ask() {
    this.#stopOthers();
    const query = this.hooks.wanted();
    const known = this.#finished.get(query);
    if (!known) return void this.latest.request(query);
    stop(this.latest);
    this.#complete(known);
  }

  /** The map on screen is the one that is wanted: go on with what is missing. @param {MapData} map */
  resume(map) {
    if (!map.complete) return void this.latest.request(map.query); // it may be under way already
    stop(this.latest);
    if (!this.#background) this.#startOthers();
  }

  /** The header of the map that is wanted, as soon as it is there. @returns {Promise<MapHeader>} */
  header() {
    const query = this.hooks.wanted();
    const known = this.#finished.get(query)?.header ?? (this.#begun?.query === query ? this.#begun.header : null);
    return known ? Promise.resolve(known) : new Promise((resolve) => (this.#waiting = [{ query, resolve }]));
  }

  /** Read a map, and call `drawn` as it grows, at most once a frame: an error in drawing is none of the server's. @param {string} query @param {AbortSignal} signal @param {(map: MapData) => void} drawn */
  async #read(query, signal, drawn) {
    /** @type {MapData | null} */
    let map = null;
    const asked = performance.now();
    const soon = inFrame((/** @type {MapData} */ grown) => signal.aborted || drawn(grown));
    await readMessages(`/api/map/stream?${query}`, signal, (message) => {
      const { header } = message;
      if (header.kind === "map") {
        map = new MapData(header, query);
        this.#begin(query, header);
        return;
      }
      if (!map) throw new Error("the map's stream begins with its cells");
      if (header.kind === "cells") map.take(message);
      else map.finish(header, (performance.now() - asked) / 1000);
      soon(map);
    });
    return /** @type {MapData} */ (/** @type {unknown} */ (map));
  }

  /** @param {string} query @param {MapHeader} header */
  #begin(query, header) {
    if (query !== this.hooks.wanted()) return;
    this.#begun = { query, header };
    for (const waiting of this.#waiting.splice(0)) if (waiting.query === query) waiting.resolve(header);
  }

  /** @param {MapData} map */
  #keep(map) {
    this.#finished.delete(map.query);
    this.#finished.set(map.query, map);
    const [oldest] = this.#finished.keys();
    if (this.#finished.size > KEPT) this.#finished.delete(oldest);
  }

  /** The map that is wanted is complete: the other optimizers' turn. @param {MapData} map */
  #complete(map) {
    this.hooks.take(map);
    this.#startOthers();
  }

  #stopOthers() {
    this.#background?.abort();
    this.#background = null;
  }

  async #startOthers() {
    this.#stopOthers();
    this.#failed.clear();
    const { signal } = (this.#background = new AbortController());
    let away = false;
    for (const query of this.hooks.others()) {
      if (this.#finished.has(query)) continue;
      try {
        const map = await this.#read(query, signal, (grown) => {
          this.#growing = grown;
          this.hooks.told();
        });
        this.#keep(map);
      } catch (error) {
        if (signal.aborted) return;
        const refused = error instanceof SpecError;
        away ||= !refused;
        this.#failed.set(query, refused ? error.errors[0].message : "no answer");
      }
      if (signal.aborted) return;
      this.#growing = null;
      this.hooks.told();
    }
    if (away) this.#background = null; // asked for again with the next change
  }
}
