// One DOM element in one expression.

/**
 * @param {string} tag @param {object} properties attributes; `on` holds listeners, `data` data attributes, null is left out
 * @param {...(Node|string|null)} children
 */
export function make(tag, { on = {}, data = {}, ...properties } = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  for (const [name, listener] of Object.entries(on)) element.addEventListener(name, listener);
  Object.assign(element.dataset, data);
  element.append(...children.filter((child) => child !== null));
  return element;
}

/** Set text without making the browser lay out what has not changed. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
