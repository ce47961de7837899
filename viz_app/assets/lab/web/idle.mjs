// Plotly is slow, so it draws for good only when nobody is dragging anything and nothing has changed for a while.

let pressed = false;
for (const [event, state] of [["pointerdown", true], ["pointerup", false], ["pointercancel", false]]) {
  window.addEventListener(event, () => (pressed = state), true);
}

/** A function that runs `action` once, `delay` ms after its last call, and not while a pointer is pressed. */
export function whenIdle(action, delay) {
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
