import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { checkPolicyObject, policyContext, templates } from '@xebec/policy';
import { decodeObject } from '@xebec/schemas';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { writeAdapter } from './write-adapter.ts';

const run = promisify(execFile);
const repository = new URL('../../../../../', import.meta.url).pathname;
const all = [...templates.values()].filter(({ variety }) => variety !== 'ATTRIBUTE_GENERATOR').map(({ name }) => name);
const namespace = 'istio-system';
let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'xebec-new-adapter-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

/** A process of its own: not one of the test runner's, which children would take themselves for. */
const environment = () =>
  Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(VITEST|NODE_TEST|NODE_OPTIONS)/.test(name)));

describe('xebec adapter new', () => {
  it('writes an adapter in TypeScript for every template, whose tests pass', async () => {
    const out = join(directory, 'mine');
    writeAdapter('mine', { template: all.join(','), language: 'typescript', namespace, out });
    symlinkSync(join(repository, 'node_modules'), join(out, 'node_modules'));
    const { stdout } = await run(process.execPath, ['--test', '--test-reporter=tap'], { cwd: out, env: environment() });
    expect(stdout).toContain(`# pass ${all.length}`);
    expect(stdout).toContain('# fail 0');
  });
  it.each(['typescript', 'python'])('writes objects that admission takes (%s)', (language) => {
    const out = join(directory, 'mine');
    writeAdapter('mine', { template: all.join(','), language, namespace, out });
    const documents = parseAllDocuments(readFileSync(join(out, 'mixer.yaml'), 'utf8')).map((document) => document.toJS() as unknown);
    expect(documents).toHaveLength(all.length + 3);
    const objects = documents.map((document) => {
      const decoded = decodeObject(document);
      if (!decoded.ok) throw new Error(JSON.stringify(decoded.error));
      return decoded.value;
    });
    const context = policyContext(objects, new Map());
    for (const object of objects) expect(checkPolicyObject(object, context)).toEqual({ errors: [], warnings: [] });
  });
  it('writes one for the inside of Mixer, whose spec passes among the others', async () => {
    const root = join(directory, 'adapters');
    mkdirSync(root);
    cpSync(join(repository, 'packages/adapters/src'), join(root, 'src'), { recursive: true });
    symlinkSync(join(repository, 'node_modules'), join(root, 'node_modules'));
    writeAdapter('my-own', {
      template: 'listentry,quota,metric',
      language: 'typescript',
      inProcess: true,
      namespace,
      out: join(root, 'src/my-own'),
    });
    const vitest = join(repository, 'node_modules/vitest/vitest.mjs');
    const report = join(directory, 'report.json');
    const args = ['run', '--root', root, 'src/my-own', '--reporter=json', `--outputFile=${report}`];
    await run(process.execPath, [vitest, ...args], { env: environment() });
    expect(JSON.parse(readFileSync(report, 'utf8'))).toMatchObject({ numPassedTests: 4, numFailedTests: 0 });
  });
  it('overwrites nothing and says what it does not know', () => {
    const out = join(directory, 'mine');
    mkdirSync(out);
    writeFileSync(join(out, 'adapter.ts'), 'mine');
    const options = { template: 'metric', language: 'typescript', namespace, out };
    expect(() => writeAdapter('mine', options)).toThrow('is there already and not empty; choose another with --out');
    expect(() => writeAdapter('mine', { ...options, template: 'kubernetes' })).toThrow(
      '--template kubernetes: a new adapter takes some of',
    );
    expect(() => writeAdapter('mine', { ...options, language: 'go' })).toThrow('--language go: it is typescript or python');
    expect(() => writeAdapter('../mine', options)).toThrow('"../mine" is no name of an object');
  });
});
