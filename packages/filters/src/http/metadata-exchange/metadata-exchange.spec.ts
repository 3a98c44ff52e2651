import { ConfigSchema } from '@xebec/protos/istio/filters/peer_metadata';
import { header } from '@xebec/wire';
import { describe, expect, it } from 'vitest';
import { peerInState, peerMetadataHeader } from '../../peer/workload-peer.ts';
import { compileTest, TestStream, testContext } from '../../test-harness.ts';
import { metadataExchangeDefinition } from './config.ts';

const node = (name: string) => ({
  id: `sidecar~${name}`,
  cluster: '',
  metadata: { NAME: name, NAMESPACE: 'ns', WORKLOAD_NAME: `${name}-v1`, CLUSTER_ID: 'Kubernetes', LABELS: { app: name, version: 'v1' } },
});
const methods = [{ istioHeaders: {} }, { workloadDiscovery: {} }];

describe('istio.metadata_exchange', () => {
  it('introduces client and server to each other and shows neither application a header', () => {
    const { context, clock } = testContext({ node: node('client') });
    const outbound = compileTest(
      metadataExchangeDefinition,
      ConfigSchema,
      { upstreamDiscovery: methods, upstreamPropagation: [{ istioHeaders: {} }] },
      context,
    );
    const server = testContext({ node: node('server') }).context;
    const inbound = compileTest(
      metadataExchangeDefinition,
      ConfigSchema,
      { downstreamDiscovery: methods, downstreamPropagation: [{ istioHeaders: {} }] },
      server,
    );
    const client = new TestStream(outbound, clock);
    client.head();
    const received = new TestStream(inbound, clock, { request: { headers: [...client.request.headers] } });
    received.head();
    expect(received.request.headers).toEqual([]);
    expect(peerInState(received.info.filterState, 'downstream_peer')).toMatchObject({
      workload: 'client-v1',
      app: 'client',
      canonicalRevision: 'v1',
    });
    const response = client.response(200, received.response(200).headers);
    expect(response.headers).toEqual([]);
    expect(peerInState(client.info.filterState, 'upstream_peer')).toMatchObject({
      workload: 'server-v1',
      namespace: 'ns',
      cluster: 'Kubernetes',
    });
  });
  it('does not answer who did not introduce itself, and survives nonsense', () => {
    const { context, clock } = testContext();
    const inbound = compileTest(
      metadataExchangeDefinition,
      ConfigSchema,
      { downstreamDiscovery: methods, downstreamPropagation: [{ istioHeaders: {} }] },
      context,
    );
    const stranger = new TestStream(inbound, clock);
    stranger.head();
    expect(header(stranger.response(200).headers, peerMetadataHeader)).toBeUndefined();
    const liar = new TestStream(inbound, clock, { request: { headers: [peerMetadataHeader, '!!not base64'] } });
    expect(liar.head()).toBe('continue');
    expect(liar.info.filterState.size).toBe(0);
  });
  it('falls back to what the control plane says of the endpoint', () => {
    const { context, clock } = testContext();
    const stream = new TestStream(compileTest(metadataExchangeDefinition, ConfigSchema, { upstreamDiscovery: methods }, context), clock);
    stream.info.upstreamHostMetadata = { istio: { workload: 'reviews-v2;default;reviews;v2;Kubernetes' } };
    stream.head();
    stream.response(200);
    expect(peerInState(stream.info.filterState, 'upstream_peer')).toMatchObject({ workload: 'reviews-v2', canonicalService: 'reviews' });
  });
});
