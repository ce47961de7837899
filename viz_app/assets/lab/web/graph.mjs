// Plotly's div, once dcc.Graph has made it.

export async function plotlyGraph(id) {
  for (;;) {
    const graph = document.getElementById(id)?.querySelector(".js-plotly-plot");
    if (graph?._fullLayout?.xaxis && graph.on) return graph;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
