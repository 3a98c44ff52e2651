import { toRawObject } from '@xebec/analysis';
import { describe, expect, it } from 'vitest';
import { type Verdict, verdictOf } from './verdict.ts';

function verdict(content: unknown): Verdict | undefined {
  const object = toRawObject(content, 'shop');
  return object === undefined ? undefined : verdictOf(object);
}

describe('verdictOf', () => {
  it('names what is wrong with an object of the mesh, and its namespace', () => {
    const spec = { host: 'reviews', trafficPolicy: {} };
    expect(verdict({ apiVersion: 'networking.istio.io/v1', kind: 'DestinationRule', metadata: { name: 'a' }, spec })).toMatchObject({
      kind: 'DestinationRule',
      name: 'a',
      namespace: 'shop',
      valid: false,
      errors: [{ path: 'spec.trafficPolicy' }],
    });
  });
  it('tells warnings from errors', () => {
    const spec = { host: 'reviews', trafficPolicy: { outlierDetection: { consecutiveErrors: 5 } } };
    expect(verdict({ apiVersion: 'networking.istio.io/v1', kind: 'DestinationRule', metadata: { name: 'a' }, spec })).toMatchObject({
      valid: true,
      errors: [],
      warnings: [{ path: 'spec.trafficPolicy.outlierDetection.consecutiveErrors' }],
    });
  });
  it('reads the mesh config that a ConfigMap holds', () => {
    const map = (mesh: string) => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'istio' }, data: { mesh } });
    expect(verdict(map('connectTimeout: 5s\n'))).toMatchObject({ valid: true, checked: true });
    expect(verdict(map('connectTimeout: 2h\ntrustDomain: a_b\n'))?.errors.map(({ path }) => path)).toEqual([
      'data.mesh.connectTimeout',
      'data.mesh.trustDomain',
    ]);
    expect(verdict(map('a: ['))).toMatchObject({ valid: false, errors: [{ path: 'data.mesh' }] });
  });
  it('reads the mesh networks beside it, and lets fields of another release pass with a warning', () => {
    const map = (data: object) => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'istio' }, data });
    const networks = 'networks:\n  n1:\n    endpoints: [{ fromCidr: 10.0.0.0/40 }]\n    gateways: [{ address: a_b, port: 15443 }]\n';
    expect(verdict(map({ meshNetworks: networks }))?.errors.map(({ path }) => path)).toEqual([
      'data.meshNetworks.networks.n1.endpoints[0].fromCidr',
      'data.meshNetworks.networks.n1.gateways[0].address',
    ]);
    expect(verdict(map({ mesh: 'enableAutoMtl: true\n' }))).toMatchObject({
      valid: true,
      warnings: [{ path: 'data.mesh.enableAutoMtl', suggestion: 'enableAutoMtls' }],
    });
  });
  it('checks the shape of the Gateway API', () => {
    const route = { apiVersion: 'gateway.networking.k8s.io/v1', kind: 'HTTPRoute', metadata: { name: 'a' }, spec: { hostname: ['a'] } };
    expect(verdict(route)).toMatchObject({ valid: false, errors: [{ path: 'spec.hostname', suggestion: 'hostnames' }] });
  });
  it('leaves what is not the mesh’s alone, but says when a group is misspelt', () => {
    expect(verdict({ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'a' } })).toMatchObject({ valid: true, checked: false });
    expect(verdict({ apiVersion: 'netwrking.istio.io/v1', kind: 'Gateway', metadata: { name: 'a' } })).toMatchObject({
      valid: false,
      errors: [{ path: 'apiVersion', suggestion: 'networking.istio.io' }],
    });
  });
});
