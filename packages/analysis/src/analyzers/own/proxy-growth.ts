import type { Analyzer } from '../../analyzer.ts';
import { records, texts } from '../../fields.ts';
import type { AnalysedKind, Resource } from '../../resource.ts';

/** Rough bytes of Envoy configuration, to tell kilobytes from megabytes: a cluster with its TLS, a virtual host, an endpoint. */
const CLUSTER_BYTES = 3_000;
const VIRTUAL_HOST_BYTES = 600;
const ENDPOINT_BYTES = 250;
const KIB = 1024;
const KINDS: readonly AnalysedKind[] = [
  'VirtualService',
  'DestinationRule',
  'ServiceEntry',
  'EnvoyFilter',
  'WasmPlugin',
  'TrafficExtension',
];

/** XB0007: every proxy keeps its configuration in memory, and gets all of it again when it reconnects. */
export const proxyGrowth: Analyzer = {
  name: 'xebec.ProxyGrowthAnalyzer',
  description: 'Finds objects that make each proxy grow by more than a set size (1 MiB unless told)',
  inputs: KINDS,
  codes: ['XB0007'],
  analyze(view, report) {
    for (const kind of KINDS) {
      for (const resource of view.all(kind)) {
        const kib = Math.round(estimate(kind, resource) / KIB);
        if (kib > view.maxProxyGrowthKib) report('XB0007', resource, [kind, kib, view.maxProxyGrowthKib]);
      }
    }
  },
};

/** Bytes of listeners, routes, clusters and endpoints that one object brings. */
function estimate(kind: AnalysedKind, { spec }: Resource): number {
  const hosts = Math.max(1, texts(spec['hosts']).length);
  const ports = Math.max(1, records(spec['ports']).length);
  switch (kind) {
    case 'VirtualService':
      return hosts * (VIRTUAL_HOST_BYTES + sizeOf(spec['http']) + sizeOf(spec['tls']) + sizeOf(spec['tcp']));
    case 'DestinationRule':
      return (1 + records(spec['subsets']).length) * (CLUSTER_BYTES + sizeOf(spec['trafficPolicy']));
    case 'ServiceEntry':
      return hosts * ports * (CLUSTER_BYTES + VIRTUAL_HOST_BYTES + records(spec['endpoints']).length * ENDPOINT_BYTES);
    default:
      return sizeOf(spec);
  }
}

function sizeOf(value: unknown): number {
  return value === undefined ? 0 : JSON.stringify(value).length;
}
