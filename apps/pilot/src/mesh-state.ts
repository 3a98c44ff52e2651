import { type ConfigChange, type ConfigProblem, type ConfigSource, problemText } from '@xebec/config';
import { type Clock, Debounce, type Logger } from '@xebec/core';
import { createSnapshot, type JwksFetch, type MeshSnapshot, type SnapshotInput } from '@xebec/model';
import { type IngressStatus, KubernetesRegistry, REGISTRY_KINDS, type RegistryChange } from '@xebec/platforms';
import { type ConfigObject, defaultMeshConfig, type MeshConfig, type MeshNetworks } from '@xebec/schemas';
import type { KeySets } from './key-sets.ts';
import { decodeMesh, decodeNetworks, type MeshConfigOrigin, withEnvironment } from './mesh-config.ts';

/** Everything may differ, or only the endpoints of some services. */
export type MeshUpdate =
  | { readonly kind: 'full'; readonly since: number }
  | { readonly kind: 'endpoints'; readonly services: ReadonlySet<string>; readonly since: number };

export interface MeshStateOptions {
  readonly sources: readonly ConfigSource[];
  readonly domain: string;
  /** `pilot` when absent. */
  readonly jwksFetch?: JwksFetch;
  /** From `--mesh-config`; the ConfigMap `istio` goes before it. */
  readonly mesh: MeshConfig | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly debounce: { readonly quietMs: number; readonly maxMs: number };
  readonly keySets?: KeySets;
  /** Where headers of providers by `envName` have their values. */
  readonly env?: NodeJS.ProcessEnv;
  /** Told of each change before anything is rebuilt. */
  readonly onChange?: (type: 'config' | 'services' | 'endpoints') => void;
}

const MESH_CONFIG_MAP = 'istio';

/** All but endpoints, as it was when it was quiet last. */
type Published = Pick<SnapshotInput, 'mesh' | 'networks' | 'namespaces' | 'services' | 'config' | 'workloads' | 'jwks'>;

/** Gathers all sources into one snapshot after another. Until every source is synced there is none. */
export class MeshState {
  readonly #options: MeshStateOptions;
  readonly #registry: KubernetesRegistry;
  readonly #debounce: Debounce;
  readonly #listeners = new Set<(snapshot: MeshSnapshot, update: MeshUpdate) => void>();
  readonly #started: string;
  #snapshot: MeshSnapshot | undefined;
  #versions = 0;
  #firstChangeAt: number | undefined;
  /** What holds where ConfigMap `istio` does not. */
  #fallback: MeshConfig;
  #mesh: MeshConfig;
  #fromMap = false;
  #networks: MeshNetworks | undefined;
  #problems: ConfigProblem[] = [];
  #published: Published;

