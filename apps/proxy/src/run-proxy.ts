import { readFileSync } from 'node:fs';
import { errorText, type Logger, systemClock, systemRandom, XebecError } from '@xebec/core';
import { EXIT_FAILURE, EXIT_USAGE, version } from '@xebec/daemon/version';
import { type Dataplane, parseBootstrap, startDataplane } from '@xebec/dataplane';
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import pino from 'pino';

interface ProxyFlags {
  readonly configPath?: string;
  readonly configYaml?: string;
  readonly mode: string;
  readonly logLevel: string;
  readonly serviceNode?: string;
  readonly serviceCluster?: string;
  readonly drainTimeS: number;
  readonly concurrency?: number;
  readonly baseId?: number;
  readonly fileFlushIntervalMsec?: number;
}

const levels: Record<string, string> = { critical: 'fatal', off: 'silent', warning: 'warn' };

/** Runs the bare data plane with Envoy's flags, or `sidecar` and `router` with an agent, from flags to exit code. */
export async function runProxy(name: string, argv: readonly string[]): Promise<void> {
  process.title = name;
  if (argv[0] === 'sidecar' || argv[0] === 'router') {
    const { runWithAgent } = await import('./run-with-agent.ts');
    await runWithAgent(name, argv[0], argv.slice(1));
    return;
  }
  let flags: ProxyFlags;
  try {
    flags = parseFlags(name, argv);
  } catch (error) {
    process.exitCode = error instanceof CommanderError && error.exitCode === 0 ? 0 : EXIT_USAGE;
    return;
  }
  const logger = createLogger(name, flags.logLevel);
  try {
    const path = flags.configPath;
    if (path === undefined && flags.configYaml === undefined) throw new XebecError('E_FLAG', 'give -c FILE or --config-yaml TEXT');
    const bootstrap = parseBootstrap(path === undefined ? '' : readConfig(path), path ?? '--config-yaml', flags.configYaml);
    if (flags.mode === 'validate') {
      const dataplane = await startDataplane({ ...common(logger), bootstrap: withoutListening(bootstrap), resolve: async () => [] });
      await dataplane.close();
      process.stdout.write(`configuration '${path ?? '--config-yaml'}' OK\n`);
      return;
    }
    const quit = Promise.withResolvers<string>();
    const dataplane = await startDataplane({
      ...common(logger),
      bootstrap,
      drain: { drainTimeMs: flags.drainTimeS * 1000 },
      commandLine: {
        config_path: path ?? '',
        concurrency: flags.concurrency ?? 1,
        service_node: flags.serviceNode ?? '',
        service_cluster: flags.serviceCluster ?? '',
        drain_time: `${flags.drainTimeS}s`,
        base_id: String(flags.baseId ?? 0),
        log_level: flags.logLevel,
      },
      onQuit: () => quit.resolve('quitquitquit'),
      ...(flags.fileFlushIntervalMsec === undefined ? {} : { fileFlushIntervalMs: flags.fileFlushIntervalMsec }),
      ...(flags.serviceNode === undefined ? {} : { serviceNode: flags.serviceNode }),
      ...(flags.serviceCluster === undefined ? {} : { serviceCluster: flags.serviceCluster }),
    });
    logger.info({ admin: dataplane.adminAddress }, 'started');
    const reason = await Promise.race([quit.promise, receivedSignal()]);
    await stop(dataplane, logger, reason, reason === 'SIGTERM' ? drainMs() : 0);
    process.exit(0);
  } catch (error) {
    const code = error instanceof XebecError ? error.code : 'E_START';
    process.stderr.write(`${name}: ${errorText(error)}\n`);
    process.exit(code === 'E_FLAG' ? EXIT_USAGE : EXIT_FAILURE);
  }
}

/** Drains for a while, then ends every connection. */
export async function stop(dataplane: Dataplane, logger: Logger, reason: string, waitMs: number): Promise<void> {
  logger.info({ reason, waitMs }, 'draining');
  dataplane.drain();
  const deadline = Date.now() + waitMs;
  while (Date.now() < deadline && dataplane.state.listeners.activeConnections > 0) await new Promise((resolve) => setTimeout(resolve, 50));
  await dataplane.close();
  logger.info({}, 'stopped');
}

