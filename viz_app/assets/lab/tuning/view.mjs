// How a map is looked at, in the address's hash: the measure that was chosen, and the cell that was opened.

/** @typedef {{measure: string | null, cell: number | null}} View null where nobody has chosen */

/** The keys of a hash; `#lab&…` is the estimator lab's. @param {string} hash */
const keysOf = (hash) => new URLSearchParams(hash.startsWith("#lab") ? "" : hash.slice(1));

/** Keys that others write (theme) are kept. @param {View} view @param {string=} before the hash so far */
export function viewHash({ measure, cell }, before = location.hash) {
  const hash = keysOf(before);
  for (const [key, value] of Object.entries({ measure, cell })) {
    if (value === null) hash.delete(key);
    else hash.set(key, String(value));
  }
  const text = hash.toString();
  return text && `#${text}`;
}

/** @param {string=} text the hash @returns {View} */
export function readView(text = location.hash) {
  const hash = keysOf(text);
  const cell = hash.get("cell") ?? "";
  return { measure: hash.get("measure"), cell: /^\d+$/.test(cell) ? Number(cell) : null };
}
