// What is wrong: beside the control that it is about, or, of an address, in a line that stays.

import { complain, message } from "../web/messages.mjs";

/** @import { FieldError } from "../web/latest.mjs" */
/** @import { State } from "./state.mjs" */
/** @typedef {FieldError & {part?: string}} PartError `part` is the one field of a control that is wrong */

/** The server's errors with the control that each belongs to. @param {PartError[]} errors @returns {PartError[]} */
function located(errors) {
  return errors.map((error) => {
    const [head, ...rest] = error.field.split(".");
    /** @type {Record<string, FieldError["control"]>} */
    const known = { x: ["axis", "x"], y: ["axis", "y"], opt: [rest[0]?.split("#")[0], rest[1]], f: ["function", rest[0] ?? "expr"] };
    return { ...error, control: error.control ?? known[head] ?? ["run", error.field] };
  });
}

/** Show errors, and mark the one field of a control that has several; the empty list clears them. @param {PartError[]} errors @param {State} state */
export function show(errors, state) {
  for (const input of document.querySelectorAll("input.wrong")) input.classList.remove("wrong");
  complain(located(errors), state);
  for (const { control, part } of errors) if (control && part) document.querySelector(`[data-field="${control.join(".")}"] [data-part="${part}"]`)?.classList.add("wrong");
}

/** What is wrong with the address: said until something is changed, or `close` when the line is closed. @param {FieldError[]} errors @param {() => void} close */
export function lament(errors, close) {
  if (!errors.length) return;
  message(`This address cannot be opened as it is; the preset is shown instead.\n${errors.map((error) => error.message).join("\n")}`, true, ["✕", close]);
}
