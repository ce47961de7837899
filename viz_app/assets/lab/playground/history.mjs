// The last runs of this browser: kept when a picture has stood still for a moment, shown in a panel at the side.

import { compare } from "./historychart.mjs";
import { Store } from "./historystore.mjs";
import { message, undo } from "../web/messages.mjs";
import { page } from "./page.mjs";
import { escaped } from "../web/escaped.mjs";
import { namesText } from "./slots.mjs";
import { differences, read } from "./specwords.mjs";
import { thumbnail } from "./thumbnail.mjs";
import { when } from "../web/when.mjs";

const SETTLED = 1500; // ms without a new picture

/** @typedef {{query: string, names: string, view: string, name: string, at: number, image: string, pinned?: boolean}} Run one entry */

export class History {
  /**
   * @param {HTMLElement} root the panel  @param {HTMLButtonElement} button that opens it
   * @param {{open: (query: string, view: object, then: () => void) => void, play: () => void, seek: (part: number) => void}} hooks
   */
  constructor(root, button, hooks) {
    Object.assign(this, { root, button, hooks, store: new Store() });
    button.setAttribute("aria-expanded", "false");
    button.addEventListener("click", () => this.toggle());
    root.tabIndex = -1; // it has the focus when it is opened, so that Escape closes it
    root.innerHTML = `<div class="head"><h2>History</h2>
        <button data-do="compare" title="The loss curves of all pinned runs in one chart" disabled>Compare</button>
        <button data-do="clear" title="Forget all runs">Clear</button>
        <button data-do="close" class="quiet" aria-label="Close">✕</button></div>
      <p class="note"></p><ol></ol>
      <dialog><div class="head"><h2>Compare</h2><button class="quiet" aria-label="Close the comparison">✕</button></div><div class="chart"></div><p class="note"></p></dialog>`;
    this.list = root.querySelector("ol");
    this.note = root.querySelector(".note");
    this.dialog = root.querySelector("dialog");
    const actions = { compare: () => this.#compare(), clear: () => this.#forget("The history is cleared.", this.store.runs()), close: () => this.toggle(false) };
    for (const [name, action] of Object.entries(actions)) root.querySelector(`[data-do=${name}]`).addEventListener("click", action);
    this.dialog.querySelector("button").addEventListener("click", () => this.dialog.close());
    this.list.addEventListener("click", (event) => this.#clicked(event));
    root.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || this.dialog.open) return;
      event.stopPropagation(); // the microscope stays
      this.toggle(false);
    });
    window.addEventListener("storage", () => this.#show()); // another tab has added a run
  }

  toggle(open = this.root.hidden) {
    this.root.hidden = !open;
    this.button.setAttribute("aria-expanded", String(open));
    if (open) {
      this.#show();
      this.root.focus({ preventScroll: true });
    } else this.button.focus({ preventScroll: true });
  }

  /** A picture has been drawn: keep it if it stands. */
  drawn() {
    clearTimeout(this.timer);
    const drawn = page.trace;
    this.timer = setTimeout(() => drawn === page.trace && this.#keep(), SETTLED);
  }

  #keep() {
    const { drawn, trace, grid, parts } = page; // not the state: what it says may have been refused since
    if (!grid) return;
    const view = [drawn.dim > 2 && `coords=${drawn.view.coords}`, drawn.view.target && `target=${drawn.view.target}`].filter(Boolean).join("&");
    const image = thumbnail(grid, trace, parts.look);
    const problem = this.store.add({ query: trace.header.spec, names: namesText(drawn), view, name: trace.header.function.name, at: Date.now(), image });
    if (problem && problem !== this.said) message(problem);
    this.said = problem;
    if (!this.root.hidden) this.#show();
  }

