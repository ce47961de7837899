// What the page asks of /api/finetune, and what to say when that goes wrong.

import { SpecError } from "../web/latest.mjs";

/** JSON of an answer; SpecError for a 422, Error in words for the rest. @param {string} path @param {RequestInit} [init] @returns {Promise<any>} */
export async function ask(path, init) {
  const response = await fetch(`/api/finetune${path}`, init);
  const body = await response.json().catch(() => null);
  if (response.ok) return body;
  if (response.status === 422 && body?.errors) throw new SpecError(body.errors);
  throw new Error(body?.errors?.map((/** @type {{message: string}} */ { message }) => message).join("\n") ?? `The server answered ${response.status}.`);
}

/** What went wrong, for people. @param {unknown} error */
export function inWords(error) {
  if (error instanceof SpecError) return error.errors.map(({ message }) => message).join("\n");
  return error instanceof TypeError ? "The server does not answer." : /** @type {Error} */ (error).message;
}

/** An error as a sentence that says what it is about. @param {{field: string, message: string}} error */
export function sentence({ field, message }) {
  const name = field.split(".").at(-1) ?? "";
  return message.toLowerCase().includes(name.toLowerCase()) ? message : `${name}: ${message}`;
}
