import { fromBinary } from '@bufbuild/protobuf';
import type { Any } from '@bufbuild/protobuf/wkt';
import { type Clock, errorText, XebecError } from '@xebec/core';
import type { FilterContext, HttpFilter, HttpFilterCallbacks, HttpFilterDefinition, HttpFilterFactory } from '@xebec/filters';
import type { ExtensionConfigSource } from '@xebec/protos/envoy/config/core/v3/config_source';
import { type TypedExtensionConfig, TypedExtensionConfigSchema } from '@xebec/protos/envoy/config/core/v3/extension';
import type { StatsScope } from '@xebec/telemetry';
import { typeNameOf } from '../config/unpack.ts';
import type { Subscribe } from './subscribe.ts';

export const extensionTypeUrl = 'type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig';

/** A filter configuration that came over ECDS, as `config_dump` shows it. */
export interface ExtensionRecord {
  readonly name: string;
  readonly config: TypedExtensionConfig;
  readonly version: string;
  readonly lastUpdatedMs: number;
}

export interface DynamicFilter {
  readonly factory: HttpFilterFactory;
  /** Calls back once a configuration is in force, its default counts where the configuration says so, or its time is over. */
  whenReady(done: () => void): void;
  close(): void;
}

export interface ExtensionStoreOptions {
  readonly subscribe: Subscribe;
  readonly stats: StatsScope;
  readonly clock: Clock;
}

type Find = (typeName: string) => HttpFilterDefinition | undefined;

/** HTTP filters whose configuration is discovered (ECDS): requests take the newest; without any they are answered 500 `NFCF`. */
export class ExtensionStore {
  readonly #options: ExtensionStoreOptions;
  readonly #records = new Set<{ current: ExtensionRecord | undefined }>();

  constructor(options: ExtensionStoreOptions) {
    this.#options = options;
  }
  get records(): readonly ExtensionRecord[] {
    const byName = new Map<string, ExtensionRecord>();
    for (const { current } of this.#records) if (current !== undefined) byName.set(current.name, current);
    return [...byName.values()];
  }
  /** Throws XebecError `E_CONFIG` when the source or the default cannot be used. */
  open(name: string, source: ExtensionConfigSource, find: Find, context: FilterContext): DynamicFilter {
    const where = `http filter "${name}": config_discovery`;
    if (source.configSource === undefined) throw new XebecError('E_CONFIG', `${where}: config_source is missing`);
    const allowed = new Set(source.typeUrls.map((url) => url.slice(url.lastIndexOf('/') + 1)));
    const compile = (any: Any): HttpFilterFactory => {
      const typeName = typeNameOf(any);
      if (!allowed.has(typeName)) {
        throw new XebecError('E_CONFIG', `Error: filter config has type URL ${typeName} but expect ${[...allowed].join(', ')}.`);
      }
      const definition = find(typeName);
      if (definition === undefined)
        throw new XebecError('E_CONFIG', `${where}: didn't find a registered implementation with type URL ${any.typeUrl}`);
      return definition.compile(any.value, typeName, context);
    };
    const fallback = source.defaultConfig === undefined ? undefined : compile(source.defaultConfig);
    const holder: { current: ExtensionRecord | undefined } = { current: undefined };
    this.#records.add(holder);
    let active = source.applyDefaultConfigWithoutWarming ? fallback : undefined;
    let ready = active !== undefined;
    let waiting: (() => void)[] = [];
    const becomeReady = (): void => {
      ready = true;
      const callbacks = waiting;
      waiting = [];
      for (const done of callbacks) done();
    };
    const prefix = `extension_config_discovery.http_filter.${name}`;
    const counters = this.#options.stats.scope(prefix);
    const stop = this.#options.subscribe(source.configSource, extensionTypeUrl, name, {
      statPrefix: prefix,
      onResource: (any, version) => {
        try {
          const config = fromBinary(TypedExtensionConfigSchema, any.value);
          if (config.typedConfig === undefined) throw new XebecError('E_CONFIG', 'typed_config is missing');
          const next = compile(config.typedConfig);
          const old = active;
          active = next;
          if (old !== fallback) old?.close?.();
          holder.current = { name, config, version, lastUpdatedMs: this.#options.clock.now() };
          counters.counter('config_reload').add(1);
        } catch (error) {
          counters.counter('config_fail').add(1);
          return `Unable to update extension config ${name}: ${errorText(error)}`;
        }
        becomeReady();
        return undefined;
      },
      onRemoved: () => {
        holder.current = undefined;
        active = fallback;
        becomeReady();
      },
      onTimeout: () => {
        active ??= fallback;
        becomeReady();
      },
    });
    return {
      factory: { create: (callbacks) => active?.create(callbacks) ?? new MissingFilter(callbacks) },
      whenReady: (done) => {
        if (ready) done();
        else waiting.push(done);
      },
      close: () => {
        stop();
        this.#records.delete(holder);
        if (active !== fallback) active?.close?.();
        fallback?.close?.();
      },
    };
  }
}

class MissingFilter implements HttpFilter {
  readonly #callbacks: HttpFilterCallbacks;
  constructor(callbacks: HttpFilterCallbacks) {
    this.#callbacks = callbacks;
  }
  onRequestHead(): 'stop' {
    this.#callbacks.sendLocalReply({ status: 500, body: '', details: 'filter_chain_config_missing', flag: 'NFCF' });
    return 'stop';
  }
}
