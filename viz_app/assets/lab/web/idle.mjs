// Plotly is slow, so it draws for good only when no pointer is pressed and nothing has changed for a while.

let pressed = false;
if (typeof window !== "undefined") {
  window.addEventListener("pointerdown", () => (pressed = true), true);
  for (const event of ["pointerup", "pointercancel"]) window.addEventListener(event, () => (pressed = false), true);
}

/**
 * A function that runs `action` once, `delay` ms after its last call, and not while a pointer is pressed.
 * @param {() => void} action @param {number} delay
 */
export function whenIdle(action, delay) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const attempt = () => {
    if (pressed) timer = setTimeout(attempt, delay);
    else action();
  };
  return () => {
    clearTimeout(timer);
    timer = setTimeout(attempt, delay);
  };
}
