// The page's state as a spec: the text that the address, the server and the shell share.

import { different, running, segments } from "./slots.mjs";

const encode = (text) => encodeURIComponent(text).replace(/%2C/g, ",").replace(/%3A/g, ":").replace(/%3D/g, "=").replace(/%40/g, "@");

/** The function's part: `quadratic:d=10,condition=10000` or `expr:x^2+y^2`. */
export function functionSpec(state) {
  if (state.family === "expr") return `expr:${state.text}`;
  const parameters = Object.entries(state.parameters);
  return state.family + (parameters.length ? `:${parameters.map(([name, value]) => `${name}=${value}`).join(",")}` : "");
}

/** Settings as a spec's words. */
function words(values) {
  const given = Object.entries(values).filter(([, value]) => value !== null && value !== undefined);
  return given.map(([name, value]) => `${name}=${value}`).join(",");
}

/** One optimizer's part: hizoo:lr=0.1,n=4, and for each later change @120:lr=0.05, with what differs. */
export function optimizerSpec(state, slot) {
  const [first, ...later] = segments(state, slot);
  let text = `${slot.method}:${words(first.values)}`;
  let before = first.values;
  for (const { step, values } of later) {
    const differs = words(different(before, values));
    text += `@${step}${differs && `:${differs}`}`;
    before = values;
  }
  return text;
}

/** The whole spec. */
export function toQuery(state) {
  return [
    ["f", functionSpec(state)],
    ["x0", state.x0.replace(/\s+/g, "")],
    ["steps", state.steps],
    ["runs", state.runs],
    ["seed", state.seed],
    ["noise", Number(state.noise) === 0 ? "" : state.noise],
    ...running(state).map((slot) => ["opt", optimizerSpec(state, slot)]),
  ]
    .filter(([, value]) => value !== "")
    .map(([key, value]) => `${key}=${encode(String(value))}`)
    .join("&");
}

/** A spec that opens another function with its presets and the same optimizers. */
export function otherFunction(state, family) {
  const f = family === "expr" ? "expr:100*(y-x^2)^2+(1-x)^2" : family;
  const kept = running(state).filter(({ parent }) => !parent); // a fork belongs to its run
  const options = kept.map(({ method, slot, values }) =>
    slot.includes("#") ? `opt=${method}:estimator=${values.estimator ?? ""}`.replace(/:estimator=$/, "") : `opt=${method}`,
  );
  return [`f=${encode(f)}`, `seed=${state.seed}`, ...options].join("&");
}
