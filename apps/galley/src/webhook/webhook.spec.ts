import { describe, expect, it } from 'vitest';
import { type AdmissionRequest, parseReview, renderAnswer } from './admission.ts';
import { caBundlePatch } from './ca-bundle.ts';
import { injectSidecar } from './inject.ts';
import { validateObject } from './validate.ts';

function request(object: unknown, resource: Partial<AdmissionRequest['resource']> = {}): AdmissionRequest {
  return {
    uid: 'u',
    operation: 'CREATE',
    namespace: 'default',
    resource: { group: 'networking.istio.io', version: 'v1', resource: 'virtualservices', ...resource },
    object,
  };
}

describe('validate', () => {
  const virtualService = (spec: unknown) => ({
    apiVersion: 'networking.istio.io/v1',
    kind: 'VirtualService',
    metadata: { name: 'a' },
    spec,
  });

  it('admits a sound object', () => {
    expect(validateObject(request(virtualService({ hosts: ['a'], http: [{ route: [{ destination: { host: 'a' } }] }] })))).toEqual({
      allowed: true,
    });
  });
  it('refuses a wrong field with its path and the right spelling', () => {
    expect(validateObject(request(virtualService({ hosts: ['a'], http: [{ rout: [] }] })))).toEqual({
      allowed: false,
      message: 'configuration is invalid: spec.http[0].rout: unknown field "rout"; did you mean "route"?',
    });
  });
  it('refuses policies that could never apply and warns of those that say more than they seem to', () => {
    const policy = (spec: unknown) => ({ apiVersion: 'security.istio.io/v1', kind: 'AuthorizationPolicy', metadata: { name: 'a' }, spec });
    const resource = { group: 'security.istio.io', resource: 'authorizationpolicies' };
    expect(validateObject(request(policy({ rules: [{ when: [{ key: 'source.i', values: ['a'] }] }] }), resource))).toEqual({
      allowed: false,
      message: 'configuration is invalid: spec.rules[0].when[0].key: unknown key "source.i"; did you mean "source.ip"?',
    });
    expect(validateObject(request(policy({ action: 'DENY', rules: [{ to: [{ operation: { methods: ['GET'] } }] }] }), resource))).toEqual({
      allowed: true,
      warnings: [expect.stringContaining('spec.rules[0]: a DENY rule of nothing but HTTP attributes')],
    });
  });
  it('lets deletions and foreign kinds pass', () => {
    expect(validateObject({ ...request(undefined), operation: 'DELETE' }).allowed).toBe(true);
    expect(validateObject(request({}, { group: 'apps' })).allowed).toBe(true);
  });
});

describe('inject', () => {
  const options = { meshConfig: () => ({}), proxyImage: 'xebec/proxy:test' };
  const pod = { metadata: { name: 'p', labels: { app: 'p' } }, spec: { containers: [{ name: 'app' }] } };

  it('patches a pod of a labelled namespace', async () => {
    const answer = await injectSidecar(request(pod, { group: '', resource: 'pods' }), {
      ...options,
      namespaceLabels: async () => ({ 'istio-injection': 'enabled' }),
    });
    expect(answer.allowed).toBe(true);
    expect(JSON.stringify(answer.patch)).toContain('xebec/proxy:test');
  });
  it('leaves a pod of another namespace alone', async () => {
    const answer = await injectSidecar(request(pod, { group: '', resource: 'pods' }), { ...options, namespaceLabels: async () => ({}) });
    expect(answer).toMatchObject({ allowed: true, patch: [] });
  });
});

it('writes the CA bundle where it is missing, and only to its own webhooks', () => {
  const own = { name: 'istio-galley', namespace: 'istio-system' };
  const configuration = {
    webhooks: [
      { clientConfig: { service: own } },
      { clientConfig: { service: { ...own, name: 'other' } } },
      { clientConfig: { service: own, caBundle: 'B' } },
    ],
  };
  expect(caBundlePatch(configuration, own, 'B')).toEqual([{ op: 'add', path: '/webhooks/0/clientConfig/caBundle', value: 'B' }]);
});

it('answers in the version of the question and refuses what is no review', () => {
  const review = parseReview(JSON.stringify({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', request: request({}) }));
  expect(review).toBeDefined();
  if (review === undefined) return;
  expect(JSON.parse(renderAnswer(review, { allowed: false, message: 'no' }))).toEqual({
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    response: { uid: 'u', allowed: false, status: { code: 400, reason: 'BadRequest', message: 'no' } },
  });
  expect(parseReview('{"kind":"Pod"}')).toBeUndefined();
  expect(parseReview('<')).toBeUndefined();
});
