import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { checkGatewayApi } from './check.ts';

function problems(kind: string, spec: string): string[] | undefined {
  const findings = checkGatewayApi('gateway.networking.k8s.io/v1', kind, { spec: parse(spec) });
  return findings?.errors.map(({ message, path }) => `${path}: ${message}`);
}

const ROUTE = `
parentRefs: [{ name: edge, sectionName: web }]
hostnames: [shop.example]
rules:
  - matches: [{ path: { type: PathPrefix, value: /api }, headers: [{ name: x-a, value: b }], method: GET }]
    filters: [{ type: RequestHeaderModifier, requestHeaderModifier: { set: [{ name: a, value: b }] } }]
    backendRefs: [{ name: reviews, port: 9080, weight: 90 }]
    timeouts: { request: 1m30s }`;

describe('checkGatewayApi', () => {
  it('takes what the CRDs take', () => {
    expect(problems('HTTPRoute', ROUTE)).toEqual([]);
    expect(problems('Gateway', '{ gatewayClassName: istio, listeners: [{ name: web, port: 80, protocol: HTTP }] }')).toEqual([]);
    expect(problems('GRPCRoute', 'rules: [{ matches: [{ method: { service: a.B } }], backendRefs: [{ name: b, port: 1 }] }]')).toEqual([]);
    expect(problems('TCPRoute', 'rules: [{ backendRefs: [{ name: db, port: 5432 }] }]')).toEqual([]);
    expect(problems('ReferenceGrant', '{ from: [{ group: "", kind: Service, namespace: a }], to: [{ group: "", kind: Secret }] }')).toEqual(
      [],
    );
    expect(problems('GatewayClass', 'controllerName: istio.io/gateway-controller')).toEqual([]);
  });
  it('names the field and the nearest spelling', () => {
    expect(problems('HTTPRoute', ROUTE.replace('backendRefs', 'backendRef'))).toEqual([
      'spec.rules[0].backendRef: unknown field "backendRef"; did you mean "backendRefs"?',
    ]);
  });
  it.each([
    { kind: 'HTTPRoute', from: 'port: 9080', to: 'port: 0', path: 'spec.rules[0].backendRefs[0].port' },
    { kind: 'HTTPRoute', from: 'PathPrefix', to: 'Prefix', path: 'spec.rules[0].matches[0].path.type' },
    { kind: 'HTTPRoute', from: '1m30s', to: '1.5s', path: 'spec.rules[0].timeouts.request' },
    { kind: 'HTTPRoute', from: 'type: RequestHeaderModifier', to: 'type: URLRewrite', path: 'spec.rules[0].filters[0].urlRewrite' },
    { kind: 'HTTPRoute', from: 'weight: 90', to: 'weight: -1', path: 'spec.rules[0].backendRefs[0].weight' },
  ])('refuses $to', ({ from, kind, path, to }) => expect(problems(kind, ROUTE.replace(from, to))?.[0]).toMatch(path));
  it('wants listeners of a Gateway', () => {
    expect(problems('Gateway', 'gatewayClassName: istio')).toEqual(['spec.listeners: required field is missing']);
  });
  it('leaves other kinds alone', () => {
    expect(checkGatewayApi('networking.istio.io/v1', 'Gateway', {})).toBeUndefined();
    expect(problems('BackendTLSPolicy', '{}')).toBeUndefined();
  });
});
