import { availableParallelism } from 'node:os';
import { Command, InvalidArgumentError, Option } from 'commander';

/** Envoy's command line, read. */
export interface ProxyFlags {
  readonly configPath?: string;
  readonly configYaml?: string;
  readonly mode: 'serve' | 'validate' | 'init_only';
  readonly logLevel: string;
  readonly logFormat?: string;
  readonly logPath?: string;
  readonly componentLogLevel?: string;
  readonly serviceNode?: string;
  readonly serviceCluster?: string;
  readonly serviceZone?: string;
  readonly concurrency: number;
  readonly drainTimeS: number;
  readonly drainStrategy: 'gradual' | 'immediate';
  readonly parentShutdownTimeS: number;
  readonly baseId: number;
  readonly useDynamicBaseId?: boolean;
  readonly baseIdPath?: string;
  readonly restartEpoch: number;
  readonly adminAddressPath?: string;
  readonly localAddressIpVersion: 'v4' | 'v6';
  readonly fileFlushIntervalMsec: number;
  readonly fileFlushMinSizeKb: number;
  readonly disableExtensions?: string;
  readonly statsTag?: readonly string[];
  readonly hotRestartVersion?: boolean;
}

export const logLevels: readonly string[] = ['trace', 'debug', 'info', 'warning', 'warn', 'error', 'critical', 'off'];

const whole = (text: string): number => {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0 || value > 0xffff_ffff) throw new InvalidArgumentError('want a whole number.');
  return value;
};

const threads = (text: string): number => {
  const value = whole(text);
  // Envoy counts 0 as 1.
  return Math.max(1, value);
};

const componentLevels = (text: string): string => {
  for (const part of text.split(',')) {
    const [component, level, ...rest] = part.split(':');
    if (component === undefined || component === '' || level === undefined || rest.length > 0 || !logLevels.includes(level)) {
      throw new InvalidArgumentError(`want component:level[,…] with a level of ${logLevels.join(', ')}, not "${part}".`);
    }
  }
  return text;
};

const statsTag = (text: string, before: readonly string[] = []): readonly string[] => {
  if (!/^[A-Za-z0-9_]+:[^.]+$/.test(text))
    throw new InvalidArgumentError('want tag:value, the tag of letters and digits, the value without dots.');
  const tag = text.slice(0, text.indexOf(':') + 1);
  if (before.some((other) => other.startsWith(tag))) throw new InvalidArgumentError(`tag "${tag.slice(0, -1)}" has a value already.`);
  return [...before, text];
};

