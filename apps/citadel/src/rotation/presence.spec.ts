import { expect, it } from 'vitest';
import { type Instance, instanceKey, Ledger } from './ledger.ts';
import { podOf } from './presence.ts';

const identity = 'spiffe://cluster.local/ns/shop/sa/web';
const NODE = 'sidecar~10.0.0.1~web-1.shop~shop.svc.cluster.local';

it.each<[string, { instance: string; podName?: string }, { namespace: string; name: string } | undefined]>([
  [
    'the pod of its token, not the machine that it names',
    { instance: 'machine-7', podName: 'web-1' },
    { namespace: 'shop', name: 'web-1' },
  ],
  ['the pod of its token before that of its node ID', { instance: NODE, podName: 'web-2' }, { namespace: 'shop', name: 'web-2' }],
  ['the pod of its node ID', { instance: NODE }, { namespace: 'shop', name: 'web-1' }],
  ['a host name', { instance: 'web-1' }, { namespace: 'shop', name: 'web-1' }],
  ['no pod of another namespace', { instance: NODE.replace('web-1.shop', 'web-1.bank') }, undefined],
  ['no pod by a name that none can have', { instance: 'vm/12:7' }, undefined],
])('looks for %s', (_, about, expected) => {
  expect(podOf({ identity, ...about })).toEqual(expected);
});

it('remembers the pod while reports come by a certificate, which does not tell it', () => {
  const ledger = new Ledger();
  const report: Instance = {
    identity,
    instance: 'machine-7',
    bundleVersion: 1,
    roots: [],
    leafRoot: '',
    leafSerial: '',
    leafNotAfter: 0,
    reportedAt: 0,
    clockOffsetMs: 0,
    error: '',
  };
  ledger.reported({ ...report, pod: true, podName: 'web-1' });
  ledger.reported(report);
  expect([...ledger.instances()]).toEqual([{ ...report, pod: true, podName: 'web-1' }]);
  ledger.gone(instanceKey(identity, 'machine-7'));
  expect([...ledger.instances()]).toEqual([]);
});
