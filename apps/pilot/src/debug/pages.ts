import type { JsonValue } from '@bufbuild/protobuf';
import { inboundInstances, type MeshSnapshot, serviceKey, sidecarScope, telemetriesOf } from '@xebec/model';
import { type ConfigObject, kinds } from '@xebec/schemas';
import type { ResourceCache } from '@xebec/xds';
import type { Access } from '../access.ts';
import type { AdsServer } from '../ads-server.ts';
import type { MeshState } from '../mesh-state.ts';
import type { ProxyStream } from '../proxy-stream.ts';
import type { ObjectProgress } from '../status/object-progress.ts';
import { configDump, typedDump } from './config-dump.ts';
import { byProxy, syncStatus } from './sync-status.ts';

export interface DebugContext {
  readonly ads: AdsServer;
  readonly state: MeshState;
  readonly cache: ResourceCache;
  readonly progress: ObjectProgress;
  readonly version: string;
  /** Name of this pilot among its replicas. */
  readonly instance: string;
  /** `PILOT_ENABLE_UNSAFE_ADMIN_ENDPOINTS`. */
  readonly unsafe: boolean;
}

/** A page's answer: JSON, or plain text with a status. */
export type PageAnswer = { readonly json: unknown } | { readonly text: string; readonly status: number };

export interface DebugPage {
  readonly help: string;
  /** It tells of single proxies, so that callers of other namespaces than the control plane's may ask about their own. */
  readonly ofProxy?: true;
  /** Left out of the list: it changes something. */
  readonly hidden?: true;
  read(query: URLSearchParams, access: Access): PageAnswer | Promise<PageAnswer>;
}

const json = (value: unknown): PageAnswer => ({ json: value });
const NOT_CONNECTED = 'Proxy not connected to this Pilot instance. It may be connected to another instance.\n';

/** Every `/debug/` page by name: Istio's, and `problems` and `objectz` of our own. */
export function debugPages(context: DebugContext): ReadonlyMap<string, DebugPage> {
  const { ads, state, cache, progress, version } = context;
  const snapshot = (): MeshSnapshot | undefined => state.snapshot;
  const mayNotSee = (stream: ProxyStream, access: Access) =>
    access.kind === 'nothing' || (access.kind === 'namespace' && stream.proxy.namespace !== access.namespace);
  const visible = (access: Access) => ads.connections().filter((stream) => !mayNotSee(stream, access));
  const find = (query: URLSearchParams, access: Access): ProxyStream | PageAnswer => {
    const wanted = query.get('proxyID') ?? '';
    if (wanted === '') return { text: 'You must provide a proxyID in the query string\n', status: 400 };
    return findStream(visible(access), wanted) ?? { text: NOT_CONNECTED, status: 404 };
  };
  const ofProxy = (help: string, read: (stream: ProxyStream, query: URLSearchParams) => PageAnswer): DebugPage => ({
    help,
    ofProxy: true,
    read: (query, access) => {
      const found = find(query, access);
      return 'identity' in found ? read(found, query) : found;
    },
  });
  const page = (help: string, read: DebugPage['read']): DebugPage => ({ help, read });
  const typed = (type: string) => (stream: ProxyStream) => json(typedDump(stream, [type]));
  const objects = (...wanted: string[]) =>
    state
      .config()
      .filter(({ kind }) => wanted.includes(kind))
      .map(toKubernetes);
  const endpoints = () =>
    Object.fromEntries(
      (snapshot()?.services ?? []).map((service) => [
        service.hostname,
        { [service.namespace]: { Shards: { [service.registry]: snapshot()?.allEndpoints(service) ?? [] } } },
      ]),
    );
  const pages: Record<string, DebugPage> = {
    adsz: page('connected proxies; ?push=true pushes to all, ?proxyID= shows one', (query, access) => {
      if (query.has('push')) {
        ads.pushAll();
        return { text: `Pushed to ${ads.connections().length} servers\n`, status: 200 };
      }
      const found = query.has('proxyID') ? find(query, access) : undefined;
      if (found !== undefined && !('identity' in found)) return found;
      const streams = found === undefined ? visible(access) : [found];
      return json({ totalClients: streams.length, clients: streams.map(toClient) });
    }),
    connections: page('streams, without what they watch', (_query, access) => {
      const streams = visible(access);
      return json({ totalClients: streams.length, clients: streams.map(toConnection) });
    }),
    syncz: page('what each proxy was sent and has accepted; ?namespace= narrows it', (query, access) => {
      const namespace = query.get('namespace') ?? '';
      const chosen = visible(access).filter(({ proxy }) => namespace === '' || proxy.namespace === namespace);
      return json(byProxy(chosen).map((streams) => syncStatus(streams, version)));
    }),
    config_dump: ofProxy(
      "what a proxy should have, as Envoy's admin shows it; ?proxyID=, ?types=cds,eds, ?include_eds",
      (stream, query) => {
        const types = (query.get('types') ?? '').split(',').filter((type) => type !== '');
        return json(types.length > 0 ? typedDump(stream, types) : configDump(stream, { endpoints: query.has('include_eds') }));
      },
    ),
    edsz: ofProxy('endpoints of a proxy; ?proxyID=', typed('eds')),
    ndsz: ofProxy('name table of a proxy; ?proxyID=', typed('nds')),
    ecdsz: ofProxy('filter configurations of a proxy; ?proxyID=', typed('ecds')),
    sidecarz: ofProxy('what a proxy may see of the mesh; ?proxyID=', ({ snapshot: known, proxy }) => json(scopeOf(known, proxy))),
    instancesz: page('services that each proxy is an instance of', (_query, access) =>
      json(Object.fromEntries(visible(access).map(({ proxy, snapshot: known }) => [proxy.id, inboundInstances(known, proxy)]))),
    ),
    registryz: page('services', () => json(snapshot()?.services ?? [])),
    endpointShardz: page('endpoints by service', () => json(endpoints())),
    endpointz: page('endpoints by service; the older name of endpointShardz', () => json(endpoints())),
    configz: page('configuration objects in force', () => json(state.config().map(toKubernetes))),
    problems: page('configuration that is not in force, and why', () => json(state.problems())),
    objectz: page('on how many proxies each object is live; ?kind=, ?namespace=, ?name=, ?generation= and ?wait=10s', (query) =>
      progress.page(query).then(json),
    ),
    resourcesz: page('kinds of configuration', () =>
      json(kinds.map(({ group, versions, kind }) => ({ group, version: versions[0], kind }))),
    ),
    authorizationz: page('authorization policies', () => json({ authorization_policies: objects('AuthorizationPolicy') })),
    telemetryz: page('telemetry configuration; ?proxyID= for what rules one proxy', (query, access) => {
      const found = query.has('proxyID') ? find(query, access) : undefined;
      if (found === undefined) return json({ telemetries: objects('Telemetry') });
      if (!('identity' in found)) return found;
      return json({ telemetries: telemetriesOf(found.snapshot, found.proxy).map(toKubernetes) });
    }),
    push_status: page('the last push', () =>
      json({
        version: snapshot()?.version ?? '',
        pushedAt: ads.pushedAt === 0 ? '' : new Date(ads.pushedAt).toISOString(),
        unsynced: state.unsynced(),
        cache: cache.stats,
      }),
    ),
    pushcontext: page('what the last push was made of', () =>
      json({
        version: snapshot()?.version ?? '',
        services: snapshot()?.services.length ?? 0,
        namespaces: Object.fromEntries(snapshot()?.namespaces ?? []),
        AuthorizationPolicies: objects('AuthorizationPolicy'),
        NetworkGateways: [],
      }),
    ),
    cachez: page('encoded resources; ?sizes=true', (query) => json(query.has('sizes') ? { total: cache.stats.size } : cache.stats)),
    mesh: page('mesh configuration in force', () => json(snapshot()?.mesh ?? {})),
    inject: page('the injection template', () => ({ text: 'the injector is a server of its own: ask it\n', status: 404 })),
    clusterz: page('clusters whose endpoints are read', () =>
      json([{ id: 'Kubernetes', syncStatus: state.unsynced().length === 0 ? 'synced' : 'syncing' }]),
    ),
    networkz: page('gateways between networks', () => json([])),
    mcsz: page('multi-cluster services', () => json([])),
    ambientz: page('ambient workloads, which this mesh has none of', () => json({ workloads: [], services: [], policies: [] })),
    krtz: page('internal state: sources and what they hold', () => json({ unsynced: state.unsynced(), objects: state.config().length })),
  };
  if (context.unsafe) {
    pages['force_disconnect'] = {
      ...ofProxy('ends the streams of a proxy; ?proxyID=', (stream) => {
        stream.disconnect();
        return { text: 'OK', status: 200 };
      }),
      hidden: true,
    };
  }
  pages['list'] = page('names of these pages', () =>
    json(
      Object.entries(pages)
        .filter(([name, { hidden }]) => name !== 'list' && hidden !== true)
        .map(([name]) => name)
        .sort(),
    ),
  );
  return new Map(Object.entries(pages));
}

