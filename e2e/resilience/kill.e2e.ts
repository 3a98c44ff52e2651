import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startLoad } from '../../bench/src/load.ts';
import { startUp, type UpProcess } from '../src/up-process.ts';

const root = resolve(import.meta.dirname, '../..');

/** Processes of this name that belong to our own `up`: its children, and the pods that run below its folder. */
function pidsOf(name: string, folder: string, parent: number | undefined): number[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number)
    .filter((pid) => {
      try {
        const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')[0] ?? '';
        if (command !== name && !command.startsWith(`${name} `)) return false;
        const own = /^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] === String(parent);
        return own || readFileSync(`/proc/${pid}/environ`, 'utf8').includes(folder);
      } catch {
        return false;
      }
    });
}

async function eventually<T>(what: string, timeoutMs: number, probe: () => T | undefined | Promise<T | undefined>): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const value = await probe();
    if (value !== undefined) return value;
    if (performance.now() > deadline) throw new Error(`${what}: not within ${timeoutMs} ms`);
    await new Promise((done) => setTimeout(done, 50));
  }
}

describe('kill -9 of one process after the other, under load', () => {
  let folder: string;
  let up: UpProcess;
  const kubectl = (...args: string[]) =>
    execFileSync('kubectl', args, { env: { ...process.env, KUBECONFIG: join(folder, '.xebec/kubeconfig') }, encoding: 'utf8' });

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'xk-'));
    up = await startUp(folder, ['--demo', '--samples', join(root, 'samples')]);
  }, 120_000);
  afterAll(async () => {
    await up?.stop();
    rmSync(folder, { recursive: true, force: true });
  }, 60_000);

  it.each(['xebec-pilot', 'xebec-citadel', 'xebec-galley', 'xebec-mixer', 'xebec-apiserver', 'xebec-node'])(
    '%s comes back and no request fails',
    async (name) => {
      const [pid] = pidsOf(name, folder, up.process.pid);
      expect(pid, `${name} runs`).toBeDefined();
      if (pid === undefined) return;
      // The node agent carries 127.0.0.1:8080 itself, so while it is away the gateway is asked at its pod address.
      const gateway =
        name === 'xebec-node'
          ? `${kubectl('get', 'pod', '-n', 'istio-system', '-l', 'istio=ingressgateway', '-o', 'jsonpath={.items[0].status.podIP}')}:8080`
          : '127.0.0.1:8080';
      const load = startLoad(`http://${gateway}/api/v1/products/0`, 4);
      process.kill(pid, 'SIGKILL');
      await eventually(`a new ${name}`, 30_000, () => pidsOf(name, folder, up.process.pid).find((other) => other !== pid));
      // The mesh works on: a rule that is applied now reaches the gateway.
      const marker = `${name}-${pid}`;
      await eventually(`kubectl after the end of ${name}`, 30_000, () => {
        try {
          return execFileSync('kubectl', ['apply', '-f', '-'], {
            env: { ...process.env, KUBECONFIG: join(folder, '.xebec/kubeconfig') },
            encoding: 'utf8',
            stdio: ['pipe', 'pipe', 'ignore'],
            input: rule(marker),
          });
        } catch {
          return undefined;
        }
      });
      await eventually(`the rule after the end of ${name}`, 30_000, async () => {
        // The node agent carries the port: while it is away nobody listens.
        const response = await fetch('http://127.0.0.1:8080/marker').catch(() => undefined);
        await response?.arrayBuffer();
        return response?.headers.get('x-marker') === marker ? true : undefined;
      });
      const result = await load.stop();
      expect(result.requests).toBeGreaterThan(50);
      expect(Object.fromEntries(result.failures)).toEqual({});
      expect(kubectl('get', 'deployments', '-o', 'name').trim().split('\n')).toHaveLength(6);
    },
    120_000,
  );
});

function rule(marker: string): string {
  return `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: marker}
spec:
  hosts: ["*"]
  gateways: [bookinfo-gateway]
  http:
    - match: [{uri: {exact: /marker}}]
      directResponse: {status: 200}
      headers: {response: {set: {x-marker: "${marker}"}}}
`;
}
