// The page's state as a spec: the text that the address, the server and the shell share.

const encode = (text) => encodeURIComponent(text).replace(/%2C/g, ",").replace(/%3A/g, ":").replace(/%3D/g, "=");

/** The function's part: `quadratic:d=10,condition=10000` or `expr:x^2+y^2`. */
export function functionSpec(state) {
  if (state.family === "expr") return `expr:${state.text}`;
  const parameters = Object.entries(state.parameters);
  return state.family + (parameters.length ? `:${parameters.map(([name, value]) => `${name}=${value}`).join(",")}` : "");
}

/** One optimizer's part. */
function optimizerSpec({ method, values }) {
  const given = Object.entries(values).filter(([, value]) => value !== null && value !== undefined);
  return `${method}:${given.map(([name, value]) => `${name}=${value}`).join(",")}`;
}

/** The optimizers that run, in the order of the spec. */
export const running = (state) => state.slots.filter((slot) => slot.on);

/** The whole spec. */
export function toQuery(state) {
  return [
    ["f", functionSpec(state)],
    ["x0", state.x0.replace(/\s+/g, "")],
    ["steps", state.steps],
    ["runs", state.runs],
    ["seed", state.seed],
    ...running(state).map((slot) => ["opt", optimizerSpec(slot)]),
  ]
    .filter(([, value]) => value !== "")
    .map(([key, value]) => `${key}=${encode(String(value))}`)
    .join("&");
}

/** A spec that opens another function with its presets and the same optimizers. */
export function otherFunction(state, family) {
  const f = family === "expr" ? "expr:100*(y-x^2)^2+(1-x)^2" : family;
  const options = running(state).map(({ method, slot, values }) =>
    slot.includes("#") ? `opt=${method}:estimator=${values.estimator ?? ""}`.replace(/:estimator=$/, "") : `opt=${method}`,
  );
  return [`f=${encode(f)}`, `seed=${state.seed}`, ...options].join("&");
}
