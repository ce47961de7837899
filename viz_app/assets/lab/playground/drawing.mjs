// From the newest trace and the player's moment to everything that is drawn.

import { hessianCurves, lossCurves, sortedCurves, sortedFrame } from "./charts.mjs";
import { escaped } from "../web/escaped.mjs";
import { differences, showDifferences } from "./forkcards.mjs";
import { whenIdle } from "../web/idle.mjs";
import { clockKey, element, page, timeOf } from "./page.mjs";
import { short } from "../web/scale.mjs";
import { leftAt } from "./share.mjs";
import { forks, running, settings, spans, title } from "./slots.mjs";
import { fade, readTheme } from "../web/theme.mjs";
import { clockAt, clockLength, frameAt, stepAt } from "./trace.mjs";

/** Names, colours and forks anew: after a trace, a theme, a name. */
export function dress() {
  const { drawn, parts } = page;
  const theme = readTheme();
  const slots = running(drawn);
  parts.look = {
    theme,
    colours: slots.map((slot) => theme.colour(slot.colour)),
    titles: slots.map(title),
    spans: spans(drawn),
    origins: slots.map((slot) => origin(drawn, slot)),
  };
  Object.assign(parts.landscape, parts.look, { stale: true });
}

/** How a slot's settings were found. */
function origin(state, slot) {
  const pair = forks(state).find(({ fork }) => fork === slot);
  if (pair) return pair.parent ? `from step ${slot.step} of ${title(pair.parent)}` : `forked at step ${slot.step}`;
  const values = settings(state, slot);
  const preset = slot.presets[values.estimator ?? ""];
  if (slot.past.length || Object.entries(preset).some(([name, value]) => values[name] !== value)) return "set by hand";
  if (slot.trials === null) return "default settings";
  const words = [];
  if (state.noise > 0) words.push("without noise");
  if (Object.entries(state.preset.parameters).some(([name, value]) => state.parameters[name] !== value)) words.push("at other parameters");
  if (state.x0 && state.x0.replace(/\s+/g, "") !== state.preset.x0.replace(/\s+/g, "")) words.push("from another start");
  return words.length === 1 ? `tuned ${words[0]}` : words.length ? `preset, not tuned here` : `tuned: ${slot.trials} settings`;
}

/** Draw charts and moment anew: after a trace, a theme, a clock. */
export function redraw() {
  const { trace, parts } = page;
  const { landscape, loss, hessian, player } = parts;
  landscape.clock = clockKey();
  loss.show(lossCurves(trace, clockKey(), parts.look), parts.look, trace.reference ? "loss − minimum" : "loss");
  loss.picture.clock = clockLabel();
  const sorted = page.hessian === "sorted";
  const picture = sorted
    ? { ...sortedFrame(trace, parts.look), ...sortedCurves(trace, timeOf(player.part), clockKey(), parts.look) }
    : hessianCurves(trace, clockKey(), parts.look);
  if (!sorted) picture.clock = clockLabel();
  hessian.show(picture, parts.look, "curvature");
  notes();
  player.show();
}

const clockLabel = () => (page.clock === "seconds" ? "seconds (all runs together)" : page.clock);

