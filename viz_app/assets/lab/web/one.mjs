// An element that must be there.

/**
 * The first element that a selector finds. Throws where there is none, or one of another kind.
 * @template {Element} [E=HTMLElement]
 * @param {ParentNode} root @param {string} selector
 * @param {abstract new () => E} [kind]
 * @returns {E}
 */
export function one(root, selector, kind) {
  const found = root.querySelector(selector);
  if (!found || (kind && !(found instanceof kind))) throw new Error(`no ${kind?.name ?? "element"} ${selector}`);
  return /** @type {E} */ (found);
}

/**
 * The element with an id.
 * @template {Element} [E=HTMLElement]
 * @param {string} id
 * @param {abstract new () => E} [kind]
 */
export const byId = (id, kind) => one(document, `#${id}`, kind);

/** What an event happened to, or the nearest element around it that a selector finds. @param {Event} event @param {string} selector @returns {HTMLElement | null} */
export const around = ({ target }, selector) => (target instanceof Element ? target.closest(selector) : null);
