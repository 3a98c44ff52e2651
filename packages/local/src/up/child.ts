import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { Backoff, type Clock, type Random } from '@xebec/core';
import { rotateLog } from '../node/log-rotation.ts';
import { type ProcessId, signalProcess, startTimeOf } from '../node/processes.ts';

export interface ChildOptions {
  readonly name: string;
  readonly argv: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly logFile: string;
  readonly clock: Clock;
  readonly random: Random;
  /** Called with each new process, and when one ended that was not asked to. */
  onStart(id: ProcessId): void;
  onDeath(line: string): void;
}

const LOG_CHECK_MS = 5000;

/** A control process that is started again, with back-off, whenever it dies. */
export class SupervisedChild {
  readonly #options: ChildOptions;
  readonly #backoff: Backoff;
  #current: ProcessId | undefined;
  #stopped = false;
  #startedAt = 0;

  constructor(options: ChildOptions) {
    this.#options = options;
    this.#backoff = new Backoff({ baseMs: 100, maxMs: 5000 }, options.random);
  }

  get id(): ProcessId | undefined {
    return this.#current;
  }

  start(): void {
    this.#watchLog();
    const { argv, env, logFile, clock } = this.#options;
    mkdirSync(dirname(logFile), { recursive: true });
    const log = openSync(logFile, 'a', 0o640);
    const [file = '', ...args] = argv;
    // Its own group: Ctrl-C in a terminal reaches the supervisor alone, which stops things in order.
    const child: ChildProcess = spawn(file, args, { env, detached: true, stdio: ['ignore', log, log] });
    closeSync(log);
    this.#startedAt = clock.monotonic();
    if (child.pid !== undefined) {
      this.#current = { pid: child.pid, startTime: startTimeOf(child.pid) ?? '' };
      this.#options.onStart(this.#current);
    }
    const ended = (how: string) => {
      if (this.#stopped) return;
      this.#options.onDeath(`${this.#options.name} ${how}; ${lastLine(logFile)}`);
      if (clock.monotonic() - this.#startedAt > 10_000) this.#backoff.reset();
      clock.setTimeout(() => {
        if (!this.#stopped) this.start();
      }, this.#backoff.nextMs());
    };
    child.once('error', (error) => ended(`cannot start: ${error.message}`));
    child.once('exit', (code, signal) => ended(signal === null ? `ended with code ${code}` : `was ended by ${signal}`));
  }

  #watchingLog = false;
  #watchLog(): void {
    if (this.#watchingLog || this.#stopped) return;
    this.#watchingLog = true;
    this.#options.clock.setTimeout(() => {
      this.#watchingLog = false;
      rotateLog(this.#options.logFile);
      this.#watchLog();
    }, LOG_CHECK_MS);
  }

  /** No more restarts; the process gets the signal. */
  stop(signal: NodeJS.Signals): void {
    this.#stopped = true;
    if (this.#current !== undefined) signalProcess(this.#current, signal);
  }
}

/** The last message in a JSON log, for a person: says why a process ended. */
export function lastLine(logFile: string): string {
  try {
    const lines = readFileSync(logFile, 'utf8').trim().split('\n');
    const last = lines.at(-1) ?? '';
    try {
      const record: unknown = JSON.parse(last);
      if (typeof record === 'object' && record !== null && 'msg' in record) return String(record.msg);
    } catch {
      // Not a log record: a crash's own text.
    }
    const error = lines.findLast((line) => /^\w*Error\b/.test(line));
    return (error ?? last).slice(0, 300);
  } catch {
    return 'it left no log';
  }
}
