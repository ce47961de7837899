// What is wrong with the state, beside the controls that it is about.

import { complain as say } from "../web/messages.mjs";
import { holder, labels, running } from "./slots.mjs";

/** @import { FieldError } from "../web/latest.mjs" */
/** @import { State } from "./page.mjs" */

/** Show each error beside its control; the empty list clears them all. @param {FieldError[]} errors @param {State} state */
export const complain = (errors, state) => say(errors, state, (field) => controlOf(field, state));

/** Card and name of the control that an error's field belongs to. @param {string} path @param {State} state @returns {FieldError["control"]} */
function controlOf(path, state) {
  if (path === "f") return ["function", "expr"];
  if (path.startsWith("f.")) return ["function", path.slice(2)];
  if (path === "coords" || path === "target") return ["view", path];
  if (!path.startsWith("opt.")) return ["run", path];
  const [, label, ...rest] = path.split(".");
  const found = running(state)[labels(state).indexOf(label)];
  return [found && holder(state, found).slot, rest.at(-1)]; // a fork's settings are changed in the card of its parent
}
