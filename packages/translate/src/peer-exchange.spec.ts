import type { JsonObject, JsonValue } from '@bufbuild/protobuf';
import { expect, it } from 'vitest';
import { type Rendered, render } from './testing/scenario.ts';

/** All values of a field, wherever it stands. */
function valuesOf(node: JsonValue, field: string): JsonValue[] {
  if (typeof node !== 'object' || node === null) return [];
  if (Array.isArray(node)) return node.flatMap((item) => valuesOf(item, field));
  return Object.entries(node).flatMap(([name, value]) => (name === field ? [value] : valuesOf(value, field)));
}

const servers = [
  { port: { number: 31400, name: 'tcp', protocol: 'TLS' }, hosts: ['ledger.example'], tls: { mode: 'ISTIO_MUTUAL' } },
  { port: { number: 443, name: 'web', protocol: 'HTTPS' }, hosts: ['web.example'], tls: { mode: 'ISTIO_MUTUAL' } },
];
const objects: JsonObject[] = [
  { apiVersion: 'networking.istio.io/v1', kind: 'Gateway', metadata: { name: 'g' }, spec: { selector: { app: 'gateway' }, servers } },
  {
    apiVersion: 'networking.istio.io/v1',
    kind: 'VirtualService',
    metadata: { name: 'v' },
    spec: {
      hosts: ['ledger.example'],
      gateways: ['g'],
      tcp: [{ match: [{ port: 31400 }], route: [{ destination: { host: 'ledger', port: { number: 9000 } } }] }],
    },
  },
];
const services = [
  {
    host: 'ledger.default.svc.cluster.local',
    address: '10.96.0.3',
    ports: [{ name: 'tcp', number: 9000 }],
    selector: { app: 'ledger' },
    pods: [{ name: 'ledger-v1', ip: '10.244.1.2', labels: { app: 'ledger' } }],
  },
];
const rendered = (type: 'sidecar' | 'router', extensions: readonly string[]): Rendered =>
  render({
    node: {
      id: `${type}~10.244.1.2~ledger-v1.default~default.svc.cluster.local`,
      userAgentName: 'envoy',
      extensions: extensions.map((name) => ({ name })),
      metadata: { NAMESPACE: 'default', LABELS: { app: type === 'router' ? 'gateway' : 'ledger' } },
    },
    services,
    objects,
  });
/** How often the filter stands in listeners and in clusters, and how often either side of TLS agrees to its protocol. */
const uses = ({ listeners, clusters }: Rendered) => {
  const count = (side: JsonValue[], text: string) =>
    valuesOf(side, 'filters').filter((filters) => JSON.stringify(filters).includes(text)).length;
  const offered = (side: JsonValue[]) =>
    valuesOf(side, 'alpnProtocols').filter((list) => JSON.stringify(list).includes('istio-peer-exchange')).length;
  return [listeners, clusters].map((side) => [count(side, '"istio.metadata_exchange"'), offered(side)]);
};

it.each(['sidecar', 'router'] as const)('a %s that cannot tell its peers who it is agrees to it nowhere', (type) => {
  expect(uses(rendered(type, []))).toEqual([
    [0, 0],
    [0, 0],
  ]);
});

it('a gateway has the filter in the chain of a TCP server that agrees to it, and in no other of its TLS', () => {
  const { listeners, clusters } = rendered('router', ['istio.metadata_exchange']);
  const chains = listeners.flatMap((listener) => valuesOf(listener, 'filterChains').flat());
  const told = chains.map((chain) => [
    valuesOf(chain, 'serverNames').join(),
    JSON.stringify(valuesOf(chain, 'alpnProtocols')).includes('istio-peer-exchange'),
    JSON.stringify(valuesOf(chain, 'filters')).includes('envoy.tcp.metadataexchange'),
  ]);
  expect(told).toEqual(expect.arrayContaining([['ledger.example', true, true]]));
  expect(told.filter(([, offers, filters]) => offers !== filters)).toEqual([]);
  const outbound = clusters.filter((cluster) => JSON.stringify(cluster).includes('outbound|9000'));
  expect(uses({ listeners: [], clusters: outbound, routes: [], endpoints: [] })[1]).toEqual([1, 1]);
});
