import type {
  ListenerFilterChainMatchPredicateSchema,
  ListenerFilterSchema,
} from '@xebec/protos/envoy/config/listener/v3/listener_components';
import { HttpInspectorSchema } from '@xebec/protos/envoy/extensions/filters/listener/http_inspector/v3/http_inspector';
import { OriginalDstSchema } from '@xebec/protos/envoy/extensions/filters/listener/original_dst/v3/original_dst';
import { OriginalSrcSchema } from '@xebec/protos/envoy/extensions/filters/listener/original_src/v3/original_src';
import { ProxyProtocolSchema } from '@xebec/protos/envoy/extensions/filters/listener/proxy_protocol/v3/proxy_protocol';
import { TlsInspectorSchema } from '@xebec/protos/envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector';
import { extension, type Fields } from '../envoy/any.ts';

export type ListenerFilter = Fields<typeof ListenerFilterSchema>;
/** What of a filter chain says which inspectors it needs. */
interface FilterChain {
  readonly filterChainMatch?:
    | {
        readonly destinationPort?: number | undefined;
        readonly transportProtocol?: string | undefined;
        readonly applicationProtocols?: readonly string[] | undefined;
      }
    | undefined;
}
type Predicate = Fields<typeof ListenerFilterChainMatchPredicateSchema>;

/** Mark of what the proxy sends with its caller's address, so that iptables let it through. */
const TPROXY_MARK = 1337;

export function originalDestination(): ListenerFilter {
  return extension('envoy.filters.listener.original_dst', OriginalDstSchema);
}

export function originalSource(): ListenerFilter {
  return extension('envoy.filters.listener.original_src', OriginalSrcSchema, { mark: TPROXY_MARK });
}

/** The load balancer in front says by the PROXY protocol who is calling. */
export function proxyProtocol(): ListenerFilter {
  return extension('envoy.filters.listener.proxy_protocol', ProxyProtocolSchema);
}

/** Reads the ClientHello; `exceptPorts` are connections that it must not wait on. */
export function tlsInspector(exceptPorts: readonly number[] = []): ListenerFilter {
  // A first read of 512 bytes suits plain text, which never fills more than that.
  return {
    ...extension('envoy.filters.listener.tls_inspector', TlsInspectorSchema, { initialReadBufferSize: 512 }),
    ...disabledOn(exceptPorts),
  };
}

/** Tells HTTP/1 and h2c from other plain text. It must come after the TLS inspector, which says whether the text is plain. */
export function httpInspector(exceptPorts: readonly number[] = []): ListenerFilter {
  return { ...extension('envoy.filters.listener.http_inspector', HttpInspectorSchema), ...disabledOn(exceptPorts) };
}

/**
 * The inspectors that the matches of filter chains need, each off where no chain of the port asks for it: it would wait for
 * bytes that a server which speaks first never gets. Port 0 stands for the chains of all other ports.
 */
export function inspectorsFor(chains: readonly FilterChain[]): ListenerFilter[] {
  const tls = new Map<number, boolean>();
  const http = new Map<number, boolean>();
  for (const { filterChainMatch: match } of chains) {
    const port = match?.destinationPort ?? 0;
    tls.set(port, (tls.get(port) ?? false) || match?.transportProtocol === 'tls');
    http.set(port, (http.get(port) ?? false) || (match?.applicationProtocols ?? []).some((name) => name === 'http/1.1' || name === 'h2c'));
  }
  const having = (wanted: ReadonlyMap<number, boolean>, value: boolean) =>
    [...wanted].filter(([, needed]) => needed === value).map(([port]) => port);
  const filters: ListenerFilter[] = [];
  if (having(tls, true).length > 0) {
    const declared = (ports: readonly number[]) => ports.filter((port) => port !== 0);
    filters.push(
      tls.get(0) === true ? tlsInspector(declared(having(tls, false))) : { ...tlsInspector(), ...enabledOn(declared(having(tls, true))) },
    );
  }
  if (having(http, true).length > 0) filters.push(httpInspector(having(http, false)));
  return filters;
}

function anyOf(ports: readonly number[]): Predicate | undefined {
  const rules = [...new Set(ports)]
    .sort((a, b) => a - b)
    .map((port): Predicate => ({ rule: { case: 'destinationPortRange', value: { start: port, end: port + 1 } } }));
  return rules.length > 1 ? { rule: { case: 'orMatch', value: { rules } } } : rules[0];
}

function disabledOn(ports: readonly number[]): { filterDisabled?: Predicate } {
  const predicate = anyOf(ports);
  return predicate === undefined ? {} : { filterDisabled: predicate };
}

function enabledOn(ports: readonly number[]): { filterDisabled?: Predicate } {
  const predicate = anyOf(ports);
  return predicate === undefined ? {} : { filterDisabled: { rule: { case: 'notMatch', value: predicate } } };
}
