import { html } from "../vendor/lit.mjs";

/**
 * A switch of a few buttons.
 * @template {string} Key
 * @param {string} label @param {Record<Key, [text: string, tip: string]>} options
 * @param {Key} chosen @param {(key: Key) => void} choose
 */
export function switchView(label, options, chosen, choose) {
  const each = /** @type {[Key, [string, string]][]} */ (Object.entries(options));
  return html`<div class="panel-switch" role="group" aria-label=${label}>
    ${each.map(([key, [text, tip]]) => html`<button type="button" data-value=${key} data-tip=${tip} aria-pressed=${String(key === chosen)} @click=${() => choose(key)}>${text}</button>`)}
  </div>`;
}
