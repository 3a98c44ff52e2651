import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import type { Server } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startFakeKubelet } from './fake-kubelet.ts';

const APISERVER = new URL('../../apps/platform/bin/xebec-apiserver.ts', import.meta.url).pathname;

export interface Output {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** An API server process with a node that exists on paper: pods become ready at once, and end at once. */
export class TestCluster {
  readonly directory = mkdtempSync(join(tmpdir(), 'xebec-kubectl-'));
  readonly kubeconfig = join(this.directory, 'data', 'kubeconfig');
  #process: ChildProcess | undefined;
  #kubelet: Server | undefined;
  #port = 0;
  #podLoop: NodeJS.Timeout | undefined;
  #busy = false;
  #nextIp = 1;

  async start(): Promise<void> {
    const socket = join(this.directory, 'k.sock');
    this.#kubelet ??= await startFakeKubelet(socket);
    this.#port ||= await freePort();
    const arguments_ = [
      '--data-dir',
      join(this.directory, 'data'),
      '--secure-addr',
      `127.0.0.1:${this.#port}`,
      '--http-addr',
      '127.0.0.1:0',
      '--kubelet-socket',
      socket,
    ];
    this.#process = spawn(process.execPath, [APISERVER, ...arguments_], {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { ...process.env, XEBEC_LOG_LEVEL: 'warn' },
    });
    await this.eventually(async () => (await this.kubectl('get', '--raw', '/readyz')).stdout === 'ok');
  }

  /** `kill -9`. */
  async kill(): Promise<void> {
    if (this.#process === undefined) return;
    this.#process.kill('SIGKILL');
    await once(this.#process, 'exit');
  }

  async stop(): Promise<void> {
    clearInterval(this.#podLoop);
    await this.kill();
    this.#kubelet?.closeAllConnections();
    this.#kubelet?.close();
    rmSync(this.directory, { recursive: true, force: true });
  }

  kubectl(...arguments_: string[]): Promise<Output> {
    return this.kubectlWith('', ...arguments_);
  }

  /** Runs kubectl with text on its standard input. */
  kubectlWith(input: string, ...arguments_: string[]): Promise<Output> {
    return new Promise((resolve) => {
      const cache = join(this.directory, 'cache');
      const child = execFile(
        'kubectl',
        ['--kubeconfig', this.kubeconfig, '--cache-dir', cache, ...arguments_],
        { timeout: 30_000 },
        (error, stdout, stderr) => {
          const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 1;
          resolve({ code, stdout: stdout.trim(), stderr: stderr.trim() });
        },
      );
      child.stdin?.end(input);
    });
  }

  spawnKubectl(...arguments_: string[]): ChildProcess {
    return spawn('kubectl', ['--kubeconfig', this.kubeconfig, ...arguments_], { stdio: ['ignore', 'pipe', 'pipe'] });
  }

  /** Polls until a condition holds. */
  async eventually(condition: () => Promise<boolean>, deadlineMs = 15_000): Promise<void> {
    const end = Date.now() + deadlineMs;
    while (!(await condition())) {
      if (Date.now() > end) throw new Error(`not within ${deadlineMs} ms: ${condition}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  async addNode(): Promise<void> {
    const node = {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name: 'paper' },
      status: {
        conditions: [{ type: 'Ready', status: 'True', reason: 'KubeletReady', message: '' }],
        addresses: [{ type: 'InternalIP', address: '10.0.0.1' }],
      },
    };
    await this.kubectlWith(JSON.stringify(node), 'create', '-f', '-');
    this.#podLoop = setInterval(() => void this.#tendPods(), 100);
  }

  async #tendPods(): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    try {
      const { stdout } = await this.kubectl('get', 'pods', '-A', '-o', 'json');
      for (const pod of JSON.parse(stdout).items) await this.#tend(pod);
    } catch {
      // The server may be down: the next round tries again.
    } finally {
      this.#busy = false;
    }
  }

  async #tend(pod: {
    metadata: { name: string; namespace: string; deletionTimestamp?: string; ownerReferences?: { kind: string }[] };
    spec: { nodeName?: string; containers: { name: string; image: string }[] };
    status: { podIP?: string };
  }): Promise<void> {
    const { name, namespace } = pod.metadata;
    if (pod.metadata.deletionTimestamp !== undefined) {
      await this.kubectl('delete', 'pod', '-n', namespace, name, '--grace-period=0', '--force');
      return;
    }
    if (pod.spec.nodeName === undefined || pod.status.podIP !== undefined) return;
    const now = new Date().toISOString().replace(/\.\d+/, '');
    const isJob = pod.metadata.ownerReferences?.[0]?.kind === 'Job';
    const state = isJob
      ? { terminated: { exitCode: 0, reason: 'Completed', startedAt: now, finishedAt: now } }
      : { running: { startedAt: now } };
    const status = {
      phase: isJob ? 'Succeeded' : 'Running',
      podIP: `10.244.0.${this.#nextIp++}`,
      startTime: now,
      conditions: ['PodScheduled', 'Initialized', 'ContainersReady', 'Ready'].map((type) => ({
        type,
        status: isJob ? 'False' : 'True',
        lastTransitionTime: now,
      })),
      containerStatuses: pod.spec.containers.map((item) => ({
        name: item.name,
        image: item.image,
        imageID: item.image,
        ready: !isJob,
        started: !isJob,
        restartCount: 0,
        state,
      })),
    };
    await this.kubectl('patch', 'pod', '-n', namespace, name, '--subresource=status', '--type=merge', '-p', JSON.stringify({ status }));
  }
}

export function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer();
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

export function manifest(name: string): string {
  return readFileSync(new URL(`./testdata/${name}`, import.meta.url), 'utf8');
}
