import { ClusterSchema } from '@xebec/protos/envoy/config/cluster/v3/cluster';
import { expect, it } from 'vitest';
import { decodeValue } from './values.ts';

it.each([
  { text: '100ms', seconds: 0n, nanos: 100_000_000 },
  { text: '1h30m', seconds: 5400n, nanos: 0 },
  { text: '0.25s', seconds: 0n, nanos: 250_000_000 },
])('reads $text as Go writes durations', ({ nanos, seconds, text }) => {
  const value = { connect_timeout: text, health_checks: [{ timeout: text }] };
  const cluster = decodeValue(ClusterSchema, value);
  expect(cluster?.connectTimeout).toMatchObject({ seconds, nanos });
  expect(cluster?.healthChecks[0]?.timeout).toMatchObject({ seconds, nanos });
});

it('reads them within extensions', () => {
  const typed = { '@type': 'type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy', idle_timeout: '5m' };
  expect(
    decodeValue(ClusterSchema, { filters: [{ name: 'a', typed_config: typed }] })?.filters[0]?.typedConfig?.value.length,
  ).toBeGreaterThan(0);
  expect(decodeValue(ClusterSchema, { connect_timeout: 'soon' })).toBeUndefined();
});
