import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { cpuOf } from '../proxy/contenders.ts';
import { end, nodeFlags, own } from '../src/child-process.ts';
import { freePort } from '../src/free-ports.ts';

const root = resolve(import.meta.dirname, '../..');
/** Cores: galley alone on the first; sink and API server on the second. */
const GALLEY_CORE = '0';
const OTHER_CORE = '1';
/** Of V8's heap; what is outside (buffers, code, stacks) has the rest of the gigabyte. */
const HEAP_MB = 800;
const MAX_LOG = 200;

export interface RunningProcess {
  cpuS(): number;
  /** The most it ever had in memory (VmHWM), MB of 10^6 bytes. */
  peakMb(): number;
  log(): string;
  stop(): Promise<void>;
}

function run(core: string, args: readonly string[]): RunningProcess & { readonly child: ChildProcess } {
  const child = own(spawn('taskset', ['-c', core, process.execPath, ...args], { stdio: ['ignore', 'pipe', 'pipe'] }));
  const log: string[] = [];
  for (const output of [child.stdout, child.stderr])
    output.on('data', (bytes: Buffer) => {
      log.push(bytes.toString());
      if (log.length > MAX_LOG) log.splice(0, log.length - MAX_LOG);
    });
  const pid = child.pid ?? 0;
  return {
    child,
    cpuS: () => {
      const { userUs, sysUs } = cpuOf(pid);
      return (userUs + sysUs) / 1e6;
    },
    peakMb: () => (Number(/VmHWM:\s+([0-9]+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024) / 1e6,
    log: () => log.join(''),
    stop: () => end(child),
  };
}

/** xebec-galley with `args` beside its addresses. `XEBEC_NODE_FLAGS` gives its Node more flags. */
export async function startGalley(mcpPort: number, args: readonly string[]): Promise<RunningProcess> {
  const bin = join(root, 'apps/galley/bin/xebec-galley.ts');
  const addresses = ['--mcp-addr', `127.0.0.1:${mcpPort}`, '--http-addr', `127.0.0.1:${await freePort()}`];
  return run(GALLEY_CORE, [`--max-old-space-size=${HEAP_MB}`, ...nodeFlags(), bin, ...addresses, ...args]);
}

export async function startApiServer(folder: string): Promise<RunningProcess & { readonly kubeconfig: string }> {
  const kubeconfig = join(folder, 'kubeconfig');
  const bin = join(root, 'apps/platform/bin/xebec-apiserver.ts');
  const [port, http] = [await freePort(), await freePort()];
  const options = ['--data-dir', folder, '--secure-addr', `127.0.0.1:${port}`, '--http-addr', `127.0.0.1:${http}`];
  const server = run(OTHER_CORE, [bin, ...options, '--kubeconfig-out', kubeconfig]);
  for (const deadline = performance.now() + 60_000; ; ) {
    const ready = await fetch(`http://127.0.0.1:${http}/ready`).then(
      ({ ok }) => ok,
      () => false,
    );
    if (ready) return { ...server, kubeconfig };
    if (performance.now() > deadline || server.child.exitCode !== null) throw new Error(`the API server is not ready:\n${server.log()}`);
    await new Promise((done) => setTimeout(done, 50));
  }
}

export interface SinkReport {
  /** When it had this, milliseconds since the epoch. */
  readonly at: number;
  readonly objects: number;
  readonly first: string;
}

export interface RunningSink {
  /** Waits for a report that `wanted` accepts. */
  next(wanted: (report: SinkReport) => boolean, what: string): Promise<SinkReport>;
  stop(): Promise<void>;
}

const REPORT_DEADLINE_MS = 180_000;

export function startSink(mcpPort: number): RunningSink {
  const sink = run(OTHER_CORE, [join(import.meta.dirname, 'sink.ts'), `127.0.0.1:${mcpPort}`]);
  let latest: SinkReport | undefined;
  let wake = (): void => undefined;
  if (sink.child.stdout === null) throw new Error('no output');
  createInterface({ input: sink.child.stdout }).on('line', (line) => {
    latest = JSON.parse(line);
    wake();
  });
  return {
    next: async (wanted, what) => {
      const deadline = performance.now() + REPORT_DEADLINE_MS;
      while (latest === undefined || !wanted(latest)) {
        if (performance.now() > deadline || sink.child.exitCode !== null)
          throw new Error(`waited for ${what}; the sink printed:\n${sink.log()}`);
        const { promise, resolve: done } = Promise.withResolvers<void>();
        wake = done;
        const timer = setTimeout(done, 1_000);
        await promise;
        clearTimeout(timer);
      }
      return latest;
    },
    stop: () => sink.stop(),
  };
}
