// The gauge of the headroom: drawn anew at every moment of the player, without a question to the server.

import { html, render } from "../vendor/lit.mjs";
import { short } from "../web/scale.mjs";
import { axisOf, barsOf, sentence, shown, spanOf } from "./headroom.mjs";
import { settingsAt } from "./trace.mjs";

/** @import { Track } from "./trace.mjs" */

/** Draw a frame of a track. @param {HTMLElement} root @param {Track} track @param {number} frame @param {{title: string, colour: string}} look */
export function drawHeadroom(root, track, frame, { title, colour }) {
  const bars = barsOf(track, frame, title);
  const axis = axisOf(track);
  const n = Number(settingsAt(track, track.step[frame]).n ?? 1);
  const [one] = spanOf(0, axis);
  render(
    html`<dl style="--one:${100 * one}%">${bars.map(
      ({ key, label, value, span: [from, to], title: what }) => html`<div data-key=${key} title=${what}>
        <dt>${label}</dt><dd><i style="left:${100 * from}%;width:${100 * (to - from)}%;${key === "p" ? `background:${colour}` : ""}"></i></dd><dd class="value">${shown(value)}</dd></div>`,
    )}<div class="axis" aria-hidden="true"><dt>times as much</dt><dd>${axis.map((end) => html`<span>${short(10 ** end)}</span>`)}</dd><dd class="value">R</dd></div></dl>
    <p class="sentence">${sentence(track, frame, title, n)}</p>`,
    root,
  );
}
