import { create, toBinary } from '@bufbuild/protobuf';
import { status } from '@grpc/grpc-js';
import type { RoutedInstance } from '@xebec/policy';
import { CheckResultSchema } from '@xebec/protos/istio/mixer/adapter/model/v1beta1/check';
import { afterEach, describe, expect, it } from 'vitest';
import { type Answer, entry, eventually, passes, remoteHandler, startAdapterPeer } from './adapter-peer.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function serve(port = 0) {
  const peer = await startAdapterPeer(undefined, port);
  cleanups.push(peer.close);
  /** Passes calls of sessions that are open. */
  const known: Answer = (request, metadata) => {
    const open = [...peer.sessionIds].some((id) => request.includes(Buffer.from(`google.protobuf.Any.type_url\x12\x02${id}`)));
    return open ? passes(request, metadata) : { code: status.NOT_FOUND, details: 'no such session' };
  };
  peer.answer = known;
  return peer;
}
function connect(port: number) {
  const remote = remoteHandler({ address: `127.0.0.1:${port}`, timeout: '1s' }, { sessionBased: true });
  cleanups.push(() => remote.handler.close());
  const { handler } = remote;
  const check = async (): Promise<number | string> => {
    try {
      return (await handler.check(entry)).code;
    } catch (error) {
      return String(error);
    }
  };
  return { ...remote, check };
}
const one: RoutedInstance = { name: 'one.ns', template: { name: 'listentry' }, inferred: new Map() };
const limit = (type: 'STRING' | 'INT64'): RoutedInstance => ({
  name: 'limit.ns',
  template: { name: 'quota' },
  inferred: new Map([['dimensions', new Map([['user', type]])]]),
});
const methods = ({ sessions }: Awaited<ReturnType<typeof serve>>): string => sessions.map(({ method }) => method).join(' ');

describe('the session of an adapter', () => {
  it('is validated and opened once, before any call, with the types of the instances', async () => {
    const peer = await serve();
    const { handler, check } = connect(peer.port);
    handler.route([one, limit('STRING')]);
    await eventually('a session', async () => peer.sessions.length === 2);
    expect(await Promise.all([check(), check(), check()])).toEqual([0, 0, 0]);
    handler.route([one, limit('STRING')]);
    expect(await check()).toBe(0);
    expect(methods(peer)).toBe('validate create');
    // Field 1 is the map: key `user`, value 1 (STRING).
    const inferred = [
      'one.instance.ns type.googleapis.com/listentry.Type ',
      'limit.instance.ns type.googleapis.com/quota.Type 0a080a04757365721001',
    ];
    for (const { inferred: told } of peer.sessions) expect([...told].sort()).toEqual([...inferred].sort());
  });
  it('is opened by the first call when nobody said what will come', async () => {
    const peer = await serve();
    expect(await connect(peer.port).check()).toBe(0);
    expect(methods(peer)).toBe('validate create');
  });
  it('is opened anew when instances change, and then the old one is closed', async () => {
    const peer = await serve();
    const { handler, check } = connect(peer.port);
    handler.route([limit('STRING')]);
    expect(await check()).toBe(0);
    handler.route([limit('INT64')]);
    expect(await check()).toBe(0);
    await eventually('the end of the old one', async () => peer.sessions.length === 5);
    expect(methods(peer)).toBe('validate create validate create close');
    expect(peer.sessions.at(-1)?.what).toBe('s2');
    handler.route([]);
    await eventually('the end of the last', async () => peer.sessionIds.size === 0);
  });
  it('is not created when the params are refused, and no call is made', async () => {
    const peer = await serve();
    peer.refuse.validate = 3;
    const { check, skip } = connect(peer.port);
    expect(await check()).toContain("the adapter refuses the handler's params: not like this");
    expect(await Promise.all([check(), check()])).toEqual([expect.stringContaining('refuses'), expect.stringContaining('refuses')]);
    expect(methods(peer)).toBe('validate');
    expect(peer.calls).toBe(0);
    skip(1_000);
    peer.refuse = { validate: 0, create: 8 };
    expect(await check()).toContain('the adapter opens no session: no room');
    skip(1_000);
    peer.refuse.create = 0;
    expect(await check()).toBe(0);
    expect(methods(peer)).toBe('validate validate create validate create');
  });
  it('is opened anew when the adapter does not know it, once for all calls', async () => {
    const peer = await serve();
    const { check, skip } = connect(peer.port);
    expect(await check()).toBe(0);
    skip(1_000);
    peer.sessionIds.clear();
    expect(await Promise.all(Array.from({ length: 20 }, check))).toEqual(Array.from({ length: 20 }, () => 0));
    await eventually('the end of the old one', async () => peer.sessions.length === 5);
    expect(peer.sessions.map(({ method }) => method).filter((method) => method === 'create')).toHaveLength(2);
  });
  it('is not opened for every call that the adapter refuses for another reason', async () => {
    const peer = await serve();
    const { check } = connect(peer.port);
    peer.answer = () => ({ code: status.INVALID_ARGUMENT, details: 'not this value' });
    for (let i = 0; i < 10; i++) expect(await check()).toContain('INVALID_ARGUMENT: not this value');
    expect(methods(peer)).toBe('validate create');
  });
  it('is opened anew by a handler whose adapter was started anew', async () => {
    const peer = await serve();
    const { check, skip } = connect(peer.port);
    expect(await check()).toBe(0);
    peer.close();
    await eventually('a failure', async () => (await check()) !== 0);
    const next = await serve(peer.port);
    await eventually('an answer', async () => {
      skip(1_000);
      return (await check()) === 0;
    });
    expect(methods(next)).toBe('validate create');
  });
  it('is closed with its handler', async () => {
    const peer = await serve();
    const { handler, check } = connect(peer.port);
    expect(await check()).toBe(0);
    await handler.close();
    expect(methods(peer)).toBe('validate create close');
    expect(await check()).toContain('closed');
  });
  it('is closed after the calls that are under way', async () => {
    const peer = await serve();
    const { handler, check } = connect(peer.port);
    expect(await check()).toBe(0);
    const { promise, resolve } = Promise.withResolvers<void>();
    const known = peer.answer;
    peer.answer = (request, metadata) => promise.then(() => known(request, metadata));
    const underway = check();
    await eventually('the call', async () => peer.calls === 2);
    const closed = handler.close();
    resolve();
    expect(await underway).toBe(0);
    await closed;
    expect(methods(peer)).toBe('validate create close');
  });
  it('needs an adapter that answers as InfrastructureBackend does', async () => {
    const peer = await serve();
    const { check } = connect(peer.port);
    peer.answerSession = () =>
      toBinary(CheckResultSchema, create(CheckResultSchema, { validUseCount: 1, validDuration: { seconds: 1n } })).fill(0xff);
    expect(await check()).toContain('answered with what is no istio.mixer.adapter.model.v1beta1.ValidateResponse');
  });
});
