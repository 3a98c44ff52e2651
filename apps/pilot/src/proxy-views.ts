import type { EngineStats, Observed } from '@xebec/incremental';
import { createSnapshotTracker, type MeshProxy, type MeshSnapshot, type SnapshotTracker } from '@xebec/model';
import {
  CLUSTER_TYPE,
  ENDPOINT_TYPE,
  type EncodedResource,
  LISTENER_TYPE,
  type ProxyView,
  type ResourceCache,
  type ResourceMap,
  ROUTE_TYPE,
} from '@xebec/xds';
import { createViewLayers, type ViewLayers } from './view-layers.ts';

const NOTHING: ResourceMap = new Map<string, EncodedResource>();

/** Everything one proxy should have. Maps of two views are the same object when nothing in them differs. */
export interface BuiltView extends ProxyView {
  readonly clusters: ResourceMap;
  readonly listeners: ResourceMap;
  readonly routes: ResourceMap;
  readonly endpoints: ResourceMap;
}

interface KnownProxy {
  /** The proxy as queries see it. */
  readonly tracked: MeshProxy;
  /** Its view, which keeps what that was made from. */
  view?: Observed<BuiltView>;
}

/**
 * Turns snapshots into what each proxy should have. All work is done by queries: what no change touched is not done again, and proxies
 * that are alike in what was read of them share layers of resources, with the same bytes.
 */
export class ProxyViews {
  readonly #layers: ViewLayers;
  readonly #proxies = new Map<MeshProxy, KnownProxy>();
  readonly #known = new WeakSet<MeshSnapshot>();
  #tracker: SnapshotTracker | undefined;
  #version = '';

  constructor(cache: ResourceCache) {
    this.#layers = createViewLayers(cache);
  }
  /** What was computed how often, and how much is kept. */
  get stats(): EngineStats {
    return this.#tracker?.engine.stats ?? { computed: new Map(), entries: 0 };
  }
  /** The view of a proxy, which must be given up with `forget`. Of two snapshots the one that came later counts. */
  build(snapshot: MeshSnapshot, proxy: MeshProxy): BuiltView {
    const tracker = this.#moveTo(snapshot);
    const known = this.#proxy(tracker, proxy);
    const view = tracker.engine.observe(known.tracked, () => this.#compose(tracker.snapshot, known.tracked));
    known.view = view;
    return view.value;
  }
  /** Lets go of what a proxy's view was made from. */
  forget(proxy: MeshProxy): void {
    this.#proxies.delete(proxy);
  }
  /** What stands for a name that the view does not have, so that the proxy does not wait for it; undefined for other types. */
  placeholder(snapshot: MeshSnapshot, proxy: MeshProxy, typeUrl: string, name: string): EncodedResource | undefined {
    if (typeUrl !== ENDPOINT_TYPE && typeUrl !== ROUTE_TYPE) return undefined;
    const tracker = this.#moveTo(snapshot);
    const { tracked } = this.#proxy(tracker, proxy);
    const make = typeUrl === ENDPOINT_TYPE ? this.#layers.assignment : this.#layers.route;
    return tracker.engine.observe(tracked, () => make(tracker.snapshot, tracked, name)).value;
  }

  #moveTo(snapshot: MeshSnapshot): SnapshotTracker {
    this.#tracker ??= createSnapshotTracker(snapshot);
    if (this.#known.has(snapshot)) return this.#tracker;
    this.#known.add(snapshot);
    this.#version = snapshot.version;
    this.#tracker.update(snapshot);
    this.#tracker.engine.collect(() => this.#observed());
    return this.#tracker;
  }
  *#observed(): Iterable<Observed<BuiltView>> {
    for (const { view } of this.#proxies.values()) if (view !== undefined) yield view;
  }
  #proxy(tracker: SnapshotTracker, proxy: MeshProxy): KnownProxy {
    let known = this.#proxies.get(proxy);
    if (known === undefined) {
      known = { tracked: tracker.track(proxy) };
      this.#proxies.set(proxy, known);
    }
    return known;
  }
  #compose(snapshot: MeshSnapshot, proxy: MeshProxy): BuiltView {
    return toView({
      version: this.#version,
      clusters: this.#layers.clusters(snapshot, proxy),
      listeners: this.#layers.listeners(snapshot, proxy),
      routes: this.#layers.routes(snapshot, proxy),
      endpoints: this.#layers.endpoints(snapshot, proxy),
    });
  }
}

function toView(parts: Omit<BuiltView, 'resources'>): BuiltView {
  return {
    ...parts,
    resources(typeUrl) {
      switch (typeUrl) {
        case CLUSTER_TYPE:
          return parts.clusters;
        case ENDPOINT_TYPE:
          return parts.endpoints;
        case LISTENER_TYPE:
          return parts.listeners;
        case ROUTE_TYPE:
          return parts.routes;
        default:
          return NOTHING;
      }
    },
  };
}
