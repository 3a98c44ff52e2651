import { XebecError } from '@xebec/core';
import type { ListenerFilter, ListenerFilterChainMatchPredicate } from '@xebec/protos/envoy/config/listener/v3/listener_components';
import { TlsInspectorSchema } from '@xebec/protos/envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector';
import { parseClientHello, sniffProtocol } from '@xebec/wire';
import { typeNameOf, unpack } from '../config/unpack.ts';

/** What a connection's first bytes say. */
export interface Inspection {
  readonly tls: boolean;
  readonly serverName: string;
  readonly applicationProtocols: readonly string[];
}

export const nothingSeen: Inspection = { tls: false, serverName: '', applicationProtocols: [] };

/** The listener filters of a listener, compiled. */
export interface ListenerFilters {
  readonly originalDst: boolean;
  inspectsTls(destinationPort: number): boolean;
  inspectsHttp(destinationPort: number): boolean;
}

/** Compiles listener filters; throws XebecError `E_CONFIG` for one that is not known. */
export function compileListenerFilters(filters: readonly ListenerFilter[], where: string): ListenerFilters {
  let originalDst = false;
  let tls: ((port: number) => boolean) | undefined;
  let http: ((port: number) => boolean) | undefined;
  for (const filter of filters) {
    const any = filter.configType.case === 'typedConfig' ? filter.configType.value : undefined;
    const name = any === undefined ? filter.name : typeNameOf(any);
    const enabled = enabledFor(filter.filterDisabled);
    if (name.endsWith('OriginalDst') || name === 'envoy.filters.listener.original_dst') originalDst = true;
    else if (name.endsWith('TlsInspector') || name === 'envoy.filters.listener.tls_inspector') {
      if (any !== undefined) unpack(any, TlsInspectorSchema, where);
      tls = enabled;
    } else if (name.endsWith('HttpInspector') || name === 'envoy.filters.listener.http_inspector') http = enabled;
    else throw new XebecError('E_CONFIG', `${where}: listener filter "${filter.name}" (${name}) is not supported`);
  }
  return { originalDst, inspectsTls: tls ?? (() => false), inspectsHttp: http ?? (() => false) };
}

function enabledFor(disabled: ListenerFilterChainMatchPredicate | undefined): (port: number) => boolean {
  if (disabled === undefined) return () => true;
  const holds = predicate(disabled);
  return (port) => !holds(port);
}

function predicate(proto: ListenerFilterChainMatchPredicate): (port: number) => boolean {
  const { rule } = proto;
  switch (rule.case) {
    case 'anyMatch':
      return () => rule.value;
    case 'notMatch': {
      const inner = predicate(rule.value);
      return (port) => !inner(port);
    }
    case 'orMatch': {
      const inner = rule.value.rules.map(predicate);
      return (port) => inner.some((holds) => holds(port));
    }
    case 'andMatch': {
      const inner = rule.value.rules.map(predicate);
      return (port) => inner.every((holds) => holds(port));
    }
    case 'destinationPortRange': {
      const { start, end } = rule.value;
      return (port) => port >= start && port < end;
    }
    default:
      return () => false;
  }
}

/** Looks at the bytes so far; undefined while more are needed. */
export function inspect(bytes: Buffer, tls: boolean, http: boolean): Inspection | undefined {
  if (tls) {
    const hello = parseClientHello(bytes);
    if (hello === 'need-more') return undefined;
    if (hello !== 'not-tls') return { tls: true, serverName: hello.sni ?? '', applicationProtocols: hello.alpn };
  }
  if (!http) return nothingSeen;
  const sniffed = sniffProtocol(bytes);
  if (sniffed === 'need-more') return undefined;
  return sniffed === 'unknown' || sniffed === 'tls' ? nothingSeen : { tls: false, serverName: '', applicationProtocols: [sniffed] };
}
