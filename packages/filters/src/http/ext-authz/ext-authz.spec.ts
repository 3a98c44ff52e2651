import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { ExtAuthzPerRouteSchema, ExtAuthzSchema } from '@xebec/protos/envoy/extensions/filters/http/ext_authz/v3/ext_authz';
import { CheckRequestSchema, CheckResponseSchema } from '@xebec/protos/envoy/service/auth/v3/external_auth';
import type { HeaderList, RequestHead } from '@xebec/wire';
import { describe, expect, it } from 'vitest';
import type { FilterUpstream, RouteView } from '../../http-filter.ts';
import { compileTest, configBytes, TestStream, testContext } from '../../test-harness.ts';
import { extAuthzDefinition } from './config.ts';

const http = {
  httpService: {
    serverUri: { uri: 'http://authz', cluster: 'authz', timeout: '2s' },
    pathPrefix: '/check',
    authorizationRequest: { headersToAdd: [{ key: 'x-mesh', value: 'yes' }] },
    authorizationResponse: {
      allowedUpstreamHeaders: { patterns: [{ exact: 'x-user' }] },
      allowedClientHeaders: { patterns: [{ exact: 'x-why' }] },
      allowedClientHeadersOnSuccess: { patterns: [{ exact: 'x-seen' }] },
    },
  },
  allowedHeaders: { patterns: [{ exact: 'x-ask' }] },
};
const grpc = { grpcService: { envoyGrpc: { clusterName: 'authz' }, timeout: '2s' } };

const route: RouteView = {
  name: '',
  virtualHostName: '',
  clusterName: undefined,
  metadata: {},
  decoratorOperation: '',
  compiled: undefined,
};

function start(
  json: object,
  upstream: Partial<FilterUpstream>,
  options: { perRoute?: unknown; policy?: string; endStream?: boolean; nowhere?: boolean } = {},
) {
  const none = () => Promise.reject(new Error('unused'));
  const { context, clock, statsText } = testContext({ upstream: { http: none, grpcUnary: none, ...upstream } });
  const factory = compileTest(extAuthzDefinition, ExtAuthzSchema, JSON.parse(JSON.stringify(json)), context);
  const stream = new TestStream(factory, clock, {
    request: { path: '/p?q=1', headers: ['x-ask', 'a', 'x-other', 'b', 'authorization', 'Basic eA=='] },
    ...(options.nowhere === true ? {} : { route }),
    ...('perRoute' in options ? { perRoute: options.perRoute } : {}),
  });
  if (options.policy !== undefined)
    stream.info.dynamicMetadata.set('envoy.filters.http.rbac', { 'istio-ext-authz-shadow_effective_policy_id': options.policy });
  return { stream, status: stream.head(options.endStream ?? true), statsText };
}

function httpAnswer(status: number, headers: HeaderList = [], body = '') {
  const asked: { head: RequestHead; body: string; timeoutMs: number }[] = [];
  const call: FilterUpstream['http'] = (_, head, sent, timeoutMs) => {
    asked.push({ head, body: sent.toString(), timeoutMs });
    return Promise.resolve({ head: { status, headers }, body: Buffer.from(body) });
  };
  return { asked, upstream: { http: call } };
}
const settled = (stream: TestStream) => expect.poll(() => stream.continuedRequest + stream.replies.length).toBe(1);

