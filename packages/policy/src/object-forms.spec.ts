import { type ConfigObject, decodeObject } from '@xebec/schemas';
import { describe, expect, it } from 'vitest';
import type { AdapterSignature } from './adapter.ts';
import { checkPolicyObject, policyContext } from './check-policy.ts';

const signature = (name: string, templates: readonly string[]): [string, AdapterSignature] => [
  name,
  {
    name,
    templates,
    check: (params) => (Object.keys(Object(params)).includes('wrong') ? [{ path: 'spec.params.wrong', message: 'unknown' }] : []),
  },
];
const adapters = new Map([signature('denier', ['checknothing', 'quota']), signature('kubernetesenv', ['kubernetes'])]);

function object(kind: string, name: string, spec: object | null): ConfigObject {
  const decoded = decodeObject({ apiVersion: 'config.istio.io/v1alpha2', kind, metadata: { name, namespace: 'shop' }, spec });
  if (!decoded.ok) throw new Error(JSON.stringify(decoded.error));
  return decoded.value;
}

/** What admission says of the last object, among the others. */
function verdict(...objects: ConfigObject[]): string[] {
  const last = objects.at(-1);
  if (last === undefined) return [];
  const { errors, warnings } = checkPolicyObject(last, policyContext(objects, adapters));
  return [...errors, ...warnings].map(({ path, message }) => `${path}: ${message}`);
}

const denier = object('denier', 'deny', { status: { code: 7 } });
const nothing = object('checknothing', 'nothing', null);
const modern = [
  object('handler', 'deny', { compiledAdapter: 'denier' }),
  object('instance', 'nothing', { compiledTemplate: 'checknothing' }),
];
const rule = (handler: string, instance: string) => object('rule', 'r', { actions: [{ handler, instances: [instance] }] });

describe('older kinds', () => {
  it.each([
    ['deny.denier', 'nothing.checknothing'],
    ['deny.denier.shop', 'nothing.checknothing.shop'],
  ])('are named %s and %s', (handler, instance) => {
    expect(verdict(denier, nothing, rule(handler, instance))).toEqual([]);
  });
  it('are not what a plain name means', () => {
    expect(verdict(denier, nothing, rule('deny', 'nothing'))).toEqual([
      'spec.actions[0].handler: there is no usable handler "deny.shop"',
      'spec.actions[0].instances[0]: there is no usable instance "nothing.shop"',
    ]);
  });
  it('live beside handlers and instances of their names', () => {
    const quota = object('quota', 'nothing', { dimensions: {} });
    expect(verdict(...modern, denier, nothing, quota, rule('deny', 'nothing.quota'))).toEqual([]);
    expect(verdict(...modern, rule('deny.denier', 'nothing.checknothing.shop'))).toEqual([]);
  });
  it('are wrong where they are written', () => {
    expect(verdict(object('denier', 'deny', { wrong: 1 }))).toEqual(['spec.wrong: unknown']);
    expect(verdict(object('listentry', 'i', { value: 'source.nam' }))).toEqual([
      expect.stringMatching(/^spec\.value: column 1: unknown attribute/),
    ]);
    expect(verdict(object('kubernetes', 'i', { attribute_bindings: { 'source.namespace': '$out.nothing' } }))).toEqual([
      expect.stringMatching(/^spec\.attributeBindings\["source\.namespace"\]: column 1: unknown attribute "\$out\.nothing"/),
    ]);
  });
});

it('takes an empty field for one that is not there', () => {
  const entry = (value: unknown) => verdict(object('instance', 'i', { compiledTemplate: 'listentry', params: { value } }));
  expect(entry('source.user')).toEqual([]);
  expect(entry('')).toEqual(['spec.params.value: required field is missing']);
  expect(verdict(object('instance', 'i', { compiledTemplate: 'apikey', params: { api: '', timestamp: null } }))).toEqual([]);
});
