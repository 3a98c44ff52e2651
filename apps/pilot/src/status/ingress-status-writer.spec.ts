import { ApiError, type KubernetesApi } from '@xebec/config';
import { silentLogger, VirtualClock } from '@xebec/core';
import type { IngressStatus } from '@xebec/platforms';
import { describe, expect, it } from 'vitest';
import { IngressStatusWriter } from './ingress-status-writer.ts';

const PATH = '/apis/networking.k8s.io/v1/namespaces/default/ingresses/web';

function fixture(refuse?: number) {
  const sent: { path: string; body: unknown }[] = [];
  let reads = 0;
  const api: KubernetesApi = {
    get: async () => {
      reads++;
      return { status: {} };
    },
    send: async (_method, path, body) => {
      if (refuse !== undefined) throw new ApiError(refuse, 'refused');
      sent.push({ path, body });
      return {};
    },
    watch: async function* () {},
  };
  let wanted: readonly IngressStatus[] = [];
  const clock = new VirtualClock();
  const writer = new IngressStatusWriter({ api, wanted: () => wanted, clock, logger: silentLogger });
  writer.start();
  const round = async () => {
    clock.advance(1_000);
    // A round is some turns of promises long.
    for (let turn = 0; turn < 20; turn++) await Promise.resolve();
  };
  const want = (...ips: string[]) => {
    wanted = ips.length === 0 ? [] : [{ namespace: 'default', name: 'web', loadBalancer: { ingress: ips.map((ip) => ({ ip })) } }];
  };
  return { sent, want, round, close: () => writer.close(), reads: () => reads };
}

describe('IngressStatusWriter', () => {
  it('writes when an address comes or changes, and once', async () => {
    const { sent, want, round, close } = fixture();
    want('203.0.113.5');
    await round();
    await round();
    expect(sent).toEqual([{ path: `${PATH}/status`, body: { status: { loadBalancer: { ingress: [{ ip: '203.0.113.5' }] } } } }]);
    want('203.0.113.6');
    await round();
    expect(sent).toHaveLength(2);
    close();
  });
  it('writes nothing that stands there already', async () => {
    const { sent, want, round, close } = fixture();
    want();
    await round();
    expect(sent).toEqual([]);
    close();
  });
  it('does not go on about what it may not write', async () => {
    const { want, round, close, reads } = fixture(403);
    want('203.0.113.5');
    await round();
    await round();
    expect(reads()).toBe(1);
    close();
  });
  it('tries again after somebody else wrote', async () => {
    const { want, round, close, reads } = fixture(409);
    want('203.0.113.5');
    await round();
    await round();
    expect(reads()).toBe(2);
    close();
  });
});
