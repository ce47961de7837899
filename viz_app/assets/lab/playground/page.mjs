// What the Playground's modules share: one object, and what follows from it directly.

import { subscript } from "../web/scale.mjs";
import { clockLength } from "./trace.mjs";

/**
 * `state` is what the controls say: the spec, and under `view` how it is looked at. `trace` and `grid` are the server's
 * newest answers, and `drawn` is the state that the trace was asked for, by which it is drawn; they differ while an answer
 * is on its way, or the controls say what the server refuses. `time` is the clock's, `parts` the pictures, the player and
 * the table.
 */
export const page = {
  state: null,
  parts: null,
  trace: null,
  drawn: null,
  grid: null,
  time: 0,
  clock: "forward passes",
  hessian: "over time",
};

export const CLOCKS = ["steps", "forward passes", "seconds"];

export const element = (id) => document.getElementById(id);

/** The clock's name in trace.mjs. */
export const clockKey = () => (page.clock === "forward passes" ? "forwards" : page.clock);

/** A part of the run, 0 to 1, in the clock's unit. */
export const timeOf = (part) => part * clockLength(page.trace, clockKey());

/** Names of the two coordinates shown. */
export const names = () => (page.state.dim === 2 ? ["x", "y"] : page.grid.coords.map((j) => `θ${subscript(j)}`));
