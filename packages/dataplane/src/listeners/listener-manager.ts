import type { Socket } from 'node:net';
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { type Clock, errorText, XebecError } from '@xebec/core';
import { type Listener as ListenerProto, ListenerSchema } from '@xebec/protos/envoy/config/listener/v3/listener';
import { addressText, type EndpointAddress, hostPortText } from '../net/endpoint-address.ts';
import type { SocketInspector } from '../net/original-destination.ts';
import type { NetworkEnvironment } from '../network/network-filters.ts';
import type { ConnectionLimits } from '../runtime/connection-limits.ts';
import { type DrainDecision, type DrainOptions, DrainSequence } from '../runtime/drain-sequence.ts';
import type { SecretStore } from '../tls/secret-store.ts';
import type { CollectionChange, CollectionWatcher } from '../xds-client/subscribe.ts';
import {
  type CompiledChain,
  type CompiledListener,
  closeChain,
  closeCompiledListener,
  compileListener,
  listenerStatName,
} from './compiled-listener.ts';
import { type ConnectionOwner, DownstreamConnection } from './downstream-connection.ts';
import type { ListenerSockets, ListeningSocket } from './listener-sockets.ts';
import { createListenerStats, type ListenerStats } from './listener-stats.ts';
import { whenListenerReady } from './listener-warming.ts';

export interface ListenerEnvironment {
  readonly network: NetworkEnvironment;
  readonly secrets: SecretStore;
  readonly clock: Clock;
  readonly inspector: SocketInspector | undefined;
  /** How old connections end after their listener has changed or gone. */
  readonly drain: DrainOptions;
  readonly sockets: ListenerSockets;
  readonly limits: ConnectionLimits;
  /** Which of the accepting threads this is, and how many there are. */
  readonly thread: { readonly index: number; readonly count: number };
}

/** A listener in force, or waiting to be. */
export interface ListenerEntry {
  readonly name: string;
  readonly dynamic: boolean;
  bytes: Uint8Array;
  version: string;
  lastUpdatedMs: number;
  active: CompiledListener | undefined;
  warming: CompiledListener | undefined;
  stats: ListenerStats;
  error: { readonly details: string; readonly version: string; readonly atMs: number } | undefined;
  /** One per address; empty when it does not listen itself, and after it was stopped. */
  listening: readonly ListeningSocket[];
  /** Waits for its sockets. */
  binding: boolean;
  stopped: boolean;
}

export interface DrainRequest {
  readonly inboundOnly: boolean;
  /** First end connections, and stop listening only when the drain time is over. */
  readonly graceful: boolean;
  /** Go on listening after that. */
  readonly skipExit: boolean;
}

/** All listeners. A changed one takes new connections when it is warm; old connections drain on what they came on. */
export class ListenerManager implements CollectionWatcher, ConnectionOwner {
  readonly #environment: ListenerEnvironment;
  readonly #entries = new Map<string, ListenerEntry>();
  readonly #byAddress = new Map<string, ListenerEntry>();
  /** With the listener that each counts against. */
  readonly #connections = new Map<DownstreamConnection, string>();
  readonly #drains = new Set<DrainSequence>();
  readonly #serverDrain: DrainSequence;
  #drainsInboundOnly = false;
  #unhealthy = false;
  #drainingListeners = 0;
  #drainingChains = 0;
  #connectionId = 0;
  #settled: (() => void) | undefined;

