/**
 * How long a `kubectl apply` takes to show in live traffic, and whether any request fails meanwhile.
 *
 * A VirtualService behind the ingress gateway sets a response header to a number. Each round applies the next number with the
 * real kubectl and asks until the answer carries it, while other clients keep the gateway busy.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { startUp } from '../../e2e/src/up-process.ts';
import { startLoad } from '../src/load.ts';
import { printTable, summarize } from '../src/stats.ts';

const run = promisify(execFile);
const root = resolve(import.meta.dirname, '../..');
const ROUNDS = Number(process.env['ROUNDS'] ?? '200');
const REQUESTS = Number(process.env['REQUESTS'] ?? '100000');
const URL = 'http://127.0.0.1:8080/details/0';
const EFFECT_DEADLINE_MS = 10_000;

const rule = (value: number) => `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: rule-change}
spec:
  hosts: ["*"]
  gateways: [bookinfo-gateway]
  http:
    - match: [{uri: {prefix: /details}}]
      route: [{destination: {host: details, port: {number: 9080}}}]
      headers: {response: {set: {x-rule: "${value}"}}}
`;

async function main(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'xb-'));
  const up = await startUp(folder, ['--demo', '--samples', join(root, 'samples')]);
  const env = { ...process.env, KUBECONFIG: join(folder, '.xebec/kubeconfig') };
  const file = join(folder, 'rule.yaml');
  const apply = async (value: number): Promise<{ appliedMs: number; effectMs: number }> => {
    writeFileSync(file, rule(value));
    const started = performance.now();
    await run('kubectl', ['apply', '-f', file], { env });
    const appliedMs = performance.now() - started;
    while (performance.now() - started < EFFECT_DEADLINE_MS) {
      const response = await fetch(URL);
      await response.arrayBuffer();
      if (response.headers.get('x-rule') === String(value)) return { appliedMs, effectMs: performance.now() - started };
    }
    throw new Error(`rule ${value} had no effect within ${EFFECT_DEADLINE_MS} ms`);
  };
  try {
    await apply(0);
    const load = startLoad(URL, 8);
    const rounds: { appliedMs: number; effectMs: number }[] = [];
    for (let value = 1; value <= ROUNDS; value++) rounds.push(await apply(value));
    while (load.sent() < REQUESTS) await new Promise((done) => setTimeout(done, 100));
    const { requests, failures } = await load.stop();
    const total = summarize(rounds.map(({ effectMs }) => effectMs));
    const afterKubectl = summarize(rounds.map(({ appliedMs, effectMs }) => effectMs - appliedMs));
    const failed = [...failures.values()].reduce((sum, count) => sum + count, 0);
    console.log(
      JSON.stringify({
        benchmark: 'rule-change',
        rounds: ROUNDS,
        effectMs: total,
        afterKubectlMs: afterKubectl,
        requests,
        failed,
        failures: Object.fromEntries(failures),
      }),
    );
    printTable('rule change: from starting kubectl apply to the first answer under the new rule', [
      ['rounds', ROUNDS],
      ['median ms', total.median],
      ['p90 ms', total.p90],
      ['max ms', total.max],
      ['median ms after kubectl returned', afterKubectl.median],
      ['requests meanwhile', requests],
      ['failed requests', failed],
    ]);
    process.exitCode = failed === 0 && total.median <= 500 ? 0 : 1;
  } finally {
    await up.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

await main();
