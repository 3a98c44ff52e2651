import { createServer } from 'node:http';
import { VirtualClock } from '@xebec/core';
import { afterEach, describe, expect, it } from 'vitest';
import { ProbeLoop, runHandler } from './probes.ts';

const loops: ProbeLoop[] = [];
afterEach(() => {
  for (const loop of loops.splice(0)) loop.close();
});

/** A loop whose check answers from `health`; `seen` gathers verdicts with their time in ms. */
function probing(probe: Record<string, number>, eager: boolean, health: { good: boolean }) {
  const clock = new VirtualClock();
  const seen: string[] = [];
  let checks = 0;
  loops.push(
    new ProbeLoop({
      probe,
      clock,
      eager,
      check: async () => {
        checks++;
        return health.good ? undefined : 'bad';
      },
      report: (healthy) => seen.push(`${healthy ? 'good' : 'bad'}@${clock.monotonic()}`),
    }),
  );
  const advance = async (ms: number) => {
    for (let step = 0; step < ms; step += 50) {
      clock.advance(50);
      // The check's promise settles between two timers.
      for (let turn = 0; turn < 4; turn++) await Promise.resolve();
    }
  };
  return { seen, advance, checks: () => checks };
}

describe('ProbeLoop', () => {
  it('fails after failureThreshold periods and recovers after successThreshold', async () => {
    const health = { good: true };
    const loop = probing({ periodSeconds: 1, failureThreshold: 2, successThreshold: 2 }, false, health);
    await loop.advance(1500);
    health.good = false;
    await loop.advance(1000);
    expect(loop.seen.some((verdict) => verdict.startsWith('bad'))).toBe(false);
    await loop.advance(1000);
    expect(loop.seen.at(-1)).toMatch(/^bad@3/);
    health.good = true;
    await loop.advance(1000);
    expect(loop.seen.at(-1)).toMatch(/^bad/);
    await loop.advance(1000);
    expect(loop.seen.at(-1)).toMatch(/^good@5/);
  });

  it('asks every 100 ms until the first success when eager, yet counts failures once a period', async () => {
    const health = { good: false };
    const loop = probing({ periodSeconds: 10, failureThreshold: 2 }, true, health);
    await loop.advance(3000);
    expect(loop.checks()).toBeGreaterThan(15);
    expect(loop.seen).toEqual([]);
    health.good = true;
    await loop.advance(200);
    expect(loop.seen).toHaveLength(1);
    const asked = loop.checks();
    await loop.advance(5000);
    expect(loop.checks()).toBe(asked);
  });

  it('waits for initialDelaySeconds and is silent once closed', async () => {
    const loop = probing({ periodSeconds: 1, initialDelaySeconds: 5 }, false, { good: true });
    await loop.advance(4900);
    expect(loop.checks()).toBe(0);
    await loop.advance(200);
    expect(loop.seen).toHaveLength(1);
    for (const open of loops.splice(0)) open.close();
    await loop.advance(5000);
    expect(loop.seen).toHaveLength(1);
  });
});

describe('runHandler', () => {
  const container = { name: 'c', ports: [{ name: 'web', containerPort: 0 }] };
  const runner = {
    podIp: '127.0.0.1',
    exec: async (command: readonly string[]) => ({ code: command[0] === 'true' ? 0 : 3, stderr: 'why' }),
  };

  it('judges HTTP by the status, with the headers of the probe and a named port', async () => {
    const agents: (string | undefined)[] = [];
    const server = createServer((request, response) => {
      agents.push(request.headers['user-agent'], String(request.headers['x-probe']));
      response.writeHead(request.url === '/good' ? 302 : 503).end();
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const named = { ...container, ports: [{ name: 'web', containerPort: port }] };
    const get = (path: string) => ({ httpGet: { path, port: 'web', httpHeaders: [{ name: 'x-probe', value: 'yes' }] } });
    expect(await runHandler(get('/good'), named, runner, 1000)).toBeUndefined();
    expect(await runHandler(get('/bad'), named, runner, 1000)).toBe('HTTP probe failed with statuscode: 503');
    expect(await runHandler({ tcpSocket: { port } }, named, runner, 1000)).toBeUndefined();
    expect(agents.slice(0, 2)).toEqual(['kube-probe/1.34', 'yes']);
    await new Promise((done) => server.close(done));
    expect(await runHandler({ tcpSocket: { port } }, named, runner, 1000)).toContain('ECONNREFUSED');
  });

  it('judges a command by its exit code', async () => {
    expect(await runHandler({ exec: { command: ['true'] } }, container, runner, 1000)).toBeUndefined();
    expect(await runHandler({ exec: { command: ['false', 'x'] } }, container, runner, 1000)).toBe('command false x ended with code 3: why');
  });
});
