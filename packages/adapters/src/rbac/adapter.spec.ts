import type { TypedValue } from '@xebec/expressions';
import type { CheckResult, FieldValue } from '@xebec/policy';
import type { ConfigObject } from '@xebec/schemas';
import { describe, expect, it } from 'vitest';
import { configured, testEnvironment } from '../test-environment.ts';
import { rbac } from './adapter.ts';

const object = (kind: string, name: string, spec: object, namespace = 'shop'): ConfigObject => ({
  apiVersion: 'rbac.istio.io/v1alpha1',
  kind,
  metadata: { name, namespace, labels: {}, annotations: {}, creationTimestamp: '', resourceVersion: '', uid: '', generation: 1 },
  spec,
});
const role = (rule: object) => object('ServiceRole', 'viewer', { rules: [rule] });
const bound = (subject: object, more: object = {}) =>
  object('ServiceRoleBinding', 'viewers', { subjects: [subject], roleRef: { kind: 'ServiceRole', name: 'viewer' }, ...more });

function setup(objects: readonly ConfigObject[], params: object = {}) {
  const { environment } = testEnvironment();
  environment.roles.replace(objects);
  const handler = configured(rbac, params, environment);
  return (over: Record<string, string | Record<string, string>> = {}): CheckResult => {
    const fields = {
      'subject.user': 'jane',
      'action.namespace': 'shop',
      'action.service': 'products',
      'action.method': 'GET',
      'action.path': '/a',
      ...over,
    };
    const values = Object.entries<string | Record<string, string>>(fields).map(([name, value]): [string, FieldValue] => {
      if (typeof value === 'string') return [name, { type: 'STRING', value }];
      return [name, new Map(Object.entries(value).map(([key, text]): [string, TypedValue] => [key, { type: 'STRING', value: text }]))];
    });
    const answer = handler.check?.({ name: 'i.istio-system', template: 'authorization', fields: Object.fromEntries(values) });
    if (answer === undefined || answer instanceof Promise) throw new Error('rbac answers at once');
    return answer;
  };
}

describe('roles', () => {
  it.each<[object, boolean]>([
    [{ services: ['*'] }, true],
    [{ services: ['products'], methods: ['GET'], paths: ['/a'] }, true],
    [{ services: ['prod*'], methods: ['*'], paths: ['*a'] }, true],
    [{ services: ['*ucts'] }, true],
    [{ services: ['other'] }, false],
    [{ services: ['*'], methods: ['POST'] }, false],
    [{ services: ['*'], paths: ['/b/*'] }, false],
    [{ services: ['*'], constraints: [{ key: 'version', values: ['v1', 'v2*'] }] }, true],
    [{ services: ['*'], constraints: [{ key: 'version', values: ['v1'] }] }, false],
    [{ services: ['*'], constraints: [{ key: 'other', values: ['*'] }] }, false],
  ])('%j: %s', (rule, allowed) => {
    const ask = setup([role(rule), bound({ user: '*' })]);
    expect(ask({ 'action.properties': { version: 'v21' } }).code).toBe(allowed ? 0 : 7);
  });
  it('are of their namespace', () => {
    const ask = setup([role({ services: ['*'] }), bound({ user: '*' })]);
    expect(ask({ 'action.namespace': 'other' })).toMatchObject({ code: 7, message: 'RBAC: permission denied.' });
    expect(ask({ 'action.namespace': '' }).code).toBe(7);
    expect(ask({ 'action.path': '' }).code).toBe(7);
  });
});

describe('subjects', () => {
  it.each<[object, boolean]>([
    [{ user: 'jane' }, true],
    [{ user: 'joe' }, false],
    [{ group: 'ops' }, true],
    [{ group: '*' }, true],
    [{ group: 'op' }, false],
    [{ properties: { namespace: 'web' } }, true],
    [{ properties: { namespace: 'web', service: 'x' } }, false],
    [{ user: 'jane', properties: { namespace: 'other' } }, false],
    [{ user: 'joe', group: 'ops' }, false],
    [{}, false],
  ])('%j: %s', (subject, allowed) => {
    const ask = setup([role({ services: ['*'] }), bound(subject)]);
    expect(ask({ 'subject.groups': 'dev,ops', 'subject.properties': { namespace: 'web' } }).code).toBe(allowed ? 0 : 7);
  });
  it('get nothing by bindings on trial or to roles that are not there', () => {
    expect(setup([role({ services: ['*'] }), bound({ user: '*' }, { mode: 'PERMISSIVE' })])().code).toBe(7);
    expect(setup([bound({ user: '*' })])().code).toBe(7);
  });
});

it.each<[object, boolean]>([
  [{ mode: 'OFF' }, false],
  [{}, false],
  [{ mode: 'ON' }, true],
  [{ mode: 'ON', enforcementMode: 'PERMISSIVE' }, false],
  [{ mode: 'ON_WITH_INCLUSION', inclusion: { namespaces: ['shop'] } }, true],
  [{ mode: 'ON_WITH_INCLUSION', inclusion: { namespaces: ['other'], services: ['prod*'] } }, true],
  [{ mode: 'ON_WITH_INCLUSION', inclusion: { namespaces: ['other'] } }, false],
  [{ mode: 'ON_WITH_EXCLUSION', exclusion: { services: ['products'] } }, false],
  [{ mode: 'ON_WITH_EXCLUSION' }, true],
])('ClusterRbacConfig %j enforces: %s', (spec, enforced) => {
  expect(setup([object('ClusterRbacConfig', 'default', spec)])().code).toBe(enforced ? 7 : 0);
});

it('lets answers be used again for a while', () => {
  expect(setup([])()).toMatchObject({ validDurationMs: 60_000, validUseCount: 1_000_000_000 });
  expect(setup([], { configStoreUrl: 'k8s://', cacheDuration: '5s' })()).toMatchObject({ validDurationMs: 5000 });
});
