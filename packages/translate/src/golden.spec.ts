import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { render, type Scenario } from './testing/scenario.ts';

const directory = new URL('../testdata/', import.meta.url);
const cases = readdirSync(directory)
  .filter((file) => file.endsWith('.in.yaml'))
  .map((file) => file.slice(0, -'.in.yaml'.length));

describe('goldens', () => {
  it.each(cases)('%s', (name) => {
    const scenario: Scenario = parse(readFileSync(new URL(`${name}.in.yaml`, directory), 'utf8'));
    const actual = stringify(render(scenario), { lineWidth: 0, aliasDuplicateObjects: false });
    const file = new URL(`${name}.out.yaml`, directory);
    if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(file, actual);
    expect(actual).toBe(readFileSync(file, 'utf8'));
  });
});
