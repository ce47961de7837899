/** A file can be dropped on an element. @param {HTMLElement} element @param {() => boolean} isReady @param {(file: File) => void} take */
export function takeFiles(element, isReady, take) {
  for (const kind of /** @type {const} */ (["dragover", "dragleave", "drop"])) {
    element.addEventListener(kind, (event) => {
      if (!isReady()) return;
      event.preventDefault();
      element.classList.toggle("dropping", kind === "dragover");
      const file = event.dataTransfer?.files[0];
      if (kind === "drop" && file) take(file);
    });
  }
}
