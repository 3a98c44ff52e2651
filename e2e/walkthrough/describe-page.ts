import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type ConsoleStep, isChange, type ObjectsBlock, outputMatches, parseConsolePage, parseObjects } from './console-page.ts';
import type { Shell } from './shell.ts';

export const root = resolve(import.meta.dirname, '../..');

const COMMAND_MS = 90_000;

async function runStep(shell: Shell, step: ConsoleStep, page: string, eventuallyMs: number): Promise<void> {
  const deadline = performance.now() + (isChange(step.command) ? 0 : eventuallyMs);
  for (;;) {
    const output = await shell.run(step.command, COMMAND_MS);
    if (outputMatches(step.expected, output)) return;
    if (performance.now() > deadline) {
      expect(output.trim(), `${page}:${step.line}: $ ${step.command}`).toBe(step.expected.join('\n'));
      throw new Error('unreachable: the texts differ');
    }
  }
}

/** Objects that are shown, not applied by a command: they are taken without a word of warning, and go again. */
async function storeAndDelete(shell: Shell, { line, yaml }: ObjectsBlock, page: string): Promise<void> {
  const kubectl = (verb: string) => shell.run(`kubectl ${verb} -f - <<'EOF'\n${yaml}\nEOF`, COMMAND_MS);
  const stored = await kubectl('apply');
  await kubectl('delete --ignore-not-found');
  expect(stored, `${page}:${line}`).toMatch(/^(\S+ (created|configured)\n)+$/);
}

/** A test for each command of a page of the documentation, in its order, and for each object that it shows. */
export function describePage(page: string, shell: () => Shell, eventuallyMs = 20_000): void {
  const markdown = readFileSync(join(root, page), 'utf8');
  describe.each(parseConsolePage(markdown).map((section) => [section.title, section.steps] as const))('%s', (_title, steps) => {
    for (const step of steps)
      it(`line ${step.line}: ${step.command.split('\n')[0]}`, () => runStep(shell(), step, page, eventuallyMs), COMMAND_MS + eventuallyMs);
  });
  const objects = parseObjects(markdown);
  if (objects.length > 0)
    describe('objects that it shows', () => {
      for (const block of objects) it(`line ${block.line}`, () => storeAndDelete(shell(), block, page), COMMAND_MS);
    });
}