  #show() {
    if (this.root.hidden) return;
    const runs = this.store.runs();
    const held = this.#held();
    this.note.textContent = runs.length ? "Kept in this browser. Click a run to open it; pin two or more to compare them." : "No runs yet: one is kept when a picture has stood for a moment.";
    this.list.innerHTML = runs.map((run, i) => this.#entry(run, runs[i + 1])).join("");
    if (held) this.#hold(held, runs);
    this.#count();
  }

  /** Which button of which entry has the focus. */
  #held() {
    const button = document.activeElement;
    if (!this.list.contains(button)) return null;
    const entry = button.closest("li");
    return { query: entry.dataset.query, at: [...this.list.children].indexOf(entry), selector: button.dataset.do ? `[data-do=${button.dataset.do}]` : ".open" };
  }

  /** Give it back, or if its entry is gone, to the one that took its place. */
  #hold({ query, at, selector }, runs) {
    const same = runs.findIndex((run) => run.query === query);
    const entry = this.list.children[same < 0 ? Math.min(at, runs.length - 1) : same];
    (entry?.querySelector(selector) ?? this.root).focus({ preventScroll: true });
  }

  #entry(run, before) {
    const now = run.query === page.trace?.header.spec;
    const words = before ? differences(read(before.query), read(run.query)) : [];
    return `<li data-query="${escaped(run.query)}"${now ? ' class="now"' : ""}>
      <button class="open" title="Open this run" aria-label="Open ${escaped(run.name)}, ${when(run.at)}"><img src="${escaped(run.image)}" alt="" width="112" height="70"></button>
      <div><b>${escaped(run.name)}</b><time>${when(run.at)}${now ? " · shown" : ""}</time>
      <p title="${escaped(words.join("; "))}">${escaped(words.join("; ")) || (before ? "as the one before" : "the oldest that is kept")}</p>
      <span><button data-do="pin" aria-pressed="${Boolean(run.pinned)}" title="Pin it to compare">Pin</button>
      <button data-do="rewind" title="Play it from the start, with the same seed">Rewind</button>
      <button data-do="delete" class="quiet" aria-label="Delete this run" title="Delete this run">×</button></span></div></li>`;
  }

  #clicked(event) {
    const button = event.target.closest("button");
    const query = button?.closest("li").dataset.query;
    const run = this.store.runs().find((one) => one.query === query);
    if (!run) return;
    const action = button.dataset.do;
    if (action === "pin") {
      button.setAttribute("aria-pressed", String(!run.pinned));
      this.store.pin(query, !run.pinned);
      return this.#count();
    }
    if (action === "delete") return this.#forget("The run is deleted.", [run]);
    const rewind = action === "rewind";
    if (query === page.trace?.header.spec) {
      this.hooks.seek(rewind ? 0 : 1);
      if (rewind) this.hooks.play();
      return;
    }
    this.hooks.open(query, { ...Object.fromEntries(new URLSearchParams(run.view)), ...(run.names && { names: run.names }) }, () => {
      page.parts.player.pause();
      page.parts.player.part = rewind ? 0 : 1; // from 0 a run that is opened plays
    });
  }

  #count() {
    const button = this.root.querySelector("[data-do=compare]");
    const pinned = this.#pinned().length;
    button.disabled = pinned < 2;
    button.textContent = pinned ? `Compare ${pinned}` : "Compare";
  }

  #pinned() {
    return this.store.runs().filter((run) => run.pinned);
  }

  /** Take runs out, with a way back. */
  #forget(words, runs) {
    this.store.remove(runs);
    this.#show();
    undo(words, () => {
      this.store.restore(runs);
      this.#show();
      if (document.activeElement === document.body) this.root.focus({ preventScroll: true }); // the button that had it is gone
    });
  }

  async #compare() {
    const runs = this.#pinned();
    this.dialog.showModal();
    const note = this.dialog.querySelector(".note");
    note.textContent = "Computing …";
    try {
      note.textContent = await compare(this.dialog.querySelector(".chart"), runs.reverse());
    } catch (error) {
      note.textContent = `The runs could not be compared: ${error.message}`;
    }
  }
}
