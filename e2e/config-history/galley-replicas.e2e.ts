import { execFile, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type ApiServer, createApiServer } from '../kubernetes-platform/api-server.ts';
import { eventually, freePort, type RunningProcess, startDaemon } from '../src/daemon-process.ts';

const root = resolve(import.meta.dirname, '../..');
const XEBEC = join(root, 'apps/cli/bin/xebec.ts');
/** A lease runs out 10 s after its holder's last word, and is looked at every 2 s. */
const LEASE_MS = 13_000;
const FILLERS = 20;

interface Galley {
  readonly process: RunningProcess;
  page(name: string): Promise<unknown>;
}

let server: ApiServer;
let folder = '';
const running = new Map<string, Galley>();
const seen: string[] = [];
let watching = true;
let watcher: Promise<void>;

async function startGalley(name: string): Promise<Galley> {
  const [mcp, http] = [await freePort(), await freePort()];
  const args = ['--kubeconfig', server.kubeconfig, '--mcp-addr', `127.0.0.1:${mcp}`, '--http-addr', `127.0.0.1:${http}`];
  const process = startDaemon('galley', args, { POD_NAME: name });
  const galley = { process, page: async (page: string) => (await fetch(`http://127.0.0.1:${http}/debug/${page}`)).json() };
  const isReady = async () => (await fetch(`http://127.0.0.1:${http}/readyz`)).ok || undefined;
  await eventually(`galley ${name}`, isReady, 60_000).catch((cause: unknown) => {
    throw new Error(`galley ${name} does not start; it printed:\n${process.output()}`, { cause });
  });
  running.set(name, galley);
  return galley;
}

const leads = async (galley: Galley) => ((await galley.page('replicaz')) as { leads: boolean }).leads;

