import { type ConfigObject, decodeObject, type ServiceEntrySpec } from '@xebec/schemas';
import { describe, expect, it } from 'vitest';
import { AddressPool } from './address-pool.ts';
import { reallocate } from './allocation.ts';

interface Given {
  readonly hosts?: readonly string[];
  readonly resolution?: string;
  readonly addresses?: readonly string[];
  readonly labels?: Readonly<Record<string, string>>;
  readonly age?: number;
  readonly has?: Readonly<Record<string, readonly string[]>>;
}

function entry(name: string, { hosts = [`${name}.example.com`], resolution = 'DNS', addresses, labels = {}, age = 1, has = {} }: Given) {
  const decoded = decodeObject({
    apiVersion: 'networking.istio.io/v1',
    kind: 'ServiceEntry',
    metadata: { name, namespace: 'default', labels, creationTimestamp: `2025-01-01T00:00:0${age}Z` },
    spec: { hosts, resolution, ports: [{ number: 9000, name: 'tcp', protocol: 'TCP' }], ...(addresses === undefined ? {} : { addresses }) },
    status: { addresses: Object.entries(has).flatMap(([host, values]) => values.map((value) => ({ value, host }))) },
  });
  if (!decoded.ok) throw new Error(JSON.stringify(decoded.error));
  return decoded.value as ConfigObject<ServiceEntrySpec>;
}

const pools = () => [new AddressPool('240.240.0.0/16'), new AddressPool('2001:2::/48')];
const plan = (entries: readonly ConfigObject<ServiceEntrySpec>[]) =>
  Object.fromEntries(
    reallocate(entries, pools()).map(({ entry: { metadata }, addresses }) => [
      metadata.name,
      addresses.map(({ host, value }) => `${host} ${value}`),
    ]),
  );

describe('reallocate', () => {
  it('gives each host an address of each family, the oldest entry first', () => {
    expect(plan([entry('young', { age: 2 }), entry('old', { hosts: ['a.example.com', 'b.example.com'] })])).toEqual({
      old: ['a.example.com 240.240.0.1', 'a.example.com 2001:2::1', 'b.example.com 240.240.0.2', 'b.example.com 2001:2::2'],
      young: ['young.example.com 240.240.0.3', 'young.example.com 2001:2::3'],
    });
  });
  it('leaves alone what has its addresses, and what wants none', () => {
    const has = { 'a.example.com': ['240.240.7.7', '2001:2::77'] };
    const entries = [
      entry('a', { has }),
      entry('none', { resolution: 'NONE' }),
      entry('own', { addresses: ['10.0.0.1'] }),
      entry('out', { labels: { 'networking.istio.io/enable-autoallocate-ip': 'false' } }),
      entry('wild', { hosts: ['*.example.org'], resolution: 'STATIC' }),
    ];
    expect(plan(entries)).toEqual({});
  });
  it('takes the addresses from an entry that wants them no more', () => {
    expect(plan([entry('a', { addresses: ['10.0.0.1'], has: { 'a.example.com': ['240.240.0.1'] } })])).toEqual({ a: [] });
  });
  it('adds a host beside those that have theirs', () => {
    const has = { 'a.example.com': ['240.240.0.1', '2001:2::1'] };
    expect(plan([entry('a', { hosts: ['a.example.com', 'b.example.com'], has })])).toEqual({
      a: ['a.example.com 240.240.0.1', 'a.example.com 2001:2::1', 'b.example.com 240.240.0.2', 'b.example.com 2001:2::2'],
    });
  });
  it('lets the older of two keep an address, and users theirs', () => {
    const old = entry('old', { has: { 'old.example.com': ['240.240.0.1', '2001:2::1'] } });
    const young = entry('young', { age: 2, has: { 'young.example.com': ['240.240.0.1', '2001:2::9'] } });
    const user = entry('user', { age: 3, addresses: ['2001:2:0::1'] });
    expect(plan([young, old])).toEqual({ young: ['young.example.com 240.240.0.2', 'young.example.com 2001:2::2'] });
    expect(plan([old, user])).toEqual({ old: ['old.example.com 240.240.0.2', 'old.example.com 2001:2::2'] });
  });
});