/** How long SIGTERM lets connections finish: 5 s, or `TERMINATION_DRAIN_DURATION_SECONDS`. */
export function drainMs(): number {
  const seconds = Number(process.env['TERMINATION_DRAIN_DURATION_SECONDS'] ?? '5');
  return Number.isFinite(seconds) && seconds >= 0 ? seconds * 1000 : 5000;
}

export function createLogger(name: string, level: string): Logger {
  return pino({ name, level: levels[level] ?? level, timestamp: pino.stdTimeFunctions.isoTime }, pino.destination({ fd: 2, sync: true }));
}

export function receivedSignal(): Promise<string> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve(signal));
  });
}

export function common(logger: Logger) {
  return { clock: systemClock, random: systemRandom, logger, version: version(), env: process.env };
}

function readConfig(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new XebecError('E_BOOTSTRAP', `cannot read ${path}: ${errorText(cause)}`, { cause });
  }
}

/** Validation compiles everything and opens nothing. */
function withoutListening(bootstrap: ReturnType<typeof parseBootstrap>): ReturnType<typeof parseBootstrap> {
  const { admin: _, dynamicResources: __, ...rest } = bootstrap;
  for (const listener of rest.staticResources?.listeners ?? []) listener.bindToPort = false;
  return rest;
}

function parseFlags(name: string, argv: readonly string[]): ProxyFlags {
  const whole = (text: string): number => {
    const value = Number(text);
    if (!Number.isInteger(value) || value < 0) throw new InvalidArgumentError('want a whole number.');
    return value;
  };
  const command = new Command(name)
    .description(
      'Data plane of Xebec: a proxy with the bootstrap, flags, admin API and xDS of Envoy. `sidecar` and `router` run it with its agent.',
    )
    .version(`${name} ${version()}`)
    .exitOverride()
    .allowExcessArguments(false)
    .addOption(new Option('-c, --config-path <file>', 'bootstrap, YAML or JSON'))
    .addOption(new Option('--config-yaml <text>', 'YAML or JSON merged over the bootstrap'))
    .addOption(
      new Option('--mode <mode>', 'serve, or validate the configuration and exit')
        .choices(['serve', 'validate', 'init_only'])
        .default('serve'),
    )
    .addOption(
      new Option('-l, --log-level <level>', 'log level')
        .choices(['trace', 'debug', 'info', 'warning', 'warn', 'error', 'critical', 'off'])
        .default('info'),
    )
    .addOption(new Option('--service-node <id>', 'overrides node.id'))
    .addOption(new Option('--service-cluster <name>', 'overrides node.cluster'))
    .addOption(new Option('--drain-time-s <seconds>', 'how long old connections may finish after a change').argParser(whole).default(600))
    .addOption(new Option('--drain-strategy <strategy>', 'accepted for compatibility').choices(['gradual', 'immediate']).hideHelp())
    .addOption(new Option('--parent-shutdown-time-s <seconds>', 'accepted for compatibility').argParser(whole).hideHelp())
    .addOption(new Option('--concurrency <threads>', 'worker threads (one is used)').argParser(whole))
    .addOption(new Option('--base-id <id>', 'accepted for compatibility: there is no hot restart').argParser(whole))
    .addOption(new Option('--disable-hot-restart', 'accepted for compatibility').hideHelp())
    .addOption(new Option('--use-dynamic-base-id', 'accepted for compatibility').hideHelp())
    .addOption(new Option('--log-format <format>', 'accepted for compatibility').hideHelp())
    .addOption(new Option('--component-log-level <levels>', 'accepted for compatibility').hideHelp())
    .addOption(new Option('--file-flush-interval-msec <ms>', 'how long access log lines may wait to be written').argParser(whole));
  command.parse([...argv], { from: 'user' });
  return command.opts<ProxyFlags>();
}
