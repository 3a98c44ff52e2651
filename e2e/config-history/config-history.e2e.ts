import { execFile, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startLoad } from '../../bench/src/load.ts';
import { eventually } from '../src/daemon-process.ts';
import { startUp, type UpProcess } from '../src/up-process.ts';

const root = resolve(import.meta.dirname, '../..');
const NODE = join(root, 'node_modules/.bin/node');
const XEBEC = join(root, 'apps/cli/bin/xebec.ts');
const REVIEWS = 'http://127.0.0.1:8080/api/v1/products/0/reviews';

let folder = '';
let up: UpProcess;
const env = () => ({ ...process.env, KUBECONFIG: join(folder, '.xebec/kubeconfig') });

interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly errors: string;
}

async function xebec(...args: string[]): Promise<Outcome> {
  try {
    const { stdout, stderr } = await promisify(execFile)(NODE, [XEBEC, ...args], { env: env() });
    return { code: 0, out: stdout, errors: stderr };
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && 'stdout' in error && 'stderr' in error)) throw error;
    return { code: Number(error.code), out: String(error.stdout), errors: String(error.stderr) };
  }
}

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

/** All reviews from one version, by a subset with a name of its own, and fillers that make the bundle long. */
function reviews(version: string, subset: string, fillers = 0): string {
  const filler = Array.from(
    { length: fillers },
    (_, index) => `---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: filler-${index}, annotations: {round: "${subset}"}}
spec: {hosts: [filler-${index}.example.com], ports: [{number: 80, name: http, protocol: HTTP}], resolution: DNS}
`,
  ).join('');
  return `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews}
spec: {hosts: [reviews], http: [{route: [{destination: {host: reviews, subset: ${subset}}}]}]}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews}
spec: {host: reviews, subsets: [{name: ${subset}, labels: {version: ${version}}}]}
${filler}`;
}

/** The version of reviews that answers now. */
async function servedBy(): Promise<string> {
  const response = await fetch(REVIEWS);
  return /reviews-(v\d)/.exec(await response.text())?.[1] ?? `status ${response.status}`;
}

const routed = (version: string) =>
  eventually(`reviews ${version}`, async () => ((await servedBy()) === version ? true : undefined), 30_000);

/** Starts an apply and kills it without warning as soon as it has stored its first object. */
async function applyAndDie(path: string): Promise<string> {
  const child = spawn(NODE, [XEBEC, 'apply', '-f', path], { env: env(), stdio: ['ignore', 'pipe', 'inherit'] });
  await new Promise<void>((done) => {
    child.stdout.once('data', () => {
      child.kill('SIGKILL');
      done();
    });
  });
  const [open] = JSON.parse((await xebec('config', 'bundles', '-o', 'json')).out).filter(
    ({ phase }: { phase: string }) => phase === 'Open',
  );
  expect(open, 'an open bundle').toBeDefined();
  return String(open.id);
}

function galleyPid(): number | undefined {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number)
    .find((pid) => {
      try {
        const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')[0] ?? '';
        return /^xebec-galley( |$)/.test(command) && readFileSync(`/proc/${pid}/environ`, 'utf8').includes(folder);
      } catch {
        return false;
      }
    });
}

