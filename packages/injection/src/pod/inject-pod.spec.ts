import { describe, expect, it } from 'vitest';
import { injectPod, withSidecar } from './inject-pod.ts';
import type { Pod } from './pod.ts';

const parameters = { namespace: 'default', namespaceLabels: { 'istio-injection': 'enabled' } };
const reviews: Pod = {
  metadata: {
    generateName: 'reviews-v1-5b5d6494f4-',
    labels: { app: 'reviews', version: 'v1', 'pod-template-hash': '5b5d6494f4' },
    ownerReferences: [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'reviews-v1-5b5d6494f4', controller: true }],
  },
  spec: {
    serviceAccountName: 'bookinfo-reviews',
    containers: [{ name: 'reviews', image: 'examples-bookinfo-reviews-v1:1', ports: [{ containerPort: 9080 }] }],
    volumes: [{ name: 'tmp', emptyDir: {} }],
  },
};
const labelled = (value: string): Pod => ({ ...reviews, metadata: { ...reviews.metadata, labels: { 'sidecar.istio.io/inject': value } } });

describe('decision', () => {
  it.each<[string, Pod, Parameters<typeof injectPod>[1], boolean]>([
    ['namespace label', reviews, parameters, true],
    ['no namespace label', reviews, { namespace: 'default' }, false],
    ['pod says no', labelled('false'), parameters, false],
    ['pod says yes in an unlabelled namespace', labelled('true'), { namespace: 'default' }, true],
    ['namespace says no, pod yes', labelled('true'), { namespace: 'a', namespaceLabels: { 'istio-injection': 'disabled' } }, false],
    ['ignored namespace', labelled('true'), { namespace: 'kube-system' }, false],
    ['host network', { ...reviews, spec: { ...reviews.spec, hostNetwork: true } }, parameters, false],
    ['policy disabled', reviews, { ...parameters, policy: 'disabled' }, false],
    ['never selector', reviews, { ...parameters, neverInjectSelector: [{ app: 'reviews' }] }, false],
    ['always selector', reviews, { namespace: 'default', alwaysInjectSelector: [{ app: 'reviews' }] }, true],
    ['revision', reviews, { namespace: 'a', namespaceLabels: { 'istio.io/rev': 'canary' }, revision: 'canary' }, true],
  ])('%s', (_name, pod, given, injected) => {
    const result = injectPod(pod, given);
    expect(result.patch.length > 0).toBe(injected);
    expect(result.skipped === undefined).toBe(injected);
  });
  it('warns about another word and takes the default', () => {
    const result = injectPod(labelled('yes'), parameters);
    expect(result.patch).not.toEqual([]);
    expect(result.warnings).toEqual(['sidecar.istio.io/inject wants "true" or "false" but is "yes"; the default applies']);
  });
});

describe('injected pod', () => {
  const pod = withSidecar(reviews, parameters);
  const proxy = pod.spec?.containers?.at(-1);
  const env = new Map(proxy?.env?.map((entry) => [entry.name, entry.value]));
  it('has the proxy last, the init container and the labels', () => {
    expect(pod.spec?.containers?.map((container) => container.name)).toEqual(['reviews', 'istio-proxy']);
    expect(pod.spec?.initContainers?.map((container) => container.name)).toEqual(['istio-init']);
    expect(pod.metadata?.labels).toMatchObject({
      'security.istio.io/tlsMode': 'istio',
      'service.istio.io/canonical-name': 'reviews',
      'service.istio.io/canonical-revision': 'v1',
    });
    expect(pod.spec?.volumes?.map((volume) => volume.name)).toEqual(expect.arrayContaining(['istio-token', 'istiod-ca-cert', 'tmp']));
  });
  it('names the workload of the Deployment', () => {
    expect(env.get('ISTIO_META_WORKLOAD_NAME')).toBe('reviews-v1');
    expect(env.get('ISTIO_META_OWNER')).toBe('kubernetes://apis/apps/v1/namespaces/default/deployments/reviews-v1');
    expect(env.get('ISTIO_META_POD_PORTS')).toBe('[{"containerPort":9080}]');
  });
  it('is left alone the second time', () => {
    expect(injectPod(pod, parameters).patch).toEqual([]);
  });
  it('starts the proxy first when the application is to wait', () => {
    const held = withSidecar(reviews, { ...parameters, meshConfig: { defaultConfig: { holdApplicationUntilProxyStarts: true } } });
    expect(held.spec?.containers?.[0]).toMatchObject({ name: 'istio-proxy', lifecycle: { postStart: { exec: {} } } });
  });
  it('captures nothing where the interception mode is NONE', () => {
    const none = withSidecar(
      { ...reviews, metadata: { ...reviews.metadata, annotations: { 'sidecar.istio.io/interceptionMode': 'NONE' } } },
      parameters,
    );
    expect(none.spec?.initContainers).toBeUndefined();
  });
});

describe('probes', () => {
  it('go through the agent, with the original kept for it', () => {
    const probed: Pod = {
      spec: {
        containers: [
          {
            name: 'app',
            ports: [{ name: 'web', containerPort: 8080 }],
            readinessProbe: { httpGet: { path: '/ready', port: 'web' }, timeoutSeconds: 2, periodSeconds: 7 },
            livenessProbe: { exec: { command: ['true'] } },
          },
        ],
      },
    };
    const [app, proxy] = withSidecar(probed, parameters).spec?.containers ?? [];
    expect(app?.readinessProbe).toEqual({ httpGet: { path: '/app-health/app/readyz', port: 15020 }, timeoutSeconds: 2, periodSeconds: 7 });
    expect(app?.livenessProbe).toEqual({ exec: { command: ['true'] } });
    const probers = proxy?.env?.find((entry) => entry.name === 'ISTIO_KUBE_APP_PROBERS')?.value ?? '{}';
    expect(JSON.parse(probers)).toEqual({ '/app-health/app/readyz': { httpGet: { path: '/ready', port: 8080 }, timeoutSeconds: 2 } });
  });
});

describe('metrics of the application', () => {
  it.each<[string, Record<string, string>, boolean | undefined, boolean]>([
    ['are merged', {}, undefined, true],
    ['are not, if the mesh says so', {}, false, false],
    ['are not, if the pod says so', { 'prometheus.istio.io/merge-metrics': 'false' }, true, false],
    ['are, if the pod says so and the mesh does not', { 'prometheus.istio.io/merge-metrics': 'true' }, false, true],
  ])('%s', (_, annotations, enablePrometheusMerge, merged) => {
    const scrape = { 'prometheus.io/scrape': 'true', 'prometheus.io/port': '8080' };
    const pod: Pod = { ...reviews, metadata: { ...reviews.metadata, annotations: { ...scrape, ...annotations } } };
    const meshConfig = enablePrometheusMerge === undefined ? {} : { enablePrometheusMerge };
    const injected = withSidecar(pod, { ...parameters, meshConfig });
    const text = JSON.stringify(injected);
    expect(text.includes('ISTIO_PROMETHEUS_ANNOTATIONS')).toBe(merged);
    expect(injected.metadata?.annotations?.['prometheus.io/port']).toBe(merged ? '15020' : '8080');
  });
});
