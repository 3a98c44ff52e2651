import { accessSync, constants, existsSync, mkdirSync, readFileSync, rmSync, statfsSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { type Clock, errorText, type Random, XebecError } from '@xebec/core';
import { KubeClient, readKubeconfig } from '../node/kube-client.ts';
import { bridgeOwner } from '../node/netns-network.ts';
import { isAlive, startTimeOf } from '../node/processes.ts';
import { lastLine, SupervisedChild } from './child.ts';
import { endProcesses, removeBridge, removePods } from './leftovers.ts';
import { readUpState, removeUpState, runningUp, type UpState, writeUpState } from './up-state.ts';

export interface SupervisorOptions {
  /** State directory, absolute: `.xebec` of the checkout. */
  readonly directory: string;
  /** Root of the checkout: where the processes' scripts are. */
  readonly checkout: string;
  readonly nodePath: string;
  readonly gatewayPort: number;
  readonly httpsGatewayPort: number;
  readonly tcpGatewayPort: number;
  readonly capture: 'auto' | 'netns' | 'loopback';
  readonly env: NodeJS.ProcessEnv;
  readonly clock: Clock;
  readonly random: Random;
  /** A process died and is being started again. */
  onDeath(line: string): void;
}

const PREFERRED_API_PORT = 6443;
const MIN_FREE_BYTES = 64 << 20;
const START_DEADLINE_MS = 30_000;
const POD_GRACE_MS = 3000;

/** The two processes of the embedded platform, started, kept alive and stopped together. */
export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #children = new Map<string, SupervisedChild>();
  #apiPort = 0;
  #deaths = 0;

  constructor(options: SupervisorOptions) {
    this.#options = options;
  }

  get kubeconfig(): string {
    return join(this.#options.directory, 'kubeconfig');
  }

  /** Refuses, in one line, what would fail later; ends control processes that a killed `up` left behind (its pods stay). */
  async prepare(): Promise<void> {
    const { directory, gatewayPort, httpsGatewayPort, tcpGatewayPort } = this.#options;
    const before = readUpState(directory);
    if (before !== undefined && isAlive(before.supervisor)) {
      throw new XebecError(
        'E_UP_RUNNING',
        `xebec is already up here (process ${before.supervisor.pid}, state in ${directory}); stop it with "xebec down --dir ${directory}"`,
      );
    }
    await this.#refuseSecondBridge();
    checkDirectory(directory);
    if (before !== undefined) await endProcesses(Object.values(before.children), 2000);
    for (const [port, flag] of [
      [gatewayPort, '--gateway-port'],
      [httpsGatewayPort, '--gateway-https-port'],
      [tcpGatewayPort, '--gateway-tcp-port'],
    ] as const) {
      if (!(await portIsFree(port))) {
        throw new XebecError(
          'E_PORT_IN_USE',
          `port ${port} on 127.0.0.1, where the gateway is to listen, is in use; free it, or choose another with ${flag}`,
        );
      }
    }
    this.#apiPort = before?.apiPort ?? PREFERRED_API_PORT;
    if (!(await portIsFree(this.#apiPort))) this.#apiPort = await freePort();
    if (before?.apiPort !== this.#apiPort) rmSync(this.kubeconfig, { force: true });
  }

  /** One machine has one bridge: a second mesh would take the first one's addresses. */
  async #refuseSecondBridge(): Promise<void> {
    const { directory, capture } = this.#options;
    if (capture === 'loopback' || process.platform !== 'linux' || process.getuid?.() !== 0) return;
    const owner = await bridgeOwner();
    if (owner === undefined || owner === '' || owner === join(directory, 'node')) return;
    const other = runningUp(dirname(owner));
    if (other === undefined) return;
    throw new XebecError(
      'E_UP_RUNNING',
      `a mesh already runs on this machine (process ${other.supervisor.pid}, state in ${dirname(owner)}); stop it with "xebec down --dir ${dirname(owner)}"`,
    );
  }

  /** Starts both processes; resolves with a client once the API server answers. */
  async start(): Promise<KubeClient> {
    const { directory, checkout, nodePath, gatewayPort, httpsGatewayPort, tcpGatewayPort, capture } = this.#options;
    const script = (name: string) => join(checkout, 'apps/platform/bin', name);
    const socket = socketPath(directory);
    mkdirSync(join(socket, '..'), { recursive: true, mode: 0o700 });
    rmSync(join(directory, 'logs'), { recursive: true, force: true });
    this.#child('apiserver', [
      nodePath,
      script('xebec-apiserver.ts'),
      `--data-dir=${join(directory, 'apiserver')}`,
      `--secure-addr=127.0.0.1:${this.#apiPort}`,
      '--http-addr=127.0.0.1:0',
      `--kubeconfig-out=${this.kubeconfig}`,
      `--kubelet-socket=${socket}`,
      '--tls-san=10.244.0.1',
    ]);
    this.#child('node', [
      nodePath,
      script('xebec-node.ts'),
      `--kubeconfig=${this.kubeconfig}`,
      `--state-dir=${join(directory, 'node')}`,
      `--kubelet-socket=${socket}`,
      '--http-addr=127.0.0.1:0',
      `--capture=${capture}`,
      `--gateway-ports=80=${gatewayPort},443=${httpsGatewayPort},31400=${tcpGatewayPort}`,
    ]);
    return this.#untilApiServer();
  }

  /** The capture mode that the node agent chose, with its reason; undefined until it is known. */
  captureMode(): { readonly mode: string; readonly why: string } | undefined {
    try {
      for (const line of readFileSync(this.#logFile('node'), 'utf8').split('\n')) {
        if (!line.includes('"capture mode')) continue;
        const record: unknown = JSON.parse(line);
        if (typeof record === 'object' && record !== null && 'mode' in record && 'msg' in record)
          return { mode: String(record.mode), why: String(record.msg) };
      }
    } catch {
      // Not written yet.
    }
    return undefined;
  }

  /** What the node agent of this run calls itself in the Node's `bootID`, once every pod's state is published. */
  nodeRun(): string | undefined {
    const id = this.#children.get('node')?.id;
    return id === undefined ? undefined : String(id.pid);
  }

  /** Stops pods, then the control processes, and removes what the network needed. */
  async stop(): Promise<void> {
    await stopEverything(this.#options.directory, this.#children);
  }

  #logFile(name: string): string {
    return join(this.#options.directory, 'logs', `${name}.log`);
  }

  #child(name: string, argv: readonly string[]): void {
    const { directory, env, clock, random, onDeath } = this.#options;
    const child = new SupervisedChild({
      name: `xebec-${name}`,
      argv,
      env,
      clock,
      random,
      logFile: this.#logFile(name),
      onStart: () => writeUpState(directory, this.#state()),
      onDeath: (line) => {
        this.#deaths++;
        onDeath(line);
      },
    });
    this.#children.set(name, child);
    child.start();
  }

  #state(): UpState {
    const children = Object.fromEntries([...this.#children].flatMap(([name, child]) => (child.id === undefined ? [] : [[name, child.id]])));
    return { supervisor: { pid: process.pid, startTime: startTimeOf(process.pid) ?? '' }, apiPort: this.#apiPort, children };
  }

  async #untilApiServer(): Promise<KubeClient> {
    const end = this.#options.clock.monotonic() + START_DEADLINE_MS;
    let problem = 'it wrote no kubeconfig';
    for (;;) {
      if (existsSync(this.kubeconfig)) {
        try {
          const client = new KubeClient(readKubeconfig(this.kubeconfig));
          await client.get('/version');
          return client;
        } catch (error) {
          problem = errorText(error);
        }
      }
      if (this.#deaths >= 3 || this.#options.clock.monotonic() > end) {
        throw new XebecError(
          'E_START',
          `the API server does not come up: ${problem}; ${lastLine(this.#logFile('apiserver'))}; see ${this.#logFile('apiserver')}`,
        );
      }
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}

/** The node agent's Unix socket; in the temporary directory where the checkout's path would be too long for one. */
function socketPath(directory: string): string {
  const inside = join(directory, 'run', 'kubelet.sock');
  if (Buffer.byteLength(inside) < 100) return inside;
  const hash = [...directory].reduce((sum, letter) => (Math.imul(sum, 31) + letter.charCodeAt(0)) >>> 0, 7).toString(36);
  return join('/tmp', `xebec-${hash}`, 'kubelet.sock');
}

async function stopEverything(directory: string, children: ReadonlyMap<string, SupervisedChild>): Promise<void> {
  const node = children.get('node');
  node?.stop('SIGTERM');
  if (node?.id !== undefined) await endProcesses([node.id], 2000);
  await removePods(join(directory, 'node', 'pods'), POD_GRACE_MS);
  await removeBridge(join(directory, 'node'));
  const rest = [...children.values()];
  for (const child of rest) child.stop('SIGTERM');
  await endProcesses(
    rest.flatMap((child) => child.id ?? []),
    3000,
  );
  removeUpState(directory);
}

/** `xebec down`: ends an `up` that runs elsewhere, or cleans up after one that was killed. Says whether there was anything. */
export async function bringDown(directory: string): Promise<boolean> {
  const state = readUpState(directory);
  if (state !== undefined && isAlive(state.supervisor)) {
    await endProcesses([state.supervisor], 15_000, false);
  }
  const left = readUpState(directory);
  if (left !== undefined) await endProcesses(Object.values(left.children), 3000);
  const pods = await removePods(join(directory, 'node', 'pods'), POD_GRACE_MS);
  await removeBridge(join(directory, 'node'));
  removeUpState(directory);
  return state !== undefined || pods > 0;
}

function checkDirectory(directory: string): void {
  let made: string | undefined;
  try {
    made = mkdirSync(directory, { recursive: true });
    accessSync(directory, constants.W_OK);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ENOSPC')
      throw new XebecError('E_DISK_FULL', `the disk that holds ${directory} is full; free some space, or use --dir on another disk`);
    throw new XebecError('E_STATE_DIR', `cannot write the state directory ${directory}; choose another with --dir`, { cause: error });
  }
  const disk = statfsSync(directory);
  const free = disk.bavail * disk.bsize;
  if (free < MIN_FREE_BYTES) {
    // A refusal leaves nothing behind.
    if (made !== undefined) rmSync(made, { recursive: true, force: true });
    throw new XebecError(
      'E_DISK_FULL',
      `the disk that holds ${directory} is full (${Math.floor(free / 1e6)} MB left, ${MIN_FREE_BYTES / (1 << 20)} needed); free some space, or use --dir on another disk`,
    );
  }
}

function portIsFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}
