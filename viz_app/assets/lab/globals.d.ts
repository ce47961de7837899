// What other programs put on the page: Plotly and Dash. `any` stands here only, where their data have no types of ours.

/** An axis of a drawn figure. `_offset` and `_length` are its pixels within the figure. */
interface PlotlyAxis {
  type: string;
  range: [number, number];
  _offset: number;
  _length: number;
  l2p(value: number): number;
  p2d(pixel: number): number;
}

/** The element that Plotly draws into, once it has drawn. */
interface PlotlyGraph extends HTMLElement {
  _fullLayout: { xaxis: PlotlyAxis; yaxis: PlotlyAxis; [name: string]: any };
  data: PlotlyTrace[];
  on(event: string, listener: (event: any) => void): void;
  removeAllListeners(event: string): void;
}

/** One trace, a layout, or a part of either, as Plotly's reference names its keys. */
type PlotlyTrace = Record<string, any>;
type PlotlyLayout = Record<string, any>;

interface Plotly {
  newPlot(root: HTMLElement, traces: PlotlyTrace[], layout?: PlotlyLayout, config?: Record<string, any>): Promise<PlotlyGraph>;
  react(root: HTMLElement, traces: PlotlyTrace[], layout?: PlotlyLayout, config?: Record<string, any>): Promise<PlotlyGraph>;
  relayout(root: HTMLElement, changes: PlotlyLayout): Promise<PlotlyGraph>;
  restyle(root: HTMLElement, changes: Record<string, any>, traces?: number | number[]): Promise<PlotlyGraph>;
  extendTraces(root: HTMLElement, changes: Record<string, any>, traces: number[]): Promise<PlotlyGraph>;
  purge(root: HTMLElement): void;
  toImage(root: HTMLElement, options: { format: string; width: number; height: number; scale: number }): Promise<string>;
  Plots: { resize(root: HTMLElement): Promise<void> };
}

/** A component's id in Dash: a name, or a pattern. */
type DashId = string | { role: string; slot: string; name?: string };

interface DashClientside {
  set_props(id: DashId, properties: Record<string, any>): void;
  no_update: unknown;
  callback_context: { triggered_id: any };
  [namespace: string]: any;
}

interface Window {
  Plotly: Plotly;
  dash_clientside: DashClientside;
}
