// From the newest trace and the player's moment to everything that is drawn.

import { html, nothing, render } from "../vendor/lit.mjs";
import { whenIdle } from "../web/idle.mjs";
import { setText } from "../web/make.mjs";
import { byId } from "../web/one.mjs";
import { count, short } from "../web/scale.mjs";
import { fade, readTheme } from "../web/theme.mjs";
import { hessianCurves, lossCurves, sortedCurves, sortedFrame } from "./curves.mjs";
import { differences, showDifferences } from "./forkcards.mjs";
import { drawHeadroom } from "./gauge.mjs";
import { clockKey, page, timeOf } from "./page.mjs";
import { rateCurves } from "./rates.mjs";
import { leftAt } from "./share.mjs";
import { forks, pairs, running, settings, spans, title } from "./slots.mjs";
import { clockAt, clockLength, frameAt, stepAt } from "./trace.mjs";

/** @import { Picture } from "./curves.mjs" */
/** @import { State } from "./page.mjs" */
/** @import { Slot } from "./slots.mjs" */

/** Names, colours and forks anew: after a trace, a theme, a name. */
export function dress() {
  const { drawn } = page.shown;
  const theme = readTheme();
  const slots = running(drawn);
  page.look = {
    theme,
    colours: slots.map((slot) => theme.colour(slot.colour)),
    titles: slots.map(title),
    spans: spans(drawn),
    origins: slots.map((slot) => origin(drawn, slot)),
  };
  const { colours, titles, spans: drawnSpans } = page.look;
  Object.assign(page.parts.landscape, { theme, colours, titles, spans: drawnSpans, stale: true });
}

/** How a slot's settings were found. @param {State} state @param {Slot} slot */
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
  const { parts, look } = page;
  const { trace } = page.shown;
  const clock = page.clock === "seconds" ? "seconds (all runs together)" : page.clock;
  parts.landscape.clock = clockKey();
  const losses = { ...lossCurves(trace, clockKey(), look), clock };
  parts.loss.show(losses, look, trace.reference === null || trace.reference === 0 ? "loss" : "loss − minimum");
  const picture =
    page.hessian === "sorted"
      ? { ...sortedFrame(trace, look), ...sortedCurves(trace, timeOf(parts.player.part), clockKey(), look) }
      : page.hessian === "auto η"
      ? { ...rateCurves(trace, clockKey(), look), clock }
      : { ...hessianCurves(trace, clockKey(), look), clock };
  parts.hessian.show(picture, look, page.hessian === "auto η" ? "η and its parts" : "curvature");
  const isGauge = page.hessian === "headroom";
  byId("headroom").hidden = !isGauge;
  byId("headroom").parentElement?.classList.toggle("gauge", isGauge);
  notes(losses);
  parts.player.show();
}

/** The optimizer whose headroom is shown: the one under the microscope, or the first that estimates the Hessian. */
function gauged() {
  const { parts, shown } = page;
  const { tracks } = shown.trace;
  const index = parts.microscope.open ? parts.microscope.index : Math.max(0, tracks.findIndex((track) => track.shown_h));
  return { track: tracks[index], title: page.look.titles[index], colour: page.look.colours[index] };
}

