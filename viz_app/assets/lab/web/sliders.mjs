// A slider's movements, without Dash: a callback's way through its store takes tens of milliseconds a movement, and a
// hundred components hear of each. The thumb's aria-valuenow changes at once, for the mouse and for the keyboard.

/**
 * Call `moved(slot, name, position)` whenever a slider under `root` has a new position.
 * @param {HTMLElement} root @param {(slot: string, name: string, position: number) => void} moved
 */
export function watchSliders(root, moved) {
  const observer = new MutationObserver((changes) => {
    for (const { target } of changes) {
      if (!(target instanceof HTMLElement)) continue;
      const place = target.closest("[data-field]")?.getAttribute("data-field");
      if (!place) continue;
      const dot = place.lastIndexOf(".");
      moved(place.slice(0, dot), place.slice(dot + 1), Number(target.getAttribute("aria-valuenow")));
    }
  });
  observer.observe(root, { subtree: true, attributeFilter: ["aria-valuenow"] });
}
