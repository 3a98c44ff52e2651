import type { BenchPart, PartOptions } from './part.ts';
import { ProxyPair, type Variant } from './proxy-pair.ts';

const typed = (name: string, type: string, config: object) => ({
  name,
  typed_config: { '@type': `type.googleapis.com/${type}`, ...config },
});
const service = {
  'destination.service.host': { string_value: 'reviews.default.svc.cluster.local' },
  'destination.service.namespace': { string_value: 'default' },
};
const mixer = (clusters: object) =>
  typed('xebec.filters.http.mixer', 'xebec.filters.http.mixer.v1.MixerClient', {
    fail_policy: 'FAIL_CLOSE',
    mixer_attributes: { attributes: service },
    ...clusters,
  });
const telemetry = [
  typed('istio.metadata_exchange', 'io.istio.http.peer_metadata.Config', {
    downstream_discovery: [{ istio_headers: {} }],
    downstream_propagation: [{ istio_headers: {} }],
  }),
  typed('istio.stats', 'stats.PluginConfig', { disable_host_header_fallback: true }),
];

function part(
  figure: Pick<BenchPart, 'name' | 'what' | 'unit' | 'limit'>,
  variant: Variant,
  measure: (pair: ProxyPair, options: PartOptions) => Promise<number>,
): BenchPart {
  let pair: ProxyPair | undefined;
  return {
    ...figure,
    async measure(options) {
      pair ??= await ProxyPair.start(figure.name, variant);
      return await measure(pair, options);
    },
    async close() {
      await pair?.close();
      pair = undefined;
    },
  };
}

/** What Mixer's client costs the proxy: listeners with and without it in one proxy, in turns. */
export const proxyParts: readonly BenchPart[] = [
  part(
    {
      name: 'proxy-same',
      what: 'difference between two listeners that are alike: how far the figures below may be wrong',
      unit: 'us',
      limit: 2,
    },
    { filters: [] },
    (pair, { seconds }) => pair.addedCpuUs(seconds),
  ),
  part(
    { name: 'proxy-check', what: 'CPU that a check known from the cache adds to a request in the proxy', unit: 'us', limit: 2 },
    { filters: [mixer({ check_cluster: 'mixer' })], checked: true },
    (pair, { seconds }) => pair.addedCpuUs(seconds),
  ),
  part(
    { name: 'proxy-report', what: 'CPU that a report, in batches of 100, adds to a request in the proxy', unit: 'us', limit: 15 },
    { filters: [mixer({ report_cluster: 'mixer' })] },
    (pair, { seconds }) => pair.addedCpuUs(seconds),
  ),
  part(
    {
      name: 'proxy-p99-same',
      what: 'growth of p99 between two listeners that are alike: how far the figure below may be wrong',
      unit: '%',
      limit: 5,
    },
    { filters: [], mixerYields: true },
    (pair) => pair.addedP99Percent(),
  ),
  part(
    {
      name: 'proxy-p99',
      what: 'growth of p99 at 1,000 requests/s with checks, reports, istio_* metrics and an access log',
      unit: '%',
      limit: 5,
    },
    {
      filters: [...telemetry, mixer({ check_cluster: 'mixer', report_cluster: 'mixer' })],
      accessLog: true,
      checked: true,
      mixerYields: true,
    },
    (pair) => pair.addedP99Percent(),
  ),
];
