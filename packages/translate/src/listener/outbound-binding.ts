import type { Protocol } from '@xebec/model';
import type { ConfigReference } from '../generated.ts';
import type { TcpChain } from '../virtual-service/tcp-routes.ts';

/** What one address and port gathers from the services that share it. */
export interface Binding {
  readonly bind: string;
  /** Further addresses of the same listener: other IP families. */
  readonly extra: readonly string[];
  readonly port: number;
  /** Whether the listener takes connections itself, without iptables. */
  readonly bound: boolean;
  /** How traffic is told apart: as HTTP, as bytes, or by sniffing. */
  mode: 'http' | 'tcp' | 'sniffed';
  /** Protocol of the service that came first. */
  protocol: Protocol;
  http?: HttpChain;
  tcp: TcpChain[];
  /** An explicit Sidecar listener: what comes after it may not add to its port. */
  locked: boolean;
  readonly references: Map<string, ConfigReference>;
}

export interface HttpChain {
  readonly routeName: string;
  readonly protocol: Protocol;
  /** Only what the HTTP inspector recognizes, so that bytes may share the port. */
  readonly sniffed: boolean;
  /** A wildcard host of the port whose names are resolved request by request. */
  readonly forward?: string;
}

/** What a service wants to add to a binding. */
export interface Addition {
  readonly protocol: Protocol;
  readonly mode: Binding['mode'];
  readonly http?: HttpChain;
  readonly tcp: readonly TcpChain[];
  readonly references: readonly ConfigReference[];
}

/**
 * Adds a service to a port that others may have taken: HTTP and bytes share it by sniffing, HTTP services share one route
 * configuration, chains of bytes stand beside each other where their matches differ. The older service wins.
 */
export function addToBinding(binding: Binding, addition: Addition): void {
  const forward = binding.http?.forward ?? addition.http?.forward;
  join(binding, addition);
  if (forward !== undefined && binding.http !== undefined) binding.http = { ...binding.http, forward };
}

function join(binding: Binding, addition: Addition): void {
  if (serverFirst(binding.protocol, addition.protocol)) return;
  if (addition.mode === 'http') {
    if (binding.mode !== 'tcp') return;
    if (addition.http !== undefined) binding.http ??= addition.http;
    binding.mode = 'sniffed';
  } else if (addition.mode === 'sniffed' && binding.mode === 'http') {
    // Sniffing stands over plain HTTP: it also takes what is not HTTP.
    if (addition.http !== undefined) binding.http = addition.http;
    binding.tcp = [...addition.tcp];
    binding.mode = 'sniffed';
  } else {
    if (binding.mode === 'http' || (binding.mode === 'tcp' && addition.mode === 'sniffed')) binding.mode = 'sniffed';
    if (addition.http !== undefined) binding.http ??= addition.http;
    // Two chains with one match are an error for Envoy; the one of the older service stands.
    for (const chain of addition.tcp) if (!binding.tcp.some((other) => sameMatch(other.match, chain.match))) binding.tcp.push(chain);
  }
  for (const reference of addition.references) binding.references.set(`${reference.namespace}/${reference.name}`, reference);
}

/** Servers that speak first share a port with none but their own kind: sniffing would wait for ever. */
function serverFirst(a: Protocol, b: Protocol): boolean {
  return a !== b && [a, b].some((protocol) => protocol === 'mongo' || protocol === 'mysql');
}

export function isEmptyMatch(match: TcpChain['match']): boolean {
  return sameMatch(match, {});
}

function sameMatch(a: TcpChain['match'], b: TcpChain['match']): boolean {
  const key = (match: TcpChain['match']) => {
    const blocks = (match.prefixRanges ?? []).map((range) => networkOf(range.addressPrefix ?? '', lengthOf(range.prefixLen)));
    return JSON.stringify([[...(match.serverNames ?? [])].sort(), blocks.sort()]);
  };
  return key(a) === key(b);
}

function lengthOf(value: unknown): number {
  return typeof value === 'number' ? value : 32;
}

/** The block's network, so that `1.2.3.4/8` and `1.9.9.9/8` are one. */
function networkOf(address: string, bits: number): string {
  if (address.includes(':')) return `${address}/${bits}`;
  const octets = address.split('.').map(Number);
  const masked = octets.map((octet, index) => {
    const kept = Math.min(8, Math.max(0, bits - index * 8));
    return octet & (0xff << (8 - kept));
  });
  return `${masked.map((octet) => octet & 0xff).join('.')}/${bits}`;
}
