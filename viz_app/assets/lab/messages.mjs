// What is wrong, in words: beside the control that it is about.

import { holder, labels, running } from "./slots.mjs";

/** A control's row, by card and name. */
export const rowOf = (slot, name) => document.querySelector(`[data-field="${slot}.${name}"]`);

/** Show each error beside its control, or over the picture if it has none; the empty list clears them all. */
export function complain(errors, state) {
  for (const old of document.querySelectorAll(".error-text")) old.remove();
  for (const old of document.querySelectorAll(".row.error")) old.classList.remove("error");
  message("");
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

/** A line over the picture: for a moment, or until the next. */
export function message(text, stays = false) {
  const box = document.getElementById("message");
  box.textContent = text;
  box.classList.toggle("shown", Boolean(text));
  clearTimeout(message.timer);
  if (text && !stays) message.timer = setTimeout(() => box.classList.remove("shown"), 4000);
}
