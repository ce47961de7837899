// One DOM element in one expression.

/**
 * @typedef {object} Extras
 * @property {Record<string, (event: any) => void>} [on] listeners, each of its own kind of event
 * @property {Record<string, string | number | boolean>} [data] data attributes
 */

/**
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Extras & Record<string, unknown>} properties attributes; null, undefined and false are left out, true is an empty one
 * @param {...(Node | string | null)} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function make(tag, { on = {}, data = {}, ...properties } = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : String(value));
  }
  for (const [name, listener] of Object.entries(on)) element.addEventListener(name, listener);
  for (const [name, value] of Object.entries(data)) element.dataset[name] = String(value);
  element.append(...children.filter((child) => child !== null));
  return element;
}

/** Set text without making the browser lay out what has not changed. @param {Node} element @param {string} text */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