/** The subset that the route names, and those that the rule has, as a galley has them in force: `two two`. */
async function inForce(galley: Galley): Promise<string | undefined> {
  const { objects } = (await galley.page('configz')) as { objects: { kind: string; metadata: { name: string }; spec: never }[] };
  const find = (kind: string): string => JSON.stringify(objects.find((one) => one.kind === kind && one.metadata.name === 'reviews')?.spec);
  const subset = /"subset":"(\w+)"/.exec(find('VirtualService'))?.[1];
  const name = /"subsets":\[\{"name":"(\w+)"/.exec(find('DestinationRule'))?.[1];
  return `${subset} ${name}`;
}

/** A route and its subset, with so many fillers between that storing all of it takes a while. */
function reviews(subset: string): string {
  const filler = (_: unknown, index: number) => `---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: filler-${index}, namespace: shop, annotations: {round: "${subset}"}}
spec: {hosts: [filler-${index}.example.com], ports: [{number: 80, name: http, protocol: HTTP}], resolution: DNS}
`;
  return `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews, namespace: shop}
spec: {hosts: [reviews], http: [{route: [{destination: {host: reviews, subset: ${subset}}}]}]}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews, namespace: shop}
spec: {host: reviews, subsets: [{name: ${subset}, labels: {version: v1}}]}
${Array.from({ length: FILLERS }, filler).join('')}`;
}

function file(name: string, text: string): string {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
}

async function xebec(...args: string[]): Promise<string> {
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [XEBEC, ...args, '-c', server.kubeconfig]);
  return stdout + stderr;
}

/** Stores a single object, which is a version by itself. */
const change = (value: string) => server.kubectl('annotate', '--overwrite', 'serviceentry', 'filler-0', '-n', 'shop', `round=${value}`);

/** What each version changed, oldest first: its number, and the new round of the fillers or the whole bundle. */
async function history(): Promise<string[]> {
  const versions: { number: number; cause: string; changes: { after?: { metadata: { annotations: { round?: string } } } }[] }[] =
    JSON.parse(await xebec('config', 'history', '--limit', '200', '-o', 'json'));
  return versions.reverse().map(({ number, cause, changes }) => {
    const rounds = new Set(changes.flatMap(({ after }) => after?.metadata.annotations.round ?? []));
    return `${number} ${cause} ${[...rounds].join()}`;
  });
}

/** Applies and is killed as soon as the first member is stored. */
async function applyAndDie(path: string): Promise<string> {
  const child = spawn(process.execPath, [XEBEC, 'apply', '--force', '-f', path, '-c', server.kubeconfig], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await new Promise<void>((done) => {
    child.stdout.once('data', () => {
      child.kill('SIGKILL');
      done();
    });
  });
  const bundles: { id: string; phase: string }[] = JSON.parse(await xebec('config', 'bundles', '-o', 'json'));
  return bundles.find(({ phase }) => phase === 'Open')?.id ?? '';
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'xebec-replicas-'));
  server = createApiServer();
  await server.start();
  for (const name of readdirSync(join(root, 'deploy/crds')))
    await server.kubectl('apply', '--server-side', '-f', join(root, 'deploy/crds', name));
  for (const name of ['istio-system', 'shop']) await server.kubectl('create', 'namespace', name);
  await startGalley('galley-a');
  // Whatever a galley shows at any time: a route and the subset that belongs to it.
  const look = async (): Promise<void> => {
    while (watching) {
      for (const [name, galley] of running) {
        const shown = await inForce(galley).catch(() => undefined);
        if (shown !== undefined && seen.at(-1) !== `${name} ${shown}`) seen.push(`${name} ${shown}`);
      }
      await new Promise((done) => setTimeout(done, 2));
    }
  };
  watcher = look();
}, 180_000);
afterAll(async () => {
  watching = false;
  await watcher;
  for (const { process } of running.values()) await process.stop();
  await server.close();
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

it('two galleys: one leads, a bundle is whole at both at any time, and nothing is lost or recorded twice when the leader dies', async () => {
  const a = running.get('galley-a') as Galley;
  await eventually('galley-a to lead', async () => (await leads(a)) || undefined, LEASE_MS);
  const b = await startGalley('galley-b');
  expect(await leads(b)).toBe(false);
  for (const subset of ['one', 'two', 'three']) {
    expect(await xebec('apply', '--force', '-f', file('reviews.yaml', reviews(subset)))).toMatch(
      /22 objects took effect together as version \d+/,
    );
    await eventually(`${subset} at both`, async () => {
      const shown = await Promise.all([a, b].map(inForce));
      return shown.every((one) => one === `${subset} ${subset}`) || undefined;
    });
  }
  await change('four');
  await eventually('the version', async () => (await history()).length === 4 || undefined);

  const dying = await applyAndDie(file('reviews.yaml', reviews('five')));
  await a.process.stop('SIGKILL');
  running.delete('galley-a');
  // Nobody leads now: this is not lost.
  const single = `apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: single, namespace: shop, annotations: {round: single}}
spec: {egress: [{hosts: ["*/*"]}]}
`;
  await server.kubectl('apply', '-f', file('single.yaml', single));
  expect(await inForce(b)).toBe('three three');
  await eventually('galley-b to lead', async () => (await leads(b)) || undefined, LEASE_MS);
  await eventually('the single change', async () => (await history()).at(-1)?.endsWith('change single') || undefined);
  expect(await inForce(b)).toBe('three three');
  expect(await xebec('config', 'bundles', 'resume', dying)).toContain('is in force');
  await eventually('the bundle', async () => (await inForce(b)) === 'five five' || undefined);

  // Back again, it follows; when the leader is stopped as it should be, the other leads at once.
  const again = await startGalley('galley-a');
  expect(await leads(again)).toBe(false);
  expect(await inForce(again)).toBe('five five');
  expect(await xebec('apply', '--force', '-f', file('reviews.yaml', reviews('six')))).toContain('took effect together');
  running.delete('galley-b');
  expect(await b.process.stop()).toBe(0);
  await eventually('galley-a to lead again', async () => (await leads(again)) || undefined, 5_000);
  await change('seven');
  await eventually('the last version', async () => (await history()).at(-1)?.endsWith('change seven') || undefined);
  expect(await history()).toEqual([
    '1 bundle one',
    '2 bundle two',
    '3 bundle three',
    '4 change four',
    '5 change single',
    '6 bundle five',
    '7 bundle six',
    '8 change seven',
  ]);
  const halves = seen.filter((shown) => !/^galley-\w (\w+) \1$/.test(shown));
  expect(halves).toEqual([]);
}, 180_000);
