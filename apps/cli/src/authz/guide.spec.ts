import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { createProgram, runProgram } from '../program.ts';
import { verbs } from '../verbs.ts';

const repository = join(import.meta.dirname, '../../../..');
const guide = readFileSync(join(repository, 'docs/guides/authorization.md'), 'utf8');
const blocks = (language: string) => [...guide.matchAll(new RegExp(`\`\`\`${language}\\n([^]*?)\`\`\``, 'g'))].map(([, text = '']) => text);
const files = { 'live.yaml': blocks('yaml')[0] ?? '', 'new.yaml': blocks('yaml')[1] ?? '', 'requests.jsonl': blocks('json')[0] ?? '' };

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'xebec-authz-'));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
});
afterAll(() => rmSync(directory, { recursive: true }));
afterEach(() => {
  vi.restoreAllMocks();
  process.exitCode = undefined;
});

async function output(command: string): Promise<string> {
  const argv = command
    .split(' ')
    .slice(2)
    .map((word) => (word.startsWith('samples/') ? join(repository, word) : Object.hasOwn(files, word) ? join(directory, word) : word));
  let printed = '';
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    printed += String(text);
    return true;
  });
  await runProgram(createProgram(verbs), argv);
  return printed;
}

/** The lines come in this order; `…` stands for any lines. */
function expectLines(actual: string, expected: readonly string[]): void {
  const lines = actual.split('\n');
  let at = 0;
  let anywhere = false;
  for (const line of expected) {
    if (line === '…') {
      anywhere = true;
      continue;
    }
    const found = anywhere ? lines.indexOf(line, at) : lines[at] === line ? at : -1;
    expect(found, `"${line}" is not where it should be in:\n${actual}`).toBeGreaterThanOrEqual(0);
    at = found + 1;
    anywhere = false;
  }
}

describe('docs/guides/authorization.md', () => {
  const commands = blocks('console').map((text) => text.trimEnd().split('\n'));
  it('has commands', () => expect(commands.length).toBe(3));
  it.each(commands.map((lines) => [lines[0]?.slice(2) ?? '', lines.slice(1)] as const))('%s', async (command, expected) => {
    expectLines(await output(command), expected);
  });

  const simulate =
    'npx xebec authz simulate reviews-v1 -f new.yaml --requests requests.jsonl --manifests samples/bookinfo/platform live.yaml';
  it('fails where verdicts change, when told to', async () => {
    await output(`${simulate} --fail-on-change`);
    expect(process.exitCode).toBe(1);
  });
  it('takes a policy away', async () => {
    const changes: unknown = JSON.parse(await output(`${simulate} --without default/no-admin -o json`));
    expect(changes).toMatchObject({ requests: 5, unchanged: 2 });
  });
});
