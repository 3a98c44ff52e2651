import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { seededRandom } from '@xebec/core';
import { describe, expect, it } from 'vitest';
import { readSimpleDocument } from './simple-yaml.ts';
import { readAnyObjects, readYamlObjects } from './yaml-documents.ts';

const ROOT = resolve(import.meta.dirname, '../../..');

function yamlFiles(folder: string): readonly string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.ya?ml$/.test(name) && !name.includes('node_modules'))
    .map((name) => join(ROOT, folder, name));
}

/** Values, lines and problems, as anybody sees them. */
function seen(read: ReturnType<typeof readYamlObjects>): unknown {
  return {
    problems: read.problems,
    objects: read.objects.map(({ value, line, fieldLines }) => ({ value, line, fieldLines: Object.entries(fieldLines).sort() })),
  };
}

describe('simple YAML', () => {
  // Of the goldens of translation the large ones are left out: more of the same, at a second of the whole parser for each megabyte.
  it.each([
    ['samples', 100_000],
    ['deploy', 100_000],
    ['packages/translate', 30_000],
  ])('reads every file of %s as the whole parser does', (folder, mostCharacters) => {
    const files = yamlFiles(folder);
    expect(files.length).toBeGreaterThan(3);
    for (const file of files) {
      const text = readFileSync(file, 'utf8');
      if (text.length > mostCharacters) continue;
      expect(seen(readYamlObjects(text)), file).toEqual(seen(readAnyObjects(text)));
    }
  });

  it('reads what it was made for without the whole parser', () => {
    const text = `# A rule.
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: a # the name
  annotations: {}
spec:
  hosts:
  - "*.example.com"
  - '-x'
  http:
    - match: []
      timeout: 5s
      retries:
        attempts: 3
      route:
      - destination:
          host: a
        weight: 99.5
      empty:
`;
    expect(readSimpleDocument(text)).toMatchObject({
      line: 1,
      value: {
        metadata: { name: 'a', annotations: {} },
        spec: {
          hosts: ['*.example.com', '-x'],
          http: [
            { match: [], timeout: '5s', retries: { attempts: 3 }, route: [{ destination: { host: 'a' }, weight: 99.5 }], empty: null },
          ],
        },
      },
    });
  });

  it.each([
    ['anchors', 'a: &x 1\nb: *x'],
    ['tags', 'a: !!str 1'],
    ['block scalars', 'a: |\n  x\n  y'],
    ['scalars over lines', 'a: x\n  y'],
    ['flow over lines', 'a: [1,\n  2]'],
    ['the same key twice', 'a: 1\na: 2'],
    ['merge keys', 'a:\n  <<: x'],
    ['keys that are no strings', 'true: 1'],
    ['numbers of other forms', 'a: 0x10'],
    ['escapes', 'a: "\\u0041"'],
    ['tabs', 'a:\t1'],
    ['maps in plain scalars', 'a: b: c'],
    ['wrong indentation', 'a:\n    b: 1\n  c: 2'],
    ['a second value', 'a: 1\n- b'],
    ['names of prototypes', '__proto__:\n  x: 1'],
  ])('leaves %s to the whole parser', (_what, text) => {
    expect(readSimpleDocument(text)).toBeUndefined();
  });

  it('agrees with the whole parser on files that were damaged at random', () => {
    const random = seededRandom(7);
    const pieces = [
      ':',
      '- ',
      '#',
      ' ',
      '  ',
      '\n',
      '"',
      "'",
      '~',
      '0',
      '1e3',
      '.5',
      '-',
      '---\n',
      '...\n',
      '|',
      '{',
      ']',
      'null',
      '&a',
      '? ',
      ',',
      '\t',
      'no',
    ];
    const texts = yamlFiles('samples')
      .map((file) => readFileSync(file, 'utf8'))
      .filter(({ length }) => length < 4_000);
    const pick = <T>(list: readonly T[]): T => list[Math.floor(random.next() * list.length)] ?? (list[0] as T);
    for (let round = 0; round < 300; round++) {
      let text = pick(texts);
      for (let edits = 1 + Math.floor(random.next() * 3); edits > 0; edits--) {
        const at = Math.floor(random.next() * text.length);
        text = text.slice(0, at) + (random.next() < 0.7 ? pick(pieces) : '') + text.slice(at + Math.floor(random.next() * 3));
      }
      expect(seen(readYamlObjects(text)), text).toEqual(seen(readAnyObjects(text)));
    }
  });
});

it.each([
  ['hosts:\n  - *.example.com\n', 2, '"*.example.com" must stand in quotes, or refers to an anchor that is not there'],
  ['spec:\n\thosts: [a]\n', 2, 'a tab stands where spaces must: indent with spaces'],
  ['spec:\n  - hosts: [a]\n    hosts: [b]\n', 3, 'field "hosts" stands twice'],
  ['spec:\n  name: a: b\n', 2, 'text with ": " in it must stand in quotes, or the indentation is wrong'],
  ['a:\n  {{- range .Values.hosts }}\n  - {{ . }}\n', 2, 'Helm template: render it first'],
  [`a: ${'['.repeat(20_000)}`, 1, 'nested too deeply'],
  ['\ufffd\ufffda\u0000', 1, 'no text in UTF-8'],
])('says of %j what to do', (text, line, message) => {
  expect(readYamlObjects(text).problems).toEqual([{ line, message: expect.stringContaining(message) }]);
});
