// A job's spec as text: reading and writing it, and what follows from its optimizers.

const encode = (text) => encodeURIComponent(text).replace(/%2C/g, ",").replace(/%3A/g, ":").replace(/%3D/g, "=").replace(/%2F/g, "/");

/** The parts of a spec, decoded; "+" is a plus. @returns {{keys: Object<string, string>, opts: {method: string, given: object}[]}} */
export function pairsOf(text) {
  const keys = {};
  const opts = [];
  for (const part of text.replace(/^\?/, "").split("&").filter(Boolean)) {
    const [key, value] = cut(part, "=").map(decode);
    if (key !== "opt") keys[key] = value;
    else {
      const [method, settings] = cut(value, ":");
      opts.push({ method, given: Object.fromEntries(settings.split(",").filter(Boolean).map((item) => cut(item, "="))) });
    }
  }
  return { keys, opts };
}

const cut = (text, mark) => {
  const place = text.indexOf(mark);
  return place < 0 ? [text, ""] : [text.slice(0, place), text.slice(place + 1)];
};

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // a lone percent sign: the server says what is wrong
  }
}

/** Only what matters for the job. */
const MATTERS = {
  data: ({ task, data }) => task !== "reviews" && data !== "",
  text_column: ({ task }) => task === "table",
  label_column: ({ task }) => task === "table",
  template: ({ template }) => template !== "",
  words: ({ words }) => words !== "",
  rank: ({ tune }) => tune === "lora",
  prefix: ({ tune }) => tune === "prefix",
};
const ORDER = ["model", "task", "data", "template", "words", "text_column", "label_column", "shots", "tune", "rank", "prefix", "loss", "budget", "batch", "seed", "eval", "truth", "device", "dtype"];

/** The spec that a form's values and its optimizers say. */
export function toSpec(values, slots) {
  const keys = ORDER.filter((key) => MATTERS[key]?.(values) ?? true).map((key) => `${key === "budget" ? values.budgetKind : key}=${encode(String(values[key]))}`);
  const opts = slots.map(({ method, values: settings }) => `opt=${method}:${Object.entries(settings).map(([name, value]) => `${name}=${encode(String(value))}`).join(",")}`);
  return [...keys, ...opts].join("&");
}

/** Unique labels of methods, in order: hizoo, mezo, hizoo#2. */
export function methodLabels(methods) {
  return methods.map((method, i) => {
    const before = methods.slice(0, i).filter((other) => other === method).length;
    return before ? `${method}#${before + 1}` : method;
  });
}

const OWN = { hizoo: "--hizoo", hizoo_l: "--extra-2", mezo: "--mezo", adam: "--adam" };
const SPARE = ["--extra-1", "--newton_diag", "--extra-3", "--extra-4", "--extra-2"];

/** One CSS variable of a colour for each optimizer: the first of a method has the method's own, copies take the spare ones. */
export function colourVariables(methods) {
  const spare = SPARE.filter((name) => !methods.some((method) => OWN[method] === name));
  let next = 0;
  return methods.map((method, i) => (methods.indexOf(method) === i && OWN[method] ? OWN[method] : spare[next++ % spare.length]));
}
