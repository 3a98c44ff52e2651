import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { numberedFile } from './numbered-file.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'xebec-numbered-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

it('tells whoever writes second, and keeps nothing of what was before', async () => {
  const [one, two] = [numberedFile(directory, 'state'), numberedFile(directory, 'state')];
  expect(await one.load()).toBeUndefined();
  expect(await one.save(Buffer.from('first'), undefined)).toBe('1');
  expect(await two.save(Buffer.from('also first'), undefined)).toBeUndefined();
  expect(await two.save(Buffer.from('second'), '1')).toBe('2');
  expect(await one.save(Buffer.from('late'), '1')).toBeUndefined();
  expect(await one.load()).toEqual({ bytes: Buffer.from('second'), revision: '2' });
  expect(readFileSync(join(directory, 'state.1'), 'utf8')).toBe('');
  for (let number = 2; number < 40; number++) expect(await one.save(Buffer.from(`${number}`), String(number))).toBe(String(number + 1));
  // So late that the number is free again.
  expect(await two.save(Buffer.from('very late'), '3')).toBeUndefined();
  expect(await two.load()).toEqual({ bytes: Buffer.from('39'), revision: '40' });
  expect(readdirSync(directory).length).toBeLessThanOrEqual(17);
});

it('loses no turn where many write at once', async () => {
  const count = async () => {
    const file = numberedFile(directory, 'state');
    for (let turn = 0; turn < 20; ) {
      const known = await file.load();
      const next = Number(known?.bytes.toString() ?? 0) + 1;
      if ((await file.save(Buffer.from(String(next)), known?.revision)) !== undefined) turn++;
    }
  };
  await Promise.all([count(), count(), count()]);
  expect((await numberedFile(directory, 'state').load())?.bytes.toString()).toBe('60');
});
