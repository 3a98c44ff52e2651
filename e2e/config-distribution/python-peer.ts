import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { eventually } from '../src/daemon-process.ts';

const run = promisify(execFile);
const PACKAGES = ['grpcio==1.85.1', 'grpcio-tools==1.85.1', 'googleapis-common-protos==1.76.0'];
const MESSAGE_DEADLINE_MS = 60_000;
const PROTOS = resolve(import.meta.dirname, '../../packages/protos/proto');

/** The interpreter of a virtual environment with gRPC, and the folder of the stubs that it made of our protos. */
export async function pythonWithMcp(stubs: string): Promise<string> {
  const home = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'xebec-ci', 'grpcio-1.85.1');
  const python = join(home, 'bin/python');
  if (!existsSync(join(home, 'ready'))) {
    await run('python3', ['-m', 'venv', home]);
    await run(join(home, 'bin/pip'), ['install', '-q', ...PACKAGES], { timeout: 240_000 });
    await run('touch', [join(home, 'ready')]);
  }
  await mkdir(stubs, { recursive: true });
  const { stdout } = await run(python, ['-c', 'import google.rpc.status_pb2 as s, os; print(os.path.dirname(s.__file__))']);
  const common = resolve(stdout.trim(), '../..');
  const proto = 'istio/mcp/v1alpha1/mcp.proto';
  const output = [`--python_out=${stubs}`, `--grpc_python_out=${stubs}`];
  await run(python, ['-m', 'grpc_tools.protoc', `-I${PROTOS}`, `-I${common}`, ...output, proto]);
  return python;
}

/** What the peer printed: a message that it got, or how the stream ended. */
export interface PeerMessage {
  readonly collection?: string;
  readonly version?: string;
  readonly resources?: Readonly<Record<string, string>>;
  readonly bodies?: readonly string[];
  readonly removed?: readonly string[];
  readonly nonce?: string;
  readonly incremental?: boolean;
  readonly bytes?: number;
  readonly responseNonce?: string;
  readonly sinkNode?: { readonly annotations?: Readonly<Record<string, string>> };
  readonly errorDetail?: { readonly code?: number; readonly message?: string };
  readonly end?: string;
  readonly details?: string;
  readonly port?: number;
  readonly idle?: number;
}

export interface Peer {
  readonly received: readonly PeerMessage[];
  send(message: object): void;
  /** The next message that was not asked for yet. */
  next(what: string): Promise<PeerMessage>;
  stop(): Promise<void>;
}

export function startPeer(python: string, stubs: string, args: readonly string[]): Peer {
  const child: ChildProcess = spawn(python, [join(import.meta.dirname, 'peer.py'), ...args], {
    env: { ...process.env, PYTHONPATH: stubs },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const received: PeerMessage[] = [];
  let taken = 0;
  let errors = '';
  if (child.stdout === null || child.stdin === null || child.stderr === null) throw new Error('no pipes');
  createInterface({ input: child.stdout }).on('line', (line) => received.push(JSON.parse(line)));
  child.stderr.on('data', (chunk: Buffer) => (errors = (errors + chunk).slice(-4_000)));
  const input = child.stdin;
  return {
    received,
    send: (message) => void input.write(`${JSON.stringify(message)}\n`),
    next: async (what) => {
      const message = await eventually(`${what}; the peer printed ${errors}`, () => received[taken], MESSAGE_DEADLINE_MS);
      taken++;
      return message;
    },
    stop: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = new Promise<void>((done) => child.once('exit', () => done()));
      child.kill('SIGKILL');
      await ended;
    },
  };
}
