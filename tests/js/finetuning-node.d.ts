// What the tests of the language-model page use of node, beyond node.d.ts.

declare module "node:test" {
  export function beforeEach(run: () => void): void;
  export function afterEach(run: () => void): void;
  export const mock: { timers: { enable(options: { apis: string[] }): void; tick(milliseconds: number): void; reset(): void } };
}

declare module "node:process" {
  const process: { argv: string[] };
  export default process;
}
