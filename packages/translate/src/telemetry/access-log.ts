import { type MeshProxy, type MeshSnapshot, telemetriesOf } from '@xebec/model';
import type { AccessLogSchema } from '@xebec/protos/envoy/config/accesslog/v3/accesslog';
import { ExpressionFilterSchema } from '@xebec/protos/envoy/extensions/access_loggers/filters/cel/v3/cel';
import type { ExtensionProvider, TelemetryAccessLogging } from '@xebec/schemas';
import { type Fields, pack } from '../envoy/any.ts';
import { listsEverything } from '../extensions.ts';
import { meshAccessLog, providerFileLog } from './file-log.ts';
import { httpServiceLog, meshServiceLog, openTelemetryLog, tcpServiceLog } from './service-log.ts';

export type AccessLogFields = Fields<typeof AccessLogSchema>;
export type Mode = 'CLIENT' | 'SERVER';
type Filter = NonNullable<AccessLogFields['filter']>;

/** The loggers of one direction of a proxy, by what they log. */
export interface AccessLogs {
  readonly http: readonly AccessLogFields[];
  readonly tcp: readonly AccessLogFields[];
  /** Connections that no filter chain takes. */
  readonly listener: readonly AccessLogFields[];
}

/** Telemetry first, then the mesh's `defaultProviders`, then `accessLogFile` and the access log service of the bootstrap. */
export function accessLogs(snapshot: MeshSnapshot, proxy: MeshProxy, mode: Mode): AccessLogs {
  const { mesh } = snapshot;
  const levels = telemetriesOf(snapshot, proxy)
    .map(({ spec }) => spec.accessLogging ?? [])
    .filter((entries) => entries.length > 0);
  const defaults = mesh.defaultProviders?.accessLogging ?? [];
  const named =
    levels.length === 0 && defaults.length === 0 ? undefined : providerLogs(snapshot, proxy, mergeLogging(levels, defaults, mode));
  const listenerOff = mesh.disableEnvoyListenerLog === true;
  const known = (logs: AccessLogFields[]) => logs.filter(({ name }) => loggable(proxy, name ?? ''));
  if (named?.configured === true) {
    const plain = known(named.logs.map(({ log, filter }) => withFilters(log, filter)));
    const unmatched = known(named.logs.map(({ log, filter }) => withFilters(log, NO_CHAIN, filter)));
    return { http: plain, tcp: plain, listener: listenerOff ? [] : unmatched };
  }
  const file = mesh.accessLogFile === undefined || mesh.accessLogFile === '' ? [] : [meshAccessLog(mesh.accessLogFile, mesh)];
  const service = mesh.enableEnvoyAccessLogService === true;
  return {
    http: known([...file, ...(service ? [meshServiceLog('http_envoy_accesslog')] : [])]),
    tcp: known([...file, ...(service ? [meshServiceLog('tcp_envoy_accesslog')] : [])]),
    listener: listenerOff
      ? []
      : known([...file, ...(service ? [meshServiceLog('listener_envoy_accesslog')] : [])].map((log) => withFilters(log, NO_CHAIN))),
  };
}

/** A listener is refused for a logger that the proxy does not have. */
function loggable(proxy: MeshProxy, name: string): boolean {
  return !listsEverything(proxy) || name === 'envoy.access_loggers.file' || proxy.extensions.has(name);
}

interface Setting {
  readonly disabled: boolean;
  readonly expression?: string;
}

/**
 * Which providers log, and which of their logs are filtered. The narrowest level that names providers for the mode decides who
 * may log at all; each entry then speaks of the providers that it, or the one before it, names.
 */
