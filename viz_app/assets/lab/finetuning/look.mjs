// How a job's runs look: one colour and one name for each, and the theme.

/** @import { Theme } from "../web/theme.mjs" */
/** @import { LabRecord } from "./record.mjs" */
import { readTheme } from "../web/theme.mjs";
import { optimizersOf } from "./seeds.mjs";
import { colourVariables, titleOf } from "./spec.mjs";

/** @typedef {{theme: Theme, colours: string[], titles: string[]}} Look colours and titles by the run's index */

/** @param {LabRecord} record @returns {Look} */
export function lookOf(record) {
  const theme = readTheme();
  const own = colourVariables(record.runs.slice(0, optimizersOf(record)).map(({ method }) => method));
  return {
    theme,
    colours: record.runs.map((_, i) => theme.colour(own[i % own.length])),
    titles: record.runs.map(({ name, label }) => titleOf(name, label)),
  };
}