/** The lines under the pictures. @param {Picture} losses */
function notes(losses) {
  const { parts, look } = page;
  const { drawn, trace } = page.shown;
  const { theme, colours, titles } = look;
  const { runs } = trace.header;
  const kinds = new Set(losses.curves.flatMap(({ marks = [] }) => marks.map(({ kind }) => kind)));
  const remarks = [
    `median and 10–90 % of ${runs} runs`,
    ...(kinds.has("cross") ? ["✕ half diverged"] : []),
    ...(kinds.has("below") ? ["▼ below the axis"] : []),
    ...(kinds.has("above") ? ["▲ above the axis"] : []),
    ...(pairs(drawn).length ? ["dotted: the old future"] : []),
    ...(drawn.noise > 0 ? ["without the gradient noise"] : []),
  ];
  if (clockKey() === "forwards" && trace.tracks.filter(({ n }) => n !== null).length > 1) {
    remarks.push("ends with the first spent budget");
  }
  setText(byId("loss-note"), remarks.join("; "));
  const estimating = trace.tracks.flatMap((track, index) => (track.h_q ? [index] : []));
  const [first, ...others] = estimating.map((index) => titles[index]);
  const legend = first
    ? html`<b>—</b> P of ${others.length ? "each" : first} &nbsp; <b>- -</b> the exact diagonal along the runs of ${first}`
    : html`no optimizer that estimates the Hessian is on; <b>- -</b> the exact diagonal`;
  const automatic = trace.tracks.some((track) => track.rates)
    ? html`<b>—</b> η; <b>- -</b> s, the slope's square without noise; v, its noise; tr and q, the curvature: medians of ${runs} runs`
    : html`type auto as η of HiZOO or MeZO: its learning rate, and why, stand here`;
  const noisy = drawn.noise > 0 ? ", with the gradient noise" : "";
  const gauge = html`run 1 of ${gauged().title} at the cursor${noisy}. A step at the best learning rate takes at most <b>n R / 2</b> off the loss`;
  render(page.hessian === "headroom" ? gauge : page.hessian === "auto η" ? automatic : legend, byId("hessian-note"));
  const { scale } = parts.landscape;
  const rings = trace.tracks.map((track, index) =>
    track.shown_h ? html`<span title="Its probes are drawn from this ellipse: Σ = 1/P"><i class="ring" style="border-color:${colours[index]};background:${fade(colours[index], 0.15)}"></i>Σ of ${titles[index]}</span>` : nothing,
  );
  const negative = hasNegative() ? html` <em>(brown: negative curvature)</em>` : nothing;
  const exact = html`<span title="What the probes would be drawn from if P were the exact Hessian, off-diagonal part and all"><i class="ring dashed" style="border-color:${theme.ink}"></i>inverse true Hessian${negative}</span>`;
  render(
    [
      ...rings,
      trace.tracks.some((track) => track.shown_h) ? exact : nothing,
      drawn.minima.length && drawn.dim === 2 ? html`<span>★ minimum</span>` : nothing,
      trace.tracks.some((track) => track.u) ? html`<span title="θ ± Σ^½u, enlarged by the ellipses' factor over μ">○ this step's probes, on pause</span>` : nothing,
      html`<span>bold: run 1 of ${runs}${scale === 1 ? "" : `; ellipses × ${short(scale)}`}</span>`,
    ],
    byId("key"),
  );
}

function hasNegative() {
  return page.shown.trace.tracks.some((track) => track.shown_h && track.shown_hessian?.some((value, i) => value < 0 && i % 3 !== 1));
}

/** Draw a part of the run, 0 to 1. @param {number} part @param {boolean} playing */
export function drawMoment(part, playing) {
  if (!page.picture) return;
  const { parts, look } = page;
  const { drawn, trace } = page.picture;
  const { landscape, loss, hessian, readings, player } = parts;
  const clock = clockKey();
  const time = (page.time = timeOf(part));
  if (playing && !landscape.isLive) landscape.live(true);
  landscape.draw({ time, playing });
  loss.cursor(time);
  if (page.hessian === "sorted" && hessian.picture) {
    hessian.picture = { ...hessian.picture, ...sortedCurves(trace, time, clock, look) };
    if (playing) hessian.setLive(true);
    hessian.cursor(null);
  } else hessian.cursor(time);
  if (page.hessian === "headroom") {
    const { track, ...named } = gauged();
    drawHeadroom(byId("headroom"), track, frameAt(track, time, clock).frame, named);
  }
  const found = differences();
  readings.draw(time, clock, running(drawn).map(({ slot }) => found.get(slot)));
  showDifferences(found);
  parts.forks.cursor(part);
  const [lead] = trace.tracks;
  const step = lead.step[frameAt(lead, time, clock).frame];
  const last = lead.step[lead.frames - 1];
  player.output.title = `Time runs in the loss chart's clock: ${page.clock}. ${look.titles[0]} is at step ${step} of ${last}.`;
  if (clock === "forwards") setText(player.output, `pass ${count(time)} of ${count(clockLength(trace, clock))}`);
  else setText(player.output, `step ${count(step)} of ${count(last)}`);
  parts.microscope.update(playing);
  leftAt(part);
}

/** When nothing has moved for a while, commit what is on the canvas to Plotly. */
export const settle = whenIdle(() => {
  const { parts, picture } = page;
  if (parts.player.playing || !picture) return;
  parts.landscape.commit();
  if (page.hessian === "sorted") parts.hessian.commit();
}, 300);

/** The part of the run at the next or previous step of the first optimizer, or of the one under the microscope. @param {number} part @param {number} by */
export function neighbour(part, by) {
  if (!page.picture) return part;
  const { trace } = page.picture;
  const clock = clockKey();
  const lead = trace.tracks[page.parts.microscope.index];
  const time = timeOf(part);
  const { frame } = frameAt(lead, time, clock);
  const atFrame = Math.abs(stepAt(lead, time, clock) - lead.step[frame]) < 1e-3;
  const target = Math.min(Math.max(frame + (by < 0 && !atFrame ? 0 : by), 0), lead.frames - 1);
  return clockAt(lead, lead.step[target], clock) / clockLength(trace, clock);
}
