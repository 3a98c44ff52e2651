import { toRawObject } from '@xebec/analysis';
import { describe, expect, it } from 'vitest';
import { policyContextOf, type Verdict, verdictOf } from './verdict.ts';

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
  it('compiles what Mixer would run, against the other objects of the same files', () => {
    const mixer = (kind: string, name: string, spec: unknown) =>
      toRawObject({ apiVersion: 'config.istio.io/v1alpha2', kind, metadata: { name, namespace: 'istio-system' }, spec }, 'shop');
    const all = [
      mixer('attributemanifest', 'own', { attributes: { 'shop.tier': { valueType: 'STRING' } } }),
      mixer('handler', 'deny', { compiledAdapter: 'denier', params: { status: { code: 7 } } }),
      mixer('handler', 'typo', { compiledAdapter: 'denyer' }),
      mixer('instance', 'nothing', { compiledTemplate: 'checknothing' }),
      mixer('instance', 'entry', { compiledTemplate: 'listentry', params: { valu: 'source.ip' } }),
      mixer('rule', 'good', { match: 'shop.tier == "gold"', actions: [{ handler: 'deny', instances: ['nothing'] }] }),
      mixer('rule', 'typo', { match: 'true && source.nam == "a"' }),
      mixer('rule', 'later', { match: 'other.tier == "gold"', actions: [{ handler: 'absent', instances: ['nothing'] }] }),
      mixer('rule', 'number', { match: 'request.size' }),
    ].flatMap((object) => (object === undefined ? [] : [object]));
    const context = policyContextOf(all);
    const lines = all.flatMap((object) => {
      const { name, kind, errors, warnings } = verdictOf(object, context);
      const of = (level: string, list: Verdict['errors']) =>
        list.map(({ path, message }) => `${level} ${kind} ${name}: ${path}: ${message}`);
      return [...of('E', errors), ...of('W', warnings)];
    });
    expect(lines).toEqual([
      'E handler typo: spec.compiledAdapter: unknown adapter "denyer"; did you mean "denier"?',
      'E instance entry: spec.params.valu: template listentry has no field "valu"; did you mean "value"?',
      'E instance entry: spec.params.value: required field is missing',
      'E rule typo: spec.match: column 9: unknown attribute "source.nam"; did you mean "source.name"?',
      'W rule later: spec.actions[0].handler: there is no usable handler "absent.istio-system"',
      'W rule later: spec.match: column 1: unknown attribute "other.tier"; an attributemanifest must define it, or else this object has no effect',
      'E rule number: spec.match: column 1: the expression is of type INT64, but BOOL is expected here',
    ]);
  });
  it('leaves what is not the mesh’s alone, but says when a group is misspelt', () => {
    expect(verdict({ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'a' } })).toMatchObject({ valid: true, checked: false });
    expect(verdict({ apiVersion: 'netwrking.istio.io/v1', kind: 'Gateway', metadata: { name: 'a' } })).toMatchObject({
      valid: false,
      errors: [{ path: 'apiVersion', suggestion: 'networking.istio.io' }],
    });
  });
});
