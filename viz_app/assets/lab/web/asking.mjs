// What a page asks the server for. While the server is away that is said over the picture, and asked again.

import { Latest, SpecError, trouble } from "./latest.mjs";
import { busy, message, stays, unsay } from "./messages.mjs";

/** Those that wait for the server's return. @type {Set<Latest<any, any>>} */
const away = new Set();
let said = "";

/**
 * @template {import("./latest.mjs").Key} K
 * @template A
 * @param {(key: K, signal: AbortSignal) => Promise<A>} load
 * @param {(answer: A, key: K) => void} done
 * @param {(error: SpecError, key: K) => void} [refused] the server has an answer: what is wrong with the question
 */
export function asking(load, done, refused) {
  /** @type {Latest<K, A>} */
  const latest = new Latest(
    load,
    (answer, key) => {
      returned(latest);
      done(answer, key);
      if (away.size && !stays()) busy(said); // this answer's drawing took the others' line away
    },
    (error, key) => {
      if (error instanceof SpecError) {
        returned(latest);
        refused?.(error, key);
        return;
      }
      away.add(latest);
      said = `${trouble(error)}. Trying again every two seconds; the picture is the last good one.`;
      message(said, true);
      latest.again(key);
    },
  );
  return latest;
}

/** Ask for nothing any more. @param {Latest<any, any>} latest */
export function stop(latest) {
  latest.cancel();
  returned(latest);
}

/** Whether it waits for the server's return. @param {Latest<any, any>} latest */
export const isAway = (latest) => away.has(latest);

/** It waits no longer; when none does, the line that says so goes. @param {Latest<any, any>} latest */
function returned(latest) {
  if (away.delete(latest) && !away.size) unsay(said);
}
