import { appendFileSync, mkdtempSync, openSync, readFileSync, rmSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseLogOptions, selectLog } from './log-options.ts';
import { rotateLog } from './log-rotation.ts';

const NOW = Date.parse('2026-01-01T00:01:00Z');
const TEXT = 'one\ntwo\nthree';
const select = (query: string, writtenMs = NOW) => selectLog(TEXT, writtenMs, parseLogOptions(new URLSearchParams(query), NOW));

describe('log options', () => {
  it.each([
    ['', TEXT],
    ['tailLines=2', 'two\nthree'],
    ['tailLines=0', ''],
    ['tailLines=99', TEXT],
    ['limitBytes=5', 'one\nt'],
    ['sinceSeconds=10', TEXT],
    ['sinceTime=2026-01-01T00:02:00Z', ''],
    ['sinceTime=nonsense', TEXT],
    ['tailLines=-1', TEXT],
    ['timestamps=true&tailLines=1', '2026-01-01T00:01:00.000Z three'],
  ])('%s gives %j', (query, expected) => {
    expect(select(query)).toBe(expected);
  });

  it('leaves out a log that was last written before the time asked for', () => {
    expect(select('sinceSeconds=10', NOW - 11_000)).toBe('');
  });

  it('reads the flags in both spellings', () => {
    expect(parseLogOptions(new URLSearchParams('follow=1&previous=true'), NOW)).toMatchObject({
      follow: true,
      previous: true,
      timestamps: false,
    });
  });
});

describe('rotateLog', () => {
  let directory: string;
  let file: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'log-'));
    file = join(directory, 'app.log');
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  it('moves the text aside when the log is too long, and the writer goes on at the start', () => {
    const writer = openSync(file, 'a');
    writeSync(writer, 'x'.repeat(20));
    expect(rotateLog(file, 20)).toBe(false);
    writeSync(writer, 'y');
    expect(rotateLog(file, 20)).toBe(true);
    expect(statSync(file).size).toBe(0);
    writeSync(writer, 'after\n');
    expect(readFileSync(file, 'utf8')).toBe('after\n');
    expect(readFileSync(`${file}.1`, 'utf8')).toBe(`${'x'.repeat(20)}y`);
  });

  it('keeps one older file', () => {
    writeFileSync(file, 'first');
    rotateLog(file, 1);
    appendFileSync(file, 'second');
    rotateLog(file, 1);
    expect(readFileSync(`${file}.1`, 'utf8')).toBe('second');
  });

  it('does nothing where there is no log yet', () => {
    expect(rotateLog(join(directory, 'none.log'))).toBe(false);
  });
});
