import { describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { type AnalyzeOptions, analyze, formatMessage, matchesSuppression, toRawObject } from './index.ts';

function run(yaml: string, options: AnalyzeOptions = {}): string[] {
  const objects = parseAllDocuments(yaml).flatMap((document) => toRawObject(document.toJS(), 'default') ?? []);
  return analyze(objects, options).map(formatMessage);
}

const service =
  '{apiVersion: v1, kind: Service, metadata: {name: reviews}, spec: {selector: {app: reviews}, ports: [{name: http, port: 9080}]}}';
const rule =
  '{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: reviews}, spec: {host: reviews, subsets: [{name: v1, labels: {version: v1}}]}}';
const routes =
  '{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: reviews}, spec: {hosts: [reviews], http: [{route: [{destination: {host: reviews, subset: v1}}]}]}}';
const missing =
  '{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: a, annotations: {galley.istio.io/analyze-suppress: CODES}}, spec: {hosts: [a], http: [{route: [{destination: {host: nowhere}}]}]}}';

describe('analyze', () => {
  it('finds nothing in a sound configuration', () => {
    expect(run([service, rule, routes].join('\n---\n'))).toEqual([]);
  });

  it('says of a complete mesh that what it does not see is not there', () => {
    expect(run([service, rule, routes].join('\n---\n'), { complete: true })).toEqual([
      'Error [IST0173] (DestinationRule default/reviews) The Subset v1 defined in the DestinationRule does not select any pods. Which may lead to 503 UH (NoHealthyUpstream).',
    ]);
  });

  it('takes the template of a Deployment for its pods until there are some', () => {
    const deployment =
      '{apiVersion: apps/v1, kind: Deployment, metadata: {name: reviews}, spec: {template: {metadata: {labels: {app: reviews, version: VERSION}}}}}';
    const withVersion = (version: string) => [service, rule, routes, deployment.replace('VERSION', version)].join('\n---\n');
    expect(run(withVersion('v1'))).toEqual([]);
    expect(run(withVersion('v2'))).toHaveLength(1);
  });

  it.each([
    ['IST0101', 0],
    ['IST0102, IST0101', 0],
    ['*', 0],
    ['IST0102', 1],
  ])('leaves out what an object suppresses by annotation: %s', (codes, count) => {
    expect(run(missing.replace('CODES', `"${codes}"`))).toHaveLength(count);
  });

  it('runs only the analyzers that are asked for', () => {
    expect(run(missing, { only: ['gateway.SecretAnalyzer'] })).toEqual([]);
    expect(run(missing, { only: ['virtualservice.DestinationHostAnalyzer'] })).toHaveLength(1);
  });
});

describe('what objects alone do not bring about', () => {
  it('networks whose registry does not exist', () => {
    const meshNetworks = { networks: { one: { endpoints: [{ fromRegistry: 'far' }, { fromRegistry: 'Kubernetes' }] } } };
    const secret = '{apiVersion: v1, kind: Secret, metadata: {name: s, labels: {istio/multiCluster: "true"}}, data: {far: eA==}}';
    expect(run(service, { meshNetworks })).toEqual([
      'Error [IST0126] (MeshNetworks istio-system/meshnetworks) Unknown service registry far in network one',
    ]);
    expect(run(secret, { meshNetworks })).toEqual([]);
  });

  it('services that differ between clusters', () => {
    const inCluster = (cluster: string, type: string) =>
      toRawObject(
        { apiVersion: 'v1', kind: 'Service', metadata: { name: 'a' }, spec: { type, ports: [{ name: 'http', port: 80 }] } },
        'default',
        undefined,
        cluster,
      ) ?? [];
    expect(analyze([inCluster('one', 'ClusterIP'), inCluster('two', 'NodePort')].flat()).map(formatMessage)).toEqual([
      'Warning [IST0170] [cluster-one] (Service default/a) The service a in namespace "default" is inconsistent across clusters ["one" "two"], which can lead to undefined behaviors. The inconsistent behaviors are: service type is inconsistent.',
    ]);
    expect(analyze([inCluster('one', 'ClusterIP'), inCluster('two', 'ClusterIP')].flat())).toEqual([]);
  });

  it('alpha annotations, on request', () => {
    const pod = '{apiVersion: v1, kind: Pod, metadata: {name: p, annotations: {sidecar.istio.io/proxyImage: x}}}';
    expect(run(pod)).toEqual([]);
    expect(run(pod, { only: ['annotations.AlphaAnalyzer'] })).toEqual([
      'Info [IST0136] (Pod default/p) Annotation "sidecar.istio.io/proxyImage" is part of an alpha-phase feature and may be incompletely supported.',
    ]);
  });
});

describe('matchesSuppression', () => {
  const [message] = analyze([toRawObject(parseAllDocuments(missing)[0]?.toJS(), 'default')].flatMap((object) => object ?? []));
  it.each([
    ['IST0101', 'VirtualService default/a', true],
    ['IST0101', '*', true],
    ['IST0101', 'VirtualService *', true],
    ['IST0101', '*/a', true],
    ['IST0101', 'V*default*a', true],
    ['IST0101', 'VirtualService default/', false],
    ['IST0101', 'VirtualService default/a*b', false],
    ['IST0102', '*', false],
  ])('%s %s: %s', (code, resource, matches) => {
    expect(message).toBeDefined();
    expect(message === undefined ? undefined : matchesSuppression(message, { code, resource })).toBe(matches);
  });
});
