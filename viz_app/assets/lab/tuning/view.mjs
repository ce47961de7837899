// How a map is looked at, in the address's hash: the measure that was chosen, and the cell that was opened.

/** Keys after # that others write (theme) are kept. @param {{measure: string|null, cell: number|null}} view */
export function viewHash({ measure, cell }) {
  const hash = new URLSearchParams(location.hash.startsWith("#lab") ? "" : location.hash.slice(1));
  for (const [key, value] of Object.entries({ measure, cell })) {
    if (value === null) hash.delete(key);
    else hash.set(key, value);
  }
  const text = hash.toString();
  return text && `#${text}`;
}

/** @returns {{measure: string|null, cell: number|null}} */
export function readView() {
  const hash = new URLSearchParams(location.hash.startsWith("#lab") ? "" : location.hash.slice(1));
  const cell = hash.get("cell");
  return { measure: hash.get("measure"), cell: /^\d+$/.test(cell ?? "") ? Number(cell) : null };
}
