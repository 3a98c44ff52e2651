import { create, fromJson, type JsonObject, toBinary } from '@bufbuild/protobuf';
import { BinaryWriter } from '@bufbuild/protobuf/wire';
import { AnySchema, StructSchema } from '@bufbuild/protobuf/wkt';
import { BufferSchema } from '@xebec/protos/envoy/extensions/filters/http/buffer/v3/buffer';
import { HeaderMutationSchema } from '@xebec/protos/envoy/extensions/filters/http/header_mutation/v3/header_mutation';
import { HealthCheckSchema } from '@xebec/protos/envoy/extensions/filters/http/health_check/v3/health_check';
import { LocalRateLimitSchema } from '@xebec/protos/envoy/extensions/filters/http/local_ratelimit/v3/local_rate_limit';
import { FilterConfig_Protocol, FilterConfigSchema } from '@xebec/protos/istio/filters/alpn';
import { createProtoRegistry } from '@xebec/protos/registry';
import { describe, expect, it } from 'vitest';
import { alpnDefinition } from './http/alpn/config.ts';
import { bufferDefinition } from './http/buffer/config.ts';
import { headerMutationDefinition } from './http/header-mutation/config.ts';
import { healthCheckDefinition } from './http/health-check/config.ts';
import { localRateLimitDefinition } from './http/local-ratelimit/config.ts';
import { filterSupport, httpFilterDefinitions, networkFilterDefinitions, resolveTypedConfig, upstreamAlpnKey } from './index.ts';
import { compileTest, TestStream, testContext } from './test-harness.ts';

describe('filter support', () => {
  it('executes what is defined, refuses what is not', () => {
    for (const { typeNames } of [...httpFilterDefinitions, ...networkFilterDefinitions]) {
      for (const type of typeNames) expect(filterSupport(type)).toBe('executed');
    }
    expect(filterSupport('envoy.extensions.filters.http.tap.v3.Tap')).toBe('ignored');
    expect(filterSupport('envoy.extensions.filters.http.wasm.v3.Wasm')).toBe('refused');
    expect(filterSupport('toString')).toBe('refused');
  });
});

describe('resolveTypedConfig', () => {
  const registry = createProtoRegistry();
  const typedStruct = (type: string, value: JsonObject) => {
    const bytes = new BinaryWriter()
      .tag(1, 2)
      .string(`type.googleapis.com/${type}`)
      .tag(2, 2)
      .bytes(toBinary(StructSchema, fromJson(StructSchema, value)))
      .finish();
    return create(AnySchema, { typeUrl: 'type.googleapis.com/udpa.type.v1.TypedStruct', value: bytes });
  };
  it('reads a struct as the message that it names', () => {
    const value = { alpn_override: [{ upstream_protocol: 'HTTP2', alpn_override: ['istio-h2', 'h2'] }] };
    const resolved = resolveTypedConfig(typedStruct(FilterConfigSchema.typeName, value), registry);
    expect(resolved.typeName).toBe(FilterConfigSchema.typeName);
    const expected = create(FilterConfigSchema, {
      alpnOverride: [{ upstreamProtocol: FilterConfig_Protocol.HTTP2, alpnOverride: ['istio-h2', 'h2'] }],
    });
    expect(resolved.value).toEqual(toBinary(FilterConfigSchema, expected));
  });
  it('says what does not fit', () => {
    expect(() => resolveTypedConfig(typedStruct(FilterConfigSchema.typeName, { alpnOverride: 5 }), registry)).toThrow(
      'TypedStruct does not fit',
    );
  });
});

describe('small HTTP filters', () => {
  it('alpn leaves the list for the upstream handshake', () => {
    const { context, clock } = testContext();
    const json = { alpnOverride: [{ upstreamProtocol: 'HTTP11', alpnOverride: ['istio-http/1.1', 'istio'] }] };
    const stream = new TestStream(compileTest(alpnDefinition, FilterConfigSchema, json, context), clock);
    stream.head();
    expect(stream.info.filterState.get(upstreamAlpnKey)).toEqual(['istio-http/1.1', 'istio']);
  });
  it('buffer holds the head until the body is whole, and refuses large ones', () => {
    const { context, clock } = testContext();
    const factory = compileTest(bufferDefinition, BufferSchema, { maxRequestBytes: 3 }, context);
    const small = new TestStream(factory, clock);
    expect([
      small.head(false),
      small.filter.onRequestData?.(Buffer.from('ab'), false),
      small.filter.onRequestData?.(Buffer.from('c'), true),
    ]).toEqual(['stop', 'stop', 'continue']);
    const large = new TestStream(factory, clock);
    large.head(false);
    large.filter.onRequestData?.(Buffer.from('abcd'), false);
    expect(large.replies[0]).toMatchObject({ status: 413, details: 'request_payload_too_large' });
  });
  it('health_check answers what its headers match', () => {
    const { context, clock } = testContext();
    const json = { passThroughMode: false, headers: [{ name: ':path', stringMatch: { exact: '/healthz' } }] };
    const factory = compileTest(healthCheckDefinition, HealthCheckSchema, json, context);
    expect(new TestStream(factory, clock).head()).toBe('continue');
    expect(new TestStream(factory, clock, { request: { path: '/healthz' } }).head()).toBe('stop');
  });
  it('header_mutation works in the order written', () => {
    const { context, clock } = testContext();
    const json = {
      mutations: {
        requestMutations: [{ remove: 'a' }, { append: { header: { key: 'b', value: '%PROTOCOL%x' } } }],
        responseMutations: [{ append: { header: { key: 'server', value: 's' }, appendAction: 'OVERWRITE_IF_EXISTS_OR_ADD' } }],
      },
    };
    const stream = new TestStream(compileTest(headerMutationDefinition, HeaderMutationSchema, json, context), clock, {
      request: { headers: ['a', '1'] },
    });
    stream.head();
    expect(stream.request.headers).toEqual(['b', 'x']);
    expect(stream.response(200, ['server', 'envoy']).headers).toEqual(['server', 's']);
  });
  it('local_ratelimit answers 429 when the bucket is empty', () => {
    const { context, clock, statsText } = testContext();
    const always = { defaultValue: { numerator: 100 } };
    const json = {
      statPrefix: 'lim',
      tokenBucket: { maxTokens: 1, tokensPerFill: 1, fillInterval: '60s' },
      filterEnabled: always,
      filterEnforced: always,
      responseHeadersToAdd: [{ header: { key: 'x-local-rate-limit', value: 'true' } }],
    };
    const factory = compileTest(localRateLimitDefinition, LocalRateLimitSchema, json, context);
    expect(new TestStream(factory, clock).head()).toBe('continue');
    const limited = new TestStream(factory, clock);
    limited.head();
    expect(limited.replies).toEqual([
      { status: 429, body: 'local_rate_limited', details: 'local_rate_limited', flag: 'RL', headers: ['x-local-rate-limit', 'true'] },
    ]);
    expect(statsText()).toContain('lim.http_local_rate_limit.rate_limited: 1');
    clock.advance(60_000);
    expect(new TestStream(factory, clock).head()).toBe('continue');
  });
});
