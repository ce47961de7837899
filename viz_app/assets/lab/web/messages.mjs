// What is wrong, in words: beside the control that it is about.

import { make } from "./make.mjs";
import { byId, one } from "./one.mjs";

/** @import { FieldError } from "./latest.mjs" */

/** A control's row, by card and name. @param {string | undefined} slot @param {string | undefined} name @returns {HTMLElement | null} */
export const rowOf = (slot, name) => document.querySelector(`[data-field="${slot}.${name}"]`);

/**
 * Show each error beside its control, or over the picture if it has none; the empty list clears them all.
 * @param {FieldError[]} errors
 * @param {object} state of the page
 * @param {string} [state.text] the expression that an error's position counts in
 * @param {(field: string) => FieldError["control"]} [controlOf] where a field is shown, of errors that do not say it
 */
export function complain(errors, { text = "" }, controlOf = () => undefined) {
  if (line.stays) message(""); // what is said for a moment goes by itself
  one(document, "main").classList.toggle("stale", errors.length > 0); // the picture is of the last good spec
  const rowFor = (/** @type {FieldError} */ error) => {
    const [slot, name] = error.control ?? controlOf(error.field) ?? [];
    return rowOf(slot, name);
  };
  const elsewhere = showErrors(document, errors, rowFor, text).map((error) => error.message);
  if (elsewhere.length) message(elsewhere.join("\n"), true);
}

/**
 * Show each error in its place and no others; returns those that have none.
 * @param {ParentNode} root where old ones stand @param {FieldError[]} errors
 * @param {(error: FieldError) => HTMLElement | null} placeOf a row, or a card
 * @param {string} [text] the expression that an error's position counts in
 */
export function showErrors(root, errors, placeOf, text = "") {
  for (const old of root.querySelectorAll(".error-text")) old.remove();
  for (const old of root.querySelectorAll(".row.error")) old.classList.remove("error");
  return errors.filter((error) => {
    const place = placeOf(error);
    if (!place) return true;
    place.closest("details")?.setAttribute("open", "");
    place.classList.add("error");
    const pointer = error.position !== undefined && text ? make("pre", {}, `${text}\n${" ".repeat(error.position)}^`) : null;
    place.append(make("p", { class: "error-text", role: "alert" }, error.message, pointer));
    return false;
  });
}

/** The line over the picture. */
const line = { text: "", stays: false, timer: 0 };

/** Whether the line stays until the next. */
export const stays = () => line.stays;

/**
 * A line over the picture: for a moment, or until the next.
 * @param {string} text @param {boolean} [stays]
 * @param {[string, () => void] | null} [action] a button's word and what it does; the line goes with it
 */
export function message(text, stays = false, action = null) {
  const box = byId("message");
  line.text = text;
  box.textContent = text;
  box.classList.toggle("shown", Boolean(text));
  clearTimeout(line.timer);
  line.stays = stays;
  if (text && !stays) line.timer = window.setTimeout(() => box.classList.remove("shown"), action ? 10_000 : 4000);
  if (!action) return;
  const [word, act] = action;
  const click = () => {
    message("");
    act();
  };
  box.append(make("button", { "aria-label": word === "✕" ? "Close this message" : null, on: { click } }, word));
}

/** What takes its time: said until the next line, but not in place of one that offers something. @param {string} text */
export function busy(text) {
  if (!document.querySelector("#message.shown button")) message(text, true);
}

/** Take a line away, if it still stands. @param {string} text */
export function unsay(text) {
  if (line.text === text) message("");
}

/** Something is gone: say so, with a way back. @param {string} text @param {() => void} back */
export const undo = (text, back) => message(text, false, ["Undo", back]);
