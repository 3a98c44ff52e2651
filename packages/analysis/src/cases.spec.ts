import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse, parseAllDocuments, stringify } from 'yaml';
import { analyze, analyzers, levelOf, type Message, type MessageType, messageTypes, originOf, toRawObject } from './index.ts';

const CASES = join(import.meta.dirname, '../cases');
/** The day the cases are looked at: certificates in them have ended, or last for years, by then. */
const NOW = Date.parse('2027-06-01T00:00:00Z');
/** What no set of plain objects brings about: several clusters, networks of the mesh, and analyzers that run on request or need the adapters of Mixer. */
const WITHOUT_CASE = ['IST0126', 'IST0136', 'IST0170', 'XB0008', 'XB0009'];

function run(file: string): Message[] {
  const objects = parseAllDocuments(readFileSync(file, 'utf8')).flatMap((document) => toRawObject(document.toJS(), 'default') ?? []);
  return analyze(objects, { now: NOW });
}

function described(messages: readonly Message[]): unknown[] {
  return messages.map((message) => ({
    code: message.code,
    level: levelOf(message),
    origin: originOf(message),
    path: message.path,
    message: message.text,
  }));
}

describe('cases', () => {
  const codes = readdirSync(CASES).sort();

  it.each(codes)('%s is given where it should be, and not where it nearly should', (code) => {
    const found = described(run(join(CASES, code, 'input.yaml')));
    const golden = join(CASES, code, 'expected.yaml');
    if (process.env['UPDATE_GOLDEN'] === '1' || !existsSync(golden)) writeFileSync(golden, stringify(found, { lineWidth: 0 }));
    expect(found).toEqual(parse(readFileSync(golden, 'utf8')));
    expect(found).toContainEqual(expect.objectContaining({ code }));
    expect(run(join(CASES, code, 'near-miss.yaml')).map((message) => message.code)).not.toContain(code);
  });

  it('there is one for every code that analyze gives', () => {
    const types: [string, MessageType][] = Object.entries(messageTypes);
    const given = types.filter(([, { by }]) => by === undefined).map(([code]) => code);
    expect(given.filter((code) => !codes.includes(code) && !WITHOUT_CASE.includes(code))).toEqual([]);
  });

  it('every code that analyze gives has an analyzer', () => {
    const types: [string, MessageType][] = Object.entries(messageTypes);
    const owned = new Set<string>(analyzers.flatMap((analyzer) => analyzer.codes));
    const given = types.filter(([, { by }]) => by === undefined || by === 'on request').map(([code]) => code);
    expect(given.filter((code) => !owned.has(code))).toEqual([]);
  });
});