describe('envoy.filters.http.ext_authz over HTTP', () => {
  it('asks nothing about a request without a route', () => {
    const { asked, upstream } = httpAnswer(403);
    expect(start(http, upstream, { nowhere: true }).status).toBe('continue');
    expect(asked).toEqual([]);
  });

  it('asks with the allowed headers and lets a 200 pass with what it added', async () => {
    const { asked, upstream } = httpAnswer(200, ['x-user', 'jason', 'x-seen', '1', 'x-secret', 's']);
    const { stream, status } = start(http, upstream);
    expect(status).toBe('stop');
    await settled(stream);
    expect(asked).toMatchObject([{ head: { method: 'GET', path: '/check/p?q=1', authority: 'host' }, body: '', timeoutMs: 2000 }]);
    expect(asked[0]?.head.headers).toEqual(['x-ask', 'a', 'authorization', 'Basic eA==', 'content-length', '0', 'x-mesh', 'yes']);
    expect(stream.request.headers).toEqual(['x-ask', 'a', 'x-other', 'b', 'authorization', 'Basic eA==', 'x-user', 'jason']);
    expect(stream.response(200).headers).toEqual(['x-seen', '1']);
  });
  it('hands a denial to the client', async () => {
    const { upstream } = httpAnswer(401, ['x-why', 'no', 'x-secret', 's', 'www-authenticate', 'Basic', 'content-length', '2'], 'no');
    const { stream } = start(http, upstream);
    await settled(stream);
    const headers = ['x-why', 'no', 'www-authenticate', 'Basic'];
    expect(stream.replies).toEqual([{ status: 401, body: 'no', details: 'ext_authz_denied', flag: 'UAEX', headers }]);
  });
  it.each([
    ['an answer of 500', () => httpAnswer(500).upstream],
    ['no answer', () => ({})],
  ])('refuses on %s, unless failures are allowed', async (_, upstream) => {
    const closed = start({ ...http, statusOnError: { code: 503 } }, upstream());
    await settled(closed.stream);
    expect(closed.stream.replies).toEqual([{ status: 503, body: '', details: 'ext_authz_error', flag: 'UAEX', headers: [] }]);
    const open = start({ ...http, failureModeAllow: true, failureModeAllowHeaderAdd: true }, upstream());
    await settled(open.stream);
    expect(open.stream.continuedRequest).toBe(1);
    expect(open.stream.request.headers).toContain('x-envoy-auth-failure-mode-allowed');
    expect(open.statsText()).toContain('http.test.ext_authz.failure_mode_allowed: 1');
  });
  it('sends the body up to its limit', async () => {
    const { asked, upstream } = httpAnswer(200);
    const { stream } = start({ ...http, withRequestBody: { maxRequestBytes: 4, allowPartialMessage: true } }, upstream, {
      endStream: false,
    });
    expect(stream.filter.onRequestData?.(Buffer.from('abc'), false)).toBe('stop');
    expect(stream.filter.onRequestData?.(Buffer.from('def'), true)).toBe('stop');
    await settled(stream);
    expect(asked[0]?.body).toBe('abcd');
    const long = start({ ...http, withRequestBody: { maxRequestBytes: 4 } }, upstream, { endStream: false });
    long.stream.filter.onRequestData?.(Buffer.from('abcdef'), true);
    expect(long.stream.replies[0]?.status).toBe(413);
  });
  it('asks only about requests that the condition marks', async () => {
    const path = [{ key: 'istio-ext-authz-shadow_effective_policy_id' }];
    const value = { stringMatch: { prefix: 'ns[' } };
    const config = { ...http, filterEnabledMetadata: { filter: 'envoy.filters.http.rbac', path, value } };
    expect(start(config, {}).status).toBe('continue');
    expect(start(config, httpAnswer(200).upstream, { policy: 'ns[a]-policy[b]-rule[0]' }).status).toBe('stop');
  });
  it('is switched off by a route', () => {
    const off = extAuthzDefinition.compilePerRoute?.(configBytes(ExtAuthzPerRouteSchema, { disabled: true }), '');
    expect(start(http, {}, { perRoute: off }).status).toBe('continue');
  });
});

describe('envoy.filters.http.ext_authz over gRPC', () => {
  const answer = (response: MessageInitShape<typeof CheckResponseSchema>, seen: Uint8Array[] = []): Partial<FilterUpstream> => ({
    grpcUnary: (_, path, bytes) => {
      expect(path).toBe('/envoy.service.auth.v3.Authorization/Check');
      seen.push(bytes);
      return Promise.resolve(toBinary(CheckResponseSchema, create(CheckResponseSchema, response)));
    },
  });
  it('describes the request, and changes it as an answer says', async () => {
    const seen: Uint8Array[] = [];
    const perRoute = extAuthzDefinition.compilePerRoute?.(
      configBytes(ExtAuthzPerRouteSchema, { checkSettings: { contextExtensions: { tenant: 't' } } }),
      '',
    );
    const value = {
      headers: [{ header: { key: 'X-Other', value: 'new' } }],
      headersToRemove: ['authorization', 'host'],
      responseHeadersToAdd: [{ header: { key: 'x-r', value: '1' } }],
    };
    const { stream } = start(grpc, answer({ httpResponse: { case: 'okResponse', value } }, seen), { perRoute });
    await settled(stream);
    expect(stream.request.headers).toEqual(['x-ask', 'a', 'x-other', 'new']);
    expect(stream.response(200).headers).toEqual(['x-r', '1']);
    const attributes = fromBinary(CheckRequestSchema, seen[0] ?? new Uint8Array()).attributes;
    expect(attributes?.contextExtensions).toEqual({ tenant: 't' });
    expect(attributes?.request?.http).toMatchObject({
      method: 'GET',
      path: '/p?q=1',
      host: 'host',
      headers: { 'x-ask': 'a', ':path': '/p?q=1' },
    });
  });
  it('denies with the status, body and headers of the answer', async () => {
    const value = { status: { code: 401 }, body: 'who', headers: [{ header: { key: 'X-Why', value: 'w' } }] };
    const { stream } = start(grpc, answer({ status: { code: 7 }, httpResponse: { case: 'deniedResponse', value } }));
    await settled(stream);
    expect(stream.replies).toEqual([{ status: 401, body: 'who', details: 'ext_authz_denied', flag: 'UAEX', headers: ['x-why', 'w'] }]);
    const bare = start(grpc, answer({ status: { code: 7 } }));
    await settled(bare.stream);
    expect(bare.stream.replies[0]).toMatchObject({ status: 403, body: '' });
  });
});
