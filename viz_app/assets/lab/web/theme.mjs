// Colours and sizes, read from the style sheet's variables: they stand there only.

/**
 * @typedef {object} Theme
 * @property {(variable: string) => string} colour of a CSS variable
 * @property {string} ink @property {string} muted @property {string} grid @property {string} panel
 * @property {string} font @property {number} size of text in charts, in pixels
 * @property {number} line width in pixels @property {number} band its opacity @property {number} trail opacity of thin runs
 * @property {string} deep @property {string} valley @property {string} ridge @property {string} contour of a landscape
 */

/** @type {Theme | null} */
let known = null;
if (typeof document !== "undefined") document.addEventListener("lab:theme", () => (known = null));

/** The theme now in force; read once, because asking for computed styles makes the browser lay the page out. */
export const readTheme = () => (known ??= fromStyleSheet());

/** @returns {Theme} */
function fromStyleSheet() {
  const style = getComputedStyle(document.documentElement);
  /** @type {Map<string, string>} */
  const read = new Map();
  /** @param {string} name */
  const get = (name) => {
    const value = read.get(name) ?? style.getPropertyValue(name).trim();
    read.set(name, value);
    return value;
  };
  return {
    colour: get,
    ink: get("--ink"),
    muted: get("--muted"),
    grid: get("--grid"),
    panel: get("--panel"),
    font: get("--font"),
    size: parseFloat(get("--chart-size")),
    line: parseFloat(get("--line")),
    band: parseFloat(get("--band")),
    trail: parseFloat(get("--trail")),
    deep: get("--deep"),
    valley: get("--valley"),
    ridge: get("--ridge"),
    contour: get("--contour"),
  };
}

/** `#rrggbb` with an opacity. @param {string} colour @param {number} alpha */
export function fade(colour, alpha) {
  const n = parseInt(colour.slice(1), 16);
  return `rgba(${n >> 16}, ${(n >> 8) & 255}, ${n & 255}, ${alpha})`;
}
