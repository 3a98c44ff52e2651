import { flushCompileCache } from 'node:module';
import { availableParallelism } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { drained, drainPolicy, startAgent } from '@xebec/agent';
import { errorText, type Logger, systemClock, XebecError } from '@xebec/core';
import { EXIT_FAILURE, EXIT_USAGE, version } from '@xebec/daemon/version';
import { holdSockets, parseBootstrap, startDataplane } from '@xebec/dataplane';
import { Command, CommanderError, Option } from 'commander';
import { common, createLogger, drainMs, receivedSignal, stop } from './run-proxy.ts';

interface AgentFlags {
  readonly envoy?: string;
  readonly proxyLogLevel: string;
  readonly concurrency?: string;
}

type Role = 'sidecar' | 'router';

/** What runs behind the agent: our data plane in this process, or a stock Envoy as a child. */
interface Running {
  drain(): void;
  /** `waits`: connections may finish first, as the drain policy of the environment says. */
  close(waits: boolean): Promise<void>;
}

/** `sidecar` and `router`: the agent and its data plane, from flags and the pod's environment to exit code. */
export async function runWithAgent(name: string, role: Role, argv: readonly string[]): Promise<void> {
  let flags: AgentFlags;
  try {
    flags = parseAgentFlags(name, role, argv);
  } catch (error) {
    process.exitCode = error instanceof CommanderError && error.exitCode === 0 ? 0 : EXIT_USAGE;
    return;
  }
  const logger = createLogger(name, flags.proxyLogLevel);
  try {
    const quit = Promise.withResolvers<string>();
    let running: Running | undefined;
    const agent = await startAgent({
      env: process.env,
      cwd: process.cwd(),
      role,
      version: version(),
      logger,
      onQuit: () => quit.resolve('quitquitquit'),
      onDrain: () => running?.drain(),
    });
    running =
      flags.envoy === undefined
        ? await runOwn(agent.bootstrap, role, agentConcurrency(flags.concurrency, process.env), logger, quit.resolve)
        : await runStock(flags.envoy, agent, role, logger);
    // So that the next proxy starts from compiled code even when this one is killed.
    flushCompileCache();
    logger.info({ role, admin: agent.adminUrl, statusPort: agent.statusPort }, 'started');
    const reason = await Promise.race([quit.promise, receivedSignal()]);
    agent.announceDrain();
    await running.close(reason === 'SIGTERM');
    await agent.close();
    process.exit(0);
  } catch (error) {
    process.stderr.write(`${name}: ${errorText(error)}\n`);
    process.exit(error instanceof XebecError && error.code === 'E_ENV' ? EXIT_USAGE : EXIT_FAILURE);
  }
}

/**
 * Threads of a pod's proxy: `--concurrency`, else `concurrency` of the pod's ProxyConfig, 0 for all hardware threads. 1 when nothing is
 * said: Istio says 2, but a worker beside the main thread costs memory, which a laptop full of sidecars has not.
 */
export function agentConcurrency(flag: string | undefined, env: NodeJS.ProcessEnv): number {
  const wanted = Number(flag ?? proxyConfigConcurrency(env['PROXY_CONFIG']) ?? 1);
  if (!Number.isInteger(wanted) || wanted < 0) throw new XebecError('E_ENV', `concurrency: want a whole number, not "${flag}"`);
  return wanted === 0 ? availableParallelism() : wanted;
}

function proxyConfigConcurrency(text: string | undefined): unknown {
  if (text === undefined || text === '') return undefined;
  const config: unknown = JSON.parse(text);
  return typeof config === 'object' && config !== null && 'concurrency' in config ? config.concurrency : undefined;
}

/** As pilot-agent starts Envoy. */
const agentDrain = { drainTimeMs: 45_000, strategy: 'immediate' } as const;

async function runOwn(
  bootstrap: Record<string, unknown>,
  role: Role,
  concurrency: number,
  logger: Logger,
  onQuit: (reason: string) => void,
): Promise<Running> {
  const held = holdSockets(capturePorts(role), process.env['ISTIO_META_INTERCEPTION_MODE'] === 'TPROXY', logger);
  const dataplane = await startDataplane({
    ...common(logger),
    openSocket: held.open,
    bootstrap: parseBootstrap(JSON.stringify(bootstrap), 'the bootstrap of the agent'),
    concurrency,
    drain: agentDrain,
    onQuit: () => onQuit('quitquitquit'),
  });
  void dataplane.ready.then(() => held.release());
  return {
    drain: () => dataplane.drain(),
    close: async (waits) => {
      if (waits) {
        dataplane.drain();
        await drained(drainPolicy(process.env), () => dataplane.state.activeConnections, systemClock);
      }
      await stop(dataplane, logger, 'agent', 0);
    },
  };
}

/**
 * Where iptables bring a pod's connections. They wait there until the first configuration is in force: an application that starts
 * together with its sidecar is not refused.
 */
function capturePorts(role: Role) {
  if (role !== 'sidecar' || process.env['ISTIO_META_INTERCEPTION_MODE'] === 'NONE') return [];
  return [15_001, 15_006].map((port) => ({ kind: 'tcp' as const, address: '0.0.0.0', port }));
}

async function runStock(envoyPath: string, agent: Awaited<ReturnType<typeof startAgent>>, role: Role, logger: Logger): Promise<Running> {
  const { runEnvoy } = await import('@xebec/agent');
  const { clock, random } = common(logger);
  const envoy = runEnvoy({
    envoyPath,
    bootstrap: agent.bootstrap,
    adminUrl: agent.adminUrl,
    cwd: process.cwd(),
    role,
    drainMs: drainMs(),
    clock,
    random,
    logger,
  });
  return {
    drain: () => void envoy.drain(),
    close: async () => {
      await Promise.race([envoy.close(), delay(drainMs() + 5000)]);
    },
  };
}

function parseAgentFlags(name: string, role: Role, argv: readonly string[]): AgentFlags {
  const accepted = [
    '--domain',
    '--proxyComponentLogLevel',
    '--log_output_level',
    '--serviceCluster',
    '--meshConfig',
    '--templateFile',
    '--stsPort',
  ];
  const command = new Command(`${name} ${role}`)
    .description(`The data plane with its agent, as the ${role} of a pod; everything else comes from the pod's environment.`)
    .exitOverride()
    .allowExcessArguments(false)
    .addOption(new Option('--envoy <path>', 'run this Envoy instead of the data plane of Xebec'))
    .addOption(new Option('--proxyLogLevel <level>', 'log level').default('info'))
    .addOption(
      new Option('--concurrency <threads>', 'threads that carry traffic, 0 for all hardware threads; default: ProxyConfig, else 1'),
    );
  for (const flag of accepted) command.addOption(new Option(`${flag} <value>`, 'accepted for compatibility').hideHelp());
  command.parse([...argv], { from: 'user' });
  return command.opts<AgentFlags>();
}
