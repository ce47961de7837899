// Plotly's div, once dcc.Graph has made it.

/** @param {string} id of the dcc.Graph @returns {Promise<PlotlyGraph>} */
export async function plotlyGraph(id) {
  for (;;) {
    const graph = /** @type {PlotlyGraph | null | undefined} */ (document.getElementById(id)?.querySelector(".js-plotly-plot"));
    if (graph?._fullLayout?.xaxis && "on" in graph) return graph;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
