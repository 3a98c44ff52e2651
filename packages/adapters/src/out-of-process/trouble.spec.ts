import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { create, toBinary } from '@bufbuild/protobuf';
import { status } from '@grpc/grpc-js';
import type { CheckResult } from '@xebec/policy';
import { CheckResultSchema } from '@xebec/protos/istio/mixer/adapter/model/v1beta1/check';
import { QuotaResultSchema } from '@xebec/protos/istio/mixer/adapter/model/v1beta1/quota';
import { afterEach, describe, expect, it } from 'vitest';
import { entry, eventually, passes, remoteHandler, startAdapterPeer } from './adapter-peer.ts';
import { CallFailure } from './call-failure.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function serve(port = 0) {
  const peer = await startAdapterPeer(undefined, port);
  cleanups.push(peer.close);
  return peer;
}
function connect(port: number, timeout = '300ms') {
  const remote = remoteHandler({ address: `127.0.0.1:${port}`, timeout });
  cleanups.push(() => remote.handler.close());
  const { handler } = remote;
  return { ...remote, check: async (): Promise<CheckResult | CallFailure> => handlerCheck(() => handler.check(entry)) };
}
async function handlerCheck<T>(call: () => T | Promise<T>): Promise<T | CallFailure> {
  try {
    return await call();
  } catch (error) {
    if (error instanceof CallFailure) return error;
    throw error;
  }
}
async function timed<T>(call: () => Promise<T>): Promise<readonly [T, ms: number]> {
  const startMs = performance.now();
  return [await call(), performance.now() - startMs];
}
const PASSED = { code: 0, validUseCount: 9 };
const passed = (result: CheckResult | CallFailure): boolean => !(result instanceof CallFailure) && result.code === 0;
const never = () => new Promise<never>(() => undefined);

