import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { errorText, XebecError } from '@xebec/core';
import { type Cluster as ClusterProto, ClusterSchema } from '@xebec/protos/envoy/config/cluster/v3/cluster';
import type { CollectionChange, CollectionWatcher } from '../xds-client/subscribe.ts';
import { Cluster, type ClusterEnvironment } from './cluster.ts';

interface Entry {
  readonly bytes: Uint8Array;
  readonly version: string;
  readonly dynamic: boolean;
  readonly lastUpdatedMs: number;
  active: Cluster | undefined;
  warming: Cluster | undefined;
}

/** All clusters by name: static ones, and what CDS brings. A changed cluster replaces the old one when it is warm. */
export class ClusterManager implements CollectionWatcher {
  readonly #environment: ClusterEnvironment;
  readonly #entries = new Map<string, Entry>();
  /** What requests see. */
  readonly #active = new Map<string, Cluster>();
  readonly #retired = new Set<Cluster>();
  #settled: (() => void) | undefined;

  constructor(environment: ClusterEnvironment) {
    this.#environment = { ...environment, findCluster: (name) => this.get(name) };
  }
  get(name: string): Cluster | undefined {
    return this.#active.get(name);
  }
  get all(): Iterable<Cluster> {
    return this.#active.values();
  }
  get entries(): Iterable<{
    readonly dynamic: boolean;
    readonly version: string;
    readonly lastUpdatedMs: number;
    readonly active: Cluster | undefined;
    readonly warming: Cluster | undefined;
  }> {
    return this.#entries.values();
  }
  /** What CDS brought and was accepted. */
  get inForce(): { readonly name: string; readonly bytes: Uint8Array; readonly version: string }[] {
    return [...this.#entries].flatMap(([name, { dynamic, bytes, version }]) => (dynamic ? [{ name, bytes, version }] : []));
  }
  /** A cluster of the bootstrap; throws XebecError `E_CONFIG`. */
  addStatic(proto: ClusterProto): void {
    if (this.#entries.has(proto.name)) throw new XebecError('E_CONFIG', `static cluster "${proto.name}" is there twice`);
    this.#add(proto, toBinary(ClusterSchema, proto), '', false);
  }
  onChange(change: CollectionChange): readonly string[] {
    const errors: string[] = [];
    for (const { name, resource, version } of change.changed) {
      try {
        this.#apply(name, resource.value, version);
      } catch (error) {
        errors.push(errorText(error));
      }
    }
    const removed = new Set(change.removed);
    if (change.complete) {
      const kept = new Set([...change.changed.map((entry) => entry.name), ...(change.refused ?? [])]);
      for (const [name, entry] of this.#entries) if (entry.dynamic && !kept.has(name)) removed.add(name);
    }
    for (const name of removed) this.#remove(name);
    this.#updateStats();
    return errors;
  }
  /** Calls back once no cluster is warming: at once when that is so now. */
  whenSettled(done: () => void): void {
    this.#settled = done;
    this.#checkSettled();
  }
  close(): void {
    for (const entry of this.#entries.values()) {
      entry.active?.close();
      entry.warming?.close();
    }
    for (const cluster of this.#retired) cluster.close();
  }
  #apply(name: string, bytes: Uint8Array, version: string): void {
    const existing = this.#entries.get(name);
    if (existing !== undefined && !existing.dynamic) throw new XebecError('E_CONFIG', `cluster "${name}" is static and cannot be changed`);
    if (existing !== undefined && Buffer.compare(existing.bytes, bytes) === 0) return;
    this.#add(fromBinary(ClusterSchema, bytes), bytes, version, true);
  }
  #add(proto: ClusterProto, bytes: Uint8Array, version: string, dynamic: boolean): void {
    const cluster = new Cluster(proto, version, this.#environment);
    const before = this.#entries.get(proto.name);
    before?.warming?.close();
    const entry: Entry = {
      bytes,
      version,
      dynamic,
      lastUpdatedMs: this.#environment.clock.now(),
      active: before?.active,
      warming: cluster,
    };
    this.#entries.set(proto.name, entry);
    this.#environment.stats.counter(before === undefined ? 'cluster_manager.cluster_added' : 'cluster_manager.cluster_modified').add(1);
    cluster.start(() => this.#activate(proto.name, entry, cluster));
  }
  #activate(name: string, entry: Entry, cluster: Cluster): void {
    if (this.#entries.get(name) !== entry) return;
    const old = entry.active;
    entry.active = cluster;
    entry.warming = undefined;
    this.#active.set(name, cluster);
    if (old !== undefined) this.#retire(old);
    this.#updateStats();
    this.#checkSettled();
  }
  #remove(name: string): void {
    const entry = this.#entries.get(name);
    if (entry === undefined || !entry.dynamic) return;
    this.#entries.delete(name);
    this.#active.delete(name);
    entry.warming?.close();
    if (entry.active !== undefined) this.#retire(entry.active);
    this.#environment.stats.counter('cluster_manager.cluster_removed').add(1);
    this.#checkSettled();
  }
  #retire(cluster: Cluster): void {
    cluster.drain();
    this.#retired.add(cluster);
    // Only what still runs is worth keeping in mind for `close`.
    for (const old of this.#retired) if ([...old.hosts].every((host) => host.activeConnections === 0)) this.#retired.delete(old);
  }
  #checkSettled(): void {
    if (this.#settled === undefined) return;
    for (const entry of this.#entries.values()) if (entry.warming !== undefined) return;
    const done = this.#settled;
    this.#settled = undefined;
    done();
  }
  #updateStats(): void {
    let warming = 0;
    for (const entry of this.#entries.values()) if (entry.warming !== undefined) warming++;
    this.#environment.stats.gauge('cluster_manager.active_clusters').set(this.#active.size);
    this.#environment.stats.gauge('cluster_manager.warming_clusters').set(warming);
  }
}
