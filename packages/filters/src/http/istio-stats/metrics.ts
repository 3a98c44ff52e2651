import type { MetricConfig } from '@xebec/protos/istio/filters/stats';
import type { Counter, Gauge, Histogram, StatsScope } from '@xebec/telemetry';
import type { Labels } from './labels.ts';

export type Handle = Counter & Gauge & Histogram;
type Kind = 'counter' | 'histogram';

interface Customisation {
  readonly drop: boolean;
  readonly remove: ReadonlySet<string>;
  readonly names: readonly string[];
}

/** More combinations than this at one time means labels that vary per request: start over rather than grow. */
const maxCached = 5000;

/**
 * The metrics of one filter: looks handles up by label values once per combination, so that the request path costs one map
 * access. Tag removals and drops of the configuration are applied here.
 */
export class MetricFamily {
  readonly #scope: StatsScope;
  readonly #kinds: ReadonlyMap<string, Kind>;
  readonly #custom: ReadonlyMap<string, Customisation>;
  readonly #cache = new Map<string, ReadonlyMap<string, Handle>>();

  constructor(scope: StatsScope, kinds: ReadonlyMap<string, Kind>, configs: readonly MetricConfig[]) {
    this.#scope = scope;
    this.#kinds = kinds;
    const custom = new Map<string, Customisation>();
    for (const name of kinds.keys()) {
      const short = name.replace(/^istio_/, '').replace(/_milliseconds$/, '');
      const own = configs.filter((config) => config.name === '' || config.name === short || config.name === short.replace(/_total$/, ''));
      custom.set(name, {
        drop: own.some((config) => config.drop),
        remove: new Set(own.flatMap((config) => config.tagsToRemove)),
        names: own.flatMap((config) => Object.keys(config.dimensions)),
      });
    }
    this.#custom = custom;
  }
  /** Handles by metric name for these label values; `dimensions` are added to metrics that are configured to have them. */
  handles(labels: Labels, dimensions: Labels): ReadonlyMap<string, Handle> {
    let key = '';
    for (const name in labels) key += `${labels[name]}\u0000`;
    for (const name in dimensions) key += `${dimensions[name]}\u0000`;
    const known = this.#cache.get(key);
    if (known !== undefined) return known;
    const handles = new Map<string, Handle>();
    for (const [name, kind] of this.#kinds) {
      const custom = this.#custom.get(name);
      if (custom?.drop === true) continue;
      handles.set(name, this.#scope.labelled(kind, name, this.#labelsOf(labels, dimensions, custom)));
    }
    if (this.#cache.size >= maxCached) this.#cache.clear();
    this.#cache.set(key, handles);
    return handles;
  }
  /** A counter outside the standard set, for gRPC message counts. */
  message(name: string, labels: Labels): Counter {
    const custom = this.#custom.get('istio_requests_total');
    return this.#scope.labelled('counter', name, this.#labelsOf(labels, {}, custom));
  }
  #labelsOf(labels: Labels, dimensions: Labels, custom: Customisation | undefined): Labels {
    if (custom === undefined || (custom.remove.size === 0 && custom.names.length === 0)) return labels;
    const result: Labels = {};
    for (const [name, value] of Object.entries(labels)) if (!custom.remove.has(name)) result[name] = value;
    for (const name of custom.names) {
      const value = dimensions[name];
      if (value !== undefined) result[name] = value;
    }
    return result;
  }
}
