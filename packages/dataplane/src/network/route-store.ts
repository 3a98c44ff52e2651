import { create } from '@bufbuild/protobuf';
import type { Any } from '@bufbuild/protobuf/wkt';
import { errorText, XebecError } from '@xebec/core';
import type { CompiledRouteTable } from '@xebec/matching';
import type { ConfigSource } from '@xebec/protos/envoy/config/core/v3/config_source';
import { type RouteConfiguration, RouteConfigurationSchema } from '@xebec/protos/envoy/config/route/v3/route';
import type { RouteSource } from '../http/http-settings.ts';
import type { Subscribe } from '../xds-client/subscribe.ts';

export const routeTypeUrl = 'type.googleapis.com/envoy.config.route.v3.RouteConfiguration';

/** A route table in use by one connection manager. */
export interface RouteHandle {
  readonly source: RouteSource;
  whenReady(done: () => void): void;
  release(): void;
}

/** A route configuration as `config_dump` shows it. */
export interface RouteRecord {
  readonly config: RouteConfiguration;
  readonly version: string;
  readonly lastUpdatedMs: number;
  readonly dynamic: boolean;
}

interface Shared {
  readonly source: RouteSource & { record: RouteRecord | undefined };
  users: number;
  waiting: (() => void)[];
  stop: () => void;
}

/** Every route table: inline ones, and RDS ones shared by name. A new version replaces the table for the next request. */
export class RouteStore {
  readonly #shared = new Map<string, Shared>();
  readonly #inline = new Set<RouteRecord>();
  readonly #subscribe: Subscribe;
  readonly #compile: (config: RouteConfiguration) => CompiledRouteTable;
  readonly #decode: (bytes: Uint8Array) => RouteConfiguration;
  readonly #now: () => number;

  constructor(
    subscribe: Subscribe,
    compile: (config: RouteConfiguration) => CompiledRouteTable,
    decode: (bytes: Uint8Array) => RouteConfiguration,
    now: () => number,
  ) {
    this.#subscribe = subscribe;
    this.#compile = compile;
    this.#decode = decode;
    this.#now = now;
  }
  get records(): RouteRecord[] {
    const dynamic = [...this.#shared.values()].flatMap(({ source }) => (source.record === undefined ? [] : [source.record]));
    return [...this.#inline, ...dynamic];
  }
  inline(config: RouteConfiguration): RouteHandle {
    const source: RouteSource = { current: this.#compile(config) };
    const record: RouteRecord = { config, version: '', lastUpdatedMs: this.#now(), dynamic: false };
    this.#inline.add(record);
    return { source, whenReady: (done) => done(), release: () => this.#inline.delete(record) };
  }
  subscribe(name: string, configSource: ConfigSource | undefined, where: string, statPrefix = 'http'): RouteHandle {
    if (configSource === undefined) throw new XebecError('E_CONFIG', `${where}: rds.config_source is missing`);
    const shared = this.#shared.get(name) ?? this.#open(name, configSource, statPrefix);
    shared.users++;
    let released = false;
    return {
      source: shared.source,
      whenReady: (done) => {
        if (shared.source.current !== undefined) done();
        else shared.waiting.push(done);
      },
      release: () => {
        if (released) return;
        released = true;
        shared.users--;
        if (shared.users > 0) return;
        shared.stop();
        this.#shared.delete(name);
      },
    };
  }
  #open(name: string, configSource: ConfigSource, statPrefix: string): Shared {
    const source: Shared['source'] = { current: undefined, record: undefined };
    const shared: Shared = { source, users: 0, waiting: [], stop: () => undefined };
    this.#shared.set(name, shared);
    const ready = (): void => {
      const waiting = shared.waiting;
      shared.waiting = [];
      for (const done of waiting) done();
    };
    shared.stop = this.#subscribe(configSource, routeTypeUrl, name, {
      onResource: (any: Any, version) => {
        try {
          const config = this.#decode(any.value);
          source.current = this.#compile(config);
          source.record = { config, version, lastUpdatedMs: this.#now(), dynamic: true };
        } catch (error) {
          return errorText(error);
        }
        ready();
        return undefined;
      },
      onRemoved: () => undefined,
      onTimeout: () => {
        // Without routes in time the listener takes connections, and answers 404.
        source.current ??= this.#compile(create(RouteConfigurationSchema));
        ready();
      },
      statPrefix: name === '' ? `${statPrefix}.rds` : `${statPrefix}.rds.${name}`,
    });
    return shared;
  }
}
