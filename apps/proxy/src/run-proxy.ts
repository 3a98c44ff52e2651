import { readFileSync, writeFileSync } from 'node:fs';
import { flushCompileCache } from 'node:module';
import { create } from '@bufbuild/protobuf';
import { errorText, type Logger, systemClock, systemRandom, XebecError } from '@xebec/core';
import { EXIT_FAILURE, version } from '@xebec/daemon/version';
import { type Dataplane, parseBootstrap, requireNodeForSources, startDataplane } from '@xebec/dataplane';
import { httpFilterDefinitions, networkFilterDefinitions } from '@xebec/filters';
import type { Bootstrap } from '@xebec/protos/envoy/config/bootstrap/v3/bootstrap';
import { LocalitySchema, NodeSchema } from '@xebec/protos/envoy/config/core/v3/base';
import { StatsConfigSchema, TagSpecifierSchema } from '@xebec/protos/envoy/config/metrics/v3/stats';
import { CommanderError } from 'commander';
import { commandLineOptions, type ProxyFlags, parseFlags } from './flags.ts';
import { createProxyLog } from './proxy-logger.ts';
import { letYoungGenerationGrow } from './young-generation.ts';

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
    flags = parseFlags(name, versionText(name), argv);
  } catch (error) {
    // Envoy's exit code for wrong flags is that of any failure.
    process.exitCode = error instanceof CommanderError && error.exitCode === 0 ? 0 : EXIT_FAILURE;
    return;
  }
  if (flags.hotRestartVersion === true) {
    process.stdout.write('disabled\n');
    return;
  }
  try {
    await serve(name, flags);
  } catch (error) {
    process.stderr.write(`${name}: ${errorText(error)}\n`);
    process.exit(EXIT_FAILURE);
  }
}

async function serve(name: string, flags: ProxyFlags): Promise<void> {
  const { configPath = '', configYaml } = flags;
  const log = createProxyLog({
    name,
    level: flags.logLevel,
    componentLevels: flags.componentLogLevel,
    pattern: flags.logFormat,
    path: flags.logPath,
  });
  if (configPath === '' && configYaml === undefined)
    throw new XebecError('E_FLAG', 'give a configuration: -c FILE, --config-yaml TEXT, or both');
  const bootstrap = parseBootstrap(
    configPath === '' ? '' : readConfig(configPath),
    configPath === '' ? '--config-yaml' : configPath,
    configYaml,
  );
  applyToNode(bootstrap, flags);
  requireNodeForSources(bootstrap, {});
  if (flags.mode === 'validate') {
    const starting = startDataplane({ ...common(log.logger), bootstrap: withoutListening(bootstrap), resolve: async () => [] });
    // A listener that waits for its routes is a valid one: what is wrong shows at once.
    const dataplane = await Promise.race([starting, new Promise<undefined>((resolve) => setTimeout(() => resolve(undefined), 500))]);
    await dataplane?.close();
    process.stdout.write(`configuration '${configPath}' OK\n`);
    if (dataplane === undefined) process.exit(0);
    return;
  }
  const quit = Promise.withResolvers<string>();
  const signalled = receivedSignal();
  let started = false;
  void signalled.then(() => {
    if (!started) process.exit(0);
  });
  const disabled = new Set((flags.disableExtensions ?? '').split(','));
  const enabled = (definition: { readonly name: string }): boolean => !disabled.has(definition.name);
  const dataplane = await startDataplane({
    ...common(log.logger),
    bootstrap,
    concurrency: flags.concurrency,
    drain: { drainTimeMs: flags.drainTimeS * 1000, strategy: flags.drainStrategy },
    fileFlushIntervalMs: flags.fileFlushIntervalMsec,
    fileFlushMinBytes: flags.fileFlushMinSizeKb * 1024,
    restartEpoch: flags.restartEpoch,
    commandLine: commandLineOptions(flags),
    onQuit: () => quit.resolve('quitquitquit'),
    ...(flags.disableExtensions === undefined
      ? {}
      : { httpFilters: httpFilterDefinitions.filter(enabled), networkFilters: networkFilterDefinitions.filter(enabled) }),
    ...(flags.serviceNode === undefined ? {} : { serviceNode: flags.serviceNode }),
    ...(flags.serviceCluster === undefined ? {} : { serviceCluster: flags.serviceCluster }),
  });
  started = true;
  // As Envoy, which finds only now that a source of configuration is none.
  dataplane.ready.catch((error: unknown) => {
    process.stderr.write(`${name}: ${errorText(error)}\n`);
    process.exit(EXIT_FAILURE);
  });
  letYoungGenerationGrow();
  // Others that start from the same files need not wait for this one's end.
  flushCompileCache();
  const admin = dataplane.adminAddress;
  if (flags.adminAddressPath !== undefined && admin !== undefined) writeFileSync(flags.adminAddressPath, `${admin.address}:${admin.port}`);
  if (flags.baseIdPath !== undefined) writeFileSync(flags.baseIdPath, String(flags.baseId));
  log.logger.info({ admin, concurrency: flags.concurrency }, 'started');
  if (flags.mode === 'init_only') {
    await dataplane.ready;
    await dataplane.close();
    process.exit(0);
  }
  // Envoy ignores SIGHUP, so that losing its terminal does not end it.
  process.on('SIGHUP', () => undefined);
  process.on('SIGUSR1', () => {
    log.reopen();
    dataplane.state.reopenLogs();
  });
  const reason = await Promise.race([quit.promise, signalled]);
  // As Envoy, at once: who wants connections to finish first asks for /drain_listeners?graceful. TERMINATION_DRAIN_DURATION_SECONDS
  // is the agent's word for waiting.
  const waits = reason === 'SIGTERM' && process.env['TERMINATION_DRAIN_DURATION_SECONDS'] !== undefined;
  await stop(dataplane, log.logger, reason, waits ? drainMs() : 0);
  process.exit(0);
}

