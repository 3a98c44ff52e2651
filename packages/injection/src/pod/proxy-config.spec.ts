import { expect, it } from 'vitest';
import { injectPod } from './inject-pod.ts';
import type { Pod } from './pod.ts';
import { podProxyConfig } from './proxy-config.ts';

const parameters = {
  namespace: 'default',
  namespaceLabels: { 'istio-injection': 'enabled' },
  meshConfig: { defaultConfig: { concurrency: 1, proxyMetadata: { A: 'mesh', B: 'mesh' }, tracing: { sampling: 1 } } },
};
const pod = (annotation?: string): Pod => ({
  metadata: { name: 'a', ...(annotation === undefined ? {} : { annotations: { 'proxy.istio.io/config': annotation } }) },
  spec: { containers: [{ name: 'app', image: 'app' }] },
});

it.each([
  [undefined, parameters.meshConfig.defaultConfig],
  ['', parameters.meshConfig.defaultConfig],
  [
    'concurrency: 2\nproxyMetadata: {B: pod}\nproxyStatsMatcher:\n  inclusionPrefixes: [cluster.outbound]',
    {
      concurrency: 2,
      proxyMetadata: { A: 'mesh', B: 'pod' },
      tracing: { sampling: 1 },
      proxyStatsMatcher: { inclusionPrefixes: ['cluster.outbound'] },
    },
  ],
  [
    '{"tracing": {"zipkin": {"address": "z:9411"}}}',
    { ...parameters.meshConfig.defaultConfig, tracing: { sampling: 1, zipkin: { address: 'z:9411' } } },
  ],
])('%s', (annotation, config) => {
  expect(podProxyConfig(pod(annotation), parameters)).toEqual({ config });
});

it.each(['[1]', 'word', '{', `# ${'x'.repeat(70_000)}`])('counts for nothing, and admission says so: %.10s', (annotation) => {
  const found = podProxyConfig(pod(annotation), parameters);
  expect(found.config).toEqual(parameters.meshConfig.defaultConfig);
  expect(found.warning).toMatch(/^annotation proxy\.istio\.io\/config .*: the proxy starts with the mesh's defaultConfig/);
  expect(found.warning).not.toContain('\n');
  expect(injectPod(pod(annotation), parameters).warnings).toEqual([found.warning]);
});

it('a field called __proto__ is a field', () => {
  const { config } = podProxyConfig(pod('{"__proto__": {"concurrency": 7}}'), { ...parameters, meshConfig: {} });
  expect(config['concurrency']).toBeUndefined();
});
