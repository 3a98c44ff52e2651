import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { own } from '../src/child-process.ts';
import { makeCertificates } from './certificates.ts';
import { loadCore } from './contenders.ts';
import type { Files } from './scenarios.ts';

/** What every scenario shares: a folder, files, and the running backend. */
export interface Rig {
  readonly folder: string;
  readonly files: Files;
  readonly backendPort: number;
  close(): void;
}

export async function startRig(): Promise<Rig> {
  const folder = mkdtempSync(join(tmpdir(), 'xebec-bench-'));
  const files: Files = { certificates: makeCertificates(folder), body: join(folder, 'body'), grpcMessage: join(folder, 'grpc-message') };
  writeFileSync(files.body, 'x'.repeat(10_000));
  writeFileSync(files.grpcMessage, Buffer.concat([Buffer.from([0, 0, 0, 0, 32]), Buffer.alloc(32, 'x')]));
  const backend = startScript('backend.ts', []);
  return {
    folder,
    files,
    backendPort: Number(await firstLine(backend)),
    close() {
      backend.kill('SIGKILL');
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Runs a script of this folder on the load's core. */
export function startScript(name: string, args: readonly string[]): ChildProcess {
  const command = ['-c', loadCore, process.execPath, join(import.meta.dirname, name), ...args];
  return own(spawn('taskset', command, { stdio: ['ignore', 'pipe', 'inherit'] }));
}

export async function firstLine(child: ChildProcess): Promise<string> {
  if (child.stdout === null) throw new Error('no output to read');
  const [bytes] = (await Promise.race([once(child.stdout, 'data'), once(child, 'exit').then(() => [''])])) as [Buffer | string];
  const line = String(bytes).trim();
  if (line === '') throw new Error('the process ended without a word');
  return line;
}
