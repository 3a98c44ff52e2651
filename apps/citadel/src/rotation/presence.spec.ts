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

it('remembers the pod while reports come by a certificate, which does not tell it', () => {
  const ledger = new Ledger();
  ledger.reported({ ...report, pod: true, podName: 'web-1' });
  ledger.reported(report);
  expect([...ledger.instances()]).toEqual([{ ...report, pod: true, podName: 'web-1' }]);
  // Its trust domain is changed, and the agent comes back under another name.
  const renamed = { ...report, identity: identity.replace('cluster.local', 'new.example') };
  ledger.reported(renamed);
  expect([...ledger.instances()]).toEqual([renamed]);
  const restored = new Ledger();
  restored.restore({ instances: [report], leaves: [] });
  restored.reported({ ...renamed, instance: 'machine-8' });
  expect([...restored.instances()]).toHaveLength(2);
  restored.reported(renamed);
  expect([...restored.instances()].map(({ identity: id }) => id)).toEqual([renamed.identity, renamed.identity]);
});

it('keeps a name away that an agent had before, also when another replica still writes it', () => {
  const ledger = new Ledger();
  const renamed = { ...report, identity: identity.replace('cluster.local', 'new.example') };
  ledger.opened(instanceKey(renamed.identity, renamed.instance));
  ledger.reported(renamed);
  ledger.restore({ instances: [report], leaves: [] });
  expect([...ledger.instances()]).toEqual([renamed]);
});

it('forgets a pod that has gone', () => {
  const ledger = new Ledger();
  ledger.reported(report);
  ledger.gone(instanceKey(identity, 'machine-7'));
  expect([...ledger.instances()]).toEqual([]);
});
