/** A function that runs `action` in the next animation frame, once, with the arguments of its last call. */
export function inFrame(action) {
  let newest = null;
  return (...given) => {
    if (!newest)
      requestAnimationFrame(() => {
        const last = newest;
        newest = null;
        action(...last);
      });
    newest = given;
  };
}
