import { BootstrapSchema } from '@xebec/protos/envoy/config/bootstrap/v3/bootstrap';
import { expect, it } from 'vitest';
import { wrongValue } from './wrong-value.ts';

const manager = 'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';

it.each([
  [
    'an enum, with the nearest name',
    { static_resources: { clusters: [{ name: 'a' }, { name: 'b', type: 'STATIK' }] } },
    'static_resources.clusters[1].type: "STATIK" is no envoy.config.cluster.v3.Cluster.DiscoveryType; did you mean "STATIC"?',
  ],
  [
    'an enum without a near name, with all there are',
    { static_resources: { clusters: [{ name: 'a', protocol_selection: 'x' }] } },
    /^static_resources\.clusters\[0\]\.protocol_selection: "x" is no [\w.]+; there are USE_CONFIGURED_PROTOCOL, USE_DOWNSTREAM_PROTOCOL$/,
  ],
  [
    'a duration',
    { static_resources: { clusters: [{ connect_timeout: '5x' }] } },
    /^static_resources\.clusters\[0\]\.connect_timeout: .*"5x"$/,
  ],
  [
    'a value inside of an Any',
    { static_resources: { listeners: [{ filter_chains: [{ filters: [{ typed_config: { '@type': manager, codec_type: 7.5 } }] }] }] } },
    /^static_resources\.listeners\[0\]\.filter_chains\[0\]\.filters\[0\]\.typed_config\.codec_type: /,
  ],
  ['an object where a list belongs', { static_resources: { clusters: {} } }, /^static_resources\.clusters: /],
])('names %s', (_what, json, expected) => {
  const found = wrongValue(json, BootstrapSchema, '');
  if (typeof expected === 'string') expect(found).toBe(expected);
  else expect(found).toMatch(expected);
});

it('finds nothing where everything fits', () => {
  expect(
    wrongValue({ node: { id: 'a' }, static_resources: { clusters: [{ name: 'a', type: 'EDS' }] } }, BootstrapSchema, ''),
  ).toBeUndefined();
});
