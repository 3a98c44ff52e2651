import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { TapEvent } from '@xebec/dataplane/tap';
import { afterAll, beforeAll, expect, it, onTestFinished, vi } from 'vitest';
import { eventually } from '../local/machine.ts';
import { startUp, type UpProcess } from '../src/up-process.ts';

const root = resolve(import.meta.dirname, '../..');
const page = 'http://127.0.0.1:8080/productpage';

vi.setConfig({ testTimeout: 120_000 });

let folder: string;
let up: UpProcess;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'xt-'));
  up = await startUp(folder, ['--demo', '--samples', join(root, 'samples')]);
}, 180_000);
afterAll(async () => {
  await up?.stop();
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

const env = () => ({ ...process.env, KUBECONFIG: join(folder, '.xebec/kubeconfig') });
const kubectl = (args: readonly string[], input?: string): string =>
  execFileSync('kubectl', args, { env: env(), encoding: 'utf8', timeout: 60_000, ...(input === undefined ? {} : { input }) });

type Seen = TapEvent & { readonly proxy: { readonly pod: string; readonly namespace: string } };

class Tap {
  readonly #child: ChildProcess;
  readonly exit: Promise<number | null>;
  out = '';
  err = '';

  constructor(args: readonly string[]) {
    this.#child = spawn(join(root, 'node_modules/.bin/node'), [join(root, 'apps/cli/bin/xebec.ts'), 'tap', ...args], { env: env() });
    this.#child.stdout?.on('data', (bytes: Buffer) => {
      this.out += bytes.toString();
    });
    this.#child.stderr?.on('data', (bytes: Buffer) => {
      this.err += bytes.toString();
    });
    this.exit = once(this.#child, 'close').then(([code]) => (typeof code === 'number' ? code : null));
    onTestFinished(() => void this.#child.kill('SIGKILL'));
  }
  /** Resolves once so many proxies are looked at. */
  async looks(proxies = 1): Promise<this> {
    await eventually(`${proxies} proxies looked at; ${this.err}`, 60_000, () =>
      (this.err.match(/^looking at /gm)?.length ?? 0) >= proxies ? true : undefined,
    );
    return this;
  }
  events(): readonly Seen[] {
    return this.out
      .slice(0, this.out.lastIndexOf('\n') + 1)
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line));
  }
  interrupt(): Promise<number | null> {
    this.#child.kill('SIGINT');
    return this.exit;
  }
}

async function get(url = page, headers: Record<string, string> = {}): Promise<number> {
  const response = await fetch(url, { headers: { connection: 'close', ...headers }, signal: AbortSignal.timeout(20_000) });
  await response.arrayBuffer();
  return response.status;
}

it('shows requests at both ends with identities, routes, upstreams and timing, and ends cleanly by Ctrl-C', async () => {
  const tap = await new Tap(['deploy/productpage-v1', '-o', 'json']).looks();
  await get(`${page}?token=geheim`, { authorization: 'Bearer geheim', cookie: 'a=geheim' });
  const [inbound, outbound] = await eventually('both ends', 20_000, () => {
    const found = tap.events();
    const into = found.find(({ summary }) => summary.direction === 'inbound' && summary.path?.startsWith('/productpage'));
    const out = found.find(({ summary }) => summary.path === '/details/0');
    return into === undefined || out === undefined ? undefined : [into, out];
  });
  expect(inbound?.summary).toMatchObject({
    path: '/productpage?token=[redacted]',
    response_code: 200,
    response_flags: [],
    mtls: true,
    source: {
      principal: 'spiffe://cluster.local/ns/istio-system/sa/istio-ingressgateway-service-account',
      workload: 'istio-ingressgateway',
      namespace: 'istio-system',
    },
    destination: { principal: 'spiffe://cluster.local/ns/default/sa/bookinfo-productpage', workload: 'productpage-v1' },
  });
  expect(outbound?.summary).toMatchObject({
    direction: 'outbound',
    upstream_cluster: 'outbound|9080||details.default.svc.cluster.local',
    upstream_remote_address: expect.stringMatching(/:9080$/),
    upstream_request_attempt_count: 1,
    source: { principal: 'spiffe://cluster.local/ns/default/sa/bookinfo-productpage', workload: 'productpage-v1' },
    destination: { principal: 'spiffe://cluster.local/ns/default/sa/bookinfo-details', workload: 'details-v1' },
  });
  expect(outbound?.summary.duration_ms).toBeGreaterThan(0);
  expect(inbound?.proxy).toMatchObject({ namespace: 'default' });
  expect(tap.out).not.toContain('geheim');
  expect(await tap.interrupt()).toBe(0);
  expect(tap.err).toMatch(/^[0-9]+ shown, 0 dropped by rate \(--max-rps 50\), 0 dropped because they were read too slowly; 1 proxy$/m);
});

