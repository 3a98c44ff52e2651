import { once } from 'node:events';
import { summarize } from '../src/stats.ts';
import type { BootstrapShape } from './bootstrap.ts';
import { type Contender, type Kind, kinds, startContender } from './contenders.ts';
import { type LoadOutcome, type LoadShape, runLoad } from './load.ts';
import { firstLine, type Rig, startScript } from './rig.ts';
import type { RequestScenario, Scenario } from './scenarios.ts';

export interface Pace {
  readonly seconds: number;
  readonly rounds: number;
}

/** One proxy's figures: medians over the rounds. */
export type Figures = Record<string, number>;

export interface Measured {
  readonly scenario: string;
  readonly title: string;
  readonly envoy: Figures;
  readonly xebec: Figures;
  /** What the limit is for, and whether it holds. */
  readonly verdicts: readonly { readonly what: string; readonly value: number; readonly limit: number; readonly holds: boolean }[];
  readonly note?: string;
}

/** Ours needs its code compiled by the JIT first, which takes some 45,000 requests: fewer would measure the start, not the proxy. */
const warmUpRequests = 60_000;
const warmUpSeconds = 3;
const fixedRate = 1000;
const median = (values: readonly number[]) => summarize(values).median;

export async function measure(scenario: Scenario, rig: Rig, pace: Pace): Promise<Measured> {
  switch (scenario.kind) {
    case 'requests':
      return measureRequests(scenario, rig, pace);
    case 'memory':
      return measureMemory(scenario, rig, pace);
    case 'idle':
      return measureIdle(scenario, rig);
    case 'workers':
      return measureWorkers(scenario, rig, pace);
  }
}

/** Runs `use` with each kind's proxies up, the last of which talks to the backend; the first takes the load. */
async function withChains<T>(
  shapes: readonly BootstrapShape[],
  rig: Rig,
  use: (chains: Record<Kind, readonly Contender[]>) => Promise<T>,
  concurrency = 1,
  cores?: string,
): Promise<T> {
  const chains: Record<Kind, Contender[]> = { envoy: [], xebec: [] };
  try {
    for (const kind of kinds) {
      let backend = rig.backendPort;
      for (const shape of [...shapes].reverse()) {
        const options = { folder: rig.folder, backend, concurrency, ...(cores === undefined ? {} : { cores }) };
        const contender = await startContender(kind, shape, options);
        chains[kind].unshift(contender);
        backend = contender.listener;
      }
    }
    return await use(chains);
  } finally {
    for (const kind of kinds) for (const contender of chains[kind]) await contender.stop();
  }
}

async function warmUp(load: LoadShape, port: number, folder: string): Promise<void> {
  for (let requests = 0; requests < warmUpRequests; ) {
    const outcome = await runLoad(load, port, warmUpSeconds, folder);
    if (outcome.requests === 0) throw new Error(`nothing was answered on port ${port} in ${warmUpSeconds} s`);
    requests += outcome.requests;
  }
}

interface Round extends LoadOutcome {
  readonly userUs: number;
  readonly sysUs: number;
}

async function countedLoad(
  chain: readonly Contender[],
  load: LoadShape,
  seconds: number,
  folder: string,
  perSecond?: number,
): Promise<Round> {
  const before = chain.map((contender) => contender.cpu());
  const outcome = await runLoad(load, chain[0]?.listener ?? 0, seconds, folder, perSecond);
  let userUs = 0;
  let sysUs = 0;
  for (const [i, contender] of chain.entries()) {
    const after = contender.cpu();
    userUs += after.userUs - (before[i]?.userUs ?? 0);
    sysUs += after.sysUs - (before[i]?.sysUs ?? 0);
  }
  return { ...outcome, userUs: userUs / outcome.requests, sysUs: sysUs / outcome.requests };
}

async function measureRequests(
  { name, title, limit, shapes, load }: RequestScenario,
  rig: Rig,
  { seconds, rounds }: Pace,
): Promise<Measured> {
  return withChains(shapes, rig, async (chains) => {
    const full: Record<Kind, Round[]> = { envoy: [], xebec: [] };
    const paced: Record<Kind, Round[]> = { envoy: [], xebec: [] };
    for (const kind of kinds) await warmUp(load, chains[kind][0]?.listener ?? 0, rig.folder);
    for (let round = 0; round < rounds; round++) {
      // The order alternates, so that a machine that slows down harms both.
      const order = round % 2 === 0 ? kinds : [...kinds].reverse();
      for (const kind of order) full[kind].push(await countedLoad(chains[kind], load, seconds, rig.folder));
      for (const kind of order) paced[kind].push(await countedLoad(chains[kind], load, seconds, rig.folder, fixedRate));
    }
    const figures = (kind: Kind): Figures => {
      const of = (list: readonly Round[], value: (round: Round) => number) => median(list.map(value));
      return {
        cpuUs: of(full[kind], (round) => round.userUs + round.sysUs),
        userUs: of(full[kind], (round) => round.userUs),
        sysUs: of(full[kind], (round) => round.sysUs),
        perSecond: of(full[kind], (round) => round.perSecond),
        p50Us: of(full[kind], (round) => round.p50Us),
        p99Us: of(full[kind], (round) => round.p99Us),
        pacedCpuUs: of(paced[kind], (round) => round.userUs + round.sysUs),
        pacedP50Us: of(paced[kind], (round) => round.p50Us),
        pacedP99Us: of(paced[kind], (round) => round.p99Us),
        rssMb: chains[kind].reduce((sum, contender) => sum + contender.rssBytes(), 0) / 1e6,
        failed: [...full[kind], ...paced[kind]].reduce((sum, round) => sum + round.failed, 0),
      };
    };
    const [envoy, xebec] = [figures('envoy'), figures('xebec')];
    // Rounds are pairs: a ratio within a round sees the same machine.
    const ratio = (list: Record<Kind, Round[]>, value: (round: Round) => number) =>
      median(list.xebec.map((round, i) => value(round) / value(list.envoy[i] ?? round)));
    return {
      scenario: name,
      title,
      envoy,
      xebec,
      verdicts: [
        verdict(
          'CPU per request',
          ratio(full, (round) => round.userUs + round.sysUs),
          limit,
        ),
        verdict(
          'p99 at 1,000/s',
          ratio(paced, (round) => round.p99Us),
          1,
        ),
      ],
    };
  });
}

