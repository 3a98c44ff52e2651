import { VirtualClock } from '@xebec/core';
import { expect, it } from 'vitest';
import { Outbox } from './outbox.ts';
import { PushQueue, type PushRequest } from './push-queue.ts';

/** A proxy behind a network that takes what it is sent when the test says so. */
class Peer {
  readonly pushes: PushRequest[] = [];
  readonly #taken: (() => void)[] = [];
  readonly #outbox = new Outbox<string>({ write: (_, taken) => this.#taken.push(taken) });
  get sending(): boolean {
    return this.#outbox.sending;
  }
  whenSent(callback: () => void): void {
    this.#outbox.whenSent(callback);
  }
  push(request: PushRequest): void {
    this.pushes.push(request);
    this.#outbox.send('response');
  }
  take(): void {
    for (const taken of this.#taken.splice(0)) taken();
  }
  close(): void {
    this.#outbox.close();
  }
}

function queueOf(atOnce: number) {
  const clock = new VirtualClock();
  const queue = new PushQueue<Peer>({ clock, atOnce, push: (peer, request) => peer.push(request) });
  return { clock, queue };
}

const loops = async (): Promise<void> => {
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
};
const peers = (count: number): readonly [Peer, Peer, Peer, ...Peer[]] => [
  new Peer(),
  new Peer(),
  new Peer(),
  ...Array.from({ length: count - 3 }, () => new Peer()),
];

it('no more proxies are on the way than may be, and each that is done makes room for the next', async () => {
  const { queue } = queueOf(2);
  const all = peers(6);
  for (const peer of all) queue.add(peer, { full: true, since: 0 });
  await loops();
  expect(all.map(({ pushes }) => pushes.length)).toEqual([1, 1, 0, 0, 0, 0]);
  expect([queue.inFlight, queue.size]).toEqual([2, 4]);
  all[0].take();
  await loops();
  expect(all.map(({ pushes }) => pushes.length)).toEqual([1, 1, 1, 0, 0, 0]);
  for (const peer of all) {
    peer.take();
    await loops();
  }
  expect(all.map(({ pushes }) => pushes.length)).toEqual([1, 1, 1, 1, 1, 1]);
  for (const peer of all) peer.take();
  expect([queue.inFlight, queue.size]).toEqual([0, 0]);
});

it('a proxy that still takes in what it was sent gets all later changes as one', async () => {
  const { queue } = queueOf(10);
  const [slow, quick] = peers(3);
  queue.add(slow, { full: false, since: 1 });
  await loops();
  queue.add(slow, { full: false, since: 2 });
  queue.add(slow, { full: true, since: 3 });
  queue.add(quick, { full: false, since: 3 });
  await loops();
  expect([slow.pushes.length, quick.pushes.length]).toEqual([1, 1]);
  slow.take();
  await loops();
  expect(slow.pushes.slice(1)).toMatchObject([{ full: true, since: 2 }]);
});

it('a proxy that takes nothing loses its place after a while, but is not sent more', async () => {
  const { clock, queue } = queueOf(1);
  const [stuck, next] = peers(3);
  queue.add(stuck, { full: true, since: 0 });
  queue.add(next, { full: true, since: 0 });
  await loops();
  expect(next.pushes).toEqual([]);
  queue.add(stuck, { full: true, since: 1 });
  clock.advance(5_000);
  await loops();
  expect([stuck.pushes.length, next.pushes.length]).toEqual([1, 1]);
});

it('a proxy that goes leaves its place, whichever of the two is heard of first', async () => {
  const { queue } = queueOf(1);
  const [first, second, third] = peers(3);
  for (const peer of [first, second, third]) queue.add(peer, { full: true, since: 0 });
  await loops();
  queue.remove(first);
  first.close();
  await loops();
  expect(second.pushes.length).toBe(1);
  second.close();
  queue.remove(second);
  await loops();
  expect(third.pushes.length).toBe(1);
});