it('shows only what is asked for: failures of one path, with flags and the rule that made them', async () => {
  kubectl(
    ['apply', '-f', '-'],
    `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: details}
spec:
  hosts: [details]
  http:
  - name: broken
    fault: {abort: {percentage: {value: 100}, httpStatus: 503}}
    route: [{destination: {host: details}}]
`,
  );
  onTestFinished(() => void kubectl(['delete', 'virtualservice', 'details']));
  const tap = await new Tap([
    'service/productpage',
    '--path',
    '/details',
    '--status',
    '5xx',
    '--flags',
    'FI,UF',
    '--count',
    '2',
    '-o',
    'json',
  ]).looks();
  await eventually('two failures', 30_000, async () => {
    await get();
    return tap.events().length === 2 ? true : undefined;
  });
  expect(await tap.exit).toBe(0);
  for (const { summary } of tap.events())
    expect(summary).toMatchObject({ path: '/details/0', response_code: 503, response_flags: ['FI'], route_name: 'broken' });
});

it('follows pods that come and go', async () => {
  const tap = await new Tap(['deploy/reviews-v1', '--direction', 'inbound', '-o', 'json']).looks();
  kubectl(['scale', 'deploy/reviews-v1', '--replicas=2']);
  await tap.looks(2);
  await eventually('requests at both pods', 60_000, async () => {
    await get();
    return new Set(tap.events().map(({ proxy }) => proxy.pod)).size === 2 ? true : undefined;
  });
  kubectl(['scale', 'deploy/reviews-v1', '--replicas=1']);
  await eventually('one is gone', 60_000, () => (/ is gone$/m.test(tap.err) ? true : undefined));
  expect(await tap.interrupt()).toBe(0);
  expect(tap.err).toMatch(/; 2 proxies$/m);
});

it('keeps to its rate, and every request is shown or counted', async () => {
  const tap = await new Tap(['deploy/productpage-v1', '--direction', 'inbound', '--max-rps', '2', '--duration', '12s']).looks();
  for (let n = 0; n < 30; n++) await get();
  expect(await tap.exit).toBe(0);
  const [, shown, dropped] = /^([0-9]+) shown, ([0-9]+) dropped by rate \(--max-rps 2\), 0 dropped because/m.exec(tap.err) ?? [];
  expect(Number(shown) + Number(dropped)).toBe(30);
  expect(Number(shown)).toBeLessThanOrEqual(2 * 14);
  expect(tap.out.split('\n').filter((line) => line.includes('/productpage')).length).toBe(Number(shown));
});

it.each([
  [['deploy/nothing'], 1, 'deployment "nothing" not found in namespace default'],
  [['nothing'], 1, 'there is no pod, deployment or service "nothing" in namespace default'],
  [['deploy/reviews-v1', '--status', 'bad'], 64, '--status "bad": is no status; write 404, 5xx or 500-599'],
  [[], 64, 'what to look at?'],
  [['deploy/reviews-v1', '-A'], 64, 'deploy/reviews-v1 and -A both say what to look at; use one of them'],
] as const)('%j ends with %i', async (args, code, message) => {
  const tap = new Tap(args);
  expect(await tap.exit).toBe(code);
  expect(tap.err).toContain(message);
});

it('needs a proxy', async () => {
  const [pilot = ''] = kubectl(['get', 'pods', '-n', 'istio-system', '-o', 'name'])
    .split('\n')
    .filter((name) => name.includes('pilot'));
  const tap = new Tap([pilot, '-n', 'istio-system']);
  expect(await tap.exit).toBe(1);
  expect(tap.err).toContain('it has no running container istio-proxy');
});
