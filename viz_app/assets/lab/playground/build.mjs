// The parts of the page, made once, and what connects them.

import { plotlyGraph } from "../web/graph.mjs";
import { around, byId } from "../web/one.mjs";
import { watchSliders } from "../web/sliders.mjs";
import { changed, landscapes } from "./answers.mjs";
import { change, go, removeCard, removeFork, renameFork, slide } from "./changing.mjs";
import { Chart } from "./charts.mjs";
import { drawMoment, dress, neighbour, redraw, settle } from "./drawing.mjs";
import { Forks } from "./forks.mjs";
import { History } from "./history.mjs";
import { Landscape } from "./landscape.mjs";
import { Microscope } from "./microscope/panel.mjs";
import { clockKey, names, page, timeOf } from "./page.mjs";
import { Player } from "./player.mjs";
import { Readings } from "./readings.mjs";
import { watchSharing, zoomedTo } from "./share.mjs";
import { startAt } from "./start.mjs";
import { watchSurface } from "./surface.mjs";
import { clockLength } from "./trace.mjs";
import { showValue } from "./values.mjs";

export async function build() {
  const graphs = await Promise.all(["landscape", "loss-chart", "hessian-chart"].map(plotlyGraph));
  const landscape = new Landscape(graphs[0], {
    start(point, done) {
      if (!page.grid) return;
      change("run", "x0", startAt(point, page.grid));
      if (done) settle();
    },
    moved(ranges) {
      zoomedTo(ranges);
      landscapes.moved(ranges);
    },
  });
  const player = new Player(byId("player"), { draw: drawMoment, settle, neighbour, fork: () => page.parts.forks.toggle() });
  const forks = new Forks(player.forkButton, {
    show: showValue,
    begun() {
      if (player.playing) player.pause();
      forks.showCards();
    },
    changed,
    remove: removeFork,
    rename: renameFork,
  });
  const readings = new Readings(byId("readings"), (target) => {
    page.state.view.target = target;
    changed();
  });
  page.parts = {
    landscape,
    loss: new Chart(graphs[1]),
    hessian: new Chart(graphs[2]),
    player,
    forks,
    history: new History(byId("history"), byId("show-history"), { open: go, play: () => player.play(), seek: (part) => player.seek(part) }),
    readings,
    microscope: new Microscope(byId("microscope"), byId("player"), landscape, {
      moment,
      seek: (time) => player.seek(time / clockLength(page.shown.trace, clockKey())),
    }),
  };
  watchSliders(byId("controls"), slide);
  watchSharing();
  watchSurface(moment);
  byId("controls").addEventListener("click", (event) => {
    const slot = around(event, "[data-remove]")?.dataset.remove;
    if (slot) removeCard(slot);
  });
  // A clicked switch gives the arrow keys back to the player; who walks by keyboard keeps them.
  document.addEventListener("click", (event) => {
    const held = document.activeElement;
    if (event.detail > 0 && held instanceof HTMLInputElement && held.type === "radio") held.blur();
  });
  document.addEventListener("lab:theme", () => {
    if (!page.picture || !page.grid) return;
    dress();
    readings.setTrace(page.picture.trace, page.look);
    redraw();
    landscape.live(true);
    landscape.render().then(settle);
  });
}

/** What is drawn now, for other pictures of it; null while nothing is. */
function moment() {
  const { picture, grid, parts } = page;
  if (!picture || !grid) return null;
  return { trace: picture.trace, grid, clock: clockKey(), time: timeOf(parts.player.part), look: page.look, names: names(grid) };
}