/** What flags say of the node and of stats goes where the bootstrap would say it. */
function applyToNode(bootstrap: Bootstrap, flags: ProxyFlags): void {
  if (flags.serviceZone !== undefined) {
    bootstrap.node ??= create(NodeSchema);
    bootstrap.node.locality ??= create(LocalitySchema);
    bootstrap.node.locality.zone = flags.serviceZone;
  }
  for (const tag of flags.statsTag ?? []) {
    const colon = tag.indexOf(':');
    bootstrap.statsConfig ??= create(StatsConfigSchema);
    bootstrap.statsConfig.statsTags.push(
      create(TagSpecifierSchema, { tagName: tag.slice(0, colon), tagValue: { case: 'fixedValue', value: tag.slice(colon + 1) } }),
    );
  }
}

/** In Envoy's shape: program, commit, version, state of the tree, build, TLS library. */
function versionText(name: string): string {
  return `\n${name}  version: ${'0'.repeat(40)}/${version()}/Clean/RELEASE/OpenSSL-${process.versions.openssl}\n`;
}

/** Drains for a while, then ends every connection. */
export async function stop(dataplane: Dataplane, logger: Logger, reason: string, waitMs: number): Promise<void> {
  logger.info({ reason, waitMs }, 'draining');
  dataplane.drain();
  const deadline = Date.now() + waitMs;
  while (Date.now() < deadline && dataplane.state.activeConnections > 0) await new Promise((resolve) => setTimeout(resolve, 50));
  await dataplane.close();
  logger.info({}, 'stopped');
}

/** How long SIGTERM lets connections finish: 5 s, or `TERMINATION_DRAIN_DURATION_SECONDS`. */
export function drainMs(): number {
  const seconds = Number(process.env['TERMINATION_DRAIN_DURATION_SECONDS'] ?? '5');
  return Number.isFinite(seconds) && seconds >= 0 ? seconds * 1000 : 5000;
}

export function createLogger(name: string, level: string): Logger {
  return createProxyLog({ name, level }).logger;
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
