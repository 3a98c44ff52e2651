/**
 * `npm run bench -- tap [--seconds 3] [--rounds 4] [--rps 5000] [-o json]`: what looking at a proxy's traffic costs it. One proxy, and in
 * turns nobody who looks and one viewer of each sort: differences of figures of one process at one time.
 */
import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import { parseArgs } from 'node:util';
import { type Contender, startContender } from '../proxy/contenders.ts';
import { type LoadShape, runLoad } from '../proxy/load.ts';
import { startRig } from '../proxy/rig.ts';
import { summarize } from '../src/stats.ts';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '3' },
    rounds: { type: 'string', default: '4' },
    rps: { type: 'string', default: '5000' },
    output: { type: 'string', short: 'o', default: 'table' },
  },
});
const seconds = Number(values.seconds);
const rounds = Number(values.rounds);
const rps = Number(values.rps);
const WARM_UP_SECONDS = 3;

const load: LoadShape = {
  protocol: 'http1',
  connections: 10,
  streams: 1,
  path: '/reviews/1?token=t',
  headers: ['user: jason', 'x-request-id: 3d0f2a52-0b29-4a4e-9d0d-6c5f5a1f2d11', 'authorization: Bearer secret', 'accept: */*'],
};

interface Mode {
  readonly name: string;
  readonly what: string;
  readonly query: string;
  readonly reads: boolean;
}
const modes: readonly Mode[] = [
  { name: 'no match', what: 'one viewer whom nothing concerns', query: 'path=/never&status=5xx', reads: true },
  { name: 'default', what: 'one viewer, 50 events a second', query: '', reads: true },
  { name: 'most', what: 'one viewer, 1,000 events a second', query: 'max_rps=1000', reads: true },
  { name: 'stuck', what: 'one viewer of 1,000 a second who reads nothing', query: 'max_rps=1000', reads: false },
];

interface Window {
  readonly cpuUs: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly failed: number;
  readonly perSecond: number;
  readonly events: number;
}

async function measure(proxy: Contender, folder: string): Promise<Omit<Window, 'events'>> {
  const before = proxy.cpu();
  const { requests, failed, p50Us, p99Us, perSecond } = await runLoad(load, proxy.listener, seconds, folder, rps);
  const after = proxy.cpu();
  return { cpuUs: (after.userUs + after.sysUs - before.userUs - before.sysUs) / requests, p50Us, p99Us, failed, perSecond };
}

async function look(proxy: Contender, mode: Mode): Promise<{ call: ClientRequest; events: () => number; read: () => void }> {
  const path = `/tap/stream?${mode.query}`;
  const call = request({ host: '127.0.0.1', port: proxy.admin, path, method: 'POST', agent: false });
  call.on('error', () => undefined);
  const response = await new Promise<IncomingMessage>((resolve, reject) => call.once('response', resolve).once('error', reject).end());
  if (response.statusCode !== 200) throw new Error(`${path}: ${response.statusCode}`);
  let events = 0;
  response.on('error', () => undefined);
  const read = (): void => {
    response.on('data', (bytes: Buffer) => {
      for (const byte of bytes) if (byte === 10) events++;
    });
  };
  if (mode.reads) read();
  return { call, events: () => events, read };
}

const rig = await startRig();
const proxy = await startContender('xebec', { chain: 'sidecar' }, { folder: rig.folder, backend: rig.backendPort });
const results: { mode: Mode; off: Window[]; on: Window[]; rssGrowthBytes: number[] }[] = modes.map((mode) => ({
  mode,
  off: [],
  on: [],
  rssGrowthBytes: [],
}));
try {
  await runLoad(load, proxy.listener, WARM_UP_SECONDS, rig.folder);
  // Everything that viewers need is compiled once before it counts.
  const warm = await look(proxy, { name: '', what: '', query: 'max_rps=1000', reads: true });
  await runLoad(load, proxy.listener, WARM_UP_SECONDS, rig.folder, rps);
  warm.call.destroy();
  for (let round = 0; round < rounds; round++) {
    for (const { mode, off, on, rssGrowthBytes } of results) {
      const nobody = async (): Promise<void> => void off.push({ ...(await measure(proxy, rig.folder)), events: 0 });
      const somebody = async (): Promise<void> => {
        const viewer = await look(proxy, mode);
        const rss = proxy.rssBytes();
        const window = await measure(proxy, rig.folder);
        rssGrowthBytes.push(proxy.rssBytes() - rss);
        on.push({ ...window, events: viewer.events() });
        viewer.call.destroy();
      };
      if (round % 2 === 0) {
        await nobody();
        await somebody();
      } else {
        await somebody();
        await nobody();
      }
    }
  }
} finally {
  await proxy.stop();
  rig.close();
}
const rows = results.map(({ mode, off, on, rssGrowthBytes }) => {
  const median = (windows: readonly Window[], key: keyof Window): number => summarize(windows.map((window) => window[key])).median;
  const pairs = on.map((window, i) => window.cpuUs - (off[i]?.cpuUs ?? Number.NaN));
  return {
    viewer: mode.name,
    what: mode.what,
    perSecond: median(on, 'perSecond'),
    cpuOffUs: median(off, 'cpuUs'),
    addedUs: summarize(pairs).median,
    p50OffUs: median(off, 'p50Us'),
    p50OnUs: median(on, 'p50Us'),
    p99OffUs: median(off, 'p99Us'),
    p99OnUs: median(on, 'p99Us'),
    failed: [...off, ...on].reduce((sum, { failed }) => sum + failed, 0),
    eventsPerSecond: median(on, 'events') / seconds,
    rssGrowthMb: summarize(rssGrowthBytes).max / 1e6,
  };
});
if (values.output === 'json') console.log(JSON.stringify({ seconds, rounds, rps, rows }, null, 2));
else {
  console.log(`\ntap at ${rps} requests a second, ${rounds} pairs of ${seconds} s; median of pairs`);
  for (const row of rows)
    console.log(
      `  ${row.viewer.padEnd(9)} ${row.what.padEnd(48)} +${row.addedUs.toFixed(2)} us CPU a request (of ${row.cpuOffUs.toFixed(1)}), ` +
        `p50 ${row.p50OffUs} -> ${row.p50OnUs} us, p99 ${row.p99OffUs} -> ${row.p99OnUs} us, ${row.failed} failed, ` +
        `${row.eventsPerSecond.toFixed(0)} events/s, memory +${row.rssGrowthMb.toFixed(1)} MB at most`,
    );
}
process.exitCode = rows.some(({ failed }) => failed > 0) ? 1 : 0;
