import { createProtoRegistry } from '@xebec/protos/registry';
import { expect, it } from 'vitest';
import { parseConfigDump } from '../proxy-config/dump.ts';
import { comparison } from './compare.ts';

const registry = createProtoRegistry();
const type = (name: string) => `type.googleapis.com/${name}`;
const cluster = (name: string, connectTimeout: string) => ({
  cluster: { '@type': type('envoy.config.cluster.v3.Cluster'), name, connect_timeout: connectTimeout },
});
const dump = (dynamic: readonly object[], fixed: readonly object[] = []) =>
  parseConfigDump(
    JSON.stringify({
      configs: [{ '@type': type('envoy.admin.v3.ClustersConfigDump'), static_clusters: fixed, dynamic_active_clusters: dynamic }],
    }),
    registry,
    'dynamic',
  );

it('says what matches, and of the rest what is missing, left over and different', () => {
  const sent = dump([cluster('a', '1s'), cluster('b', '1s'), cluster('c', '1s')]);
  const runs = dump([cluster('a', '1s'), cluster('b', '2s'), cluster('old', '1s')], [cluster('xds-grpc', '1s')]);
  expect(comparison(sent, sent, registry)).toBe('Clusters Match\nListeners Match\nRoutes Match\n');
  expect(comparison(sent, runs, registry).split('\n')).toEqual([
    "Clusters Don't Match",
    '  ~ b',
    '      connectTimeout: pilot "1s", proxy "2s"',
    '  - c: the proxy does not have it',
    '  + old: pilot does not send it',
    'Listeners Match',
    'Routes Match',
    '',
  ]);
});
