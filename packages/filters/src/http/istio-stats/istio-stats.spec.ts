import { PluginConfigSchema } from '@xebec/protos/istio/filters/stats';
import { createStats, formatPrometheus } from '@xebec/telemetry';
import { describe, expect, it } from 'vitest';
import { downstreamPeerKey, peerFromMetadata } from '../../peer/workload-peer.ts';
import { compileTest, TestStream, testContext } from '../../test-harness.ts';
import { istioStatsDefinition } from './config.ts';

const metadata = (app: string) => ({
  NAME: `${app}-0`,
  NAMESPACE: 'default',
  WORKLOAD_NAME: `${app}-v1`,
  CLUSTER_ID: 'Kubernetes',
  LABELS: { app, version: 'v1' },
});

function run(config: Parameters<typeof compileTest>[2], direction: 'inbound' | 'outbound') {
  const stats = createStats();
  const { context, clock } = testContext({ stats, direction, node: { id: 'n', cluster: 'c', metadata: metadata('reviews') } });
  const stream = new TestStream(compileTest(istioStatsDefinition, PluginConfigSchema, config, context), clock, {
    connection: {
      tls: {
        version: 'TLSv1.3',
        cipher: '',
        alpn: '',
        localUriSan: 'spiffe://cluster.local/ns/default/sa/reviews',
        peer: { uriSans: ['spiffe://cluster.local/ns/default/sa/productpage'], dnsSans: [], subject: '', sha256: '', pem: '' },
      },
    },
  });
  stream.info.clusterMetadata = {
    istio: { services: [{ host: 'reviews.default.svc.cluster.local', name: 'reviews', namespace: 'default' }] },
  };
  stream.info.filterState.set(downstreamPeerKey, peerFromMetadata(metadata('productpage')));
  stream.info.upstreamHostMetadata = { istio: { workload: 'ratings-v1;default;ratings;v1;Kubernetes' } };
  stream.head();
  stream.response(200);
  stream.info.durationMs = 12;
  stream.complete();
  return formatPrometheus(stats.collect());
}

describe('istio.stats', () => {
  it('reports as destination with both workloads and mutual TLS', () => {
    expect(run({}, 'inbound')).toContain(
      'istio_requests_total{reporter="destination",source_workload="productpage-v1",source_canonical_service="productpage",' +
        'source_canonical_revision="v1",source_workload_namespace="default",' +
        'source_principal="spiffe://cluster.local/ns/default/sa/productpage",source_app="productpage",source_version="v1",' +
        'source_cluster="Kubernetes",destination_workload="reviews-v1",destination_canonical_service="reviews",' +
        'destination_canonical_revision="v1",destination_workload_namespace="default",' +
        'destination_principal="spiffe://cluster.local/ns/default/sa/reviews",destination_app="reviews",destination_version="v1",' +
        'destination_cluster="Kubernetes",destination_service="reviews.default.svc.cluster.local",destination_service_name="reviews",' +
        'destination_service_namespace="default",request_protocol="http",response_code="200",grpc_response_status="",' +
        'response_flags="-",connection_security_policy="mutual_tls"} 1\n',
    );
  });
  it('reports as source with the peer that the endpoint names', () => {
    const text = run({}, 'outbound');
    expect(text).toMatch(/istio_requests_total\{reporter="source",source_workload="reviews-v1".*destination_workload="ratings-v1"/);
    expect(text).toMatch(/istio_request_duration_milliseconds_bucket\{.*le="25"\} 1/);
  });
  it('removes, adds and drops as configured', () => {
    const text = run(
      {
        metrics: [
          { tagsToRemove: ['source_principal'], dimensions: { host: 'request.host' } },
          { name: 'request_bytes', drop: true },
        ],
      },
      'inbound',
    );
    expect(text).not.toContain('source_principal');
    expect(text).toContain('host="host"');
    expect(text).not.toContain('istio_request_bytes');
  });
  it('keeps requests apart that differ in peer, response code, flags or gRPC status, and counts those that do not together', () => {
    const stats = createStats();
    const { context, clock } = testContext({ stats, direction: 'inbound', node: { id: 'n', cluster: 'c', metadata: metadata('reviews') } });
    const factory = compileTest(istioStatsDefinition, PluginConfigSchema, {}, context);
    const peers = { a: peerFromMetadata(metadata('a')), b: peerFromMetadata(metadata('b')) };
    const answer = (peer: keyof typeof peers, status: number, flag?: 'UF', grpcStatus?: string): void => {
      const headers = grpcStatus === undefined ? [] : ['content-type', 'application/grpc'];
      const stream = new TestStream(factory, clock, { request: { headers } });
      stream.info.filterState.set(downstreamPeerKey, peers[peer]);
      if (flag !== undefined) stream.info.responseFlags.add(flag);
      stream.head();
      stream.response(status, grpcStatus === undefined ? [] : ['grpc-status', grpcStatus]);
      stream.complete();
    };
    answer('a', 200);
    answer('a', 200);
    answer('b', 200);
    answer('a', 503, 'UF');
    answer('a', 503);
    answer('a', 200, undefined, '0');
    answer('a', 200, undefined, '7');
    const counted = formatPrometheus(stats.collect())
      .split('\n')
      .flatMap((line) => {
        const found =
          /^istio_requests_total\{.*source_app="(\w+)".*response_code="(\d+)",grpc_response_status="(\d*)",response_flags="([^"]+)".* (\d+)$/.exec(
            line,
          );
        return found === null ? [] : [found.slice(1).join(' ')];
      });
    expect(counted.sort()).toEqual(['a 200  - 2', 'a 200 0 - 1', 'a 200 7 - 1', 'a 503  - 1', 'a 503  UF 1', 'b 200  - 1']);
  });
});