/** The command with Envoy's flags. What has no meaning here is taken, and its help says so. */
export function flagsCommand(name: string, versionText: string): Command {
  const none = (flags: string, what: string): Option => new Option(flags, `${what} (accepted without effect)`);
  return new Command(name)
    .description(
      'Data plane of Xebec: a proxy with the bootstrap, flags, admin API and xDS of Envoy. `sidecar` and `router` run it with its agent.',
    )
    .version(versionText, '--version', 'display version information and exit')
    .exitOverride()
    .allowExcessArguments(false)
    .addOption(new Option('-c, --config-path <file>', 'bootstrap: YAML, JSON, or protobuf (.pb)'))
    .addOption(new Option('--config-yaml <text>', 'YAML or JSON merged over the bootstrap'))
    .addOption(
      new Option('--mode <mode>', 'serve; validate the configuration and exit; or initialize and exit')
        .choices(['serve', 'validate', 'init_only'])
        .default('serve'),
    )
    .addOption(
      new Option('--concurrency <threads>', 'threads that carry traffic: 1 needs no worker; default: hardware threads').argParser(threads),
    )
    .addOption(new Option('-l, --log-level <level>', 'log level').choices(logLevels).default('info'))
    .addOption(
      new Option('--component-log-level <levels>', 'component:level,…: the most verbose level counts for all').argParser(componentLevels),
    )
    .addOption(new Option('--log-format <format>', 'pattern of spdlog for log lines; default: JSON'))
    .addOption(new Option('--log-path <file>', 'log to a file; SIGUSR1 opens it again'))
    .addOption(new Option('--service-node <id>', 'overrides node.id'))
    .addOption(new Option('--service-cluster <name>', 'overrides node.cluster'))
    .addOption(new Option('--service-zone <zone>', 'overrides node.locality.zone'))
    .addOption(new Option('--drain-time-s <seconds>', 'how long connections may finish after a change').argParser(whole).default(600))
    .addOption(
      new Option('--drain-strategy <strategy>', 'end connections over the drain time, or all with their next response')
        .choices(['gradual', 'immediate'])
        .default('gradual'),
    )
    .addOption(new Option('--file-flush-interval-msec <ms>', 'how often access logs are written').argParser(whole).default(10_000, '10000'))
    .addOption(new Option('--file-flush-min-size-kb <kb>', 'an access log of this size is written at once').argParser(whole).default(64))
    .addOption(new Option('--stats-tag <tag:value>', 'a tag of all stats; may be repeated').argParser(statsTag))
    .addOption(new Option('--admin-address-path <file>', 'write the address of the admin server there'))
    .addOption(new Option('--disable-extensions <names>', 'filters to do without, separated by commas'))
    .addOption(new Option('--base-id <id>', 'shown in /server_info; nothing is shared between processes').argParser(whole).default(0))
    .addOption(new Option('--use-dynamic-base-id', 'choose a base id'))
    .addOption(new Option('--base-id-path <file>', 'write the base id there'))
    .addOption(new Option('--restart-epoch <epoch>', 'shown in stats; there is no hot restart').argParser(whole).default(0))
    .addOption(new Option('--hot-restart-version', 'print the hot restart compatibility version and exit'))
    .addOption(none('--parent-shutdown-time-s <seconds>', 'hot restart: life of the parent').argParser(whole).default(900))
    .addOption(none('--disable-hot-restart', 'there is no hot restart'))
    .addOption(none('--skip-hot-restart-on-no-parent', 'there is no hot restart'))
    .addOption(none('--skip-hot-restart-parent-stats', 'there is no hot restart'))
    .addOption(none('--socket-path <path>', 'hot restart socket'))
    .addOption(none('--socket-mode <mode>', 'permissions of the hot restart socket'))
    .addOption(none('--local-address-ip-version <version>', 'family of the local address').choices(['v4', 'v6']).default('v4'))
    .addOption(none('--log-format-escaped', 'log lines are one line each'))
    .addOption(none('--log-stacktrace-single-entry', 'log lines are one line each'))
    .addOption(none('--enable-fine-grain-logging', 'one level for all files'))
    .addOption(none('--skip-deprecated-logs', 'deprecated fields are not logged'))
    .addOption(none('--allow-unknown-fields', 'unknown fields of the bootstrap are refused'))
    .addOption(none('--allow-unknown-static-fields', 'unknown fields of the bootstrap are refused'))
    .addOption(none('--reject-unknown-dynamic-fields', 'unknown fields of protobuf resources are skipped'))
    .addOption(none('--ignore-unknown-dynamic-fields', 'unknown fields of protobuf resources are skipped'))
    .addOption(none('--cpuset-threads', 'hardware threads are those of the cpuset'))
    .addOption(none('--enable-mutex-tracing', 'there are no mutexes'))
    .addOption(none('--enable-core-dump', 'the shell limits core dumps'));
}

/** Reads the flags; throws commander's error where Envoy would exit. */
export function parseFlags(name: string, versionText: string, argv: readonly string[]): ProxyFlags {
  const command = flagsCommand(name, versionText);
  command.parse([...argv], { from: 'user' });
  return { concurrency: availableParallelism(), ...command.opts<Omit<ProxyFlags, 'concurrency'>>() };
}

/** Flags as `/server_info` shows them (envoy.admin.v3.CommandLineOptions). */
export function commandLineOptions(flags: ProxyFlags): Record<string, string | number | boolean> {
  return {
    base_id: String(flags.baseId),
    use_dynamic_base_id: flags.useDynamicBaseId === true,
    base_id_path: flags.baseIdPath ?? '',
    concurrency: flags.concurrency,
    config_path: flags.configPath ?? '',
    config_yaml: flags.configYaml ?? '',
    allow_unknown_static_fields: false,
    admin_address_path: flags.adminAddressPath ?? '',
    local_address_ip_version: flags.localAddressIpVersion,
    log_level: flags.logLevel,
    component_log_level: flags.componentLogLevel ?? '',
    log_format: flags.logFormat ?? '',
    log_path: flags.logPath ?? '',
    service_cluster: flags.serviceCluster ?? '',
    service_node: flags.serviceNode ?? '',
    service_zone: flags.serviceZone ?? '',
    file_flush_interval: `${flags.fileFlushIntervalMsec / 1000}s`,
    drain_time: `${flags.drainTimeS}s`,
    drain_strategy: flags.drainStrategy === 'immediate' ? 'Immediate' : 'Gradual',
    parent_shutdown_time: `${flags.parentShutdownTimeS}s`,
    mode: { serve: 'Serve', validate: 'Validate', init_only: 'InitOnly' }[flags.mode],
    restart_epoch: flags.restartEpoch,
    disable_hot_restart: true,
  };
}
