import { clusterService } from '../../peer/cluster-service.ts';
import { knownAddress } from './address-bytes.ts';
import type { Attribute, FixedAttribute } from './attribute.ts';
import type { Call } from './call.ts';
import { callerOf, type KnownPeer, namespaceOfPrincipal, type ProxySide, uidOf, withoutScheme } from './peers.ts';

/** Pipes have names, not addresses. */
const ip = (value: string | undefined) => (value === undefined || knownAddress(value) === undefined ? undefined : value);
const text = (value: string | undefined) => (value === '' ? undefined : value);

/** Attributes of the one end that this proxy learns from the call; those of its own end are in the configuration. */
function peerAttributes(side: 'source' | 'destination', inbound: boolean): Attribute<Call>[] {
  const of = (read: (known: KnownPeer) => string | undefined) => (call: Call) =>
    call.peer === undefined ? undefined : text(read(call.peer));
  const forwarded = (name: string) => (call: Call) => (inbound ? call.forwarded?.get(name) : undefined);
  const uid = of(({ peer, named }) => (named ? uidOf(peer) : undefined));
  const namespace = of(({ peer }) => peer.namespace);
  const [uidTold, told] = [forwarded(`${side}.uid`), forwarded(`${side}.namespace`)];
  const principal = (call: Call): string | undefined =>
    inbound ? callerOf(call.info.connection)?.principal : withoutScheme(call.info.upstreamPeer?.uriSans[0]);
  return [
    { name: `${side}.uid`, kind: 'string', read: (call) => uid(call) ?? uidTold(call) },
    { name: `${side}.name`, kind: 'string', read: of(({ peer, named }) => (named ? peer.name : undefined)) },
    {
      name: `${side}.namespace`,
      kind: 'string',
      read: (call) =>
        namespace(call) ?? told(call) ?? (inbound ? callerOf(call.info.connection)?.namespace : namespaceOfPrincipal(principal(call))),
    },
    { name: `${side}.owner`, kind: 'string', read: of(({ peer }) => peer.owner) },
    { name: `${side}.workload.name`, kind: 'string', read: of(({ peer }) => peer.workload) },
    { name: `${side}.workload.namespace`, kind: 'string', read: namespace },
    {
      name: `${side}.labels`,
      kind: 'stringMap',
      read: ({ peer }) => (peer === undefined || peer.labels.length === 0 ? undefined : peer.labels),
    },
    { name: `${side}.principal`, kind: 'string', read: principal },
    ...(inbound ? [{ name: 'source.user', kind: 'string', read: principal } as const] : []),
  ];
}

/** The service that a call goes to: what the route's configuration says, or the cluster's metadata, or the caller's proxy. */
function serviceAttribute(key: 'host' | 'name' | 'namespace' | 'uid', inbound: boolean): Attribute<Call> {
  const name = `destination.service.${key}`;
  return {
    name,
    kind: 'string',
    configurationFirst: true,
    read: ({ info, forwarded }) => clusterService(info)?.[key] ?? (inbound ? forwarded?.get(name) : undefined),
  };
}

/** Attributes that requests and connections have alike. */
export function commonAttributes({ inbound }: ProxySide): Attribute<Call>[] {
  return [
    ...peerAttributes(inbound ? 'source' : 'destination', inbound),
    ...(['host', 'name', 'namespace', 'uid'] as const).map((key) => serviceAttribute(key, inbound)),
    { name: 'source.ip', kind: 'address', read: ({ info }) => ip(info.connection.remoteAddress) },
    { name: 'origin.ip', kind: 'address', read: ({ info }) => ip(info.connection.remoteAddress) },
    ...(inbound
      ? [
          {
            name: 'destination.ip',
            kind: 'address',
            configurationFirst: true,
            read: ({ info }: Call) => ip(info.connection.localAddress),
          } as const,
          {
            name: 'destination.port',
            kind: 'int64',
            configurationFirst: true,
            read: ({ info }: Call) => info.connection.localPort,
          } as const,
          {
            name: 'destination.principal',
            kind: 'string',
            read: ({ info }: Call) => text(withoutScheme(info.connection.tls?.localUriSan)),
          } as const,
        ]
      : [
          { name: 'destination.ip', kind: 'address', read: ({ info }: Call) => ip(hostAndPort(info.upstreamHost)?.[0]) } as const,
          { name: 'destination.port', kind: 'int64', read: ({ info }: Call) => hostAndPort(info.upstreamHost)?.[1] } as const,
        ]),
    { name: 'connection.mtls', kind: 'bool', read: ({ info }) => info.connection.tls?.peer !== undefined },
    { name: 'connection.requested_server_name', kind: 'string', read: ({ info }) => text(info.connection.requestedServerName) },
    { name: 'check.error_code', kind: 'int64', read: ({ outcome }) => failure(outcome)?.errorCode },
    { name: 'check.error_message', kind: 'string', read: ({ outcome }) => text(failure(outcome)?.errorMessage) },
  ];
}

const failure = (outcome: Call['outcome']) => (outcome === undefined || outcome.errorCode === 0 ? undefined : outcome);

function hostAndPort(address: string): readonly [string, number] | undefined {
  const colon = address.lastIndexOf(':');
  if (colon <= 0) return undefined;
  const host = address.startsWith('[') ? address.slice(1, colon - 1) : address.slice(0, colon);
  return [host, Number(address.slice(colon + 1))];
}

/** What is always so for this proxy. */
export function ownAttributes({ inbound, own, ownUid }: ProxySide): ReadonlyMap<string, FixedAttribute> {
  const side = inbound ? 'destination' : 'source';
  const found = new Map<string, FixedAttribute>();
  const put = (name: string, value: string): void => {
    if (value !== '') found.set(name, { kind: 'string', value });
  };
  put('context.reporter.kind', inbound ? 'inbound' : 'outbound');
  put('context.reporter.uid', ownUid);
  put(`${side}.uid`, ownUid);
  put(`${side}.name`, own.name);
  put(`${side}.namespace`, own.namespace);
  put(`${side}.owner`, own.owner);
  put(`${side}.workload.name`, own.workload);
  put(`${side}.workload.namespace`, own.namespace);
  const labels = Object.entries(own.labels).flat();
  if (labels.length > 0) found.set(`${side}.labels`, { kind: 'stringMap', value: labels });
  return found;
}