  constructor(environment: ListenerEnvironment) {
    this.#environment = environment;
    this.#connectionId = environment.thread.index;
    this.#serverDrain = new DrainSequence(environment.clock, environment.network.random, environment.drain);
    const { stats } = environment.network;
    for (const name of counters) stats.counter(`listener_manager.${name}`);
    for (const name of gauges) stats.gauge(`listener_manager.${name}`);
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
  /** What LDS brought and was accepted. */
  get inForce(): ListenerEntry[] {
    return [...this.#entries.values()].filter((entry) => entry.dynamic);
  }
  /** Connections of this thread. */
  get activeConnections(): number {
    return this.#connections.size;
  }
  /** The first address that the listener listens on now. */
  boundAddress(name: string): EndpointAddress | undefined {
    return this.boundAddresses(name)[0];
  }
  /** Addresses of a listener: those that it is bound to, or would be. */
  boundAddresses(name: string): readonly EndpointAddress[] {
    const entry = this.#entries.get(name);
    const sockets = entry?.active?.sockets ?? [];
    return sockets.map((socket, index) => entry?.listening[index]?.address ?? socket.address);
  }
  /** A listener of the bootstrap. Rejects with XebecError `E_LISTEN` when its port cannot be had. */
  async addStatic(proto: ListenerProto): Promise<void> {
    const entry = this.#compile(proto, toBinary(ListenerSchema, proto), '', false);
    await new Promise<void>((resolve, reject) => this.#warm(entry, (error) => (error === undefined ? resolve() : reject(error))));
  }
  onChange(change: CollectionChange): readonly string[] {
    const errors: string[] = [];
    // What goes makes room for what comes at the same address.
    const removed = new Set(change.removed);
    if (change.complete) {
      const kept = new Set([...change.changed.map((entry) => entry.name), ...(change.refused ?? [])]);
      for (const [name, entry] of this.#entries) if (entry.dynamic && !kept.has(name)) removed.add(name);
    }
    for (const name of removed) this.#remove(name);
    for (const { name, resource, version } of change.changed) {
      try {
        this.#apply(name, resource.value, version);
      } catch (error) {
        errors.push(`Error adding/updating listener(s) ${name}: ${errorText(error)}`);
        const entry = this.#entries.get(name);
        if (entry !== undefined) entry.error = { details: errorText(error), version, atMs: this.clock.now() };
      }
    }
    this.#updateStats();
    return errors;
  }
  /** Calls back once no listener is warming or waits for its sockets: at once when that is so now. */
  whenSettled(done: () => void): void {
    this.#settled = done;
    this.#checkSettled();
  }
  /** Ends connections with their next responses, and stops listening: now, or when the drain time is over. */
  drain(request: DrainRequest): void {
    if (!request.graceful) {
      this.stopListening(request.inboundOnly);
      return;
    }
    if (this.#serverDrain.started) return;
    this.#drainsInboundOnly = request.inboundOnly;
    this.#serverDrain.start(() => {
      if (!request.skipExit) this.stopListening(request.inboundOnly);
    });
    for (const connection of this.#connections.keys()) this.#drainIfAsked(connection);
  }
  /** Takes no more connections; those that are there end with their next responses, as the drain strategy says. */
  stopListening(inboundOnly: boolean): void {
    const { clock, drain, network } = this.#environment;
    const stopped = new Set<CompiledListener>();
    for (const entry of this.#entries.values()) {
      if (entry.stopped || (inboundOnly && entry.active?.direction !== 'inbound')) continue;
      entry.stopped = true;
      this.#count('listener_stopped');
      for (const socket of entry.listening) socket.close();
      if (entry.active !== undefined) stopped.add(entry.active);
    }
    if (stopped.size === 0) return;
    const sequence = new DrainSequence(clock, network.random, drain);
    this.#drains.add(sequence);
    sequence.start(() => this.#drains.delete(sequence));
    for (const connection of this.#connections.keys()) if (stopped.has(connection.listener)) connection.drain(sequence.shouldClose);
  }
  /** This server was told to fail health checks: connections end with their next responses, unless a listener drains for changes only. */
  setUnhealthy(unhealthy: boolean): void {
    this.#unhealthy = unhealthy;
    for (const connection of this.#connections.keys()) {
      if (unhealthy) this.#drainIfAsked(connection);
      else connection.stopDraining(always);
    }
  }
  close(): void {
    this.#serverDrain.close();
    for (const drain of this.#drains) drain.close();
    for (const connection of [...this.#connections.keys()]) connection.close();
    for (const entry of this.#entries.values()) {
      for (const socket of entry.listening) socket.close();
      if (entry.active !== undefined) closeCompiledListener(entry.active);
      if (entry.warming !== undefined) closeCompiledListener(entry.warming, new Set(entry.active?.allChains));
    }
    this.#entries.clear();
  }
  /** Unique among all threads. */
  nextConnectionId(): number {
    const id = this.#connectionId;
    this.#connectionId += this.#environment.thread.count;
    return id;
  }
  listenerFor(address: string, port: number): { readonly compiled: CompiledListener; readonly stats: ListenerStats } | undefined {
    const entry =
      this.#byAddress.get(hostPortText(address, port)) ?? this.#byAddress.get(`0.0.0.0:${port}`) ?? this.#byAddress.get(`[::]:${port}`);
    return entry?.active === undefined ? undefined : { compiled: entry.active, stats: entry.stats };
  }
  onConnectionClosed(connection: DownstreamConnection): void {
    const listener = this.#connections.get(connection);
    if (listener === undefined) return;
    this.#connections.delete(connection);
    this.#environment.limits.release(listener);
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
    const { network, secrets, thread } = this.#environment;
    const existing = this.#entries.get(proto.name);
    const compiled = compileListener(proto, network, secrets, existing?.active);
    const scope = network.stats.scope(`listener.${listenerStatName(proto, compiled.address)}`);
    for (const { tls } of compiled.allChains) if (tls !== undefined) tls.context.scope = scope;
    const name = proto.name === '' ? addressText(compiled.address) : proto.name;
    this.#refuseTakenAddress(name, compiled);
    const before = this.#entries.get(name);
    if (before?.warming !== undefined)
      closeCompiledListener(before.warming, new Set([...compiled.allChains, ...(before.active?.allChains ?? [])]));
    this.#count(before === undefined ? 'listener_added' : 'listener_modified');
    if (before !== undefined) {
      if (before.active?.frameDigest === compiled.frameDigest) this.#count('listener_in_place_updated');
      before.warming = compiled;
      before.bytes = bytes;
      before.version = version;
      before.lastUpdatedMs = this.clock.now();
      before.error = undefined;
      return before;
    }
    const entry: ListenerEntry = {
      name,
      bytes,
      version,
      dynamic,
      lastUpdatedMs: this.clock.now(),
      active: undefined,
      warming: compiled,
      stats: createListenerStats(network.stats, listenerStatName(proto, compiled.address), thread.index),
      error: undefined,
      listening: [],
      binding: false,
      stopped: false,
    };
    this.#entries.set(name, entry);
    return entry;
  }
  #refuseTakenAddress(name: string, compiled: CompiledListener): void {
    for (const { address } of compiled.sockets) {
      if (address.kind === 'tcp' && address.port === 0) continue;
      const text = addressText(address);
      for (const other of this.#entries.values()) {
        if (other.name === name) continue;
        const taken = (other.warming ?? other.active)?.sockets.some((socket) => addressText(socket.address) === text);
        if (taken === true)
          throw new XebecError('E_CONFIG', `error adding listener: '${name}' has duplicate address '${text}' as existing listener`);
      }
    }
  }
  /** Waits for what the listener needs, then puts it in force. */
  #warm(entry: ListenerEntry, done: (error: XebecError | undefined) => void): void {
    const compiled = entry.warming;
    if (compiled === undefined) return;
    whenListenerReady(compiled, () => {
      if (this.#entries.get(entry.name) !== entry || entry.warming !== compiled) return;
      this.#activate(entry, compiled, (error) => {
        entry.binding = false;
        done(error);
        this.#checkSettled();
      });
    });
  }
  #activate(entry: ListenerEntry, compiled: CompiledListener, done: (error: XebecError | undefined) => void): void {
    const old = entry.active;
    entry.active = compiled;
    entry.warming = undefined;
    // Named before the first handshake, as Envoy names them.
    if (compiled.allChains.some((chain) => chain.tls !== undefined)) void entry.stats.tls;
    const rebind = old === undefined || !bindsAlike(old, compiled);
    if (old !== undefined) {
      this.#retire(old, compiled);
      if (rebind) this.#unbind(entry, old);
    }
    this.#updateStats();
    if (rebind && compiled.bindToPort && !entry.stopped) {
      entry.binding = true;
      this.#bind(entry, compiled, done);
    } else done(undefined);
    for (const address of this.boundAddresses(entry.name)) this.#byAddress.set(addressText(address), entry);
  }
  #bind(entry: ListenerEntry, compiled: CompiledListener, done: (error: XebecError | undefined) => void): void {
    const { sockets } = this.#environment;
    let waiting = compiled.sockets.length;
    let failure: XebecError | undefined;
    entry.listening = compiled.sockets.map((socket, index) =>
      sockets.listen(
        {
          key: `${entry.name}|${index}|${addressText(socket.address)}`,
          where: `listener "${entry.name}"`,
          socket,
          backlog: compiled.backlog,
        },
        {
          accept: (raw) => this.#accept(entry, raw),
          done: (error) => {
            failure ??= error;
            waiting--;
            if (waiting > 0) return;
            if (failure === undefined)
              this.#environment.network.stats.counter('listener_manager.listener_create_success').add(sockets.acceptors);
            else this.#count('listener_create_failure');
            done(failure);
          },
        },
      ),
    );
  }
  #accept(entry: ListenerEntry, socket: Socket): void {
    const { limits } = this.#environment;
    const { active } = entry;
    const refusal = active === undefined ? 'gone' : limits.tryAcquire(active.name);
    if (active === undefined || refusal !== undefined) {
      if (refusal === 'listener') entry.stats.cxOverflow.add(1);
      if (refusal === 'global') entry.stats.globalCxOverflow.add(1);
      socket.destroy();
      return;
    }
    const connection = new DownstreamConnection(socket, active, entry.stats, this);
    this.#connections.set(connection, active.name);
    connection.start();
    if (this.#serverDrain.started || this.#unhealthy) this.#drainIfAsked(connection);
  }
  #drainIfAsked(connection: DownstreamConnection): void {
    const { direction, modifyOnly } = connection.listener;
    if (this.#serverDrain.started && (!this.#drainsInboundOnly || direction === 'inbound')) connection.drain(this.#serverDrain.shouldClose);
    if (this.#unhealthy && !modifyOnly) connection.drain(always);
  }
  #remove(name: string): void {
    const entry = this.#entries.get(name);
    if (entry === undefined || !entry.dynamic) return;
    this.#entries.delete(name);
    this.#count('listener_removed');
    if (entry.warming !== undefined) closeCompiledListener(entry.warming, new Set(entry.active?.allChains));
    if (entry.active !== undefined) {
      this.#unbind(entry, entry.active);
      this.#retire(entry.active, undefined);
    }
    this.#checkSettled();
  }
  #unbind(entry: ListenerEntry, compiled: CompiledListener): void {
    for (const [address, other] of this.#byAddress) if (other === entry) this.#byAddress.delete(address);
    if (!compiled.bindToPort) return;
    for (const socket of entry.listening) socket.close();
    entry.listening = [];
  }
  /** Connections on chains that are no longer there are told to finish, and cut when the drain time is over. */
  #retire(old: CompiledListener, successor: CompiledListener | undefined): void {
    const kept = new Set(successor?.allChains);
    const gone = new Set(old.allChains.filter((chain) => !kept.has(chain)));
    const affected = (): DownstreamConnection[] =>
      [...this.#connections.keys()].filter(({ chain, listener }) =>
        chain === undefined ? listener === old && successor === undefined : gone.has(chain),
      );
    const waiting = affected();
    const inPlace = successor !== undefined && successor.frameDigest === old.frameDigest;
    if (gone.size === 0) return;
    if (waiting.length === 0) {
      for (const chain of gone) closeChain(chain);
      return;
    }
    this.#drainChains(gone, inPlace ? gone.size : 0, inPlace ? 0 : 1, waiting, affected);
  }
  #drainChains(
    gone: ReadonlySet<CompiledChain>,
    chains: number,
    listeners: number,
    waiting: readonly DownstreamConnection[],
    affected: () => readonly DownstreamConnection[],
  ): void {
    const { clock, drain, network } = this.#environment;
    const sequence = new DrainSequence(clock, network.random, drain);
    const counted = (sign: 1 | -1): void => {
      this.#drainingChains += sign * chains;
      this.#drainingListeners += sign * listeners;
      this.#updateStats();
    };
    this.#drains.add(sequence);
    counted(1);
    sequence.start(() => {
      this.#drains.delete(sequence);
      for (const connection of affected()) connection.close();
      for (const chain of gone) closeChain(chain);
      counted(-1);
    });
    for (const connection of waiting) connection.drain(sequence.shouldClose);
  }
  #checkSettled(): void {
    if (this.#settled === undefined) return;
    for (const entry of this.#entries.values()) if (entry.warming !== undefined || entry.binding) return;
    const done = this.#settled;
    this.#settled = undefined;
    done();
  }
  #count(name: (typeof counters)[number]): void {
    this.#environment.network.stats.counter(`listener_manager.${name}`).add(1);
  }
  #updateStats(): void {
    let warming = 0;
    let active = 0;
    for (const entry of this.#entries.values()) {
      if (entry.warming !== undefined) warming++;
      if (entry.active !== undefined) active++;
    }
    const { stats } = this.#environment.network;
    stats.gauge('listener_manager.total_listeners_active').set(active);
    stats.gauge('listener_manager.total_listeners_warming').set(warming);
    stats.gauge('listener_manager.total_listeners_draining').set(this.#drainingListeners);
    stats.gauge('listener_manager.total_filter_chains_draining').set(this.#drainingChains);
  }
}

const always: DrainDecision = () => true;

const counters = [
  'listener_added',
  'listener_create_failure',
  'listener_create_success',
  'listener_in_place_updated',
  'listener_modified',
  'listener_removed',
  'listener_stopped',
] as const;

const gauges = [
  'total_filter_chains_draining',
  'total_listeners_active',
  'total_listeners_draining',
  'total_listeners_warming',
  'workers_started',
] as const;

/** Whether a listener can go on with its predecessor's sockets. */
function bindsAlike(old: CompiledListener, next: CompiledListener): boolean {
  return (
    old.bindToPort === next.bindToPort &&
    old.sockets.length === next.sockets.length &&
    old.sockets.every((socket, index) => {
      const other = next.sockets[index];
      return other !== undefined && socketText(socket) === socketText(other);
    })
  );
}

function socketText({ address, options, ...flags }: CompiledListener['sockets'][number]): string {
  const set = options.map((option) => `${option.level}/${option.name}/${option.state}/${String(option.value.value)}`);
  return `${addressText(address)} ${JSON.stringify(flags)} ${set.join()}`;
}
