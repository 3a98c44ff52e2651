import { flushCompileCache } from 'node:module';
import { errorText, type Logger, XebecError } from '@xebec/core';
import { Command, CommanderError, Option } from 'commander';
import pino from 'pino';
import { collectDefaultMetrics, Registry } from 'prom-client';
import { createHealthServer, type HealthServer } from './health.ts';
import { environmentName, type HostPort, type OptionSpec, parseHostPort } from './options.ts';
import { EXIT_FAILURE, EXIT_USAGE, version } from './version.ts';

/** What a daemon's `start` gets. */
export interface DaemonContext {
  /** Flag values by camel-case name; environment and defaults are already in. */
  readonly options: Readonly<Record<string, string>>;
  readonly logger: Logger;
  readonly metrics: Registry;
  readonly health: HealthServer;
  /** Aborts when the daemon is asked to stop. */
  readonly signal: AbortSignal;
}

export interface DaemonSpec {
  /** The name in `ps`, such as `xebec-pilot`. */
  readonly name: string;
  readonly summary: string;
  readonly defaultHttpAddr: string;
  readonly options: readonly OptionSpec[];
  /** Builds and starts everything; the returned `close` drains, within the deadline. */
  start(context: DaemonContext): Promise<{ close(): Promise<void> }>;
}

const COMMON: readonly OptionSpec[] = [
  { flags: '--log-level <level>', description: 'trace, debug, info, warn or error', default: 'info' },
  { flags: '--drain-deadline-s <seconds>', description: 'longest time a graceful stop may take', default: '10' },
];

/** Parses flags and environment; throws CommanderError on bad usage, with its one line already printed. */
export function parseOptions(spec: DaemonSpec, argv: readonly string[], env: NodeJS.ProcessEnv): Record<string, string> {
  const command = new Command(spec.name).description(spec.summary).version(version()).exitOverride().allowExcessArguments(false);
  const all = [
    { flags: '--http-addr <host:port>', description: 'health, readiness and metrics', default: spec.defaultHttpAddr },
    ...spec.options,
    ...COMMON,
  ];
  for (const { flags, description, default: fallback } of all) {
    const option = new Option(flags, `${description} [env ${environmentName(flags)}]`);
    if (fallback !== undefined) option.default(fallback);
    command.addOption(option);
    const fromEnv = env[environmentName(flags)];
    if (fromEnv !== undefined) command.setOptionValueWithSource(option.attributeName(), fromEnv, 'env');
  }
  command.parse([...argv], { from: 'user' });
  return Object.fromEntries(Object.entries(command.opts()).map(([key, value]) => [key, String(value)]));
}

/**
 * Reads a `host:port` option or fails with a line that names the flag. "All addresses" means XEBEC_BIND_ADDRESS where that is
 * set: pods that share a machine's network each have an address of their own.
 */
export function hostPortOption(options: Readonly<Record<string, string>>, name: string, env: NodeJS.ProcessEnv = process.env): HostPort {
  const text = options[name] ?? '';
  const parsed = parseHostPort(text);
  const flag = `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
  if (parsed === undefined) throw new XebecError('E_FLAG', `${flag} wants host:port, such as 127.0.0.1:15010, but got "${text}"`);
  const own = env['XEBEC_BIND_ADDRESS'];
  return parsed.host === '0.0.0.0' && own !== undefined && own !== '' ? { ...parsed, host: own } : parsed;
}

/** Runs a daemon from flags to exit code. Call it from a bin and nowhere else: it owns the process. */
export async function runDaemon(spec: DaemonSpec): Promise<void> {
  process.title = spec.name;
  let options: Record<string, string>;
  try {
    options = parseOptions(spec, process.argv.slice(2), process.env);
  } catch (error) {
    process.exitCode = error instanceof CommanderError && error.exitCode === 0 ? 0 : EXIT_USAGE;
    return;
  }
  const logger = pino(
    { name: spec.name, level: options['logLevel'] ?? 'info', timestamp: pino.stdTimeFunctions.isoTime },
    pino.destination({ fd: 2, sync: true }),
  );
  const stop = new AbortController();
  let health: HealthServer | undefined;
  try {
    const http = hostPortOption(options, 'httpAddr');
    const metrics = new Registry();
    collectDefaultMetrics({ register: metrics });
    health = createHealthServer(metrics);
    const running = await spec.start({ options, logger, metrics, health, signal: stop.signal });
    await health.listen(http);
    logger.info({ httpAddr: options['httpAddr'] }, 'started');
    // So that the next process starts from compiled code even when this one is killed.
    flushCompileCache();
    const signal = await receivedSignal();
    logger.info({ signal }, 'draining');
    stop.abort();
    await withDeadline(running.close(), Number(options['drainDeadlineS'] ?? '10') * 1000, logger);
    await health.close();
    logger.info({}, 'stopped');
    process.exit(0);
  } catch (error) {
    stop.abort();
    const code = error instanceof XebecError ? error.code : 'E_START';
    logger.error({ code }, errorText(error));
    process.exit(code === 'E_FLAG' ? EXIT_USAGE : EXIT_FAILURE);
  }
}

function receivedSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve(signal));
  });
}

async function withDeadline(work: Promise<void>, deadlineMs: number, logger: Logger): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<'late'>((resolve) => {
    timer = setTimeout(() => resolve('late'), deadlineMs);
  });
  if ((await Promise.race([work, deadline])) === 'late') logger.warn({ deadlineMs }, 'drain deadline passed, stopping anyway');
  clearTimeout(timer);
}
