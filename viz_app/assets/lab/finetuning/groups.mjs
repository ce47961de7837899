// Groups of parameters by layer, and how rows and bands of them are labelled.

/** @import { Group } from "./messages.mjs" */

/** @typedef {{index: number, name: string, fine: boolean}} Member of a layer; `fine` are norms and biases */
/** @typedef {{layer: number, label: string, groups: Member[]}} Layer */

/** Indices of the groups by layer: embeddings first, the final norm last. The order of the heat map's rows. @param {Group[]} groups */
export const inOrder = (groups) => [...groups.keys()].sort((a, b) => groups[a].layer - groups[b].layer);

/** The groups of each layer. @param {Group[]} groups */
export function byLayer(groups) {
  /** @type {Layer[]} */
  const layers = [];
  for (const index of inOrder(groups)) {
    const { layer, name, kind } = groups[index];
    if (layers.at(-1)?.layer !== layer) layers.push({ layer, label: labelOf(groups[index]), groups: [] });
    layers.at(-1)?.groups.push({ index, name, fine: /norm|bias/.test(kind + name) });
  }
  return layers;
}

/** @param {Group} group */
function labelOf({ layer, name }) {
  if (layer < 0) return "emb.";
  return /layer (\d+)/.exec(name)?.[1] ?? "final";
}

/**
 * Names where rows are high enough for them, else one label a layer; the rows between which a layer ends.
 * @param {Group[]} groups @param {number} rowHeight @param {number} size of the text, in pixels
 */
export function rowLabels(groups, rowHeight, size) {
  const layers = byLayer(groups);
  /** @type {number[]} */
  const borders = [];
  let row = 0;
  const at = layers.map(({ groups: { length } }) => {
    row += length;
    borders.push(row - 0.5);
    return row - length / 2 - 0.5;
  });
  borders.pop();
  if (rowHeight >= 1.15 * size) {
    const text = inOrder(groups).map((g) => groups[g].name);
    return { at: text.map((_, i) => i), text, borders, title: "", width: Math.min(15, 0.56 * Math.max(...text.map((name) => name.length)) + 0.8) * size };
  }
  /** @type {number[]} */
  const shown = []; // of layers, each far enough below the one before
  at.forEach((y, i) => (shown.length && (y - at[shown[shown.length - 1]]) * rowHeight < 1.2 * size) || shown.push(i));
  return {
    at: shown.map((i) => at[i]),
    text: shown.map((i) => layers[i].label),
    borders: rowHeight * groups.length > 8 * layers.length ? borders : [],
    title: "layer",
    width: 4.6 * size,
  };
}
