// Downloads: the table from the server, the picture from what is on screen.

import { drawing } from "./canvas.mjs";
import { one } from "./one.mjs";

/** Save a URL under a name. @param {string} url @param {string} name */
export function save(url, name) {
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
}

/** Save what the page holds under a name. @param {Blob} blob @param {string} name */
function saveBlob(blob, name) {
  const url = URL.createObjectURL(blob);
  save(url, name);
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/**
 * Save the server's answer when it is there, under the name that the server gives it.
 * @param {string} url @param {(bytes: number, all: number) => void} told how much has come; `all` is 0 where that is not known
 * @returns {Promise<string>} the name. Throws what the server refused, in words
 */
export async function saveAnswer(url, told) {
  const response = await fetch(url);
  if (!response.ok || !response.body) throw new Error((await response.json()).errors.map((/** @type {{message: string}} */ { message }) => message).join("\n"));
  const all = Number(response.headers.get("content-length") ?? 0);
  const name = /filename="?([^";]+)/.exec(response.headers.get("content-disposition") ?? "")?.[1] ?? url.split("/").at(-1) ?? "";
  const reader = response.body.getReader();
  const parts = [];
  let bytes = 0;
  for (let part; !(part = await reader.read()).done; ) {
    parts.push(part.value);
    told((bytes += part.value.length), all);
  }
  saveBlob(new Blob(parts), name);
  return name;
}

const FOOT = 52; // px for the legend and the spec

/**
 * The landscape, the charts and the moving layer over each, as one PNG at twice the screen's resolution.
 * @param {HTMLElement[]} stages @param {{theme: import("./theme.mjs").Theme, titles: string[], colours: string[]}} look
 * @param {string} name of the file @param {string} caption under the picture
 */
export async function savePicture(stages, { theme, titles, colours }, name, caption) {
  const frame = one(document, "main").getBoundingClientRect();
  const boxes = stages.map((stage) => stage.getBoundingClientRect());
  const left = Math.min(...boxes.map((box) => box.left));
  const top = frame.top;
  const width = Math.max(...boxes.map((box) => box.right)) - left;
  const height = Math.max(...boxes.map((box) => box.bottom)) - top + FOOT;
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [2 * width, 2 * height];
  const context = drawing(canvas);
  context.scale(2, 2);
  context.fillStyle = theme.panel;
  context.fillRect(0, 0, width, height);
  for (const [i, stage] of stages.entries()) {
    const box = boxes[i];
    const graph = one(stage, ".js-plotly-plot");
    const image = new Image();
    image.src = await window.Plotly.toImage(graph, { format: "png", width: box.width, height: box.height, scale: 2 });
    await image.decode();
    context.drawImage(image, box.left - left, box.top - top, box.width, box.height);
    context.drawImage(one(stage, "canvas.overlay", HTMLCanvasElement), box.left - left, box.top - top, box.width, box.height);
    const title = stage.closest(".card")?.querySelector("h2")?.textContent;
    context.fillStyle = theme.ink;
    context.font = `600 13px ${theme.font}`;
    if (title) context.fillText(title, box.left - left, box.top - top - 8);
  }
  let x = 12;
  for (const [i, title] of titles.entries()) {
    context.fillStyle = colours[i];
    context.fillRect(x, height - 38, 22, 4);
    context.fillStyle = theme.ink;
    context.fillText(title, x + 28, height - 32);
    x += context.measureText(title).width + 52;
  }
  context.fillStyle = theme.muted;
  context.font = `12px ${theme.font}`;
  context.fillText("★ minimum   - - inverse true Hessian, true diagonal   bands: 10–90 % of runs", x, height - 32, width - x - 12);
  context.font = `11px ${theme.font}`;
  context.fillText(caption, 12, height - 10, width - 24);
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
  if (!(blob instanceof Blob)) throw new Error("the browser could not encode the picture");
  saveBlob(blob, name);
}
