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
const client = locality('eu/z1/a');

describe('localities', () => {
  it('are all equal without outlier detection', () =>
    expect(prioritise(groups, client, undefined, false).map(({ priority }) => priority)).toEqual([0, 0, 0, 0, 0]));
  it('come by nearness with it', () =>
    expect(prioritise(groups, client, undefined, true).map(({ priority }) => priority)).toEqual([0, 1, 2, 3, 3]));
  it('leave no gap between priorities', () =>
    expect(prioritise(groups.slice(2), client, undefined, true).map(({ priority }) => priority)).toEqual([0, 1, 1]));
  it('put the failover region before the others', () =>
    expect(prioritise(groups, client, { failover: [{ from: 'eu', to: 'asia' }] }, true).map(({ priority }) => priority)).toEqual([
      0, 1, 2, 4, 3,
    ]));
  it('share by the weights of distribute, and send nothing elsewhere', () => {
    const placed = prioritise(groups, client, { distribute: [{ from: 'eu/z1/*', to: { 'eu/z1/*': 80, 'us/*': 20 } }] }, false);
    expect(placed.map(({ locality: { region, subzone }, weight }) => [region, subzone, weight])).toEqual([
      ['eu', 'a', 40],
      ['eu', 'b', 40],
      ['us', '', 20],
    ]);
  });
  it('are left alone where the setting is off', () =>
    expect(prioritise(groups, client, { enabled: false }, true).map(({ priority }) => priority)).toEqual([0, 0, 0, 0, 0]));
});