async function measureMemory(scenario: Scenario & { kind: 'memory' }, rig: Rig, { seconds }: Pace): Promise<Measured> {
  return withChains([scenario.shape], rig, async (chains) => {
    const figures = async (kind: Kind): Promise<Figures> => {
      const contender = chains[kind][0] as Contender;
      const startMb = contender.rssBytes() / 1e6;
      await runLoad(scenario.load, contender.listener, seconds, rig.folder);
      return { startMb, loadedMb: contender.rssBytes() / 1e6 };
    };
    const [envoy, xebec] = [await figures('envoy'), await figures('xebec')];
    const ratio = (name: string) => (xebec[name] ?? Number.NaN) / (envoy[name] ?? Number.NaN);
    return {
      scenario: scenario.name,
      title: scenario.title,
      envoy,
      xebec,
      verdicts: [
        verdict('memory after start', ratio('startMb'), scenario.limit),
        verdict('memory after load', ratio('loadedMb'), scenario.limit),
      ],
    };
  });
}

async function measureIdle(scenario: Scenario & { kind: 'idle' }, rig: Rig): Promise<Measured> {
  return withChains([scenario.shape], rig, async (chains) => {
    const figures = async (kind: Kind): Promise<Figures> => {
      const contender = chains[kind][0] as Contender;
      // What the first requests leave behind is not a connection's.
      await runLoad({ protocol: scenario.protocol, connections: 50, streams: 1, path: '/x' }, contender.listener, 2, rig.folder);
      const before = contender.rssBytes();
      const client = startScript('idle-connections.ts', [String(contender.listener), String(scenario.connections), scenario.protocol]);
      try {
        await firstLine(client);
        return { beforeMb: before / 1e6, bytesPerConnection: (contender.rssBytes() - before) / scenario.connections };
      } finally {
        const exit = once(client, 'exit');
        client.kill('SIGKILL');
        await exit;
      }
    };
    const [envoy, xebec] = [await figures('envoy'), await figures('xebec')];
    return {
      scenario: scenario.name,
      title: scenario.title,
      envoy,
      xebec,
      verdicts: [verdict('bytes per connection', xebec['bytesPerConnection'] ?? Number.NaN, scenario.limit)],
    };
  });
}

/**
 * How many requests a proxy could serve with each of its workers on a core of its own: requests by CPU of the busiest worker. On a
 * machine of two cores the load needs one of them, so the rate itself cannot double; what workers cost each other (imbalance, shared
 * state) shows in CPU all the same.
 */
async function measureWorkers(scenario: Scenario & { kind: 'workers' }, rig: Rig, { seconds, rounds }: Pace): Promise<Measured> {
  const capacity = (concurrency: number): Promise<Record<Kind, { perSecond: number; busy: number }>> =>
    withChains(
      [scenario.shape],
      rig,
      async (chains) => {
        const result = { envoy: { perSecond: 0, busy: 0 }, xebec: { perSecond: 0, busy: 0 } };
        for (const kind of kinds) {
          const contender = chains[kind][0] as Contender;
          await warmUp(scenario.load, contender.listener, rig.folder);
          const found: number[] = [];
          for (let round = 0; round < rounds; round++) {
            const before = contender.threads();
            const { requests } = await runLoad(scenario.load, contender.listener, seconds, rig.folder);
            const used = [...contender.threads()].map(([thread, us]) => us - (before.get(thread) ?? 0)).sort((a, b) => b - a);
            const total = used.reduce((sum, us) => sum + us, 0);
            found.push(requests / ((used[0] ?? total) / 1e6));
            result[kind].busy = used.filter((us) => us > total / 5).length;
          }
          result[kind].perSecond = median(found);
        }
        return result;
      },
      concurrency,
      '0,1',
    );
  const [one, two] = [await capacity(1), await capacity(2)];
  const figures = (kind: Kind): Figures => ({
    onePerSecond: one[kind].perSecond,
    twoPerSecond: two[kind].perSecond,
    busyThreads: two[kind].busy,
    ratio: two[kind].perSecond / one[kind].perSecond,
  });
  const [envoy, xebec] = [figures('envoy'), figures('xebec')];
  const value = xebec['ratio'] ?? Number.NaN;
  return {
    scenario: scenario.name,
    title: scenario.title,
    envoy,
    xebec,
    verdicts: [{ what: 'capacity of two to one', value, limit: scenario.limit, holds: value >= scenario.limit }],
    ...(two.xebec.busy < 2 ? { note: 'one thread did all the work: --concurrency has no effect here' } : {}),
  };
}

function verdict(what: string, value: number, limit: number): Measured['verdicts'][number] {
  return { what, value, limit, holds: value <= limit };
}
