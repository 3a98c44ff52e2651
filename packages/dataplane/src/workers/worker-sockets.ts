import type { Server } from 'node:net';
import { XebecError } from '@xebec/core';
import {
  type ListenCallbacks,
  type ListenerSockets,
  type ListeningSocket,
  type ListenRequest,
  listenError,
  listenOn,
} from '../listeners/listener-sockets.ts';
import { type BoundSocket, openSocket, type SocketOpener } from '../listeners/listening-socket.ts';
import type { FromWorker, ToWorker } from './protocol.ts';

interface Opened {
  /** One for each worker, or one for all. */
  readonly bound: readonly BoundSocket[];
  readonly missing: Set<number>;
  readonly done: ListenCallbacks['done'];
}

/**
 * The main thread's side: it binds, so that what cannot be bound is known before a worker hears of it, and hands the sockets to
 * workers. It keeps its own hold on each: connections wait in a dead worker's queue until its successor takes them.
 */
export class SharedSockets implements ListenerSockets {
  readonly acceptors: number;
  readonly #open: SocketOpener;
  readonly #send: (worker: number, message: ToWorker) => void;
  readonly #opened = new Map<string, Opened>();
  readonly #wanted = new Map<string, Set<number>>();

  constructor(workers: number, send: (worker: number, message: ToWorker) => void, open: SocketOpener = openSocket) {
    this.acceptors = workers;
    this.#send = send;
    this.#open = open;
  }
  listen(request: ListenRequest, callbacks: ListenCallbacks): ListeningSocket {
    const { key, where, socket } = request;
    const bound: BoundSocket[] = [];
    try {
      const first = this.#open(socket, where);
      bound.push(first);
      if (first.address === undefined) throw new XebecError('E_LISTEN', `${where}: port 0 with several workers needs Linux and node:ffi`);
      // One queue each, between which the kernel divides new connections; without reuse_port all accept from one, as in Envoy.
      const address = first.address;
      if (socket.reusePort) while (bound.length < this.acceptors) bound.push(this.#open({ ...socket, address }, where));
    } catch (error) {
      for (const one of bound) one.close();
      callbacks.done(listenError(error));
      return { address: undefined, close: () => undefined };
    }
    const opened: Opened = {
      bound,
      missing: new Set(Array.from({ length: this.acceptors }, (_, worker) => worker)),
      done: callbacks.done,
    };
    this.#opened.set(key, opened);
    for (const worker of this.#wanted.get(key) ?? []) this.#hand(worker, key, opened);
    this.#wanted.delete(key);
    return {
      address: bound[0]?.address,
      close: () => {
        if (this.#opened.get(key) === opened) this.#opened.delete(key);
        for (const one of bound) one.close();
      },
    };
  }
  onWanted(worker: number, key: string): void {
    const opened = this.#opened.get(key);
    if (opened !== undefined) this.#hand(worker, key, opened);
    else this.#wanted.set(key, (this.#wanted.get(key) ?? new Set()).add(worker));
  }
  onListening(worker: number, key: string, error: string | undefined): void {
    const opened = this.#opened.get(key);
    if (opened === undefined || !opened.missing.delete(worker)) return;
    if (error !== undefined) opened.missing.clear();
    if (opened.missing.size === 0) opened.done(error === undefined ? undefined : new XebecError('E_LISTEN', error));
  }
  onWorkerGone(worker: number): void {
    for (const workers of this.#wanted.values()) workers.delete(worker);
  }
  #hand(worker: number, key: string, opened: Opened): void {
    const socket = opened.bound[worker] ?? opened.bound[0];
    const target = socket?.target();
    // Where descriptors cannot be handed over, only one worker can have an address that is not shared.
    const shareable = target?.kind !== 'address' || target.reusePort || worker === 0;
    this.#send(worker, { kind: 'socket', key, target: shareable ? target : undefined });
  }
}

/** A worker's side: it asks for the socket and accepts from it. */
export class HandedSockets implements ListenerSockets {
  readonly acceptors = 1;
  readonly #send: (message: FromWorker) => void;
  readonly #pending = new Map<string, { readonly request: ListenRequest; readonly callbacks: ListenCallbacks }>();
  readonly #servers = new Map<string, Server>();

  constructor(send: (message: FromWorker) => void) {
    this.#send = send;
  }
  listen(request: ListenRequest, callbacks: ListenCallbacks): ListeningSocket {
    const { key } = request;
    this.#pending.set(key, { request, callbacks });
    this.#send({ kind: 'socket-wanted', key });
    return {
      address: undefined,
      close: () => {
        this.#pending.delete(key);
        this.#servers.get(key)?.close();
        this.#servers.delete(key);
      },
    };
  }
  receive(message: ToWorker): void {
    if (message.kind !== 'socket') return;
    const { key, target } = message;
    const pending = this.#pending.get(key);
    if (pending === undefined) return;
    this.#pending.delete(key);
    const done = (error: XebecError | undefined): void => {
      this.#send({ kind: 'listening', key, error: error?.message });
      pending.callbacks.done(error);
    };
    if (target === undefined) done(undefined);
    else this.#servers.set(key, listenOn(target, pending.request, { accept: pending.callbacks.accept, done }));
  }
}
