// What the layouts of Plotly's figures have in common.

/** @import { Theme } from "../web/theme.mjs" */

/** What every figure's layout has in common. @param {Theme} theme */
export const baseLayout = (theme) => ({
  font: { family: theme.font, size: theme.size, color: theme.muted },
  paper_bgcolor: "rgba(0,0,0,0)",
  plot_bgcolor: "rgba(0,0,0,0)",
  showlegend: false,
  hovermode: "closest",
  hoverlabel: { bgcolor: theme.panel, bordercolor: theme.muted, font: { color: theme.ink, family: theme.font, size: theme.size }, align: "left" },
});

/** An axis title in the figure's own size; Plotly's is larger. @param {string} text @param {Theme} theme */
export const axisTitle = (text, theme, standoff = 3) => ({ text, standoff, font: { size: theme.size, color: theme.muted } });
