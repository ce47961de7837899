// How a job's runs look: one colour and one name for each, and the theme.

/** @import { Theme } from "../web/theme.mjs" */
/** @import { LabRecord } from "./record.mjs" */
import { readTheme } from "../web/theme.mjs";
import { colourVariables, titleOf } from "./spec.mjs";

/** @typedef {{theme: Theme, colours: string[], titles: string[]}} Look colours and titles by the run's index */

/** @param {LabRecord} record @returns {Look} */
export function lookOf(record) {
  const theme = readTheme();
  return {
    theme,
    colours: colourVariables(record.runs.map(({ method }) => method)).map(theme.colour),
    titles: record.runs.map(({ name, label }) => titleOf(name, label)),
  };
}
