// A map's spec as text: with other values of some keys, and in words.

/** @typedef {[key: string, value: string]} Pair */

/** @param {string} text */
const encode = (text) => encodeURIComponent(text).replace(/%(2C|3A|3D|2F)/g, decodeURIComponent);

/** @param {string} text @returns {Pair[]} */
export const pairs = (text) =>
  text.replace(/^\?/, "").split("&").filter(Boolean).map((part) => {
    const [key, ...value] = part.split("=");
    return [decodeURIComponent(key), decodeURIComponent(value.join("="))];
  }); // prettier-ignore

/** The text with some keys set, or left out where they are null. @param {string} text @param {Record<string, string | number | null>} changes */
export function withKeys(text, changes) {
  const kept = pairs(text).filter(([key]) => !(key in changes));
  const added = Object.entries(changes).filter(([, value]) => value !== null);
  return [...kept, ...added].map(([key, value]) => `${encode(key)}=${encode(String(value))}`).join("&");
}

/** @param {string} item @returns {Pair} */
const cut = (item) => [item.slice(0, item.indexOf("=")), item.slice(item.indexOf("=") + 1)];

/**
 * Of a job, what is worth a line: its model, texts, what is trained, and the optimizer's settings that are not usual.
 * @param {string} text @param {(method: string, name: string, value: string) => boolean} isShown whether a setting is worth its place @returns {Pair[]}
 */
export function facts(text, isShown) {
  const said = Object.fromEntries(pairs(text));
  const [method, settings] = said.opt.split(/:(.*)/s);
  const own = settings.split(",").filter((item) => isShown(method, ...cut(item))).join(", "); // prettier-ignore
  const trained = ["tune", "top", "rank", "prefix"].filter((key) => said[key]).map((key) => (key === "tune" ? said.tune : `${key} ${said[key]}`));
  return [
    ["model", said.model],
    ["texts", [said.task, Number(said.train) ? `${said.train} of them` : "", `batch ${said.batch}`].filter(Boolean).join(", ")],
    ["trained", trained.join(", ")],
    ...(said.loss === "cross_entropy" ? [] : [/** @type {Pair} */ (["loss", said.loss])]),
    [method, own],
  ];
}
