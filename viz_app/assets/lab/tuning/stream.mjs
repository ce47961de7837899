// A map as it is computed: messages one after another in one answer, each as viz_app/playground/wire.py packs it.

import { decode } from "../web/binary.mjs";
import { fetchSound } from "../web/latest.mjs";

/** @typedef {ReturnType<typeof decode>} Message */

/**
 * Read a stream of messages. Aborting the signal ends it with the fetch's own error.
 * @param {string} url @param {AbortSignal} signal @param {(message: Message) => void} take
 */
export async function readMessages(url, signal, take) {
  const { body } = await fetchSound(url, signal);
  if (!body) throw new Error("the map's stream is empty");
  const reader = body.getReader();
  let held = new Uint8Array(0);
  let complete = false;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      const joined = new Uint8Array(held.length + value.length);
      joined.set(held);
      joined.set(value, held.length);
      held = joined;
      while (held.length >= 4) {
        const size = new DataView(held.buffer, held.byteOffset).getUint32(0, true);
        if (held.length < 4 + size) break;
        const message = decode(held.slice(4, 4 + size).buffer); // of its own, so that its arrays are aligned
        held = held.subarray(4 + size);
        complete = message.header.kind === "end";
        take(message);
      }
    }
  } finally {
    reader.cancel().catch(() => {}); // the server stops computing what nobody reads; after the end there is nothing to stop
  }
  if (!complete) throw new Error("the map's stream ended early");
}
