// Downloads: the table from the server, the picture from what is on screen.

/** Save a URL under a name. */
export function save(url, name) {
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
}

/** The landscape, the charts and the moving layer over each, as one PNG at twice the screen's resolution. */
export async function savePicture(stages, { theme }, name, caption) {
  const frame = document.querySelector("main").getBoundingClientRect();
  const boxes = stages.map((stage) => stage.getBoundingClientRect());
  const left = Math.min(...boxes.map((box) => box.left));
  const top = frame.top;
  const width = Math.max(...boxes.map((box) => box.right)) - left;
  const height = Math.max(...boxes.map((box) => box.bottom)) - top + 30;
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [2 * width, 2 * height];
  const context = canvas.getContext("2d");
  context.scale(2, 2);
  context.fillStyle = theme.panel;
  context.fillRect(0, 0, width, height);
  for (const [i, stage] of stages.entries()) {
    const box = boxes[i];
    const graph = stage.querySelector(".js-plotly-plot");
    const image = new Image();
    image.src = await window.Plotly.toImage(graph, { format: "png", width: box.width, height: box.height, scale: 2 });
    await image.decode();
    context.drawImage(image, box.left - left, box.top - top, box.width, box.height);
    context.drawImage(stage.querySelector("canvas.overlay"), box.left - left, box.top - top, box.width, box.height);
  }
  context.fillStyle = theme.muted;
  context.font = `11px ${theme.font}`;
  context.fillText(caption, 8, height - 10, width - 16);
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
  const url = URL.createObjectURL(blob);
  save(url, name);
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}
