import { create } from '@bufbuild/protobuf';
import { AttributeContextSchema } from '@xebec/protos/envoy/service/auth/v3/attribute_context';
import { describe, expect, it } from 'vitest';
import { answerOf } from './answer.ts';
import { attributesOf } from './attributes.ts';

describe('attributesOf', () => {
  const address = (ip: string, port: number) => ({
    address: { case: 'socketAddress', value: { address: ip, portSpecifier: { case: 'portValue', value: port } } } as const,
  });
  const context = create(AttributeContextSchema, {
    source: { address: address('10.0.0.1', 4711), principal: 'spiffe://cluster.local/ns/shop/sa/cart', labels: { app: 'cart' } },
    destination: { address: address('::1', 8080) },
    request: {
      time: { seconds: 5n, nanos: 7 },
      http: {
        id: '1',
        method: 'GET',
        path: '/a?x=1&api_key=k',
        host: 'shop',
        scheme: 'https',
        size: -1n,
        headers: { 'user-agent': 'curl', 'x-request-id': 'r' },
      },
    },
    tlsSession: { sni: 'shop.example' },
    contextExtensions: { 'destination.service.host': 'shop.default', 'destination.port': '80', 'mixer.quotas': 'q', 'response.code': 'x' },
    metadataContext: {
      filterMetadata: { 'envoy.filters.http.jwt_authn': { payload: { iss: 'i', sub: 's', aud: ['a', 'b'], exp: 5 } } },
    },
  });
  const bag = attributesOf(context);
  it.each<[string, unknown]>([
    ['source.ip', new Uint8Array([10, 0, 0, 1])],
    ['source.principal', 'cluster.local/ns/shop/sa/cart'],
    ['source.namespace', 'shop'],
    ['source.labels', new Map([['app', 'cart']])],
    ['destination.port', 80n],
    ['destination.service.host', 'shop.default'],
    ['connection.mtls', true],
    ['connection.requested_server_name', 'shop.example'],
    ['context.protocol', 'http'],
    ['request.time', 5_000_000_007n],
    ['request.path', '/a?x=1&api_key=k'],
    ['request.url_path', '/a'],
    [
      'request.query_params',
      new Map([
        ['x', '1'],
        ['api_key', 'k'],
      ]),
    ],
    ['request.api_key', 'k'],
    ['request.useragent', 'curl'],
    ['request.id', 'r'],
    ['request.auth.principal', 'i/s'],
    ['request.auth.audiences', 'a,b'],
    ['request.size', undefined],
    ['response.code', undefined],
    ['mixer.quotas', undefined],
  ])('%s is %s', (name, value) => expect(bag.get(name)?.value).toEqual(value));

  it('knows TCP, and headers as bytes', () => {
    expect(attributesOf(create(AttributeContextSchema)).get('context.protocol')?.value).toBe('tcp');
    const headers = [
      { key: 'a', rawValue: Buffer.from('1') },
      { key: 'a', rawValue: Buffer.from('2') },
    ];
    const raw = create(AttributeContextSchema, { request: { http: { headerMap: { headers } } } });
    expect(attributesOf(raw).get('request.headers')?.value).toEqual(new Map([['a', '1,2']]));
  });
});

describe('answerOf', () => {
  const nothing = { code: 0, message: '', requestHeaders: [], responseHeaders: [] };
  it('lets pass, with headers', () => {
    const change = (name: string, value: string, operation: 'REPLACE' | 'APPEND' | 'REMOVE') => ({ name, value, operation });
    const requestHeaders = [
      change('X-A', '1', 'REPLACE'),
      change('b', '2', 'APPEND'),
      change('c', '', 'REMOVE'),
      change('d', 'x\r\ny', 'REPLACE'),
    ];
    const { status, httpResponse } = answerOf({ ...nothing, requestHeaders });
    expect(status?.code).toBe(0);
    expect(httpResponse.value).toMatchObject({
      headers: [
        { header: { key: 'x-a', value: '1' }, appendAction: 2 },
        { header: { key: 'b', value: '2' }, appendAction: 0 },
      ],
      headersToRemove: ['c'],
    });
  });
  it.each([
    [7, 403],
    [16, 401],
    [8, 429],
    [14, 503],
    [5, 404],
    [99, 500],
  ])('says %i as %i', (code, status) => {
    const { httpResponse } = answerOf({ ...nothing, code, message: 'no' });
    expect(httpResponse).toMatchObject({ case: 'deniedResponse', value: { status: { code: status } } });
    expect(httpResponse.case === 'deniedResponse' && httpResponse.value.body).toMatch(/^[A-Z_]+:no$/);
  });
  it('answers directly when a rule does', () => {
    const answer = answerOf({ ...nothing, directResponse: { status: 302, body: 'there' } });
    expect(answer.status?.code).not.toBe(0);
    expect(answer.httpResponse.value).toMatchObject({ status: { code: 302 }, body: 'there' });
  });
});
