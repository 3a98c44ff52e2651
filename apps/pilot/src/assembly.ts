import { hostname } from 'node:os';
import type { ConfigSource, KubernetesApi } from '@xebec/config';
import type { Clock, Logger, Random } from '@xebec/core';
import { version } from '@xebec/daemon';
import type { MeshConfig } from '@xebec/schemas';
import { ResourceCache } from '@xebec/xds';
import type { Registry } from 'prom-client';
import { AddressAllocator } from './addresses/address-allocator.ts';
import { AdsServer } from './ads-server.ts';
import { type DebugPage, debugPages } from './debug/pages.ts';
import { fetchKeySet } from './key-set-fetch.ts';
import { KeySets } from './key-sets.ts';
import { registerMeshMetrics } from './mesh-metrics.ts';
import { MeshState } from './mesh-state.ts';
import type { PilotMetrics } from './metrics.ts';
import type { ProxyStreamContext } from './proxy-stream.ts';
import { ProxyViews } from './proxy-views.ts';
import { EntryApi } from './registration/entry-api.ts';
import { Registrar } from './registration/registrar.ts';
import { CredentialStore } from './secrets/credential-store.ts';
import { ExpiryWatch } from './secrets/expiry-watch.ts';
import { secretType } from './secrets/secret-type.ts';
import type { PilotSettings } from './settings.ts';
import { IngressStatusWriter } from './status/ingress-status-writer.ts';
import { ObjectProgress } from './status/object-progress.ts';
import { StatusWriter } from './status/status-writer.ts';
import { debugQuestions } from './types/debug-questions.ts';
import type { ExtensionSource } from './types/extensions.ts';
import { createForeignRoots } from './types/foreign-roots.ts';
import { servedTypes } from './types/served-types.ts';

export interface AssemblyOptions {
  readonly sources: readonly ConfigSource[];
  readonly domain: string;
  readonly mesh: MeshConfig | undefined;
  /** Undefined: no API server is used. */
  readonly kubernetes: KubernetesApi | undefined;
  readonly settings: PilotSettings;
  readonly metrics: PilotMetrics;
  readonly registry: Registry;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Roots that this server's own certificate leads to, PEM. */
  readonly ownRoots: () => readonly string[];
  readonly extensions: ExtensionSource;
}

/** Everything of a pilot but its listeners. */
export interface Assembly {
  readonly ads: AdsServer;
  readonly state: MeshState;
  readonly pages: ReadonlyMap<string, DebugPage>;
  readonly progress: ObjectProgress;
  start(): Promise<void>;
  close(): Promise<void>;
}

/** What a change is called in `pilot_inbound_updates` and in `pilot_push_triggers`. */
const REASONS = { config: ['config', 'config'], services: ['svc', 'service'], endpoints: ['eds', 'endpoint'] } as const;

export function assemble(options: AssemblyOptions): Assembly {
  const { sources, kubernetes, settings, metrics, clock, random, logger } = options;
  const instance = settings.instance === '' ? hostname() : settings.instance;
  const keySets = new KeySets({ clock, logger, fetch: fetchKeySet });
  const state = new MeshState({
    keySets,
    sources,
    domain: options.domain,
    jwksFetch: settings.jwksFetch,
    mesh: options.mesh,
    env: process.env,
    clock,
    logger,
    debounce: settings.debounce,
    onChange: (type) => {
      const [update, reason] = REASONS[type];
      metrics.inboundUpdates.inc({ type: update });
      ads.noteReason(reason);
    },
  });
  const cache = new ResourceCache();
  const credentials =
    kubernetes === undefined
      ? undefined
      : new CredentialStore({ api: kubernetes, clock, random, logger, onChange: () => ads.pushAuxiliary() });
  const onError = () => metrics.certificateErrors.inc();
  const foreignRoots = createForeignRoots({ clock, random, logger, onChange: () => ads.pushAuxiliary() });
  const types = servedTypes({
    cache,
    foreignRoots,
    config: () => state.config(),
    ownRoots: options.ownRoots,
    extensions: options.extensions,
    debugNamespaces: settings.debugNamespaces,
    secrets: credentials === undefined ? undefined : secretType({ cache, store: credentials, logger, onError }),
    multiRoot: settings.multiRoot,
  });
  const questions = debugQuestions({
    cache,
    streams: () => ads.connections(),
    pages: () => pages,
    allowedNamespaces: settings.debugNamespaces,
  });
  const registrar =
    kubernetes === undefined
      ? undefined
      : new Registrar({
          entries: new EntryApi(kubernetes),
          groups: (namespace, name) => state.snapshot?.config.in('WorkloadGroup', namespace).find(({ metadata }) => metadata.name === name),
          known: () => state.snapshot?.config.all('WorkloadEntry') ?? [],
          instance,
          autoRegistration: settings.autoRegistration,
          healthChecks: settings.healthChecks,
          graceMs: settings.entryGraceMs,
          metrics,
          clock,
          logger,
        });
  const register: ProxyStreamContext['register'] = async (stream, proxy, caller) => registrar?.connect(stream, proxy, caller);
  const unregister: ProxyStreamContext['unregister'] = (stream, registration) => registrar?.disconnect(stream, registration);
  const onHealth: ProxyStreamContext['onHealth'] = (registration, health) => registrar?.report(registration, health);
  const views = new ProxyViews(cache);
  const ads: AdsServer = new AdsServer(
    { clock, logger, metrics, views, types, questions, register, unregister, onHealth, settings },
    state,
  );
  const progress = new ObjectProgress(ads, state, clock);
  const writer =
    kubernetes === undefined || !settings.writeStatus ? undefined : new StatusWriter({ api: kubernetes, progress, clock, logger });
  const ingresses =
    kubernetes === undefined || !settings.writeStatus
      ? undefined
      : new IngressStatusWriter({ api: kubernetes, wanted: () => state.ingressStatus(), clock, logger });
  const addresses =
    kubernetes === undefined || settings.allocationPrefixes.length === 0
      ? undefined
      : new AddressAllocator({
          api: kubernetes,
          entries: () => state.snapshot?.config.all('ServiceEntry'),
          prefixes: settings.allocationPrefixes,
          clock,
          logger,
        });
  const expiry = new ExpiryWatch({
    held: () => credentials?.held() ?? [],
    roots: options.ownRoots,
    rootNamespace: () => state.snapshot?.rootNamespace ?? 'istio-system',
    kubernetes,
    registry: options.registry,
    clock,
    logger,
  });
  const unsafe = settings.unsafeEndpoints;
  const pages = debugPages({ ads, state, cache, progress, version: version(), instance, unsafe });
  registerMeshMetrics(options.registry, state, ads, cache);
  return {
    ads,
    state,
    pages,
    progress,
    start: async () => {
      for (const source of sources) await source.start();
      writer?.start();
      ingresses?.start();
      addresses?.start();
      registrar?.start();
      expiry.start();
    },
    close: async () => {
      writer?.close();
      ingresses?.close();
      addresses?.close();
      registrar?.close();
      expiry.close();
      ads.close();
      state.close();
      keySets.close();
      foreignRoots.close();
      await Promise.all([...sources.map((source) => source.close()), credentials?.close()]);
    },
  };
}
