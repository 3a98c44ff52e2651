import { describe, expect, it } from 'vitest';
import { metadataFromEnvironment, nodeId } from './input.ts';
import { renderBootstrap } from './render.ts';

const node = {
  id: nodeId({ type: 'sidecar', ip: '10.1.2.3', podName: 'reviews-v1-abc', namespace: 'default' }),
  cluster: 'reviews.default',
  metadata: metadataFromEnvironment({
    ISTIO_META_MESH_ID: 'm',
    ISTIO_METAJSON_LABELS: '{"app":"reviews"}',
    ISTIO_METAJSON_BAD: '{',
    HOME: '/',
  }),
};

describe('renderBootstrap', () => {
  it('has the node, ADS and the clusters that tools expect', () => {
    expect(node.id).toBe('sidecar~10.1.2.3~reviews-v1-abc.default~default.svc.cluster.local');
    expect(node.metadata).toEqual({ MESH_ID: 'm', LABELS: { app: 'reviews' } });
    const text = JSON.stringify(renderBootstrap({ node }));
    for (const name of ['xds-grpc', 'sds-grpc', 'agent', 'prometheus_stats']) expect(text).toContain(`"name":"${name}"`);
    expect(text).not.toContain('zipkin');
  });
  it('moves every address where pods share the host network', () => {
    const text = JSON.stringify(
      renderBootstrap({ node, adminAddress: '127.20.0.7', statusAddress: '127.20.0.7', listenAddress: '127.20.0.7' }),
    );
    expect(text).not.toMatch(/"address":"(127\.0\.0\.1|0\.0\.0\.0)"/);
  });
});
