import { connect, type Socket } from 'node:net';

export interface OpenLoopOptions {
  readonly name: string;
  readonly port: number;
  readonly perSecond: number;
  /** The path of the n-th request. */
  path(index: number): string;
}

/** What became of a load so far. */
export interface OpenLoop {
  readonly name: string;
  /** Answers of 200. */
  readonly answered: () => number;
  /** Everything else, in words. */
  readonly failures: readonly string[];
  readonly connections: { opened: number; closedByPeer: number; brokenInFlight: number };
  /** Distinct values of `x-peer` in the answers, in the order of their coming. */
  readonly peers: ReadonlySet<string>;
  /** The slowest answer, from the moment when its request was due, in milliseconds. */
  readonly slowestMs: () => number;
  /** No new requests; waits for what is under way. */
  stop(): Promise<void>;
}

interface Slot {
  readonly socket: Socket;
  text: string;
  dueMs: number | undefined;
}

/** More at once would only show how this machine starves; what waits for a connection is late, and counted from when it was due. */
const MAX_CONNECTIONS = 32;

/** As many requests a second as were said, whether the ones before are answered or not, over connections that are kept. */
export function startOpenLoop(options: OpenLoopOptions): OpenLoop {
  const failures: string[] = [];
  const connections = { opened: 0, closedByPeer: 0, brokenInFlight: 0 };
  const peers = new Set<string>();
  const slots = new Set<Slot>();
  const idle: Slot[] = [];
  const queue: number[] = [];
  const started = performance.now();
  let sent = 0;
  let answered = 0;
  let slowestMs = 0;
  let stopped = false;

  const fail = (what: string) => {
    if (failures.length < 100) failures.push(`${((performance.now() - started) / 1000).toFixed(1)} s: ${what}`);
  };
  const open = (): Slot => {
    const slot: Slot = { socket: connect({ host: '127.0.0.1', port: options.port, noDelay: true }), text: '', dueMs: undefined };
    connections.opened++;
    slots.add(slot);
    slot.socket.on('data', (bytes: Buffer) => {
      slot.text += bytes.toString('latin1');
      const head = slot.text.indexOf('\r\n\r\n');
      if (head === -1) return;
      const length = Number(/\r\ncontent-length: (\d+)/i.exec(slot.text)?.[1] ?? 0);
      if (slot.text.length < head + 4 + length) return;
      const peer = /\r\nx-peer: (\S+)/i.exec(slot.text)?.[1];
      if (peer !== undefined) peers.add(peer);
      if (slot.text.startsWith('HTTP/1.1 200')) answered++;
      else fail(slot.text.slice(0, 400));
      slowestMs = Math.max(slowestMs, performance.now() - (slot.dueMs ?? 0));
      slot.text = '';
      slot.dueMs = undefined;
      const next = queue.shift();
      if (next === undefined) idle.push(slot);
      else send(slot, next);
    });
    slot.socket.on('error', (error) => fail(`connection: ${error.message}`));
    slot.socket.on('close', () => {
      slots.delete(slot);
      if (stopped) return;
      connections.closedByPeer++;
      if (slot.dueMs !== undefined) {
        connections.brokenInFlight++;
        fail('the connection was closed with a request in flight');
      }
    });
    return slot;
  };
  const send = (slot: Slot, index: number) => {
    slot.dueMs = started + (index / options.perSecond) * 1000;
    slot.socket.write(`GET ${options.path(index)} HTTP/1.1\r\nhost: app\r\n\r\n`);
  };
  const tick = () => {
    const due = Math.floor(((performance.now() - started) / 1000) * options.perSecond);
    for (; sent < due; sent++) {
      let slot = idle.pop();
      while (slot?.socket.destroyed === true) slot = idle.pop();
      if (slot === undefined && slots.size < MAX_CONNECTIONS) slot = open();
      if (slot === undefined) queue.push(sent);
      else send(slot, sent);
    }
  };
  const timer = setInterval(tick, 2);
  return {
    name: options.name,
    answered: () => answered,
    failures,
    connections,
    peers,
    slowestMs: () => slowestMs,
    async stop() {
      clearInterval(timer);
      const end = Date.now() + 10_000;
      while ([...slots].some(({ dueMs }) => dueMs !== undefined) && Date.now() < end)
        await new Promise((resolve) => setTimeout(resolve, 20));
      stopped = true;
      for (const { dueMs, socket } of slots) {
        if (dueMs !== undefined) fail('no answer within 10 s after the end');
        socket.destroy();
      }
    },
  };
}
