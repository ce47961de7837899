// The seeds of a job: which one the panels show that show a single one, and the job as if it had no other.

/** @import { Look } from "./look.mjs" */
/** @import { Cursor, LabRecord, PlannedRecord, Run } from "./record.mjs" */
/** @import { PlanMessage } from "./messages.mjs" */
import { isOver } from "./record.mjs";

/** The seeds themselves, in order. @param {LabRecord} record */
export const seedsOf = ({ runs }) => [...new Set(runs.map(({ seed }) => seed))];

/** How many optimizers there are. @param {LabRecord} record */
export const optimizersOf = ({ runs }) => runs.filter(({ repetition }) => repetition === 0).length;

/** An optimizer's runs that have come to a moment; live, those that are over, or while none is, all. @param {Run[]} runs @param {Cursor} cursor */
export function comeSoFar(runs, cursor) {
  const here = runs.filter((run) => isOver(run) || (!cursor.live && (run.steps.forwards.at(-1) ?? -1) >= cursor.forwards));
  return here.length ? here : runs;
}

/** The seed that is shown where one is: the chosen one, else the newest that has begun. @param {LabRecord} record @param {Cursor} cursor */
export const shownSeed = ({ runs }, { repetition }) => repetition ?? runs.findLast(({ evaluations, steps }) => evaluations.length || steps.step.length)?.repetition ?? 0;

/** Plans as if a seed were the only one, so that the same stays the same. @type {WeakMap<PlanMessage, Map<number, PlanMessage>>} */
const plans = new WeakMap();

/** @param {PlanMessage} plan @param {LabRecord} record @param {number} shown @returns {PlanMessage} */
function planOf(plan, { seeds, runs }, shown) {
  const told = seeds.get(shown);
  const known = plans.get(plan) ?? new Map();
  plans.set(plan, known);
  const made = known.get(shown);
  if (made && (!told || made.sentences === told.sentences)) return made;
  const { sentences, zero_shot } = told ?? plan;
  const seed = runs.find(({ repetition }) => repetition === shown)?.seed;
  const own = { ...plan, spec: `${plan.spec}&of=${seed}`, sentences, zero_shot };
  known.set(shown, own);
  return own;
}

/**
 * A record as if one seed were its only one.
 * @param {PlannedRecord} record @param {Look} look @param {Cursor} cursor
 * @returns {{record: PlannedRecord, look: Look}}
 */
export function ofSeed(record, look, cursor) {
  const count = optimizersOf(record);
  if (record.runs.length === count) return { record, look };
  const shown = shownSeed(record, cursor);
  const first = shown === 0;
  const runs = record.runs.filter(({ repetition }) => repetition === shown).map((run, index) => ({ ...run, index }));
  const surfaces = first ? record.surfaces : { fixed: null, ends: null };
  const view = { ...record, plan: planOf(record.plan, record, shown), runs, plane: first ? record.plane : null, surfaces };
  return { record: view, look: { ...look, colours: look.colours.slice(0, count), titles: look.titles.slice(0, count) } };
}
