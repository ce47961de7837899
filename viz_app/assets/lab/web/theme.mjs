// Colours and sizes, read from the style sheet's variables: they stand there only.

let known = null;
document.addEventListener("lab:theme", () => (known = null));

/** The theme now in force; read once, because asking for computed styles makes the browser lay the page out. */
export const readTheme = () => (known ??= fromStyleSheet());

function fromStyleSheet() {
  const style = getComputedStyle(document.documentElement);
  const read = new Map();
  const get = (name) => {
    if (!read.has(name)) read.set(name, style.getPropertyValue(name).trim());
    return read.get(name);
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

/** `#rrggbb` with an opacity. */
export function fade(colour, alpha) {
  const n = parseInt(colour.slice(1), 16);
  return `rgba(${n >> 16}, ${(n >> 8) & 255}, ${n & 255}, ${alpha})`;
}
