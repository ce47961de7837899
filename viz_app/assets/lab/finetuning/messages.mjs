// The messages of a job's live socket, as viz_app/finetuning/routes.py lists them. Numbers are finite or null; `run` is
// counts the optimizers of the spec, seed by seed. Types only.

/**
 * @typedef {object} PlannedRun
 * @property {number=} repetition of its seed, from 0 @property {number=} seed
 * @property {string} label hizoo#2 @property {string} method @property {string} name HiZOO
 * @property {Record<string, number | string>} hyperparameters
 * @property {number} forwards_per_step of the whole model @property {number=} filling the same, spent before the first step
 * @property {number} steps in all @property {boolean} estimates_hessian
 */

/** @typedef {{name: string, layer: number, kind: string, count: number}} Group parameters that are shown together */
/** @typedef {{text: string, label: number}} Sentence held out; `label` is the index of its true class */

/**
 * @typedef {object} PlanMessage once, first
 * @property {"plan"} type @property {string} spec
 * @property {{title: string, parameters: number, tuned: number, context: number, share?: number}} model
 * @property {{name: string, title: string, memory: number | null}} device @property {string} dtype
 * @property {string=} clock how passes are counted, where they go through the top layers alone
 * @property {{title: string, synthetic: boolean, classes: string[], evaluated: number}} task
 *   `evaluated`: held-out texts of an evaluation
 * @property {Sentence[]} sentences @property {PlannedRun[]} runs @property {Group[]} groups
 * @property {{loss: number, accuracy: number, f1: number}} zero_shot
 * @property {{texts: number, passes: number}=} headroom what measuring it takes
 */

/** @typedef {{type: "seed", repetition: number, seed: number, sentences: Sentence[], zero_shot: PlanMessage["zero_shot"]}} SeedMessage
 *   what the runs of the second seed, or of a later one, are evaluated on */
/** @typedef {{optimizers: [number, number], sentence: string}} Compared two optimizers, seed by seed */
/** @typedef {{type: "comparison", seeds: number, pairs: Compared[]}} ComparisonMessage over the first so many seeds */

/** @typedef {{type: "steps", run: number, columns: string[], rows: (number | null)[][]}} StepsMessage */

/**
 * @typedef {object} Evaluation
 * @property {number} step from 0 @property {number} forwards @property {number} seconds
 * @property {number} loss held-out cross-entropy @property {number} accuracy @property {number} f1
 * @property {number[][]} probabilities per sentence of the plan, per class
 * @property {[number, number]=} position on the fixed plane  @property {number | null=} distance ‖θ − θ_0‖
 */
/** @typedef {Evaluation & {type: "evaluation", run: number}} EvaluationMessage */

/** @typedef {{edges: number[], counts: number[][]}} Counts of a histogram: edges are log10 of P, counts per group */
/** @typedef {[q10: number, q50: number, q90: number, mean: number]} Quantiles */
/** @typedef {{type: "hessian", run: number, step: number, quantiles: Quantiles[], histogram: Counts, reliability?: number[]}} HessianMessage */

/**
 * @typedef {object} TruthMessage Hutchinson's estimate of the diagonal: mean and standard error of each group
 * @property {"truth"} type @property {number} run @property {number} step @property {[number, number][]} groups
 * @property {number} probes @property {number} seconds @property {string} cost
 */

/** @typedef {[value: number | null, error: number | null]} Measured with its standard error */

/**
 * @typedef {object} HeadroomMessage what curvature could gain at a step of a run
 * @property {"headroom"} type @property {number} run @property {number} step @property {number} rounds
 * @property {Measured[]} groups r of each @property {string} sentence @property {string} cost
 * @property {{key: "none" | "P" | "tensor" | "F^-1/2" | "F^-1", name: string, value: Measured, gain: Measured | null}[]} R
 */

/**
 * @typedef {object} MemoryRow bytes; the parts are each at their own largest
 * @property {string} name a run's label, or another method's
 * @property {number} weights @property {number} activations @property {number} gradients
 * @property {number} state @property {number} workspace @property {number} peak
 * @property {number=} states of the lower layers: what enters top layers
 */
/** @typedef {{type: "memory", rows: MemoryRow[], how: string}} MemoryMessage */

/** @typedef {{run: number, steps: number[], points: [number, number][]}} Path */
/** @typedef {{type: "plane", kind: string, note: string, runs: Path[]}} PlaneMessage of the runs' end points */

/**
 * @typedef {object} SurfaceMessage cells of the loss on a plane
 * @property {"surface"} type @property {"fixed" | "ends"} kind @property {number[]} x @property {number[]} y
 * @property {[ix: number, iy: number, loss: number | null][]} cells @property {boolean} done
 */

/** @typedef {{type: "setting", run: number, step: number, lr: number | null, alpha: number | null}} SettingMessage */
/** @typedef {{type: "rate", run: number, step: number, s: number | null, v: number | null, tr: number | null, q: number | null, lr: number | null}} RateMessage
 *   what lr=auto went by in a step */
/** @typedef {"" | "queued" | "running" | "paused" | "finished" | "stopped" | "failed"} State "": no job */
/** @typedef {{type: "status", state: State, run: number | null, message: string}} StatusMessage run null: the job */
/** @typedef {{type: "note", run: number | null, message: string}} NoteMessage what failed or wants a look beside the training */
/** @typedef {{type: "progress", message: string, done: number, total: number, unit: string}} ProgressMessage `unit`: what is
 *   counted; with an empty message it is over */

/**
 * @typedef {PlanMessage | SeedMessage | ComparisonMessage | StepsMessage | EvaluationMessage | HessianMessage | TruthMessage | HeadroomMessage | MemoryMessage | PlaneMessage
 *   | SurfaceMessage | SettingMessage | RateMessage | StatusMessage | NoteMessage | ProgressMessage} Message
 */

/** @typedef {{seq: number, messages: Message[]}} Chunk */

export {};
