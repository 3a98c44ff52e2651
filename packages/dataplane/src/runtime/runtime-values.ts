import { fromBinary, type JsonObject, type JsonValue } from '@bufbuild/protobuf';
import { errorText } from '@xebec/core';
import type { Bootstrap } from '@xebec/protos/envoy/config/bootstrap/v3/bootstrap';
import { RuntimeSchema } from '@xebec/protos/envoy/service/runtime/v3/rtds';
import type { StatsScope } from '@xebec/telemetry';
import type { Subscribe } from '../xds-client/subscribe.ts';

interface Layer {
  readonly name: string;
  values: Map<string, JsonValue>;
  readonly kind: 'static' | 'admin' | 'rtds' | 'disk';
}

const runtimeTypeUrl = 'type.googleapis.com/envoy.service.runtime.v3.Runtime';
const denominators: Readonly<Record<string, number>> = { HUNDRED: 100, TEN_THOUSAND: 10_000, MILLION: 1_000_000 };

/**
 * Runtime values in layers (the bootstrap's `layered_runtime`): the last layer that has a key wins. Layers are static, changed by
 * `/runtime_modify`, or discovered (RTDS). Reading is one look-up.
 */
export class RuntimeValues {
  readonly #layers: readonly Layer[];
  readonly #stats: StatsScope;
  #merged = new Map<string, JsonValue>();
  readonly #changes = new Map<string, string>();

  constructor(bootstrap: Bootstrap, stats: StatsScope) {
    this.#stats = stats.scope('runtime');
    const configured = bootstrap.layeredRuntime?.layers ?? [];
    this.#layers = configured.map(({ name, layerSpecifier }) => ({
      name,
      values: layerSpecifier.case === 'staticLayer' ? flatten(layerSpecifier.value) : new Map<string, JsonValue>(),
      kind:
        layerSpecifier.case === 'staticLayer'
          ? 'static'
          : layerSpecifier.case === 'adminLayer'
            ? 'admin'
            : layerSpecifier.case === 'rtdsLayer'
              ? 'rtds'
              : 'disk',
    }));
    for (const name of ['load_error', 'override_dir_exists', 'deprecated_feature_use']) this.#stats.counter(name);
    this.#stats.gauge('deprecated_feature_seen_since_process_start');
    this.#stats.gauge('num_layers').set(this.#layers.length);
    this.#apply();
  }
  /** Subscribes to the discovered layers; calls back when each has come or has timed out. */
  discover(bootstrap: Bootstrap, subscribe: Subscribe, done: () => void): () => void {
    const stops: (() => void)[] = [];
    let waiting = 1;
    const one = (): void => {
      if (--waiting === 0) done();
    };
    for (const { name: layerName, layerSpecifier } of bootstrap.layeredRuntime?.layers ?? []) {
      const layer = this.#layers.find(({ name }) => name === layerName);
      if (layerSpecifier.case !== 'rtdsLayer' || layerSpecifier.value.rtdsConfig === undefined || layer === undefined) continue;
      let waits = true;
      waiting++;
      const arrived = (): void => {
        if (!waits) return;
        waits = false;
        one();
      };
      const { name, rtdsConfig } = layerSpecifier.value;
      const replace = (values: Map<string, JsonValue>): void => {
        layer.values = values;
        this.#apply();
        arrived();
      };
      stops.push(
        subscribe(rtdsConfig, runtimeTypeUrl, name, {
          statPrefix: 'runtime.rtds',
          onResource: (any) => {
            try {
              replace(flatten(fromBinary(RuntimeSchema, any.value).layer ?? {}));
              return undefined;
            } catch (error) {
              return `malformed runtime layer "${name}": ${errorText(error)}`;
            }
          },
          onRemoved: () => replace(new Map()),
          onTimeout: arrived,
        }),
      );
    }
    one();
    return () => {
      for (const stop of stops) stop();
    };
  }
  number(key: string): number | undefined {
    const value = this.#merged.get(key);
    const number = typeof value === 'number' || typeof value === 'string' ? Number(value) : Number.NaN;
    return Number.isFinite(number) ? number : undefined;
  }
  /** `true` and `false`, also in text; a number is true unless it is 0. */
  flag(key: string): boolean | undefined {
    const value = this.#merged.get(key);
    if (typeof value === 'boolean') return value;
    if (typeof value === 'number') return value !== 0;
    return value === 'true' ? true : value === 'false' ? false : undefined;
  }
  /** A share of 1: of a number in percent, or of a `numerator` with its `denominator`. */
  fraction(key: string): number | undefined {
    const value = this.#merged.get(key);
    if (value === undefined) return undefined;
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      const { numerator, denominator } = value;
      return typeof numerator === 'number' ? Math.min(1, numerator / (denominators[String(denominator ?? 'HUNDRED')] ?? 100)) : undefined;
    }
    const percent = this.number(key);
    return percent === undefined ? undefined : Math.min(1, percent / 100);
  }
  /** Envoy's JSON: every key with its value in each layer. */
  describe(): object {
    const keys = [...new Set(this.#layers.flatMap(({ values }) => [...values.keys()]))].sort();
    const entries = keys.map((key) => {
      const layer_values = this.#layers.map(({ values }) => shown(values.get(key)));
      return [key, { layer_values, final_value: layer_values.findLast((value) => value !== '') ?? '' }];
    });
    return { layers: this.#layers.map(({ name }) => name), entries: Object.fromEntries(entries) };
  }
  /** Changes the admin layer; false when there is none. An empty value takes a key out. */
  modify(changes: Iterable<readonly [string, string]>): boolean {
    const admin = this.#layers.find(({ kind }) => kind === 'admin');
    if (admin === undefined) return false;
    for (const [key, value] of changes) {
      this.#changes.set(key, value);
      if (value === '') admin.values.delete(key);
      else admin.values.set(key, parsed(value));
    }
    this.#apply();
    return true;
  }
  /** Every key that was modified, with its last value; empty for one that was taken out. */
  get changes(): readonly (readonly [string, string])[] {
    return [...this.#changes];
  }
  #apply(): void {
    const merged = new Map<string, JsonValue>();
    for (const { values } of this.#layers) for (const [key, value] of values) merged.set(key, value);
    this.#merged = merged;
    this.#stats.counter('load_success').add(1);
    this.#stats.counter('override_dir_not_exists').add(1);
    this.#stats.gauge('num_keys').set(merged.size);
    this.#stats.gauge('admin_overrides_active').set(this.#layers.some(({ kind, values }) => kind === 'admin' && values.size > 0) ? 1 : 0);
  }
}

function shown(value: JsonValue | undefined): string {
  if (value === undefined || value === null) return '';
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

/** What stands in a query parameter: a number, a truth value, an object, else text. */
function parsed(text: string): JsonValue {
  try {
    return JSON.parse(text) as JsonValue;
  } catch {
    return text;
  }
}

/** Keys may be nested or dotted; an object with a `numerator` is a fraction. */
function flatten(layer: JsonObject): Map<string, JsonValue> {
  const into = new Map<string, JsonValue>();
  const walk = (value: JsonValue, path: string): void => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      if (value !== null && !Array.isArray(value)) into.set(path, value);
      return;
    }
    if ('numerator' in value || 'denominator' in value) {
      into.set(path, value);
      return;
    }
    for (const [key, inner] of Object.entries(value)) walk(inner, path === '' ? key : `${path}.${key}`);
  };
  walk(layer, '');
  return into;
}
