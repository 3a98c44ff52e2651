import { serviceKey } from '@xebec/model';
import { describe, expect, it } from 'vitest';
import { plannedChanges } from './planned.ts';
import { KubernetesRegistry } from './registry.ts';

const deployment = (name: string, labels: Record<string, string>, inject?: string) => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name },
  spec: {
    template: {
      metadata: { labels, ...(inject === undefined ? {} : { annotations: { 'sidecar.istio.io/inject': inject } }) },
      spec: { serviceAccountName: `sa-${name}`, containers: [{ ports: [{ name: 'web', containerPort: 8080 }] }] },
    },
  },
});
const service = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'reviews' },
  spec: { selector: { app: 'reviews' }, ports: [{ name: 'http', port: 80, targetPort: 'web' }] },
};

function registry(...manifests: unknown[]) {
  const result = new KubernetesRegistry('cluster.local');
  result.apply(plannedChanges(manifests));
  return result;
}
const endpointsOf = (of: KubernetesRegistry) => of.services().flatMap((one) => of.endpoints().get(serviceKey(one)) ?? []);

describe('plannedChanges', () => {
  it('gives each workload a pod behind the services that select it', () => {
    const mesh = registry(service, deployment('reviews-v1', { app: 'reviews', version: 'v1' }), deployment('other', { app: 'other' }));
    expect(mesh.services()[0]?.addresses).toEqual(['10.96.0.1']);
    expect(endpointsOf(mesh)).toMatchObject([
      {
        address: '10.244.0.1',
        port: 8080,
        workloadName: 'reviews-v1',
        serviceAccount: 'sa-reviews-v1',
        tlsMode: 'istio',
        labels: { version: 'v1' },
      },
    ]);
  });
  it('leaves the sidecar out where the template says so', () => {
    expect(endpointsOf(registry(service, deployment('reviews-v1', { app: 'reviews' }, 'false')))).toMatchObject([{ tlsMode: 'disabled' }]);
  });
  it('follows a named target port to its number in each pod', () => {
    const other = deployment('reviews-v2', { app: 'reviews' });
    const containers = [{ ports: [{ name: 'web', containerPort: 9090 }] }];
    const template = { ...other.spec.template, spec: { ...other.spec.template.spec, containers } };
    const mesh = registry(service, deployment('reviews-v1', { app: 'reviews' }), { ...other, spec: { template } });
    expect(endpointsOf(mesh).map(({ workloadName, port }) => `${workloadName} ${port}`)).toEqual(['reviews-v1 8080', 'reviews-v2 9090']);
  });
  it('adds no endpoints to a service that brings its own', () => {
    const slice = {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name: 'own', labels: { 'kubernetes.io/service-name': 'reviews' } },
      addressType: 'IPv4',
      endpoints: [{ addresses: ['10.9.9.9'], conditions: { ready: true } }],
      ports: [{ name: 'http', port: 9080 }],
    };
    const mesh = registry(service, deployment('reviews-v1', { app: 'reviews' }), slice);
    expect(endpointsOf(mesh)).toMatchObject([{ address: '10.9.9.9', port: 9080 }]);
  });
});
