// A Plotly figure that draws at most twice a second, of several pictures only the newest, and a canvas over it that
// is painted at once.

import { Overlay } from "../web/overlay.mjs";
import { make } from "../web/make.mjs";

const PAUSE = 500; // ms between two drawings
const CONFIG = { displayModeBar: false, responsive: true, doubleClick: "reset" };

export class PacedFigure {
  /**
   * @param {HTMLElement} stage of class "stage"  @param {(overlay: Overlay) => void} paint what goes on the canvas
   * @param {object} config Plotly's, beyond the page's own
   */
  constructor(stage, paint, config = {}) {
    this.graph = make("div", { class: "graph" });
    stage.append(this.graph);
    Object.assign(this, { stage, onPaint: paint, config: { ...CONFIG, ...config }, overlay: null, drawn: null, wanted: null, last: -Infinity, timer: 0 });
  }

  /** Draw `make()`, {data, layout}, as soon as it may be, unless `key` says that it is drawn already; paint now. */
  show(key, make) {
    this.wanted = { key, make };
    if (key !== this.drawn) {
      clearTimeout(this.timer);
      const wait = this.last + PAUSE - performance.now();
      if (wait <= 0) this.#draw();
      else this.timer = setTimeout(() => this.#draw(), wait);
    }
    this.paint();
  }

  /** Paint the canvas again. */
  paint() {
    if (this.overlay?.measure() || this.overlay?.box) this.onPaint(this.overlay);
  }

  #draw() {
    const { key, make } = this.wanted;
    if (!this.graph.clientWidth) return; // hidden in a tab: the next show() draws
    this.last = performance.now();
    this.drawn = key;
    const { data, layout } = make();
    window.Plotly.react(this.graph, data, layout, this.config);
    this.overlay ??= new Overlay(this.graph, () => this.paint());
    this.paint();
  }
}

/** What every figure's layout has in common. */
export const baseLayout = ({ theme }) => ({
  font: { family: theme.font, size: theme.size, color: theme.muted },
  paper_bgcolor: "rgba(0,0,0,0)",
  plot_bgcolor: "rgba(0,0,0,0)",
  showlegend: false,
  hovermode: "closest",
  hoverlabel: { bgcolor: theme.panel, bordercolor: theme.muted, font: { color: theme.ink, family: theme.font, size: theme.size }, align: "left" },
});

/** An axis title in the figure's own size; Plotly's is larger. */
export const axisTitle = (text, { theme }, standoff = 3) => ({ text, standoff, font: { size: theme.size, color: theme.muted } });

/** A switch of a few buttons. @param {Record<string, [string, string]>} options value → label, tooltip */
export function makeSwitch(label, options, chosen, choose) {
  const press = (value) => buttons.forEach((button) => button.setAttribute("aria-pressed", String(button.dataset.value === value)));
  const buttons = Object.entries(options).map(([value, [text, tip]]) => {
    const click = () => {
      press(value);
      choose(value);
    };
    return make("button", { type: "button", data: { value, tip }, on: { click } }, text);
  });
  press(chosen);
  return Object.assign(make("div", { class: "panel-switch", role: "group", "aria-label": label }, ...buttons), { press });
}
