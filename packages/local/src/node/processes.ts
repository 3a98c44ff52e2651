import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';

/** A process that outlives its parent, named so that a recycled pid is never taken for it. */
export interface ProcessId {
  readonly pid: number;
  /** Field 22 of /proc/pid/stat, in clock ticks since boot; empty where there is no /proc. */
  readonly startTime: string;
}

/** The start time of a live process; undefined when it is gone or a zombie. */
export function startTimeOf(pid: number): string | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
  } catch (error) {
    if (process.platform === 'linux') return undefined;
    void error;
    try {
      process.kill(pid, 0);
      return '';
    } catch {
      return undefined;
    }
  }
}

export function isAlive(id: ProcessId): boolean {
  return startTimeOf(id.pid) === id.startTime;
}

/** Signals the process group that `id` leads, or `id` alone; does nothing when the pid belongs to another process by now. */
export function signalProcess(id: ProcessId, signal: NodeJS.Signals, group = true): boolean {
  if (!isAlive(id)) return false;
  try {
    process.kill(group ? -id.pid : id.pid, signal);
    return true;
  } catch {
    return false;
  }
}

/** Kills what is left of a process group whose leader is gone: members carry its number as their group. */
export function killGroupRemains(id: ProcessId): void {
  // A live process with this number is another's leader by now: the kernel reuses a number only when its group is empty.
  if (startTimeOf(id.pid) !== undefined && !isAlive(id)) return;
  if (!existsSync('/proc')) return;
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const text = readFileSync(`/proc/${entry}/stat`, 'latin1');
      const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
      if (Number(fields[2]) === id.pid && fields[0] !== 'Z') process.kill(Number(entry), 'SIGKILL');
    } catch {
      // It ended in the meantime.
    }
  }
}

/** Live processes whose environment places them below `directory` by XEBEC_ROOT: containers, sandboxes and what they started. */
export function processesBelow(directory: string): ProcessId[] {
  if (!existsSync('/proc/self/environ')) return [];
  const mark = `XEBEC_ROOT=${directory}/`;
  return readdirSync('/proc').flatMap((entry) => {
    if (!/^\d+$/.test(entry)) return [];
    try {
      if (
        !readFileSync(`/proc/${entry}/environ`, 'latin1')
          .split('\0')
          .some((variable) => variable.startsWith(mark))
      )
        return [];
      const startTime = startTimeOf(Number(entry));
      return startTime === undefined ? [] : [{ pid: Number(entry), startTime }];
    } catch {
      // It ended in the meantime, or is somebody else's.
      return [];
    }
  });
}

export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a short command to its end; never rejects: a command that cannot start has code 127. */
export function run(command: string, args: readonly string[], input?: string, timeoutMs = 20_000): Promise<CommandResult> {
  return new Promise((resolve) => {
    const child: ChildProcess = spawn(command, [...args], { stdio: ['pipe', 'pipe', 'pipe'], timeout: timeoutMs, killSignal: 'SIGKILL' });
    let stdout = '';
    let stderr = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      if (stdout.length < 1 << 20) stdout += chunk.toString('utf8');
    });
    child.stderr?.on('data', (chunk: Buffer) => {
      if (stderr.length < 1 << 16) stderr += chunk.toString('utf8');
    });
    child.stdin?.on('error', () => undefined);
    child.once('error', (error) => resolve({ code: 127, stdout, stderr: error.message }));
    child.once('close', (code) => resolve({ code: code ?? 137, stdout, stderr }));
    child.stdin?.end(input ?? '');
  });
}
