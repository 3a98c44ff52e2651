import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Backoff, type Clock, errorText, type Logger, type Random } from '@xebec/core';
import { httpCall } from './http-get.ts';

export interface EnvoyProcessOptions {
  readonly envoyPath: string;
  /** Bootstrap in protobuf JSON. */
  readonly bootstrap: object;
  readonly adminUrl: string;
  readonly cwd: string;
  readonly role: 'sidecar' | 'router';
  readonly args?: readonly string[];
  readonly drainMs?: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

export interface EnvoyProcess {
  /** Asks the listeners to drain and keeps running. */
  drain(): Promise<void>;
  /** Drains for `drainMs`, then ends the process. */
  close(): Promise<void>;
}

/** Runs a stock Envoy as a child: started again with back-off when it ends, drained before it is stopped. */
export function runEnvoy(options: EnvoyProcessOptions): EnvoyProcess {
  const { clock, logger } = options;
  const directory = mkdtempSync(join(tmpdir(), 'xebec-envoy-'));
  const file = join(directory, 'bootstrap.json');
  writeFileSync(file, JSON.stringify(options.bootstrap), { mode: 0o600 });
  const backoff = new Backoff({ baseMs: 200, maxMs: 10_000 }, options.random);
  let closing = false;
  let ended: Promise<void> = Promise.resolve();
  let child: ReturnType<typeof spawn> | undefined;
  let cancel: () => void = () => undefined;

  const run = () => {
    const startedAt = clock.monotonic();
    const started = spawn(options.envoyPath, ['-c', file, '--disable-hot-restart', ...(options.args ?? [])], {
      cwd: options.cwd,
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    child = started;
    ended = new Promise((resolve) => {
      const over = (why: string) => {
        resolve();
        if (closing || child !== started) return;
        child = undefined;
        // One that ran for long is not in a crash loop.
        if (clock.monotonic() - startedAt > 60_000) backoff.reset();
        const delayMs = backoff.nextMs();
        logger.error({ code: 'E_ENVOY_EXIT', delayMs: Math.round(delayMs) }, `Envoy ended (${why}), starting it again`);
        cancel = clock.setTimeout(run, delayMs);
      };
      started.once('error', (error) => over(errorText(error)));
      started.once('exit', (code, signal) => over(signal ?? `exit code ${code}`));
    });
  };
  run();

  const drain = async () => {
    const query = options.role === 'sidecar' ? 'inboundonly&graceful' : 'graceful';
    await httpCall(`${options.adminUrl}/drain_listeners?${query}`, { method: 'POST', timeoutMs: 1000 }).catch((error: unknown) =>
      logger.warn({}, `Envoy was not asked to drain: ${errorText(error)}`),
    );
  };
  return {
    drain,
    async close() {
      closing = true;
      cancel();
      if (child !== undefined) {
        await drain();
        await new Promise<void>((resolve) => void clock.setTimeout(resolve, options.drainMs ?? 5000));
        child.kill('SIGTERM');
        const kill = clock.setTimeout(() => child?.kill('SIGKILL'), 3000);
        await ended;
        kill();
      }
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