async function newestVersion(): Promise<{ number: number; cause: string; author: string; message: string; changes: unknown[] }> {
  return JSON.parse((await xebec('config', 'history', '--limit', '1', '-o', 'json')).out)[0];
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'xh-'));
  up = await startUp(folder, ['--demo', '--samples', join(root, 'samples')]);
}, 180_000);
afterAll(async () => {
  await up?.stop();
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

describe('bundles under load', () => {
  it('move traffic to new subsets and back without a failed request', async () => {
    expect((await xebec('apply', '-f', file('first.yaml', reviews('v1', 'one')))).code).toBe(0);
    await routed('v1');
    const load = startLoad(REVIEWS, 4);
    for (const [version, subset] of [
      ['v2', 'two'],
      ['v3', 'three'],
      ['v1', 'four'],
    ] as const) {
      const { code, errors } = await xebec('apply', '-f', file('next.yaml', reviews(version, subset)), '--wait', '-m', `to ${version}`);
      expect(errors).toMatch(/2 objects took effect together as version \d+/);
      expect(code).toBe(0);
      await routed(version);
    }
    const { errors } = await xebec('config', 'rollback');
    expect(errors).toMatch(/configuration is as it was with v\d+: 2 objects, version \d+/);
    await routed('v3');
    const result = await load.stop();
    expect(result.requests).toBeGreaterThan(50);
    expect(Object.fromEntries(result.failures)).toEqual({});
    expect(await newestVersion()).toMatchObject({
      cause: 'bundle',
      author: 'kubernetes-admin',
      message: expect.stringMatching(/^rollback to v\d+$/),
    });
  }, 180_000);

  it('whose client is killed changes nothing until it is finished by another, or is undone', async () => {
    await xebec('apply', '-f', file('base.yaml', reviews('v1', 'base', 20)));
    await routed('v1');
    const load = startLoad(REVIEWS, 4);
    const before = (await newestVersion()).number;
    const first = await applyAndDie(file('dying.yaml', reviews('v2', 'dying', 20)));
    expect(await servedBy()).toBe('v1');
    const refused = await xebec('apply', '-f', file('other.yaml', reviews('v3', 'other')));
    expect(refused.errors).toContain(`nothing was stored`);
    expect(refused.errors).toContain(`xebec config bundles resume ${first}`);
    expect((await newestVersion()).number).toBe(before);
    expect((await xebec('config', 'bundles', 'resume', first)).errors).toContain(`is in force as version ${before + 1}`);
    await routed('v2');

    const second = await applyAndDie(file('dying2.yaml', reviews('v3', 'dying2', 20)));
    expect((await xebec('config', 'bundles', 'abort', second)).errors).toContain('is undone');
    expect(await servedBy()).toBe('v2');
    expect((await newestVersion()).number).toBe(before + 1);
    expect(Object.fromEntries((await load.stop()).failures)).toEqual({});
  }, 180_000);

  it('stay held while galley is killed and comes back', async () => {
    await xebec('apply', '-f', file('base.yaml', reviews('v1', 'galley-base', 20)));
    await routed('v1');
    const load = startLoad(REVIEWS, 4);
    const id = await applyAndDie(file('dying.yaml', reviews('v3', 'galley-next', 20)));
    const killed = galleyPid();
    expect(killed).toBeDefined();
    if (killed === undefined) return;
    process.kill(killed, 'SIGKILL');
    await eventually(
      'a new galley',
      () => {
        const pid = galleyPid();
        return pid !== undefined && pid !== killed ? true : undefined;
      },
      30_000,
    );
    // Pilot takes everything anew from the galley that has come back.
    await eventually(
      'galley to take a change',
      async () => {
        const { code } = await xebec('apply', '-f', file('probe.yaml', probe(String(Date.now()))), '--wait', '--timeout', '5s');
        return code === 0 ? true : undefined;
      },
      60_000,
    );
    expect(await servedBy()).toBe('v1');
    expect((await xebec('config', 'bundles', 'resume', id)).errors).toContain('is in force');
    await routed('v3');
    expect(Object.fromEntries((await load.stop()).failures)).toEqual({});
  }, 180_000);
});

describe('history', () => {
  it('refuses the whole of a bundle that has an error, with its place', async () => {
    const before = (await newestVersion()).number;
    const bad = file('bad.yaml', reviews('v2', 'good').replace('subset: good', 'subset: godo'));
    const { code, errors } = await xebec('apply', '-f', bad);
    expect(code).toBe(79);
    expect(errors).toMatch(/\[IST0101\] \(VirtualService default\/reviews .*bad\.yaml:\d+\)/);
    expect(errors).toContain('nothing was stored: analysis finds an error that is new');
    const unknown = file('unknown.yaml', reviews('v2', 'good').replace('hosts:', 'hots:'));
    expect((await xebec('apply', '-f', unknown)).errors).toMatch(
      /unknown\.yaml:1: VirtualService default\/reviews: .*did you mean "hosts"/,
    );
    expect((await newestVersion()).number).toBe(before);
  }, 60_000);

  it('tells who changed what, also of kubectl, and shows and undoes it', async () => {
    execFileSync('kubectl', ['apply', '-f', file('probe.yaml', probe('first'))], { env: env(), stdio: 'ignore' });
    execFileSync('kubectl', ['apply', '-f', file('probe.yaml', probe('second'))], { env: env(), stdio: 'ignore' });
    const newest = await eventually('the version of a kubectl apply', async () => {
      const version = await newestVersion();
      return JSON.stringify(version.changes).includes('second') ? version : undefined;
    });
    expect(newest).toMatchObject({ cause: 'change', author: 'kubernetes-admin' });
    const diff = await xebec('config', 'diff', `v${newest.number}`);
    expect(diff.code).toBe(1);
    expect(diff.out).toContain('--- a/default/VirtualService/probe\n+++ b/default/VirtualService/probe\n@@ ');
    expect(diff.out).toMatch(/^-.*first$/m);
    expect(diff.out).toMatch(/^\+.*second$/m);
    expect(await xebec('config', 'diff', `v${newest.number}`, `v${newest.number}`)).toMatchObject({ code: 0, out: '' });

    execFileSync('kubectl', ['delete', 'virtualservice', 'probe'], { env: env(), stdio: 'ignore' });
    await eventually('the version of a deletion', async () => ((await newestVersion()).number > newest.number ? true : undefined));
    expect(await newestVersion()).toMatchObject({ author: 'kubernetes-admin', changes: [{ change: 'deleted' }] });
    expect((await xebec('config', 'rollback', `v${newest.number}`)).code).toBe(0);
    expect(execFileSync('kubectl', ['get', 'virtualservice', 'probe', '-o', 'yaml'], { env: env(), encoding: 'utf8' })).toContain('second');
  }, 120_000);

  it('deletes together', async () => {
    const { code, errors } = await xebec('delete', '-f', join(folder, 'first.yaml'));
    expect(errors).toMatch(/2 objects took effect together/);
    expect(code).toBe(0);
    expect(execFileSync('kubectl', ['get', 'virtualservice', '-o', 'name'], { env: env(), encoding: 'utf8' })).not.toContain('/reviews');
  }, 60_000);
});

describe('SMI', () => {
  it('a TrafficSplit in a bundle with its services sends all traffic to one of them', async () => {
    const service = (version: string) => `apiVersion: v1
kind: Service
metadata: {name: reviews-${version}}
spec: {selector: {app: reviews, version: ${version}}, ports: [{name: http, port: 9080}]}
---
`;
    const split = `apiVersion: split.smi-spec.io/v1alpha2
kind: TrafficSplit
metadata: {name: reviews}
spec: {service: reviews, backends: [{service: reviews-v1, weight: 0}, {service: reviews-v3, weight: 100}]}
`;
    expect((await xebec('apply', '-f', file('split.yaml', service('v1') + service('v3') + split))).code).toBe(0);
    await eventually(
      'every review from v3',
      async () => {
        const answers = await Promise.all(Array.from({ length: 12 }, servedBy));
        return answers.every((answer) => answer === 'v3') ? true : undefined;
      },
      30_000,
    );
    execFileSync('kubectl', ['delete', 'trafficsplit', 'reviews'], { env: env(), stdio: 'ignore' });
    await routed('v1');
  }, 120_000);
});

function probe(value: string): string {
  return `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: probe}
spec: {hosts: [probe.example.com], gateways: [bookinfo-gateway], http: [{directResponse: {status: 200, body: {string: "${value}"}}}]}
`;
}
