import { type ConnectionTraits, FilterChainMatcher } from '@xebec/matching';
import type { Listener } from '@xebec/protos/envoy/config/listener/v3/listener';
import type { FilterChain, FilterChainMatch } from '@xebec/protos/envoy/config/listener/v3/listener_components';
import type { ConfigReference, Generated } from '@xebec/translate';
import type { Alternative, Journey, Place } from './explanation.ts';
import type { ProxyResources } from './proxy-resources.ts';

/** A connection as it arrives at a listener. */
export interface Connection {
  readonly destinationAddress: string;
  readonly destinationPort: number;
  readonly sourceAddress: string;
  /** Lower case; empty without TLS. */
  readonly serverName: string;
  readonly tls: boolean;
  /** ALPN of TLS; without TLS what an HTTP inspector would find. */
  readonly applicationProtocols: readonly string[];
}

/** The listener that a redirected connection is handed to: its own address and port, then the port on any address, then none. */
export function outboundListener(resources: ProxyResources, connection: Connection, journey: Journey): Generated<Listener> | undefined {
  const { destinationAddress: address, destinationPort: port } = connection;
  const exact = resources.listener(`${address}_${port}`);
  const anyAddress = resources.listener(`0.0.0.0_${port}`);
  const chosen = exact ?? anyAddress ?? resources.listener('virtualOutbound');
  if (chosen === undefined) return undefined;
  const passedOver: Alternative[] = [];
  if (exact === undefined) passedOver.push({ what: `${address}_${port}`, because: 'there is no such listener', origins: [] });
  if (exact === undefined && anyAddress === undefined)
    passedOver.push({
      what: `0.0.0.0_${port}`,
      because: `no service of the mesh has port ${port} without an address of its own`,
      origins: [],
    });
  journey.add({
    place: 'source',
    topic: 'listener',
    decision: `${chosen.name} takes the connection to ${address}:${port}`,
    passedOver,
    // A listener's references are all objects that any of its chains came from: they belong to chains and routes, not here.
  });
  return chosen;
}

/** The filter chain for a connection, as the proxy's own matcher chooses it. */
export function chooseChain(
  listener: Generated<Listener>,
  connection: Connection,
  journey: Journey,
  place: Place,
  origins: readonly ConfigReference[] = [],
): FilterChain | undefined {
  const { message } = listener;
  const inspects = (name: string) => message.listenerFilters.some((filter) => filter.name.includes(name));
  const sniffs = inspects('http_inspector');
  const traits: ConnectionTraits = {
    destinationAddress: connection.destinationAddress,
    destinationPort: connection.destinationPort,
    sourceAddress: connection.sourceAddress,
    directSourceAddress: connection.sourceAddress,
    sourcePort: 40_000,
    serverName: inspects('tls_inspector') ? connection.serverName : '',
    transportProtocol: connection.tls && inspects('tls_inspector') ? 'tls' : 'raw_buffer',
    applicationProtocols: connection.tls
      ? inspects('tls_inspector')
        ? connection.applicationProtocols
        : []
      : sniffs
        ? connection.applicationProtocols
        : [],
  };
  const chains = message.filterChains.map((chain) => ({ match: chain.filterChainMatch, value: chain }));
  const { chosen, byDefault, passedOver } = new FilterChainMatcher(chains, message.defaultFilterChain).explain(traits);
  const seen = connection.tls
    ? `TLS${traits.serverName === '' ? '' : ` for ${traits.serverName}`}${traits.applicationProtocols.length === 0 ? '' : `, ALPN ${traits.applicationProtocols.join(' ')}`}`
    : `plain text${traits.applicationProtocols.length === 0 ? '' : ` (${traits.applicationProtocols.join(' ')})`}`;
  // That other ports' chains do not fit tells nobody anything.
  const telling = passedOver.filter(({ criterion }) => criterion !== 'destination port');
  journey.add({
    place,
    topic: 'filter chain',
    decision:
      chosen === undefined
        ? `no chain of ${listener.name} takes ${seen}: the connection is closed`
        : `${nameOf(chosen)}${byDefault ? ' (the default)' : ''} takes ${seen}`,
    passedOver: telling.map(({ value, criterion, misfit }) => ({
      what: nameOf(value),
      because: misfit ? `its ${criterion} does not fit` : `another fits closer by ${criterion}`,
      origins: [],
    })),
    origins,
  });
  return chosen;
}

function nameOf(chain: FilterChain): string {
  const match = chain.filterChainMatch;
  const text = match === undefined ? 'any connection' : matchText(match);
  return chain.name === '' ? `the chain for ${text}` : `${chain.name} (${text})`;
}

function matchText(match: FilterChainMatch): string {
  const parts = [
    match.destinationPort === undefined ? '' : `port ${match.destinationPort}`,
    match.prefixRanges.length === 0
      ? ''
      : match.prefixRanges.map(({ addressPrefix, prefixLen }) => `${addressPrefix}/${prefixLen ?? 0}`).join(' '),
    match.transportProtocol === 'tls' ? 'TLS' : match.transportProtocol === 'raw_buffer' ? 'plain text' : '',
    match.serverNames.length === 0 ? '' : `server name ${match.serverNames.join(' ')}`,
    match.applicationProtocols.length === 0 ? '' : `ALPN ${match.applicationProtocols.join(' ')}`,
  ].filter((part) => part !== '');
  return parts.length === 0 ? 'any connection' : parts.join(', ');
}
