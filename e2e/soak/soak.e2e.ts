import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Load, startLoad } from '../chaos/load.ts';
import { type Site, secretOf, startSite } from '../chaos/site.ts';

/** An hour and more shows leaks; a minute shows that nothing grows fast. */
const minutes = Number(process.env['XEBEC_SOAK_MINUTES'] ?? '1');
const sampleMs = 1000;
const isLong = minutes >= 30;
/** In the first minute the heap still finds its size. */
const allowedGrowth = isLong ? 1.05 : 1.25;
const maxMegabytes = 300;

let site: Site;
let loads: Load[] = [];

beforeAll(async () => {
  site = await startSite();
  // About half of what one core takes here, in three shapes.
  loads = [
    startLoad({ name: 'keep-alive', port: site.ports.http, path: '/once', clients: 8, pauseMs: 10 }),
    startLoad({ name: 'fresh', port: site.ports.http, path: '/retried', clients: 2, pauseMs: 20, freshConnections: true }),
    startLoad({ name: 'tls', port: site.ports.https, path: '/once', clients: 2, pauseMs: 40, tls: true, freshConnections: true }),
  ];
});

afterAll(async () => {
  await Promise.all(loads.map((load) => load.stop()));
  await site?.close();
});

function residentMegabytes(pid: number): number {
  return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? Number.NaN) / 1024;
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

it(
  `${minutes} min at half load: no error, memory flat`,
  async () => {
    const samples: number[] = [];
    const end = Date.now() + minutes * 60_000;
    let turn = 0;
    while (Date.now() < end) {
      await new Promise((resolve) => setTimeout(resolve, sampleMs));
      samples.push(residentMegabytes(site.proxy.child.pid ?? 0));
      // Configuration goes on changing as it does in a mesh.
      if (++turn % 10 !== 0) continue;
      const next = site.certificates[(turn / 10) % site.certificates.length];
      if (next !== undefined) site.ads.set('secret', [secretOf(next)]);
      site.ads.pushAgain('cluster');
    }
    const quarter = Math.floor(samples.length / 4);
    const [second, last] = [mean(samples.slice(quarter, 2 * quarter)), mean(samples.slice(-quarter))];
    const sent = loads.map((load) => `${load.name} ${load.counts.ok}`).join(', ');
    process.stderr.write(`soak: ${sent}; memory ${second.toFixed(1)} MB in the second quarter, ${last.toFixed(1)} MB in the last\n`);
    for (const load of loads) expect(load.failures.map(({ what }) => what).slice(0, 5)).toEqual([]);
    expect(Math.min(...loads.map((load) => load.counts.ok))).toBeGreaterThan(minutes * 60);
    expect(last / second).toBeLessThan(allowedGrowth);
    expect(last).toBeLessThan(maxMegabytes);
  },
  minutes * 60_000 + 60_000,
);
