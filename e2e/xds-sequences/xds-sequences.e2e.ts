import { writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Certificates, makeCertificates } from '../proxy-differential/harness/certificates.ts';
import { type Differences, differences } from '../proxy-differential/harness/differences.ts';
import { known } from './known.ts';
import { observeScript, startNamedServers } from './observe-script.ts';
import { transports as all, type Script, type Transport } from './script.ts';
import { scripts } from './scripts.ts';

/** Between them the two have both protocols, and streams for all types and for each; `ALL=1` runs all four. */
const transports: readonly Transport[] = process.env['ALL'] === undefined ? ['ads-sotw', 'delta'] : all;
/** `SCRIPT=part of a name` for one. */
const wanted = scripts.filter(({ name }) => name.includes(process.env['SCRIPT'] ?? ''));
const pairs = wanted.flatMap((script) =>
  (script.transports ?? transports).map((transport) => ({ script, transport, name: `${script.name} (${transport})` })),
);
const found = new Map<string, Differences>();
const parallel = 4;
let directory: string;
let upstreams: Awaited<ReturnType<typeof startNamedServers>>;

/** One line each, ready to be pasted into `known`. */
const lines = (of: object): string[] => Object.entries(of).map(([path, values]) => `'${path}': ${JSON.stringify(values)}`);

async function compare(script: Script, transport: Transport, certificates: Certificates): Promise<Differences> {
  const began = Date.now();
  const [envoy, xebec] = await Promise.all(
    (['envoy', 'xebec'] as const).map(async (proxy) => await observeScript(proxy, script, transport, directory, certificates, upstreams)),
  );
  if (process.env['SHOW'] !== undefined) console.log(script.name, transport, JSON.stringify(envoy, undefined, 1));
  if (process.env['SLOW'] !== undefined) console.log(`${script.name} (${transport}): ${Date.now() - began} ms`);
  const steps = (list: typeof envoy) => Object.fromEntries((list ?? []).map(({ step, ...rest }) => [step, rest]));
  const differs = differences(steps(envoy), steps(xebec));
  // Statistics of clusters that are gone stay here, and go with Envoy.
  return Object.fromEntries(Object.entries(differs).filter(([path, [theirs]]) => !(path.endsWith('.membership_total') && theirs === null)));
}

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'xebec-xds-'));
  const certificates = await makeCertificates(directory);
  upstreams = await startNamedServers();
  const queue = [...pairs];
  await Promise.all(
    Array.from({ length: parallel }, async () => {
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
        let differs = await compare(next.script, next.transport, certificates);
        // What does not fit its table may have been a matter of time: once more.
        if (process.env['ONCE'] === undefined && lines(differs).join() !== lines(known[next.name]?.differs ?? {}).join())
          differs = await compare(next.script, next.transport, certificates);
        found.set(next.name, differs);
      }
    }),
  );
}, 300_000);

afterAll(async () => {
  upstreams.close();
  const report = process.env['REPORT'];
  if (report !== undefined) writeFileSync(report, JSON.stringify(Object.fromEntries(found), undefined, 1));
  await rm(directory, { recursive: true, force: true });
});

describe('sequences of discovery responses', () => {
  it.each(pairs)('$name', ({ name }) => {
    // A difference that is gone must leave the table.
    expect(lines(found.get(name) ?? { missing: true })).toEqual(lines(known[name]?.differs ?? {}));
  });

  it('explains no difference of a script that is not there', () => {
    const names = scripts.flatMap((script) => (script.transports ?? all).map((transport) => `${script.name} (${transport})`));
    expect(Object.keys(known).filter((name) => !names.includes(name))).toEqual([]);
  });
});
