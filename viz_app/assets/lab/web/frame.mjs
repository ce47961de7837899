/**
 * A function that runs `action` in the next animation frame, once, with the arguments of its last call.
 * @template {unknown[]} A
 * @param {(...given: A) => void} action
 * @returns {(...given: A) => void}
 */
export function inFrame(action) {
  /** @type {A | null} */
  let newest = null;
  return (...given) => {
    if (!newest)
      requestAnimationFrame(() => {
        const last = /** @type {A} */ (newest);
        newest = null;
        action(...last);
      });
    newest = given;
  };
}
