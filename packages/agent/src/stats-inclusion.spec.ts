import { renderBootstrap } from '@xebec/injection';
import { expect, it } from 'vitest';
import { statsInclusion } from './stats-inclusion.ts';

const annotation = (kind: string) => `sidecar.istio.io/statsInclusion${kind}`;

it('annotations stand for proxyStatsMatcher, each kind for itself; {pod_ip} is each address', () => {
  const config = {
    proxyStatsMatcher: { inclusionPrefixes: ['a', 'http.{pod_ip}_'], inclusionSuffixes: ['x', 5], inclusionRegexps: ['.*circuit.*'] },
  };
  expect(statsInclusion({}, config, ['10.0.0.1', '10.0.0.2'])).toEqual({
    prefixes: ['a', 'http.10.0.0.1_', 'http.10.0.0.2_'],
    suffixes: ['x'],
    regexps: ['.*circuit.*'],
    histogramBuckets: {},
  });
  const annotations = { [annotation('Prefixes')]: 'cluster.outbound,,listener.{pod_ip}_', [annotation('Regexps')]: '' };
  expect(statsInclusion(annotations, config, ['10.0.0.1'])).toEqual({
    prefixes: ['cluster.outbound', 'listener.10.0.0.1_'],
    suffixes: ['x'],
    regexps: ['.*circuit.*'],
    histogramBuckets: {},
  });
  expect(statsInclusion({}, { proxyStatsMatcher: 'all' }, [])).toEqual({ prefixes: [], suffixes: [], regexps: [], histogramBuckets: {} });
});

it.each([
  ['{"istiocustom": [1, 5], "cluster.xds-grpc": [10]}', { istiocustom: [1, 5], istio_: [1, 5], 'cluster.xds-grpc': [10] }],
  ['{"istiocustom.istio_request_bytes": [1]}', { 'istiocustom.istio_request_bytes': [1], istio_request_bytes: [1] }],
  ['{"a": [5, 1], "b": [], "c": "1", "d": [0, 1], "e": ["1"]}', {}],
  ['no JSON', {}],
])('bounds of histograms: %s', (text, histogramBuckets) => {
  expect(statsInclusion({ 'sidecar.istio.io/statsHistogramBuckets': text }, {}, []).histogramBuckets).toEqual(histogramBuckets);
});

it('stand in the bootstrap beside what the mesh needs', () => {
  const stats = statsInclusion({ [annotation('Suffixes')]: 'upstream_rq_retry' }, {}, []);
  const text = JSON.stringify(renderBootstrap({ node: { id: 'n', cluster: 'c', metadata: {} }, stats }));
  for (const pattern of [{ suffix: 'upstream_rq_retry' }, { prefix: 'istio' }, { prefix: 'cluster_manager' }, { suffix: 'rbac.denied' }])
    expect(text).toContain(JSON.stringify(pattern));
  expect(text).not.toContain('histogram_bucket_settings');
});
