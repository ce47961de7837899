// What is wrong, in words: beside the control that it is about.

import { holder, labels, running } from "../playground/slots.mjs";

/** A control's row, by card and name. */
export const rowOf = (slot, name) => document.querySelector(`[data-field="${slot}.${name}"]`);

/** Show each error beside its control, or over the picture if it has none; the empty list clears them all. */
export function complain(errors, state) {
  for (const old of document.querySelectorAll(".error-text")) old.remove();
  for (const old of document.querySelectorAll(".row.error")) old.classList.remove("error");
  if (message.stays) message(""); // what is said for a moment goes by itself
  document.querySelector("main").classList.toggle("stale", errors.length > 0); // the picture is of the last good spec
  const elsewhere = [];
  for (const error of errors) {
    const row = rowOf(...(error.control ?? controlOf(error.field, state)));
    if (!row) {
      elsewhere.push(`${error.field}: ${error.message}`);
      continue;
    }
    row.closest("details")?.setAttribute("open", "");
    row.classList.add("error");
    const text = document.createElement("p");
    text.className = "error-text";
    text.setAttribute("role", "alert");
    text.textContent = error.message;
    if (error.position !== undefined && state.text) {
      const place = document.createElement("pre");
      place.textContent = `${state.text}\n${" ".repeat(error.position)}^`;
      text.append(place);
    }
    row.append(text);
  }
  if (elsewhere.length) message(elsewhere.join("\n"), true);
}

/** Card and name of the control that an error's field belongs to. */
function controlOf(path, state) {
  if (path === "f") return ["function", "expr"];
  if (path.startsWith("f.")) return ["function", path.slice(2)];
  if (path === "coords" || path === "target") return ["view", path];
  if (!path.startsWith("opt.")) return ["run", path];
  const [, label, ...rest] = path.split(".");
  const found = running(state)[labels(state).indexOf(label)];
  return [found && holder(state, found).slot, rest.at(-1)]; // a fork's settings are changed in the card of its parent
}

/**
 * A line over the picture: for a moment, or until the next.
 * @param {[string, () => void]=} action a button's word and what it does; the line goes with it
 */
export function message(text, stays = false, action = null) {
  const box = document.getElementById("message");
  message.text = text;
  box.textContent = text;
  box.classList.toggle("shown", Boolean(text));
  clearTimeout(message.timer);
  message.stays = stays;
  if (text && !stays) message.timer = setTimeout(() => box.classList.remove("shown"), action ? 10_000 : 4000);
  if (!action) return;
  const button = document.createElement("button");
  button.textContent = action[0];
  if (action[0] === "✕") button.setAttribute("aria-label", "Close this message");
  button.addEventListener("click", () => {
    message("");
    action[1]();
  });
  box.append(button);
}

/** What takes its time: said until the next line, but not in place of one that offers something. */
export function busy(text) {
  if (!document.querySelector("#message.shown button")) message(text, true);
}

/** Take a line away, if it still stands. */
export function unsay(text) {
  if (message.text === text) message("");
}

/** Something is gone: say so, with a way back. */
export const undo = (text, back) => message(text, false, ["Undo", back]);
