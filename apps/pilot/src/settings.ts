import { isIP } from 'node:net';
import { XebecError } from '@xebec/core';
import type { JwksFetch } from '@xebec/model';

/** What Istio sets by environment variables, under Istio's names and with Istio's meaning. Times in milliseconds. */
export interface PilotSettings {
  readonly debounce: { readonly quietMs: number; readonly maxMs: number };
  /** Proxies that are pushed to at the same time. */
  readonly pushThrottle: number;
  /** New streams a second. */
  readonly requestsPerSecond: number;
  /** A response that the network has not taken after this ends its stream; 0: never. */
  readonly sendTimeoutMs: number;
  readonly maxStreams: number;
  readonly maxReceiveBytes: number;
  /** Whether the node must be of the namespace and service account that the credentials prove. */
  readonly identityCheck: boolean;
  readonly debugNamespaces: ReadonlySet<string>;
  readonly unsafeEndpoints: boolean;
  readonly writeStatus: boolean;
  readonly autoRegistration: boolean;
  readonly healthChecks: boolean;
  readonly entryGraceMs: number;
  readonly multiRoot: boolean;
  /** `POD_NAME`: this server among its replicas; empty where it is no pod. */
  readonly instance: string;
  /** Who fetches the key sets of RequestAuthentications. */
  readonly jwksFetch: JwksFetch;
  /** Blocks that hosts of ServiceEntries get addresses of, one a family; empty: they get none. */
  readonly allocationPrefixes: readonly string[];
}

/** Istio's formula for what follows the size of the machine. */
function byMachine(cpus: number): number {
  return Math.min(15 + 5 * cpus, 100);
}

/** Reads the environment; a value that cannot be read fails with a line that names its variable. */
export function readSettings(env: NodeJS.ProcessEnv, cpus: number): PilotSettings {
  const text = (name: string) => env[name]?.trim() || undefined;
  const fail = (name: string, expected: string): never => {
    throw new XebecError('E_SETTING', `${name}="${env[name] ?? ''}" is not ${expected}`);
  };
  const duration = (name: string, fallback: number) => {
    const value = text(name);
    return value === undefined ? fallback : (parseDurationMs(value) ?? fail(name, 'a duration such as 100ms, 10s or 1m30s'));
  };
  const number = (name: string, fallback: number) => {
    const value = text(name);
    if (value === undefined) return fallback;
    const parsed = Number(value);
    return Number.isFinite(parsed) && parsed >= 0 ? parsed : fail(name, 'a number that is not negative');
  };
  const flag = (name: string, fallback: boolean) => {
    const value = text(name)?.toLowerCase();
    if (value === undefined) return fallback;
    if (['true', '1', 't'].includes(value)) return true;
    return ['false', '0', 'f'].includes(value) ? false : fail(name, 'true or false');
  };
  const prefix = (name: string, fallback: string, family: number) => {
    const value = text(name) ?? fallback;
    const [address = '', length = ''] = value.split('/');
    const good = isIP(address) === family && /^\d{1,3}$/.test(length) && Number(length) <= (family === 4 ? 30 : 126);
    return good ? value : fail(name, `a block of IPv${family} addresses such as ${fallback}`);
  };
  const jwksFetch = (name: string): JwksFetch => {
    const modes: Readonly<Record<string, JwksFetch>> = {
      istiod: 'pilot',
      false: 'pilot',
      hybrid: 'hybrid',
      true: 'hybrid',
      envoy: 'proxy',
    };
    const value = text(name)?.toLowerCase() ?? 'false';
    return (Object.hasOwn(modes, value) ? modes[value] : undefined) ?? fail(name, 'istiod, false, hybrid, true or envoy');
  };
  const list = (name: string) => new Set((text(name) ?? '').split(',').flatMap((part) => part.trim() || []));
  return {
    // Shorter than Istio's 100 ms and 10 s: `kubectl apply` of one file arrives within a few milliseconds.
    debounce: { quietMs: duration('PILOT_DEBOUNCE_AFTER', 10), maxMs: duration('PILOT_DEBOUNCE_MAX', 1_000) },
    pushThrottle: number('PILOT_PUSH_THROTTLE', 0) || byMachine(cpus),
    // A stream costs a fraction of what it costs Istio, so Istio's formula would only make a restart slow.
    requestsPerSecond: number('PILOT_MAX_REQUESTS_PER_SECOND', 0) || 1_000,
    sendTimeoutMs: duration('PILOT_XDS_SEND_TIMEOUT', 0),
    maxStreams: number('ISTIO_GPRC_MAXSTREAMS', 100_000),
    maxReceiveBytes: number('ISTIO_GPRC_MAXRECVMSGSIZE', 4 * 1024 * 1024),
    identityCheck: flag('PILOT_ENABLE_XDS_IDENTITY_CHECK', true),
    debugNamespaces: list('DEBUG_ENDPOINT_AUTH_ALLOWED_NAMESPACES'),
    unsafeEndpoints: flag('PILOT_ENABLE_UNSAFE_ADMIN_ENDPOINTS', false),
    writeStatus: flag('PILOT_ENABLE_STATUS', true),
    autoRegistration: flag('PILOT_ENABLE_WORKLOAD_ENTRY_AUTOREGISTRATION', true),
    healthChecks: flag('PILOT_ENABLE_WORKLOAD_ENTRY_HEALTHCHECKS', true),
    entryGraceMs: duration('PILOT_WORKLOAD_ENTRY_GRACE_PERIOD', 10_000),
    multiRoot: flag('ISTIO_MULTIROOT_MESH', false),
    instance: text('POD_NAME') ?? '',
    jwksFetch: jwksFetch('PILOT_JWT_ENABLE_REMOTE_JWKS'),
    allocationPrefixes: flag('PILOT_ENABLE_IP_AUTOALLOCATE', true)
      ? [prefix('PILOT_IP_AUTOALLOCATE_IPV4_PREFIX', '240.240.0.0/16', 4), prefix('PILOT_IP_AUTOALLOCATE_IPV6_PREFIX', '2001:2::/48', 6)]
      : [],
  };
}

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/** Go's form of a duration: `1h15m`, `100ms`, `0`. Undefined for anything else. */
export function parseDurationMs(text: string): number | undefined {
  if (text === '0') return 0;
  if (!/^(\d+(\.\d+)?(ms|s|m|h))+$/.test(text)) return undefined;
  let total = 0;
  for (const [, value, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)) total += Number(value) * (UNITS[unit ?? ''] ?? 0);
  return total;
}
