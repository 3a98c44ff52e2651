import type { JsonValue } from '@bufbuild/protobuf';
import { CorsPolicySchema, CorsSchema } from '@xebec/protos/envoy/extensions/filters/http/cors/v3/cors';
import { describe, expect, it } from 'vitest';
import { compileTest, configBytes, TestStream, testContext } from '../../test-harness.ts';
import { corsDefinition } from './config.ts';

const policy = {
  allowOriginStringMatch: [{ exact: 'https://a.com' }],
  allowMethods: 'GET,POST',
  allowHeaders: 'x-a',
  exposeHeaders: 'x-b',
  maxAge: '86400',
  allowCredentials: true,
};

const route = { name: '', virtualHostName: 'v', clusterName: 'c', metadata: {}, decoratorOperation: '', compiled: undefined };

function stream(method: string, headers: string[], json: JsonValue = policy) {
  const { context, clock } = testContext();
  const perRoute = corsDefinition.compilePerRoute?.(configBytes(CorsPolicySchema, json), CorsPolicySchema.typeName);
  return new TestStream(compileTest(corsDefinition, CorsSchema, {}, context), clock, { perRoute, route, request: { method, headers } });
}
const preflight = ['origin', 'https://a.com', 'access-control-request-method', 'GET'];

describe('envoy.filters.http.cors', () => {
  it('answers a preflight', () => {
    const subject = stream('OPTIONS', preflight);
    expect(subject.head()).toBe('stop');
    expect(subject.replies[0]).toEqual({
      status: 200,
      body: '',
      details: 'cors_response',
      headers: [
        'access-control-allow-origin',
        'https://a.com',
        'access-control-allow-credentials',
        'true',
        'access-control-allow-methods',
        'GET,POST',
        'access-control-allow-headers',
        'x-a',
        'access-control-max-age',
        '86400',
      ],
    });
  });
  it('adds headers to an allowed response', () => {
    const subject = stream('GET', ['origin', 'https://a.com']);
    expect(subject.head()).toBe('continue');
    expect(subject.response(200).headers).toEqual([
      'access-control-allow-origin',
      'https://a.com',
      'access-control-allow-credentials',
      'true',
      'access-control-expose-headers',
      'x-b',
    ]);
  });
  it('leaves other origins to the application', () => {
    const subject = stream('OPTIONS', ['origin', 'https://b.com', 'access-control-request-method', 'GET']);
    expect(subject.head()).toBe('continue');
    expect(subject.response(200).headers).toEqual([]);
  });
  it('answers other preflights when told not to forward them', () => {
    const subject = stream('OPTIONS', ['origin', 'https://b.com', 'access-control-request-method', 'GET'], {
      ...policy,
      forwardNotMatchingPreflights: false,
    });
    expect(subject.head()).toBe('stop');
    expect(subject.replies[0]).toEqual({ status: 200, body: '', details: 'cors_response' });
  });
});
