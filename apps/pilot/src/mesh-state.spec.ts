import { createMemorySource } from '@xebec/config';
import { silentLogger, VirtualClock } from '@xebec/core';
import { decodeMeshConfig } from '@xebec/schemas';
import { describe, expect, it } from 'vitest';
import { MeshState } from './mesh-state.ts';
import { object } from './testing/view-mesh.ts';

const configMap = (data: Record<string, string>) =>
  object({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'istio', namespace: 'istio-system' }, data });

async function open(data?: Record<string, string>) {
  const source = createMemorySource(data === undefined ? [] : [configMap(data)]);
  const clock = new VirtualClock();
  const options = { sources: [source], domain: 'cluster.local', mesh: undefined, clock, logger: silentLogger, env: { TOKEN: 'abc' } };
  const state = new MeshState({ ...options, debounce: { quietMs: 10, maxMs: 50 } });
  await source.start();
  const apply = (next: Record<string, string>) => {
    source.apply([configMap(next)], []);
    clock.advance(100);
  };
  return { state, apply, clock };
}

const NETWORKS = 'networks: {far: {gateways: [{address: 6.6.6.6, port: 443}]}}';

describe('MeshState', () => {
  it('takes networks from ConfigMap istio, and keeps the last good ones', async () => {
    const { state, apply } = await open({ meshNetworks: NETWORKS });
    const gateways = [{ network: 'far', cluster: '', address: '6.6.6.6', port: 443 }];
    expect(state.snapshot?.networkGateways).toEqual(gateways);
    apply({ meshNetworks: 'networks: {far: {gateways: [{adress: 6.6.6.6, port: 443}]}}' });
    expect(state.snapshot?.networkGateways).toEqual(gateways);
    expect(state.problems().map(({ message }) => message)).toEqual([
      expect.stringContaining('networks.far.gateways[0].adress: unknown field'),
    ]);
    apply({});
    expect(state.snapshot?.networkGateways).toEqual([]);
  });
  it('follows another MeshConfig where no ConfigMap goes before it', async () => {
    const decoded = decodeMeshConfig({ trustDomain: 'file.example' });
    if (!decoded.ok) throw new Error(JSON.stringify(decoded.error));
    const { state, apply, clock } = await open();
    state.useMesh(decoded.value);
    clock.advance(100);
    expect(state.snapshot?.mesh.trustDomain).toBe('file.example');
    apply({ mesh: 'trustDomain: map.example' });
    state.useMesh(decoded.value);
    clock.advance(100);
    expect(state.snapshot?.mesh.trustDomain).toBe('map.example');
  });
});