function mergeLogging(
  levels: readonly (readonly TelemetryAccessLogging[])[],
  defaults: readonly string[],
  mode: Mode,
): ReadonlyMap<string, Setting> {
  const out = new Map<string, Setting>();
  if (levels.length === 0) {
    for (const name of defaults) out.set(name, { disabled: false });
    return out;
  }
  let admitted: readonly string[] = defaults;
  const expressions = new Map<string, string | undefined>();
  for (const entries of levels) {
    const names = new Set<string>();
    for (const entry of entries) {
      if (!matchesMode(entry.match?.mode, mode)) continue;
      for (const { name } of entry.providers ?? []) {
        names.add(name);
        expressions.set(name, entry.filter?.expression);
      }
    }
    if (names.size > 0) admitted = [...names];
  }
  const inScope = new Set(admitted);
  let inherited: readonly string[] = defaults;
  for (const entry of levels.flat()) {
    const given = (entry.providers ?? []).map(({ name }) => name);
    if (given.length > 0) inherited = given;
    for (const name of inherited) {
      if (!inScope.has(name) || !matchesMode(entry.match?.mode, mode)) continue;
      const expression = expressions.get(name);
      out.set(
        name,
        entry.disabled === true ? { disabled: true } : { disabled: false, ...(expression === undefined ? {} : { expression }) },
      );
    }
  }
  return out;
}

/** Whether a rule for `rule` (both sides when absent) speaks of a listener of side `mode`. */
export function matchesMode(rule: 'UNDEFINED' | 'CLIENT' | 'SERVER' | 'CLIENT_AND_SERVER' | undefined, mode: Mode): boolean {
  return rule === undefined || rule === 'UNDEFINED' || rule === 'CLIENT_AND_SERVER' || rule === mode;
}

interface ProviderLogs {
  /** Whether any provider is known at all: else the mesh's own file decides. */
  readonly configured: boolean;
  readonly logs: readonly { readonly log: AccessLogFields; readonly filter: Filter | undefined }[];
}

function providerLogs(snapshot: MeshSnapshot, proxy: MeshProxy, settings: ReadonlyMap<string, Setting>): ProviderLogs {
  const found = [...settings].flatMap(([name, setting]) => {
    const provider = providerNamed(snapshot, name);
    const log = provider === undefined ? undefined : logOf(snapshot, proxy, provider);
    return provider === undefined || log === undefined ? [] : [{ name: provider.name, log, setting }];
  });
  found.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  return {
    configured: found.length > 0,
    logs: found.flatMap(({ log, setting }) =>
      setting.disabled ? [] : [{ log, filter: setting.expression === undefined ? undefined : celFilter(setting.expression) }],
    ),
  };
}

/** Names of providers are compared without case. */
export function providerNamed(snapshot: MeshSnapshot, name: string): ExtensionProvider | undefined {
  const wanted = name.toLowerCase();
  return snapshot.mesh.extensionProviders?.find((candidate) => candidate.name.toLowerCase() === wanted);
}

function logOf(snapshot: MeshSnapshot, proxy: MeshProxy, provider: ExtensionProvider): AccessLogFields | undefined {
  if (provider.envoyFileAccessLog !== undefined) return providerFileLog(provider.name, provider.envoyFileAccessLog, snapshot.mesh);
  if (provider.envoyHttpAls !== undefined) return httpServiceLog(snapshot, proxy, provider.envoyHttpAls);
  if (provider.envoyTcpAls !== undefined) return tcpServiceLog(snapshot, proxy, provider.envoyTcpAls);
  if (provider.envoyOtelAls !== undefined) return openTelemetryLog(snapshot, proxy, provider.envoyOtelAls);
  return undefined;
}

const NO_CHAIN: Filter = { filterSpecifier: { case: 'responseFlagFilter', value: { flags: ['NR'] } } };

function withFilters(log: AccessLogFields, ...given: readonly (Filter | undefined)[]): AccessLogFields {
  const filters = given.filter((filter) => filter !== undefined);
  const [first] = filters;
  if (first === undefined) return log;
  return { ...log, filter: filters.length === 1 ? first : { filterSpecifier: { case: 'andFilter', value: { filters } } } };
}

function celFilter(expression: string): Filter {
  return {
    filterSpecifier: {
      case: 'extensionFilter',
      value: {
        name: 'envoy.access_loggers.extension_filters.cel',
        configType: { case: 'typedConfig', value: pack(ExpressionFilterSchema, { expression }) },
      },
    },
  };
}
