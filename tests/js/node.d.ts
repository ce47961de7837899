// What the tests use of node. @types/node would give the pages' modules node's globals too (its setTimeout, for one).

declare module "node:test" {
  export function test(name: string, run: () => void | Promise<void>): void;
}

declare module "node:assert/strict" {
  const assert: {
    (value: unknown, message?: string): asserts value;
    ok(value: unknown, message?: string): asserts value;
    equal(actual: unknown, expected: unknown, message?: string): void;
    notEqual(actual: unknown, expected: unknown, message?: string): void;
    deepEqual(actual: unknown, expected: unknown, message?: string): void;
    match(text: string, pattern: RegExp, message?: string): void;
    throws(run: () => unknown, expected?: unknown, message?: string): void;
    rejects(run: Promise<unknown> | (() => Promise<unknown>), expected?: unknown, message?: string): Promise<void>;
  };
  export default assert;
}

declare module "node:child_process" {
  export function execFileSync(file: string, args: string[], options: { cwd: string; encoding: "utf8" }): string;
}

declare module "node:fs" {
  export function readFileSync(path: string | URL | number, encoding: "utf8"): string;
}

declare module "node:path" {
  export function dirname(path: string): string;
  export function join(...parts: string[]): string;
}

declare module "node:url" {
  export function fileURLToPath(url: string): string;
}

declare module "node:process" {
  export const argv: string[];
}