describe('an adapter in trouble', () => {
  it('that takes connections and says nothing costs one deadline, then nothing', async () => {
    const sockets = new Set<Socket>();
    const hole = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => undefined);
    });
    hole.listen(0, '127.0.0.1');
    await once(hole, 'listening');
    const { port } = hole.address() as AddressInfo;
    cleanups.push(() => {
      for (const socket of sockets) socket.destroy();
      hole.close();
    });
    const { check } = connect(port);
    expect(await check()).toMatchObject({ code: status.UNAVAILABLE });
    const [answers, ms] = await timed(() => Promise.all(Array.from({ length: 2_000 }, check)));
    expect(new Set(answers.map((answer) => (answer instanceof CallFailure ? answer.code : 'passed')))).toEqual(
      new Set([status.UNAVAILABLE]),
    );
    expect(ms).toBeLessThan(2_000);
    expect(sockets.size).toBeLessThan(5);
    for (const socket of sockets) socket.destroy();
    hole.close();
    await once(hole, 'close');
    await serve(port);
    await eventually('an answer', async () => passed(await check()));
  });
  it('that never answers is asked by one call at a time until it does', async () => {
    const peer = await serve();
    const { check } = connect(peer.port);
    expect(await check()).toMatchObject(PASSED);
    peer.answer = never;
    peer.calls = 0;
    const first = await Promise.all(Array.from({ length: 50 }, check));
    expect(first.every((answer) => answer instanceof CallFailure && answer.code === status.UNAVAILABLE)).toBe(true);
    expect(peer.calls).toBe(50);
    const [probe, ...others] = Array.from({ length: 500 }, check);
    const [refused, ms] = await timed(() => Promise.all(others));
    expect(refused.every((answer) => answer instanceof CallFailure && /does not answer within 300 ms/.test(answer.message))).toBe(true);
    expect(ms).toBeLessThan(300);
    expect(await probe).toMatchObject({ message: expect.stringContaining('DEADLINE_EXCEEDED') });
    expect(peer.calls).toBe(51);
    peer.answer = passes;
    expect(await check()).toMatchObject(PASSED);
    expect((await Promise.all(Array.from({ length: 50 }, check))).every(passed)).toBe(true);
  });
  it('that answers its first call too late is asked again', async () => {
    const peer = await serve();
    const { check } = connect(peer.port);
    const { promise, resolve } = Promise.withResolvers<void>();
    peer.answer = (request, metadata) => promise.then(() => passes(request, metadata));
    expect(await check()).toMatchObject({ code: status.UNAVAILABLE });
    resolve();
    expect(await check()).toMatchObject(PASSED);
  });
  it('that fails calls says why, and other calls go on', async () => {
    const peer = await serve();
    const { check } = connect(peer.port);
    peer.answer = () => ({ code: status.RESOURCE_EXHAUSTED, details: 'too many' });
    expect(await check()).toMatchObject({
      code: status.RESOURCE_EXHAUSTED,
      message: expect.stringContaining('RESOURCE_EXHAUSTED: too many'),
    });
    peer.answer = passes;
    expect(await check()).toMatchObject(PASSED);
  });
  const quotas = (name: string) => toBinary(QuotaResultSchema, create(QuotaResultSchema, { quotas: { [name]: { grantedAmount: 5n } } }));
  it.each<[string, Uint8Array]>([
    ['garbage', Buffer.from('ffffffffffffffffff01', 'hex')],
    ['half a message', toBinary(CheckResultSchema, create(CheckResultSchema, { status: { code: 7, message: 'no' } })).subarray(0, 3)],
    ['another message', quotas('one.instance.ns')],
    ['another message that could be read as its own', quotas('a')],
  ])('that answers %s is no verdict', async (_, bytes) => {
    const peer = await serve();
    const { check } = connect(peer.port);
    peer.answer = () => bytes;
    expect(await check()).toMatchObject({
      code: status.INTERNAL,
      message: expect.stringContaining('HandleListEntry with what is no answer'),
    });
    peer.answer = passes;
    expect(await check()).toMatchObject(PASSED);
  });
  it('whose message is huge is refused, and the connection goes on', async () => {
    const peer = await serve();
    const { check } = connect(peer.port, '2s');
    peer.answer = () => new Uint8Array(3 << 20);
    expect(await check()).toMatchObject({ code: status.RESOURCE_EXHAUSTED });
    peer.answer = passes;
    expect(await check()).toMatchObject(PASSED);
  });
  it('that goes away in order finishes its calls, and the next one finds its successor', async () => {
    const peer = await serve();
    const { check } = connect(peer.port, '2s');
    expect(await check()).toMatchObject(PASSED);
    const { promise, resolve } = Promise.withResolvers<void>();
    peer.answer = (request, metadata) => promise.then(() => passes(request, metadata));
    const underway = check();
    await eventually('the call', async () => peer.calls === 2);
    const gone = new Promise((done) => peer.server.tryShutdown(done));
    resolve();
    expect(await underway).toMatchObject(PASSED);
    await gone;
    expect(await check()).toMatchObject({ code: status.UNAVAILABLE });
    await serve(peer.port);
    await eventually('an answer', async () => passed(await check()));
  });
  it('lets no more reports wait than there is room for, and counts the others', async () => {
    const peer = await serve();
    const { handler, counts } = connect(peer.port);
    peer.answer = never;
    for (let i = 0; i < 50; i++) handler.report(Array.from({ length: 500 }, () => entry));
    expect(counts).toEqual({ delivered: 0, dropped: 15_000 });
    await handler.close();
    expect(counts).toEqual({ delivered: 0, dropped: 25_000 });
  });
  it('makes a quota fail with the same status as a check', async () => {
    const peer = await serve();
    const { handler } = connect(peer.port);
    const quota = { name: 'limit.ns', template: 'quota', fields: {} };
    const args = { amount: 3, bestEffort: true, deduplicationId: 'once' };
    peer.answer = () => quotas('limit.instance.ns');
    expect(await handlerCheck(() => handler.quota(quota, args))).toMatchObject({ amount: 5 });
    peer.answer = () => quotas('limit');
    expect(await handlerCheck(() => handler.quota(quota, args))).toMatchObject({
      code: status.INTERNAL,
      message: expect.stringContaining('without the quota limit.instance.ns'),
    });
    peer.answer = () => toBinary(CheckResultSchema, create(CheckResultSchema, { validUseCount: 3 }));
    expect(await handlerCheck(() => handler.quota(quota, args))).toMatchObject({ code: status.INTERNAL });
    peer.close();
    await eventually('a failure', async () => {
      const result = await handlerCheck(() => handler.quota(quota, args));
      return result instanceof CallFailure && result.code === status.UNAVAILABLE;
    });
  });
});
