// A table of one's own, sent to the server: which of its columns hold texts and labels, and what came of it.

/** @import { FieldError } from "../web/latest.mjs" */
/** @import { Values } from "./facts.mjs" */
import { count } from "../web/scale.mjs";

/** @typedef {{id: string, rows: number, classes: {name: string, count: number}[]}} Uploaded */

export class Upload {
  /** @type {File | null} sent again if a column's name changes */
  file = null;
  /** Errors of a file that the server did not take, none while it is on its way. @type {FieldError[] | null} */
  refused = null;
  /** What is said of the file. */
  summary = "";
  /** The classes' names, in order. @type {string[] | null} */
  classes = null;

  /** Forget the file. */
  clear() {
    Object.assign(this, new Upload());
  }

  /**
   * Send a file. Returns the value of the spec's `data`; null where it was refused, or another file or column overtook it.
   * @param {File} file @param {Values} values of the form, which names the columns
   */
  async send(file, values) {
    Object.assign(this, { file, refused: [], summary: `Uploading ${file.name} …` });
    const { text_column, label_column } = values;
    const overtaken = () => this.file !== file || values.text_column !== text_column || values.label_column !== label_column;
    const query = new URLSearchParams({ name: file.name, text_column: String(text_column), label_column: String(label_column) });
    const [accepted, answer] = await ask(`/api/finetune/upload?${query}`, file);
    if (overtaken()) return null;
    this.refused = accepted ? null : answer.errors;
    if (!accepted) {
      const { columns } = answer.errors[0];
      this.summary = columns ? `${file.name} has the columns ${columns.join(", ")}` : file.name;
      return null;
    }
    const { id, rows, classes } = /** @type {Uploaded} */ (answer);
    this.classes = classes.map(({ name }) => name);
    this.summary = `${file.name}: ${count(rows)} rows; ${classes.map(({ name, count: size }) => `${name} ${count(size)}`).join(", ")}`;
    return `upload:${id}`;
  }
}

/** @param {string} url @param {File} file @returns {Promise<[accepted: boolean, answer: any]>} */
async function ask(url, file) {
  try {
    const response = await fetch(url, { method: "POST", body: file });
    return [response.ok, await response.json()];
  } catch {
    return [false, { errors: [{ field: "data", message: "The server does not answer: upload the file again." }] }];
  }
}
