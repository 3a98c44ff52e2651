import { attach, Engine, sameEntries, sameList, trackSubject } from '@xebec/incremental';
import type { MeshConfig } from '@xebec/schemas';
import type { KnownKind } from './config-index.ts';
import type { MeshProxy } from './proxy.ts';
import { type Service, serviceKey } from './service.ts';
import type { EndpointOfService, MeshSnapshot } from './snapshot.ts';

/**
 * One snapshot after another behind a single object that never changes its identity. What is read of it while a query is computed is
 * recorded, each accessor with its arguments for itself, and so the next snapshot costs only what depends on its differences.
 */
export interface SnapshotTracker {
  readonly engine: Engine;
  /** The snapshot of the last update, for queries. */
  readonly snapshot: MeshSnapshot;
  update(snapshot: MeshSnapshot): void;
  /** The proxy as queries must see it: what they read of it decides who shares their results. */
  track(proxy: MeshProxy): MeshProxy;
}

export function createSnapshotTracker(first: MeshSnapshot): SnapshotTracker {
  const engine = new Engine();
  let current = first;
  const snapshot = trackSnapshot(engine, () => current);
  attach(engine, snapshot);
  return {
    engine,
    snapshot,
    update(next) {
      if (next === current) return;
      current = next;
      engine.advance();
    },
    track: (proxy) =>
      trackSubject(engine, proxy, {
        labels: 'by-key',
        annotations: 'by-key',
        metadata: 'by-key',
        extensions: 'by-member',
        addresses: 'by-member',
      }),
  };
}

function trackSnapshot(engine: Engine, current: () => MeshSnapshot): MeshSnapshot {
  const single = <T>(read: (snapshot: MeshSnapshot) => T, same?: (a: T, b: T) => boolean) =>
    engine.input(
      () => read(current()),
      () => '',
      same,
    );
  const ofService = (service: Service) => serviceKey(service);
  const version = single(({ version }) => version);
  const domain = single(({ domain }) => domain);
  const rootNamespace = single(({ rootNamespace }) => rootNamespace);
  const mesh = trackMesh(engine, () => current().mesh);
  const namespaces = single(({ namespaces }) => namespaces, sameEntries);
  const cluster = single(({ cluster }) => cluster);
  const gateways = single(({ networkGateways }) => networkGateways, sameList);
  const services = single(({ services }) => services, sameList);
  // A kind tells the type of its objects, which one table of inputs for all kinds cannot: they come from the index by the same key.
  const all = engine.input(
    (kind: KnownKind): readonly object[] => current().config.all(kind),
    (kind) => kind,
    sameList,
  );
  const inNamespace = engine.input(
    (kind: KnownKind, namespace: string): readonly object[] => current().config.in(kind, namespace),
    (kind, namespace) => `${kind}/${namespace}`,
    sameList,
  );
  const config: MeshSnapshot['config'] = {
    all: (kind) => all(kind) as ReturnType<typeof config.all<typeof kind>>,
    in: (kind, namespace) => inNamespace(kind, namespace) as ReturnType<typeof config.in<typeof kind>>,
  };
  return {
    get version() {
      return version();
    },
    get domain() {
      return domain();
    },
    get rootNamespace() {
      return rootNamespace();
    },
    mesh,
    get namespaces() {
      return namespaces();
    },
    get services() {
      return services();
    },
    get cluster() {
      return cluster();
    },
    get networkGateways() {
      return gateways();
    },
    config,
    endpoints: engine.input(
      (service: Service, portName: string) => current().endpoints(service, portName),
      (service, portName) => `${serviceKey(service)}/${portName}`,
      sameList,
    ),
    allEndpoints: engine.input((service: Service) => current().allEndpoints(service), ofService, sameList),
    servicesByHostname: engine.input(
      (hostname: string) => current().servicesByHostname(hostname),
      (hostname) => hostname,
      sameList,
    ),
    endpointsAt: engine.input(
      (address: string) => current().endpointsAt(address),
      (address) => address,
      sameEndpoints,
    ),
    workloadAt: engine.input(
      (address: string) => current().workloadAt(address),
      (address) => address,
    ),
    sourceOf: engine.input((service: Service) => current().sourceOf(service), ofService),
    // The same in every snapshot of a process.
    get jwksFetch() {
      return current().jwksFetch;
    },
    jwks: engine.input(
      (uri: string) => current().jwks(uri),
      (uri) => uri,
    ),
  };
}

function sameEndpoints(a: readonly EndpointOfService[], b: readonly EndpointOfService[]): boolean {
  return (
    a.length === b.length && a.every(({ service, endpoint }, index) => service === b[index]?.service && endpoint === b[index]?.endpoint)
  );
}

/** Mesh configuration is replaced as a whole, so its fields are compared by what they hold. */
function trackMesh(engine: Engine, current: () => MeshConfig): MeshConfig {
  const field = engine.input(
    (name: string): unknown => Reflect.get(current(), name),
    (name) => name,
    sameText,
  );
  const whole = engine.input(current, () => '', sameText);
  return new Proxy<MeshConfig>(current(), {
    get: (_, name) => (typeof name === 'string' ? field(name) : undefined),
    has: (_, name) => Reflect.has(whole(), name),
    ownKeys: () => Reflect.ownKeys(whole()),
    getOwnPropertyDescriptor: (_, name) => {
      const found = Reflect.getOwnPropertyDescriptor(whole(), name);
      // The target is the first configuration, which need not have what the present one has.
      return found === undefined ? undefined : { ...found, configurable: true };
    },
  });
}

function sameText(a: unknown, b: unknown): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}
