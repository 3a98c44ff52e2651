import type { Endpoint } from '@xebec/model';
import { describe, expect, it } from 'vitest';
import { prioritise } from './locality.ts';

const locality = (text: string) => {
  const [region = '', zone = '', subzone = ''] = text.split('/');
  return { region, zone, subzone };
};
const endpoint = (weight: number): Endpoint => ({
  address: '10.0.0.1',
  port: 80,
  servicePortName: 'http',
  labels: {},
  namespace: 'a',
  serviceAccount: '',
  workloadName: '',
  locality: locality(''),
  weight,
  health: 'healthy',
  tlsMode: 'istio',
  network: '',
});
const groups = ['eu/z1/a', 'eu/z1/b', 'eu/z2', 'us/z1', 'asia/z1'].map((text) => ({ locality: locality(text), endpoints: [endpoint(1)] }));
const client = { locality: locality('eu/z1/a'), labels: { app: 'web' }, network: '' };

describe('localities', () => {
  it('are all equal without outlier detection', () =>
    expect(prioritise(groups, client, { setting: undefined, failover: false }).map(({ priority }) => priority)).toEqual([0, 0, 0, 0, 0]));
  it('come by nearness with it', () =>
    expect(prioritise(groups, client, { setting: undefined, failover: true }).map(({ priority }) => priority)).toEqual([0, 1, 2, 3, 3]));
  it('leave no gap between priorities', () =>
    expect(prioritise(groups.slice(2), client, { setting: undefined, failover: true }).map(({ priority }) => priority)).toEqual([0, 1, 1]));
  it('put the failover region before the others', () =>
    expect(
      prioritise(groups, client, { setting: { failover: [{ from: 'eu', to: 'asia' }] }, failover: true }).map(({ priority }) => priority),
    ).toEqual([0, 1, 2, 4, 3]));
  it('share by the weights of distribute, and send nothing elsewhere', () => {
    const placed = prioritise(groups, client, {
      setting: { distribute: [{ from: 'eu/z1/*', to: { 'eu/z1/*': 80, 'us/*': 20 } }] },
      failover: false,
    });
    expect(
      placed.filter(({ endpoints }) => endpoints.length > 0).map(({ locality: { region, subzone }, weight }) => [region, subzone, weight]),
    ).toEqual([
      ['eu', 'a', 40],
      ['eu', 'b', 40],
      ['us', '', 20],
    ]);
  });
  it('come by labels where those are asked for', () => {
    const labelled = (...labels: Record<string, string>[]) => [
      { locality: locality('eu/z1/a'), endpoints: labels.map((own) => ({ ...endpoint(1), locality: locality('eu/z1/a'), labels: own })) },
    ];
    const setting = { failoverPriority: ['topology.kubernetes.io/region', 'app', 'version=v2'] };
    const placed = prioritise(labelled({ app: 'web', version: 'v2' }, { app: 'web' }, { app: 'db' }), client, { setting, failover: true });
    expect(placed.map(({ priority, endpoints }) => [priority, endpoints[0]?.labels])).toEqual([
      [0, { app: 'web', version: 'v2' }],
      [1, { app: 'web' }],
      [2, { app: 'db' }],
    ]);
  });
  it('go by region where Envoy looks after zones', () =>
    expect(
      prioritise(groups, client, { setting: undefined, zones: { failover: [{ from: 'eu', to: 'asia' }] }, failover: false }).map(
        ({ priority }) => priority,
      ),
    ).toEqual([0, 0, 0, 2, 1]));
  it('are left alone where the setting is off', () =>
    expect(prioritise(groups, client, { setting: { enabled: false }, failover: true }).map(({ priority }) => priority)).toEqual([
      0, 0, 0, 0, 0,
    ]));
});
