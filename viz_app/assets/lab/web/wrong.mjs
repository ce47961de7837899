// The sentence for a wrong value that the page itself refuses: the server's is must_be in hizoo_core/base.py.

/** "Target must be a number above 0, not “a”". @param {string} label on the screen @param {string} allowed @param {string} text what was typed */
export function mustBe(label, allowed, text) {
  const typed = text.trim();
  return `${label} must be ${allowed}, not ${typed === "" ? "empty" : Number.isNaN(Number(typed)) ? `“${typed}”` : typed}`;
}