function notes() {
  const { drawn, trace, parts } = page;
  const { theme, colours, titles } = parts.look;
  const kinds = new Set(parts.loss.picture.curves.flatMap(({ marks }) => marks.map(({ kind }) => kind)));
  const remarks = [
    `median and 10–90 % of ${trace.header.runs} runs`,
    ...(kinds.has("cross") ? ["✕ half diverged"] : []),
    ...(kinds.has("below") ? ["▼ below the axis"] : []),
    ...(kinds.has("above") ? ["▲ above the axis"] : []),
    ...(forks(drawn).some(({ parent }) => parent) ? ["dotted: the old future"] : []),
    ...(drawn.noise > 0 ? ["without the gradient noise"] : []),
  ];
  if (page.clock === "forward passes" && trace.tracks.filter(({ n }) => n !== null).length > 1) {
    remarks.push("ends with the first spent budget");
  }
  setText(element("loss-note"), remarks.join("; "));
  const estimating = trace.tracks.some((track) => track.h_q);
  setHtml(element("hessian-note"), estimating ? `<b>—</b> HiZOO's P &nbsp; <b>- -</b> the truth along its runs` : "no optimizer that estimates the Hessian is on; <b>- -</b> the truth");
  const scale = parts.landscape.scale;
  const key = [];
  trace.tracks.forEach((track, index) => {
    if (track.shown_h) key.push(`<span title="Its probes are drawn from this ellipse: Σ = 1/P"><i class="ring" style="border-color:${colours[index]};background:${fade(colours[index], 0.15)}"></i>Σ of ${escaped(titles[index])}</span>`);
  });
  if (trace.tracks.some((track) => track.shown_h)) key.push(`<span title="What the probes would be drawn from if P were the exact Hessian, off-diagonal part and all"><i class="ring dashed" style="border-color:${theme.ink}"></i>inverse true Hessian${hasNegative() ? " <em>(brown: negative curvature)</em>" : ""}</span>`);
  if (drawn.minima.length && drawn.dim === 2) key.push(`<span>★ minimum</span>`);
  if (trace.tracks.some((track) => track.u)) key.push(`<span title="θ ± Σ^½u, enlarged by the ellipses' factor over μ">○ this step's probes, on pause</span>`);
  key.push(`<span>bold: run 1 of ${trace.header.runs}${scale === 1 ? "" : `; ellipses × ${short(scale)}`}</span>`);
  setHtml(element("key"), key.join(""));
}

function hasNegative() {
  return page.trace.tracks.some((track) => track.shown_h && track.shown_hessian?.some((value, i) => value < 0 && i % 3 !== 1));
}

// Writing to the page makes the browser lay it out again, even if nothing has changed.
const written = new WeakMap();
function setHtml(target, html) {
  if (written.get(target) !== html) target.innerHTML = html;
  written.set(target, html);
}
export function setText(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

/** Draw a part of the run, 0 to 1. */
export function drawMoment(part, playing) {
  const { drawn, trace, parts } = page;
  if (!trace) return;
  const { landscape, loss, hessian, readings, player } = parts;
  const time = (page.time = timeOf(part));
  if (playing && !landscape.isLive) landscape.live(true);
  landscape.draw({ time, playing });
  loss.cursor(time);
  if (page.hessian === "sorted") {
    hessian.picture = { ...hessian.picture, ...sortedCurves(trace, time, clockKey(), parts.look) };
    if (playing) hessian.setLive(true);
    hessian.cursor(null);
  } else hessian.cursor(time);
  const found = differences();
  readings.draw(time, clockKey(), running(drawn).map(({ slot }) => found.get(slot)));
  showDifferences(found);
  parts.forks.cursor(part);
  const lead = trace.tracks[0];
  const { frame } = frameAt(lead, time, clockKey());
  const last = lead.step[lead.frames - 1];
  player.output.title = `Time runs in the loss chart's clock: ${page.clock}. ${parts.look.titles[0]} is at step ${lead.step[frame]} of ${last}.`;
  const length = clockLength(trace, clockKey());
  if (page.clock === "forward passes") setText(player.output, `pass ${Math.round(time).toLocaleString("en-US")} of ${length.toLocaleString("en-US")}`);
  else setText(player.output, `step ${lead.step[frame].toLocaleString("en-US")} of ${last.toLocaleString("en-US")}`);
  parts.microscope.update(playing);
  leftAt(part);
}

/** When nothing has moved for a while, commit what is on the canvas to Plotly. */
export const settle = whenIdle(() => {
  const { trace, parts } = page;
  if (parts.player.playing || !trace) return;
  parts.landscape.commit();
  if (page.hessian === "sorted") parts.hessian.commit();
}, 300);

/** The next or previous step of the first optimizer. */
export function neighbour(part, by) {
  const { trace, parts } = page;
  if (!trace) return part;
  const lead = trace.tracks[parts.microscope.index];
  const time = timeOf(part);
  const { frame } = frameAt(lead, time, clockKey());
  const atFrame = Math.abs(stepAt(lead, time, clockKey()) - lead.step[frame]) < 1e-3;
  const target = Math.min(Math.max(frame + (by < 0 && !atFrame ? 0 : by), 0), lead.frames - 1);
  return clockAt(lead, lead.step[target], clockKey()) / clockLength(trace, clockKey());
}
