import { createServer, type Server, type Socket } from 'node:net';
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { type Clock, errorText, XebecError } from '@xebec/core';
import { type Listener as ListenerProto, ListenerSchema } from '@xebec/protos/envoy/config/listener/v3/listener';
import { addressText, type EndpointAddress, hostPortText } from '../net/endpoint-address.ts';
import type { SocketInspector } from '../net/original-destination.ts';
import type { NetworkEnvironment } from '../network/network-filters.ts';
import type { SecretStore } from '../tls/secret-store.ts';
import type { CollectionChange, CollectionWatcher } from '../xds-client/subscribe.ts';
import { type CompiledListener, closeCompiledListener, compileListener } from './compiled-listener.ts';
import { type ConnectionOwner, DownstreamConnection } from './downstream-connection.ts';
import { createListenerStats, type ListenerStats } from './listener-stats.ts';

export interface ListenerEnvironment {
  readonly network: NetworkEnvironment;
  readonly secrets: SecretStore;
  readonly clock: Clock;
  readonly inspector: SocketInspector | undefined;
  /** How long old connections may go on after their listener has changed or gone. */
  readonly drainTimeMs: number;
}

/** A listener in force, or waiting to be. */
export interface ListenerEntry {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly version: string;
  readonly dynamic: boolean;
  readonly lastUpdatedMs: number;
  active: CompiledListener | undefined;
  warming: CompiledListener | undefined;
  stats: ListenerStats;
  error: { readonly details: string; readonly version: string; readonly atMs: number } | undefined;
}

/** All listeners. A changed one takes new connections when its routes are there; old connections drain on what they came on. */
export class ListenerManager implements CollectionWatcher, ConnectionOwner {
  readonly #environment: ListenerEnvironment;
  readonly #entries = new Map<string, ListenerEntry>();
  readonly #byAddress = new Map<string, ListenerEntry>();
  readonly #servers = new Map<string, { readonly server: Server; entry: ListenerEntry }>();
  readonly #connections = new Set<DownstreamConnection>();
  #connectionId = 0;
  #draining = false;