/** By connection, node id or `name.namespace`; the stream of the data plane goes before an agent's own. */
function findStream(streams: readonly ProxyStream[], wanted: string): ProxyStream | undefined {
  const matching = streams.filter(({ id, proxy }) => id === wanted || proxy.id === wanted || `${proxy.name}.${proxy.namespace}` === wanted);
  const candidates = matching.length > 0 ? matching : streams.filter(({ id }) => id.startsWith(wanted));
  return candidates.find(({ connection }) => connection !== undefined) ?? candidates[0];
}

function scopeOf(snapshot: MeshSnapshot, proxy: ProxyStream['proxy']): JsonValue {
  const scope = sidecarScope(snapshot, proxy);
  return {
    sidecar: scope.sidecar === undefined ? null : `${scope.sidecar.metadata.namespace}/${scope.sidecar.metadata.name}`,
    outboundTrafficPolicy: scope.outboundPolicy,
    egress: scope.egress.map(({ port, bind, services, virtualServices }) => ({
      port: port === undefined ? null : port.number,
      bind: bind ?? '',
      services: services.map(serviceKey),
      virtualServices: virtualServices.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`),
    })),
  };
}

/** The object as Kubernetes writes it. */
function toKubernetes({ apiVersion, kind, metadata, spec, source }: ConfigObject): object {
  return { apiVersion, kind, metadata, spec, ...(source === undefined ? {} : { source: { file: source.file, line: source.line } }) };
}

function toConnection(stream: ProxyStream): Record<string, unknown> {
  return { connectionId: stream.id, connectedAt: new Date(stream.connectedAt).toISOString(), address: stream.identity.peer };
}

function toClient(stream: ProxyStream): object {
  const { proxy, identity } = stream;
  return {
    ...toConnection(stream),
    proxy: proxy.id,
    variant: identity.variant,
    userAgent: identity.userAgent,
    labels: proxy.labels,
    locality: proxy.locality,
    metadata: proxy.metadata,
    watches: Object.fromEntries(stream.status().map((status) => [status.typeUrl, status.names])),
  };
}
