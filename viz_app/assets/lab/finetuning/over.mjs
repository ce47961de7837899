// What is laid over the shown job's charts of loss and accuracy: other jobs of the list, live where they train, and tables from
// files. Colour says which optimizer, dash which job.

/** @import { Course } from "./courses.mjs" */
/** @import { Imported } from "./imported.mjs" */
/** @import { State } from "./messages.mjs" */
import { readTheme } from "../web/theme.mjs";
import { countedIn, coursesOf } from "./courses.mjs";
import { differences } from "./differences.mjs";
import { nameOf } from "./facts.mjs";
import { LARGEST, NoTable, readTable } from "./imported.mjs";
import { ShownJob } from "./shown.mjs";
import { colourVariables, titleOf } from "./spec.mjs";

/** @typedef {{key: string, title: string, words: string, dash: string, courses: Course[], version: string}} Over `words`: what
 *   differs in its spec from the others, and from the shown job */
/** @typedef {{key: string, job: ShownJob, spec: string}} OverJob */
/** @typedef {{key: string, name: string, table: Imported, spec: string}} OverFile */

/** Of the jobs laid over, in their order; the shown job is drawn with unbroken lines. */
export const DASHES = ["7px,4px", "2px,3px", "9px,3px,2px,3px", "14px,5px"];

export class Overlays {
  /** @type {(OverJob | OverFile)[]} */
  #list = [];
  #files = 0;

  /** @param {() => void} changed something new is to be drawn */
  constructor(changed) {
    this.changed = changed;
  }

  /** The jobs' ids, for the address. */
  get ids() {
    return this.#list.flatMap((each) => ("job" in each ? [each.key] : []));
  }

  /** The files. */
  get files() {
    return this.#list.flatMap((each) => ("name" in each ? [each] : []));
  }

  get isFull() {
    return this.#list.length >= DASHES.length;
  }

  /** @param {string} key */
  has(key) {
    return this.#list.some((each) => each.key === key);
  }

  /** Lay a job over, or take it away. @param {string} id @param {State} state @param {string} spec */
  toggle(id, state, spec) {
    if (this.has(id)) return this.remove(id);
    if (this.isFull) return;
    this.#list.push({ key: id, job: new ShownJob(id, state, { drawSoon: this.changed, draw: this.changed, moved: () => {} }), spec });
    this.changed();
  }

  /** Lay a file over. Returns what is wrong with it, or "". @param {File} file */
  async add(file) {
    if (this.isFull) return `No more than ${DASHES.length} can be laid over: take one away first`;
    if (file.size > LARGEST) return `${file.name} has ${Math.ceil(file.size / 1e6)} MB; allowed: up to ${LARGEST / 1e6} MB`;
    try {
      const table = readTable(file.name, await file.text());
      this.#list.push({ key: `file ${++this.#files}`, name: file.name, table, spec: table.spec });
      this.changed();
      return "";
    } catch (error) {
      if (error instanceof NoTable) return error.message;
      throw error;
    }
  }

  /** @param {string} key */
  remove(key) {
    for (const each of this.#list) if (each.key === key && "job" in each) each.job.close();
    this.#list = this.#list.filter((each) => each.key !== key);
    this.changed();
  }

  clear() {
    for (const { key } of this.#list) this.remove(key);
  }

  /** What is laid over a job, ready to be drawn. @param {string} id @param {string} spec of that job @returns {{over: Over[], words: string}} `words`: what differs in the job's own spec */
  of(id, spec) {
    const list = this.#list.filter(({ key }) => key !== id);
    const [words, ...others] = differences([spec, ...list.map((each) => each.spec).filter(Boolean)]);
    const over = list.map((each) => {
      const dash = DASHES[this.#list.indexOf(each)];
      const own = each.spec ? others.shift() ?? "" : "a table without its spec";
      const isJob = "job" in each;
      return {
        key: each.key,
        title: isJob ? `#${each.key}` : each.name,
        words: isJob && !each.job.record.plan ? "waits for its first step" : own,
        dash,
        version: isJob ? `${each.key} ${each.job.record.version}` : each.key,
        courses: isJob ? coursesOf(each.job.record, each.job.look, each.spec, `#${each.key} `, dash) : tableCourses(each, dash),
      };
    });
    return { over, words: list.length ? words : "" };
  }
}

/** @param {OverFile} file @param {string} dash @returns {Course[]} */
function tableCourses({ name, table, spec }, dash) {
  const theme = readTheme();
  const labels = table.optimizers.map(({ label }) => label ?? soleMethod(spec));
  const methods = labels.map((label) => label?.split("#")[0] ?? "");
  const colours = colourVariables(methods);
  return table.optimizers.map(({ runs }, i) => {
    const label = labels[i];
    const title = label === null ? "" : ` ${titleOf(nameOf(methods[i]), label)}`;
    return { name: `${name}${title}`, colour: label === null ? theme.ink : theme.colour(colours[i]), dash, counted: countedIn(spec), runs };
  });
}

/** The one method of a spec; null where it is not known. @param {string} spec */
const soleMethod = (spec) => /(?:^|&)opt=([a-z_]+)/.exec(spec)?.[1] ?? null;
