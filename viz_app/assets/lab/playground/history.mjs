// The last runs of this browser: kept when a picture has stood still for a moment, shown in a panel at the side.

import { html, nothing, render, repeat } from "../vendor/lit.mjs";
import { message, undo } from "../web/messages.mjs";
import { around, one } from "../web/one.mjs";
import { when } from "../web/when.mjs";
import { compare } from "./historychart.mjs";
import { Store } from "./historystore.mjs";
import { page } from "./page.mjs";
import { namesText } from "./slots.mjs";
import { differences, read } from "./specwords.mjs";
import { thumbnail } from "./thumbnail.mjs";

/** @import { Run } from "./historystore.mjs" */

const SETTLED = 1500; // ms without a new picture

/** @typedef {{open: (query: string, view: Record<string, string>, then: () => void) => void, play: () => void, seek: (part: number) => void}} Hooks */

export class History {
  #store = new Store();
  #timer = 0;
  /** The last problem that was said. @type {string | null} */
  #said = null;

  /** @param {HTMLElement} root the panel  @param {HTMLElement} button that opens it @param {Hooks} hooks */
  constructor(root, button, hooks) {
    this.root = root;
    this.button = button;
    this.hooks = hooks;
    button.setAttribute("aria-expanded", "false");
    button.addEventListener("click", () => this.toggle());
    root.tabIndex = -1; // it has the focus when it is opened, so that Escape closes it
    render(
      html`<div class="head"><h2>History</h2>
          <button data-do="compare" title="The loss curves of all pinned runs in one chart" disabled @click=${() => this.#compare()}>Compare</button>
          <button title="Forget all runs" @click=${() => this.#forget("The history is cleared.", this.#store.runs())}>Clear</button>
          <button class="quiet" aria-label="Close" @click=${() => this.toggle(false)}>✕</button></div>
        <p class="note"></p><ol @click=${(/** @type {Event} */ event) => this.#clicked(event)}></ol>
        <dialog><div class="head"><h2>Compare</h2><button class="quiet" aria-label="Close the comparison" @click=${() => this.dialog.close()}>✕</button></div><div class="chart"></div><p class="note"></p></dialog>`,
      root,
    );
    this.list = one(root, "ol");
    this.note = one(root, ".note");
    this.dialog = one(root, "dialog", HTMLDialogElement);
    this.compareButton = one(root, "[data-do=compare]", HTMLButtonElement);
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
    clearTimeout(this.#timer);
    const trace = page.picture?.trace; // a surface that comes later changes the picture, not the run
    this.#timer = window.setTimeout(() => trace === page.picture?.trace && this.#keep(), SETTLED);
  }

  #keep() {
    const { picture, grid, look } = page;
    if (!grid || !picture) return;
    const { drawn, trace } = picture; // not the state: what it says may have been refused since
    const view = [drawn.dim > 2 && `coords=${drawn.view.coords}`, drawn.view.target && `target=${drawn.view.target}`].filter(Boolean).join("&");
    const image = thumbnail(grid, trace, look);
    const problem = this.#store.add({ query: trace.header.spec, names: namesText(drawn), view, name: trace.header.function.name, at: Date.now(), image });
    if (problem && problem !== this.#said) message(problem);
    this.#said = problem;
    if (!this.root.hidden) this.#show();
  }

  #show() {
    if (this.root.hidden) return;
    const runs = this.#store.runs();
    const held = this.#held();
    this.note.textContent = runs.length ? "Kept in this browser. Click a run to open it; pin two or more to compare them." : "No runs yet: one is kept when a picture has stood for a moment.";
    render(repeat(runs, ({ query }) => query, (run, i) => entry(run, runs[i + 1])), this.list);
    if (held) this.#hold(held, runs);
    this.#count();
  }

  /** Which button of which entry has the focus. */
  #held() {
    const button = document.activeElement;
    const item = button?.closest("li");
    if (!(button instanceof HTMLElement) || !item || !this.list.contains(item)) return null;
    return { query: item.dataset.query, at: [...this.list.children].indexOf(item), selector: button.dataset.do ? `[data-do=${button.dataset.do}]` : ".open" };
  }

  /** Give it back, or if its entry is gone, to the one that took its place. @param {{query?: string, at: number, selector: string}} held @param {Run[]} runs */
  #hold({ query, at, selector }, runs) {
    const same = runs.findIndex((run) => run.query === query);
    const item = this.list.children[same < 0 ? Math.min(at, runs.length - 1) : same];
    (item ? one(item, selector) : this.root).focus({ preventScroll: true });
  }

  /** @param {Event} event */
  #clicked(event) {
    const button = around(event, "button");
    const query = button?.closest("li")?.dataset.query;
    const run = this.#store.runs().find((each) => each.query === query);
    if (!button || !run) return;
    const action = button.dataset.do;
    if (action === "pin") {
      this.#store.pin(run.query, !run.pinned);
      return this.#show();
    }
    if (action === "delete") return this.#forget("The run is deleted.", [run]);
    const rewind = action === "rewind";
    if (run.query === page.picture?.trace.header.spec) {
      this.hooks.seek(rewind ? 0 : 1);
      if (rewind) this.hooks.play();
      return;
    }
    this.hooks.open(run.query, { ...Object.fromEntries(new URLSearchParams(run.view)), ...(run.names && { names: run.names }) }, () => {
      page.parts.player.pause();
      page.parts.player.part = rewind ? 0 : 1; // from 0 a run that is opened plays
    });
  }

  #count() {
    const pinned = this.#pinned().length;
    this.compareButton.disabled = pinned < 2;
    this.compareButton.textContent = pinned ? `Compare ${pinned}` : "Compare";
  }

  #pinned() {
    return this.#store.runs().filter((run) => run.pinned);
  }

  /** Take runs out, with a way back. @param {string} words @param {Run[]} runs */
  #forget(words, runs) {
    this.#store.remove(runs);
    this.#show();
    undo(words, () => {
      this.#store.restore(runs);
      this.#show();
      if (document.activeElement === document.body) this.root.focus({ preventScroll: true }); // the button that had it is gone
    });
  }

  async #compare() {
    const runs = this.#pinned();
    this.dialog.showModal();
    const note = one(this.dialog, ".note");
    note.textContent = "Computing …";
    try {
      note.textContent = await compare(one(this.dialog, ".chart"), runs.reverse());
    } catch (error) {
      note.textContent = `The runs could not be compared: ${error instanceof Error ? error.message : error}`;
    }
  }
}

/** One entry of the list. @param {Run} run @param {Run | undefined} before the run before it */
function entry(run, before) {
  const now = run.query === page.picture?.trace.header.spec;
  const words = before ? differences(read(before.query), read(run.query)).join("; ") : "";
  return html`<li data-query=${run.query} class=${now ? "now" : nothing}>
    <button class="open" title="Open this run" aria-label="Open ${run.name}, ${when(run.at)}"><img src=${run.image} alt="" width="112" height="70"></button>
    <div><b>${run.name}</b><time>${when(run.at)}${now ? " · shown" : ""}</time>
    <p title=${words}>${words || (before ? "as the one before" : "the oldest that is kept")}</p>
    <span><button data-do="pin" aria-pressed=${run.pinned ? "true" : "false"} title="Pin it to compare">Pin</button>
    <button data-do="rewind" title="Play it from the start, with the same seed">Rewind</button>
    <button data-do="delete" class="quiet" aria-label="Delete this run" title="Delete this run">×</button></span></div></li>`;
}
