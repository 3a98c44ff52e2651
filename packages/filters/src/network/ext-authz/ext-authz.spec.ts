import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { ExtAuthzSchema } from '@xebec/protos/envoy/extensions/filters/network/ext_authz/v3/ext_authz';
import { CheckRequestSchema, CheckResponseSchema } from '@xebec/protos/envoy/service/auth/v3/external_auth';
import { createStreamInfo } from '@xebec/telemetry';
import { describe, expect, it } from 'vitest';
import { configBytes, testConnection, testContext } from '../../test-harness.ts';
import { networkExtAuthzDefinition } from './config.ts';

const settle = () => new Promise((resolve) => setImmediate(resolve));

function connect(answer: MessageInitShape<typeof CheckResponseSchema> | Error, more: object = {}) {
  const asked: Uint8Array[] = [];
  const { context, statsText } = testContext();
  const upstream = {
    ...context.upstream,
    grpcUnary: async (cluster: string, path: string, request: Uint8Array) => {
      expect([cluster, path]).toEqual(['authz', '/envoy.service.auth.v3.Authorization/Check']);
      asked.push(request);
      if (answer instanceof Error) throw answer;
      return toBinary(CheckResponseSchema, create(CheckResponseSchema, answer));
    },
  };
  const config = { statPrefix: 'tcp.', grpcService: { envoyGrpc: { clusterName: 'authz' } }, ...more };
  const factory = networkExtAuthzDefinition.compile(configBytes(ExtAuthzSchema, config), ExtAuthzSchema.typeName, { ...context, upstream });
  const connection = testConnection({ remoteAddress: '10.0.0.7' });
  const info = createStreamInfo(connection, 0, 0);
  const did: string[] = [];
  const filter = factory.create({
    connection,
    info,
    continueReading: () => did.push('continue'),
    write: () => undefined,
    close: (how, _details, flag) => did.push(`close ${how} ${flag}`),
    setTimeout: () => () => undefined,
  });
  return { filter, info, did, asked, statsText };
}

describe('network ext_authz', () => {
  it('holds the first bytes until the service has allowed the connection', async () => {
    const { filter, info, did, asked } = connect({ status: { code: 0 }, dynamicMetadata: { who: 'me' } });
    expect([filter.onData?.(Buffer.from('a'), false), filter.onData?.(Buffer.from('b'), false)]).toEqual(['stop', 'stop']);
    await settle();
    expect([did, asked.length, filter.onData?.(Buffer.from('c'), false)]).toEqual([['continue'], 1, 'continue']);
    expect(info.dynamicMetadata.get('envoy.filters.network.ext_authz')).toEqual({ who: 'me' });
    const source = fromBinary(CheckRequestSchema, asked[0] ?? new Uint8Array()).attributes?.source?.address?.address;
    expect(source?.case === 'socketAddress' ? source.value.address : '').toBe('10.0.0.7');
  });
  it.each([
    [{ status: { code: 7 } }, 'ext_authz_denied', 'denied'],
    [new Error('away'), 'ext_authz_error', 'error'],
  ] as const)('closes what is refused (%#)', async (answer, details, stat) => {
    const { filter, info, did, statsText } = connect(answer);
    filter.onData?.(Buffer.from('a'), false);
    await settle();
    expect([did, info.responseCodeDetails]).toEqual([['close now UAEX'], details]);
    expect(statsText()).toContain(`ext_authz.tcp..${stat}: 1`);
  });
  it('lets pass in spite of errors where it is told to', async () => {
    const { filter, did } = connect(new Error('away'), { failureModeAllow: true });
    filter.onData?.(Buffer.from('a'), false);
    await settle();
    expect(did).toEqual(['continue']);
  });
  it('asks only about connections that are marked', () => {
    const mark = { filter: 'f', path: [{ key: 'k' }], value: { presentMatch: true } };
    const { filter, info, asked } = connect({}, { filterEnabledMetadata: mark });
    expect([filter.onData?.(Buffer.from('a'), false), asked.length]).toEqual(['continue', 0]);
    info.dynamicMetadata.set('f', { k: 1 });
    expect([filter.onData?.(Buffer.from('b'), false), asked.length]).toEqual(['stop', 1]);
  });
});
