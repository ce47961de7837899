// How the page writes settings.

import { short } from "../web/scale.mjs";

/** Without line breaks inside of a number. @param {string} text */
export const unbroken = (text) => text.replaceAll("e-", "e\u2011");

/** A setting along an axis: "α 0.1". @param {{symbol: string, unit: string}} axis @param {number} value @param {string} between */
export const setting = ({ symbol, unit }, value, between = " ") => `${symbol}${between}${short(Number(value.toPrecision(4)))}${unit ? ` ${unit}` : ""}`;