  constructor(environment: ListenerEnvironment) {
    this.#environment = environment;
  }
  get clock(): Clock {
    return this.#environment.clock;
  }
  get inspector(): SocketInspector | undefined {
    return this.#environment.inspector;
  }
  get entries(): Iterable<ListenerEntry> {
    return this.#entries.values();
  }
  get activeConnections(): number {
    return this.#connections.size;
  }
  /** Addresses that are listened on now, by listener name. */
  boundAddress(name: string): EndpointAddress | undefined {
    for (const { server, entry } of this.#servers.values()) {
      if (entry.name !== name) continue;
      const bound = server.address();
      if (bound === null) return undefined;
      return typeof bound === 'string' ? { kind: 'pipe', path: bound } : { kind: 'tcp', address: bound.address, port: bound.port };
    }
    return undefined;
  }
  /** A listener of the bootstrap. Rejects with XebecError `E_LISTEN` when its port cannot be had. */
  async addStatic(proto: ListenerProto): Promise<void> {
    const entry = this.#compile(proto, toBinary(ListenerSchema, proto), '', false);
    await new Promise<void>((resolve, reject) => this.#warm(entry, (error) => (error === undefined ? resolve() : reject(error))));
  }
  onChange(change: CollectionChange): readonly string[] {
    const errors: string[] = [];
    for (const { name, resource, version } of change.changed) {
      try {
        this.#apply(name, resource.value, version);
      } catch (error) {
        errors.push(`Error adding/updating listener(s) ${name}: ${errorText(error)}`);
        const entry = this.#entries.get(name);
        if (entry !== undefined) entry.error = { details: errorText(error), version, atMs: this.clock.now() };
        this.#count('listener_create_failure');
      }
    }
    const removed = new Set(change.removed);
    if (change.complete) {
      const kept = new Set(change.changed.map((entry) => entry.name));
      for (const [name, entry] of this.#entries) if (entry.dynamic && !kept.has(name)) removed.add(name);
    }
    for (const name of removed) this.#remove(name);
    this.#updateStats();
    return errors;
  }
  /** Calls back once no listener is warming. */
  whenSettled(done: () => void): void {
    const check = (): void => {
      for (const entry of this.#entries.values()) {
        if (entry.warming === undefined) continue;
        this.#whenReady(entry.warming, () => queueMicrotask(check));
        return;
      }
      done();
    };
    check();
  }
  /** Stops keeping connections: answers carry `connection: close`. New ones are still taken unless `stopListening`. */
  drain(options: { readonly inboundOnly: boolean; readonly stopListening: boolean }): void {
    const affected = (listener: CompiledListener | undefined): boolean => !options.inboundOnly || listener?.direction === 'inbound';
    if (!options.inboundOnly) this.#draining = true;
    for (const connection of this.#connections) if (affected(this.#entries.get(connection.listenerName)?.active)) connection.drain();
    if (!options.stopListening) return;
    for (const [key, { server, entry }] of this.#servers) {
      if (!affected(entry.active)) continue;
      server.close();
      this.#servers.delete(key);
    }
  }
  close(): void {
    for (const { server } of this.#servers.values()) server.close();
    this.#servers.clear();
    for (const connection of [...this.#connections]) connection.close();
    for (const entry of this.#entries.values()) {
      if (entry.active !== undefined) closeCompiledListener(entry.active);
      if (entry.warming !== undefined) closeCompiledListener(entry.warming);
    }
    this.#entries.clear();
  }
  nextConnectionId(): number {
    return this.#connectionId++;
  }
  listenerFor(address: string, port: number): { readonly compiled: CompiledListener; readonly stats: ListenerStats } | undefined {
    const entry =
      this.#byAddress.get(hostPortText(address, port)) ?? this.#byAddress.get(`0.0.0.0:${port}`) ?? this.#byAddress.get(`[::]:${port}`);
    return entry?.active === undefined ? undefined : { compiled: entry.active, stats: entry.stats };
  }
  onConnectionClosed(connection: DownstreamConnection): void {
    this.#connections.delete(connection);
  }
  #apply(name: string, bytes: Uint8Array, version: string): void {
    const existing = this.#entries.get(name);
    if (existing !== undefined && !existing.dynamic) throw new XebecError('E_CONFIG', `listener "${name}" is static and cannot be changed`);
    if (existing !== undefined && Buffer.compare(existing.bytes, bytes) === 0) return;
    const entry = this.#compile(fromBinary(ListenerSchema, bytes), bytes, version, true);
    this.#warm(entry, (error) => {
      if (error === undefined) return;
      entry.error = { details: error.message, version, atMs: this.clock.now() };
      this.#environment.network.logger.error({ listener: name }, error.message);
    });
  }
  #compile(proto: ListenerProto, bytes: Uint8Array, version: string, dynamic: boolean): ListenerEntry {
    const compiled = compileListener(proto, this.#environment.network, this.#environment.secrets);
    const name = proto.name === '' ? addressText(compiled.address) : proto.name;
    const before = this.#entries.get(name);
    if (before?.warming !== undefined) closeCompiledListener(before.warming);
    const statName = proto.statPrefix === '' ? addressText(compiled.address).replaceAll(':', '_') : proto.statPrefix;
    const entry: ListenerEntry = {
      name,
      bytes,
      version,
      dynamic,
      lastUpdatedMs: this.clock.now(),
      active: before?.active,
      warming: compiled,
      stats: before?.stats ?? createListenerStats(this.#environment.network.stats, statName),
      error: undefined,
    };
    this.#entries.set(name, entry);
    for (const server of this.#servers.values()) if (server.entry === before) server.entry = entry;
    if (before !== undefined) for (const [address, other] of this.#byAddress) if (other === before) this.#byAddress.set(address, entry);
    this.#count(before === undefined ? 'listener_added' : 'listener_modified');
    return entry;
  }
  /** Waits for what the listener needs, then puts it in force. */
  #warm(entry: ListenerEntry, done: (error: XebecError | undefined) => void): void {
    const compiled = entry.warming;
    if (compiled === undefined) return;
    this.#whenReady(compiled, () => {
      if (this.#entries.get(entry.name) !== entry || entry.warming !== compiled) return;
      this.#activate(entry, compiled, done);
    });
  }
  #whenReady(compiled: CompiledListener, done: () => void): void {
    let waiting = 1;
    const one = (): void => {
      waiting--;
      if (waiting === 0) done();
    };
    for (const chain of compiled.allChains) {
      waiting++;
      chain.network.whenReady(one);
    }
    one();
  }
  #activate(entry: ListenerEntry, compiled: CompiledListener, done: (error: XebecError | undefined) => void): void {
    const old = entry.active;
    entry.active = compiled;
    entry.warming = undefined;
    if (old !== undefined) {
      this.#retire(old);
      if (addressText(old.address) !== addressText(compiled.address) || old.bindToPort !== compiled.bindToPort) this.#unbind(entry, old);
    }
    const key = addressText(compiled.address);
    this.#byAddress.set(key, entry);
    this.#updateStats();
    if (!compiled.bindToPort || this.#servers.get(key)?.entry === entry) {
      done(undefined);
      return;
    }
    this.#bind(entry, compiled, key, done);
  }
  #bind(entry: ListenerEntry, compiled: CompiledListener, key: string, done: (error: XebecError | undefined) => void): void {
    const server = createServer({ pauseOnConnect: true, allowHalfOpen: true, noDelay: true }, (socket) => this.#accept(key, socket));
    this.#servers.set(key, { server, entry });
    const { address, backlog } = compiled;
    server.once('error', (error) => {
      this.#servers.delete(key);
      this.#count('listener_create_failure');
      done(new XebecError('E_LISTEN', `listener "${entry.name}": cannot bind ${key}: ${errorText(error)}`, { cause: error }));
    });
    server.listen(
      {
        ...(address.kind === 'pipe' ? { path: address.path } : { host: address.address, port: address.port }),
        ...(backlog === undefined ? {} : { backlog }),
      },
      () => {
        server.removeAllListeners('error');
        server.on('error', (error) => this.#environment.network.logger.error({ listener: entry.name }, errorText(error)));
        this.#count('listener_create_success');
        done(undefined);
      },
    );
  }
  #accept(key: string, socket: Socket): void {
    const entry = this.#servers.get(key)?.entry;
    if (entry?.active === undefined) {
      socket.destroy();
      return;
    }
    const connection = new DownstreamConnection(socket, entry.active, entry.stats, this);
    this.#connections.add(connection);
    connection.start();
    if (this.#draining) connection.drain();
  }
  #remove(name: string): void {
    const entry = this.#entries.get(name);
    if (entry === undefined || !entry.dynamic) return;
    this.#entries.delete(name);
    this.#count('listener_removed');
    if (entry.warming !== undefined) closeCompiledListener(entry.warming);
    if (entry.active === undefined) return;
    this.#unbind(entry, entry.active);
    this.#retire(entry.active);
  }
  #unbind(entry: ListenerEntry, compiled: CompiledListener): void {
    const key = addressText(compiled.address);
    if (this.#byAddress.get(key) === entry) this.#byAddress.delete(key);
    const bound = this.#servers.get(key);
    if (bound?.entry !== entry) return;
    bound.server.close();
    this.#servers.delete(key);
  }
  /** Connections on a listener's old chains are told to finish, and cut when the drain time is over. */
  #retire(old: CompiledListener): void {
    const chains = new Set(old.allChains);
    const affected = [...this.#connections].filter((connection) => connection.chain !== undefined && chains.has(connection.chain));
    for (const connection of affected) connection.drain();
    const finish = (): void => {
      for (const connection of affected) if (this.#connections.has(connection)) connection.close();
      closeCompiledListener(old);
    };
    if (affected.length === 0) finish();
    else this.clock.setTimeout(finish, this.#environment.drainTimeMs);
  }
  #count(name: string): void {
    this.#environment.network.stats.counter(`listener_manager.${name}`).add(1);
  }
  #updateStats(): void {
    let warming = 0;
    let active = 0;
    for (const entry of this.#entries.values()) {
      if (entry.warming !== undefined) warming++;
      if (entry.active !== undefined) active++;
    }
    this.#environment.network.stats.gauge('listener_manager.total_listeners_active').set(active);
    this.#environment.network.stats.gauge('listener_manager.total_listeners_warming').set(warming);
  }
}
