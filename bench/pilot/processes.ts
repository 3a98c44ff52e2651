import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { cpuOf } from '../proxy/contenders.ts';
import { end, nodeFlags, own } from '../src/child-process.ts';
import { freePorts } from '../src/free-ports.ts';

const root = resolve(import.meta.dirname, '../..');
/** Cores: pilot alone on the first, clients on the second. */
const PILOT_CORE = '0';
const CLIENT_CORE = '1';
const READY_DEADLINE_MS = 300_000;
const SETTLE_DEADLINE_MS = 1_200_000;
/** Last pieces of output that are kept to tell why a run failed. */
const MAX_LOG = 200;
/** Nothing sent for so long: the work of a change is over. */
const QUIET_MS = 500;
const POLL_MS = 50;

export interface RunningPilot {
  readonly port: number;
  cpuS(): number;
  /** `VmRSS`: now; `VmHWM`: the most there ever was. */
  memoryMb(which: 'VmRSS' | 'VmHWM'): number;
  /** What it printed last, and how it ended, where it has. */
  log(): string;
  stop(): Promise<void>;
}

/** xebec-pilot on a directory of files, ready. `XEBEC_NODE_FLAGS` gives its Node more flags. */
export async function startPilot(folder: string): Promise<RunningPilot> {
  const [port = 0, http = 0] = await freePorts(2);
  const options = ['--config-dir', folder, '--registries=', '--grpc-addr', `127.0.0.1:${port}`, '--http-addr', `127.0.0.1:${http}`];
  // One process reads for all proxies, and a ping waits behind megabytes of others' configuration.
  const patience = ['--keepalive-timeout', '30m'];
  const command = [process.execPath, ...nodeFlags(), join(root, 'apps/pilot/bin/xebec-pilot.ts'), ...options, ...patience];
  // All proxies come at once here: by default pilot lets them in a few a second.
  const env = { ...process.env, PILOT_MAX_REQUESTS_PER_SECOND: '100000' };
  const child = own(spawn('taskset', ['-c', PILOT_CORE, ...command], { stdio: ['ignore', 'pipe', 'pipe'], env }));
  const log: string[] = [];
  for (const output of [child.stdout, child.stderr])
    output.on('data', (bytes: Buffer) => {
      log.push(bytes.toString());
      if (log.length > MAX_LOG) log.splice(0, log.length - MAX_LOG);
    });
  const pid = child.pid ?? 0;
  for (const deadline = performance.now() + READY_DEADLINE_MS; ; ) {
    try {
      if ((await fetch(`http://127.0.0.1:${http}/ready`)).ok) break;
    } catch {
      // Not listening yet.
    }
    if (performance.now() > deadline || child.exitCode !== null) {
      await end(child);
      throw new Error(`pilot is not ready; it printed:\n${log.join('')}`);
    }
    await new Promise((done) => setTimeout(done, POLL_MS));
  }
  return {
    port,
    cpuS: () => {
      const { userUs, sysUs } = cpuOf(pid);
      return (userUs + sysUs) / 1e6;
    },
    memoryMb: (which) =>
      (Number(new RegExp(`${which}:\\s+([0-9]+) kB`).exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024) / 1e6,
    log: () => `${log.join('')}\npilot: exit code ${child.exitCode}, signal ${child.signalCode}`,
    stop: () => end(child),
  };
}

export interface ClientCounts {
  readonly bytes: number;
  readonly responses: number;
  /** Clients that got a response, by type. */
  readonly reached: Readonly<Record<string, number>>;
}

export interface RunningClients {
  /** Starts a new count. */
  mark(): Promise<void>;
  /** Waits until so many clients have had a response of these types and nothing comes any more. */
  settle(reached: Readonly<Record<string, number>>): Promise<ClientCounts>;
  stop(): Promise<void>;
}

export function startClients(port: number, count: number, variant: 'sotw' | 'delta', services: number): RunningClients {
  const script = join(import.meta.dirname, 'clients.ts');
  const command = [process.execPath, script, String(port), String(count), variant, String(services)];
  const child = own(spawn('taskset', ['-c', CLIENT_CORE, ...command], { stdio: ['pipe', 'pipe', 'inherit'] }));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const ask = async (line: string): Promise<ClientCounts> => {
    child.stdin.write(`${line}\n`);
    const answer = await lines.next();
    if (answer.done === true) throw new Error('the clients ended');
    return JSON.parse(answer.value);
  };
  return {
    mark: async () => void (await ask('mark')),
    settle: async (wanted) => {
      let responses = -1;
      let reached: ClientCounts['reached'] = {};
      let quietSince = performance.now();
      for (const deadline = performance.now() + SETTLE_DEADLINE_MS; performance.now() < deadline; ) {
        const counts = await ask('stats');
        if (counts.responses !== responses) quietSince = performance.now();
        responses = counts.responses;
        reached = counts.reached;
        const complete = Object.entries(wanted).every(([type, clients]) => (counts.reached[type] ?? 0) >= clients);
        if (complete && performance.now() - quietSince >= QUIET_MS) return counts;
        await new Promise((done) => setTimeout(done, POLL_MS));
      }
      throw new Error(`not every client got ${Object.keys(wanted).join(', ')} in time, but only ${JSON.stringify(reached)}`);
    },
    stop: () => end(child),
  };
}