  constructor(options: MeshStateOptions) {
    this.#options = options;
    this.#registry = new KubernetesRegistry(options.domain);
    this.#fallback = options.mesh ?? defaultMeshConfig;
    this.#mesh = this.#fallback;
    this.#published = { mesh: this.#mesh, services: [], config: [] };
    this.#started = new Date(options.clock.now()).toISOString();
    this.#debounce = new Debounce(options.debounce, options.clock, () => this.#rebuild());
    for (const source of options.sources) {
      source.subscribe((changes) => this.#onChanges(changes));
      source.onSynced(() => this.#onSynced());
    }
    options.keySets?.subscribe(() => {
      options.onChange?.('config');
      if (this.#snapshot !== undefined) this.#triggerFull();
    });
    if (options.sources.length === 0) this.#onSynced();
  }
  /** Undefined until all sources are synced: a proxy must not be told that there is nothing. */
  get snapshot(): MeshSnapshot | undefined {
    return this.#snapshot;
  }
  subscribe(listener: (snapshot: MeshSnapshot, update: MeshUpdate) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }
  /** The configuration objects of the mesh's own kinds, from all sources. */
  config(): readonly ConfigObject[] {
    return this.#options.sources.flatMap((source) => source.list()).filter((object) => !isPlatformKind(object));
  }
  /** What the status of Ingresses should say; none before all sources are synced. */
  ingressStatus(): readonly IngressStatus[] {
    return this.#snapshot === undefined ? [] : this.#registry.ingressStatus(this.#mesh);
  }
  /** Another MeshConfig from `--mesh-config`; ConfigMap `istio` still goes before it. */
  useMesh(mesh: MeshConfig): void {
    this.#fallback = mesh;
    if (this.#fromMap) return;
    this.#mesh = mesh;
    this.#options.onChange?.('config');
    if (this.#snapshot !== undefined) this.#triggerFull();
  }
  problems(): readonly ConfigProblem[] {
    return [...this.#problems, ...this.#options.sources.flatMap((source) => source.problems())];
  }
  unsynced(): readonly string[] {
    return this.#options.sources.filter((source) => !source.synced).map((source) => source.name);
  }
  close(): void {
    this.#debounce.close();
    this.#listeners.clear();
  }

  #onSynced(): void {
    if (this.unsynced().length > 0 || this.#snapshot !== undefined) return;
    this.#firstChangeAt ??= this.#options.clock.monotonic();
    this.#rebuild();
  }
  #onChanges(changes: readonly ConfigChange[]): void {
    const registry: RegistryChange[] = [];
    let full = false;
    for (const change of changes) {
      const object = change.type === 'upsert' ? change.object : change.previous;
      if (REGISTRY_KINDS.has(object.kind)) {
        const { namespace, name } = object.metadata;
        registry.push({ kind: object.kind, namespace, name, raw: change.type === 'upsert' ? object.spec : undefined });
      } else if (object.kind === 'ConfigMap') {
        full = this.#onConfigMap(change) || full;
      } else {
        full = true;
        this.#options.onChange?.('config');
      }
    }
    const delta = this.#registry.apply(registry);
    if (delta.full) this.#options.onChange?.('services');
    if (delta.endpoints.size > 0) this.#options.onChange?.('endpoints');
    if (this.#snapshot === undefined) return;
    if (full || delta.full || (delta.workloads && this.#selectsWorkloads())) this.#triggerFull();
    if (delta.endpoints.size > 0) this.#publishEndpoints(delta.endpoints);
  }
  /** Takes mesh configuration from ConfigMap `istio` of the root namespace; a wrong one leaves the last good one in force. */
  #onConfigMap(change: ConfigChange): boolean {
    const object = change.type === 'upsert' ? change.object : change.previous;
    const root = this.#mesh.rootNamespace ?? 'istio-system';
    if (object.metadata.name !== MESH_CONFIG_MAP || object.metadata.namespace !== root) return false;
    const origin: MeshConfigOrigin = { origin: `ConfigMap ${root}/${MESH_CONFIG_MAP}, key mesh` };
    if (change.type === 'delete') {
      this.#mesh = this.#fallback;
      this.#fromMap = false;
      this.#networks = undefined;
      this.#problems = [];
      return true;
    }
    const decoded = decodeMesh(keyOf(object, 'mesh'), origin);
    const networks = decodeNetworks(keyOf(object, 'meshNetworks'), { origin: `ConfigMap ${root}/${MESH_CONFIG_MAP}, key meshNetworks` });
    if (!decoded.ok || !networks.ok) {
      this.#problems = [...(decoded.ok ? [] : decoded.error), ...(networks.ok ? [] : networks.error)];
      for (const problem of this.#problems) this.#options.logger.error({}, problemText(problem));
      return false;
    }
    this.#problems = [];
    this.#mesh = withEnvironment(decoded.value, this.#options.env ?? {});
    this.#fromMap = true;
    this.#networks = networks.value;
    return true;
  }
  /** Whether pods matter beyond the services of the platform. */
  #selectsWorkloads(): boolean {
    return this.#snapshot?.config.all('ServiceEntry').some((entry) => entry.spec.workloadSelector !== undefined) ?? false;
  }
  #triggerFull(): void {
    this.#firstChangeAt ??= this.#options.clock.monotonic();
    this.#debounce.trigger();
  }
  /** The fast lane: new endpoints go out at once. Whatever else has changed meanwhile stays behind until it is quiet. */
  #publishEndpoints(services: ReadonlySet<string>): void {
    const snapshot = this.#createSnapshot(this.#published);
    this.#snapshot = snapshot;
    const since = this.#options.clock.monotonic();
    for (const listener of this.#listeners) listener(snapshot, { kind: 'endpoints', services, since });
  }
  #rebuild(): void {
    const since = this.#firstChangeAt ?? this.#options.clock.monotonic();
    this.#firstChangeAt = undefined;
    const config = this.config();
    const { keySets } = this.#options;
    keySets?.want(config);
    this.#published = {
      mesh: this.#mesh,
      ...(this.#networks === undefined ? {} : { networks: this.#networks }),
      ...this.#registry.view(this.#mesh, config),
      ...(keySets === undefined ? {} : { jwks: keySets.current }),
    };
    const snapshot = this.#createSnapshot(this.#published);
    this.#snapshot = snapshot;
    for (const listener of this.#listeners) listener(snapshot, { kind: 'full', since });
  }
  #createSnapshot(published: Published): MeshSnapshot {
    const { jwksFetch } = this.#options;
    const input = {
      ...published,
      version: `${this.#started}/${++this.#versions}`,
      domain: this.#options.domain,
      ...(jwksFetch === undefined ? {} : { jwksFetch }),
      endpoints: this.#registry.endpoints(),
    };
    return createSnapshot(input, this.#snapshot);
  }
}

function isPlatformKind(object: ConfigObject): boolean {
  return REGISTRY_KINDS.has(object.kind) || object.kind === 'ConfigMap';
}

function keyOf(object: ConfigObject, key: string): string {
  const spec = object.spec;
  if (typeof spec !== 'object' || spec === null || !('data' in spec)) return '';
  const data = spec.data;
  const text: unknown = typeof data === 'object' && data !== null ? Reflect.get(data, key) : undefined;
  return typeof text === 'string' ? text : '';
}
