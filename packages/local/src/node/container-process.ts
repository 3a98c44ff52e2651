import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, renameSync } from 'node:fs';
import { dirname } from 'node:path';
import { type ProcessId, startTimeOf } from './processes.ts';

export interface ContainerCommand {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly logFile: string;
  /** Argument prefix that enters the pod's namespaces. */
  readonly enter: readonly string[];
  readonly user?: { readonly uid: number; readonly gid: number };
}

export interface StartedProcess {
  readonly id: ProcessId;
  /** Resolves with the exit code; 128 + n for signal n. */
  readonly exited: Promise<number>;
}

const SIGNALS: Readonly<Record<string, number>> = { SIGHUP: 1, SIGINT: 2, SIGQUIT: 3, SIGABRT: 6, SIGKILL: 9, SIGSEGV: 11, SIGTERM: 15 };

/**
 * The argument vector that runs a command as a container of its pod. A user other than root keeps the right to read
 * everywhere: the checkout may lie in a home directory that only root can enter.
 */
export function containerArgv(command: Pick<ContainerCommand, 'argv' | 'enter' | 'user' | 'cwd'>): string[] {
  const { user, argv } = command;
  // Entering a mount namespace moves a process to its root directory.
  const enter = command.enter.length === 0 ? [] : [...command.enter, 'env', `--chdir=${command.cwd}`];
  if (user === undefined || process.getuid?.() !== 0) return [...enter, ...argv];
  // Root keeps its rights, but its group may be what capture rules know a proxy by.
  if (user.uid === 0)
    return user.gid === 0 ? [...enter, ...argv] : [...enter, 'setpriv', `--regid=${user.gid}`, '--clear-groups', '--', ...argv];
  const capability = '+dac_read_search,+net_bind_service';
  return [
    ...enter,
    'setpriv',
    `--reuid=${user.uid}`,
    `--regid=${user.gid}`,
    '--clear-groups',
    `--inh-caps=${capability}`,
    `--ambient-caps=${capability}`,
    '--',
    ...argv,
  ];
}

/** Starts a container's process as the leader of its own group, so that it outlives this agent. Rejects when it cannot start. */
export function startContainer(command: ContainerCommand): Promise<StartedProcess> {
  mkdirSync(dirname(command.logFile), { recursive: true });
  if (existsSync(command.logFile)) renameSync(command.logFile, `${command.logFile}.previous`);
  const log = openSync(command.logFile, 'a', 0o640);
  const [file = '', ...args] = containerArgv(command);
  return new Promise((resolve, reject) => {
    const child: ChildProcess = spawn(file, args, { cwd: command.cwd, env: command.env, detached: true, stdio: ['ignore', log, log] });
    closeSync(log);
    child.once('error', reject);
    const exited = new Promise<number>((done) => {
      child.once('exit', (code, signal) => done(code ?? 128 + (SIGNALS[signal ?? ''] ?? 9)));
    });
    child.once('spawn', () => {
      child.unref();
      const pid = child.pid ?? 0;
      resolve({ id: { pid, startTime: startTimeOf(pid) ?? '' }, exited });
    });
  });
}
