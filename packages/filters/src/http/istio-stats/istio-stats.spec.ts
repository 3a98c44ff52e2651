import type { JsonObject } from '@bufbuild/protobuf';
import { PluginConfigSchema } from '@xebec/protos/istio/filters/stats';
import { type ConnectionInfo, createStats, formatPrometheus, type ResponseFlag, type StatSample, type StreamInfo } from '@xebec/telemetry';
import { ByteMeter, type HeaderList } from '@xebec/wire';
import { describe, expect, it } from 'vitest';
import { downstreamPeerKey, peerFromMetadata, upstreamPeerKey } from '../../peer/workload-peer.ts';
import { compileTest, TestStream, testContext } from '../../test-harness.ts';
import { grpcMessagesKey } from '../grpc-stats/config.ts';
import { istioStatsDefinition } from './config.ts';

const metadata = (app: string, namespace = 'default') => ({
  NAME: `${app}-0`,
  NAMESPACE: namespace,
  WORKLOAD_NAME: `${app}-v1`,
  CLUSTER_ID: 'Kubernetes',
  SERVICE_ACCOUNT: app,
  ISTIO_VERSION: '1.29.0',
  LABELS: { app, version: 'v1' },
});
const uri = (name: string, namespace = 'default') => `spiffe://cluster.local/ns/${namespace}/sa/${name}`;
const certificate = (uriSan: string) => ({ uriSans: [uriSan], dnsSans: [], subject: '', sha256: '', pem: '' });
const service = (host: string, name: string | undefined, namespace: string | undefined) => ({
  istio: { services: [{ host, ...(name === undefined ? {} : { name }), ...(namespace === undefined ? {} : { namespace }) }] },
});
const reviews = service('reviews.default.svc.cluster.local', 'reviews', 'default');

interface Scene {
  readonly config?: JsonObject;
  readonly direction?: 'inbound' | 'outbound';
  /** Sidecar of `reviews` when it serves, of `productpage` when it calls. */
  readonly node?: Readonly<Record<string, unknown>>;
  /** What the peer said of itself. */
  readonly peer?: string;
  readonly client?: string;
  readonly server?: string;
  readonly endpoint?: string;
  readonly info?: Partial<StreamInfo>;
  readonly authority?: string;
  readonly headers?: HeaderList;
  readonly status?: number;
  readonly flags?: readonly ResponseFlag[];
  readonly trailers?: HeaderList;
  readonly messages?: readonly [requests: number, responses: number];
}

/** Plays one request and gives every sample of Istio's, by its short name. */
function play(scene: Scene): Map<string, StatSample> {
  const { direction = 'outbound', client, server, peer, endpoint, messages } = scene;
  const stats = createStats();
  const node = { id: 'n', cluster: 'c', metadata: scene.node ?? metadata(direction === 'inbound' ? 'reviews' : 'productpage') };
  const { context, clock } = testContext({ stats, direction, node });
  const tls: ConnectionInfo['tls'] = { version: 'TLSv1.3', cipher: '', alpn: '' };
  const connection = client === undefined ? {} : { tls: { ...tls, peer: certificate(client), localUriSan: server ?? uri('reviews') } };
  const stream = new TestStream(compileTest(istioStatsDefinition, PluginConfigSchema, scene.config ?? {}, context), clock, {
    connection,
    request: { authority: scene.authority ?? 'reviews:9080', headers: scene.headers ?? [] },
  });
  const { info } = stream;
  Object.assign(info, { clusterMetadata: reviews, upstreamCluster: 'outbound|9080||reviews.default.svc.cluster.local', ...scene.info });
  if (peer !== undefined)
    info.filterState.set(direction === 'inbound' ? downstreamPeerKey : upstreamPeerKey, peerFromMetadata(metadata(peer)));
  if (endpoint !== undefined) info.upstreamHostMetadata = { istio: { workload: endpoint } };
  if (direction === 'outbound' && server !== undefined) info.upstreamPeer = certificate(server);
  for (const flag of scene.flags ?? []) info.responseFlags.add(flag);
  stream.head();
  if (messages !== undefined)
    info.filterState.set(grpcMessagesKey, { requestMessageCount: messages[0], responseMessageCount: messages[1] });
  stream.response(scene.status ?? 200);
  if (scene.trailers !== undefined) stream.filter.onResponseTrailers?.(scene.trailers);
  info.durationMs = 12.9;
  // Heads too, not only bodies.
  info.bytesReceived = 10;
  info.bytesSent = 20;
  info.downstreamBytes = Object.assign(new ByteMeter(), { wireBytesReceived: 100, wireBytesSent: 200 });
  stream.complete();
  return new Map(stats.collect().map((sample) => [sample.prometheusName, sample]));
}

const labelsOf = (samples: Map<string, StatSample>, name: string) => Object.fromEntries(samples.get(name)?.labels ?? []);

const standard = {
  reporter: 'source',
  source_workload: 'productpage-v1',
  source_canonical_service: 'productpage',
  source_canonical_revision: 'v1',
  source_workload_namespace: 'default',
  source_principal: 'unknown',
  source_app: 'productpage',
  source_version: 'v1',
  source_cluster: 'Kubernetes',
  destination_workload: 'unknown',
  destination_workload_namespace: 'unknown',
  destination_principal: 'unknown',
  destination_app: 'unknown',
  destination_version: 'unknown',
  destination_service: 'reviews.default.svc.cluster.local',
  destination_canonical_service: 'unknown',
  destination_canonical_revision: 'latest',
  destination_service_name: 'reviews',
  destination_service_namespace: 'default',
  destination_cluster: 'unknown',
  request_protocol: 'http',
  response_code: '200',
  grpc_response_status: '',
  response_flags: '-',
  connection_security_policy: 'unknown',
};
const nobody = {
  source_workload: 'unknown',
  source_canonical_service: 'unknown',
  source_canonical_revision: 'latest',
  source_workload_namespace: 'unknown',
  source_principal: 'unknown',
  source_app: 'unknown',
  source_version: 'unknown',
  source_cluster: 'unknown',
};
const reviewsWorkload = {
  destination_workload: 'reviews-v1',
  destination_workload_namespace: 'default',
  destination_app: 'reviews',
  destination_version: 'v1',
  destination_canonical_service: 'reviews',
  destination_canonical_revision: 'v1',
  destination_cluster: 'Kubernetes',
};
const inbound = { reporter: 'destination', ...reviewsWorkload, connection_security_policy: 'none' };

describe('labels of istio_requests_total', () => {
  it.each<[string, Scene, Partial<typeof standard>]>([
    ['a client that does not know who answered', {}, {}],
    ['a client whose server introduced itself', { peer: 'reviews' }, reviewsWorkload],
    [
      'a client with mutual TLS: both principals, and the namespace is the certificate’s',
      { peer: 'reviews', server: uri('bookinfo-reviews', 'other') },
      {
        ...reviewsWorkload,
        source_principal: uri('productpage'),
        destination_principal: uri('bookinfo-reviews', 'other'),
        destination_workload_namespace: 'other',
      },
    ],
    [
      'the endpoint’s metadata has no labels app and version',
      { endpoint: 'reviews-v2;default;reviews;v2;Kubernetes' },
      {
        ...reviewsWorkload,
        destination_workload: 'reviews-v2',
        destination_app: 'unknown',
        destination_version: 'unknown',
        destination_canonical_revision: 'v2',
      },
    ],
    ['an endpoint’s metadata that is cut off is none', { endpoint: 'reviews-v2;default' }, {}],
    [
      'a cluster without metadata falls back to the Host header, port and all',
      { info: { clusterMetadata: undefined }, authority: 'example.com:8080' },
      { destination_service: 'example.com:8080', destination_service_name: 'example.com:8080', destination_service_namespace: 'unknown' },
    ],
    [
      'unless that is off',
      { info: { clusterMetadata: undefined }, config: { disableHostHeaderFallback: true } },
      { destination_service: 'unknown', destination_service_name: 'unknown', destination_service_namespace: 'unknown' },
    ],
    [
      'a service without a name is named by its host; without a namespace by its workload’s',
      { info: { clusterMetadata: service('a.b.svc.cluster.local', undefined, undefined) }, peer: 'reviews' },
      { ...reviewsWorkload, destination_service: 'a.b.svc.cluster.local', destination_service_name: 'a' },
    ],
    [
      'a Kubernetes service whose host was given for its name',
      { info: { clusterMetadata: service('reviews.default.svc.cluster.local', 'reviews.default.svc.cluster.local', 'default') } },
      {},
    ],
    [
      'an external service is named by its host',
      { info: { clusterMetadata: service('httpbin.org', 'httpbin.org', 'default') } },
      { destination_service: 'httpbin.org', destination_service_name: 'httpbin.org' },
    ],
    [
      'PassthroughCluster',
      { info: { upstreamCluster: 'PassthroughCluster', clusterMetadata: undefined }, authority: 'httpbin.org' },
      { destination_service: 'httpbin.org', destination_service_name: 'PassthroughCluster', destination_service_namespace: 'unknown' },
    ],
    [
      'the route block_all',
      { info: { routeName: 'block_all', upstreamCluster: '', clusterMetadata: undefined }, authority: 'httpbin.org', status: 502 },
      {
        destination_service: 'httpbin.org',
        destination_service_name: 'BlackHoleCluster',
        destination_service_namespace: 'unknown',
        response_code: '502',
      },
    ],
    [
      'the route allow_any',
      { info: { routeName: 'allow_any', upstreamCluster: 'PassthroughCluster' }, authority: 'a.b' },
      { destination_service: 'a.b', destination_service_name: 'PassthroughCluster', destination_service_namespace: 'unknown' },
    ],
    ['a refused connection', { status: 503, flags: ['UF', 'URX'] }, { response_code: '503', response_flags: 'UF,URX' }],
    ['a client that went away', { status: 0, flags: ['DC'] }, { response_code: '0', response_flags: 'DC' }],
    [
      'gRPC, by trailers',
      { headers: ['content-type', 'application/grpc'], trailers: ['grpc-status', '5'] },
      { request_protocol: 'grpc', grpc_response_status: '5' },
    ],
    ['gRPC that never answered', { headers: ['content-type', 'application/grpc+proto'] }, { request_protocol: 'grpc' }],
    ['a server called from outside of the mesh', { direction: 'inbound' }, { ...nobody, ...inbound }],
    [
      'a server called with mutual TLS',
      { direction: 'inbound', peer: 'productpage', client: uri('productpage', 'web') },
      {
        ...inbound,
        source_workload_namespace: 'web',
        source_principal: uri('productpage', 'web'),
        destination_principal: uri('reviews'),
        connection_security_policy: 'mutual_tls',
      },
    ],
    ['a server called in plain text by a workload of the mesh', { direction: 'inbound', peer: 'productpage' }, { ...inbound }],
    [
      'a server behind a certificate without a SPIFFE name is not mutual TLS',
      { direction: 'inbound', client: uri('productpage'), server: '' },
      { ...nobody, ...inbound, source_workload_namespace: 'default', source_principal: uri('productpage') },
    ],
    [
      'a server names itself where neither cluster nor Host header may',
      { direction: 'inbound', config: { disableHostHeaderFallback: true }, info: { clusterMetadata: undefined } },
      { ...nobody, ...inbound, destination_service: 'reviews', destination_service_name: 'reviews' },
    ],
    [
      'a server’s namespace is its own, whatever the cluster says',
      { direction: 'inbound', info: { clusterMetadata: service('reviews.default.svc.cluster.local', 'reviews', 'elsewhere') } },
      { ...nobody, ...inbound },
    ],
    [
      'InboundPassthroughCluster',
      {
        direction: 'inbound',
        config: { disableHostHeaderFallback: true },
        info: { upstreamCluster: 'InboundPassthroughCluster', clusterMetadata: undefined },
      },
      { ...nobody, ...inbound, destination_service: 'reviews', destination_service_name: 'InboundPassthroughCluster' },
    ],
    [
      'a waypoint: the caller as a server sees it, the server as a client does',
      {
        config: { reporter: 'SERVER_GATEWAY' },
        client: uri('productpage'),
        server: uri('reviews'),
        endpoint: 'reviews-v2;default;reviews;v2;Kubernetes',
      },
      {
        reporter: 'waypoint',
        ...nobody,
        source_workload_namespace: 'default',
        source_principal: uri('productpage'),
        ...reviewsWorkload,
        destination_workload: 'reviews-v2',
        destination_canonical_revision: 'v2',
        destination_app: 'unknown',
        destination_version: 'unknown',
        destination_principal: uri('reviews'),
        connection_security_policy: 'mutual_tls',
      },
    ],
    [
      'a gateway without labels',
      { node: { NAMESPACE: 'istio-system', WORKLOAD_NAME: 'istio-ingressgateway' } },
      {
        source_workload: 'istio-ingressgateway',
        source_canonical_service: 'istio-ingressgateway',
        source_canonical_revision: 'latest',
        source_workload_namespace: 'istio-system',
        source_app: 'unknown',
        source_version: 'unknown',
        source_cluster: 'unknown',
      },
    ],
  ])('%s', (_, scene, expected) => {
    expect(labelsOf(play(scene), 'istio_requests_total')).toEqual({ ...standard, ...expected });
  });
});

describe('values', () => {
  it('of one request', () => {
    const samples = play({});
    expect(samples.get('istio_requests_total')).toMatchObject({ kind: 'counter', value: 1 });
    expect(samples.get('istio_request_duration_milliseconds')).toMatchObject({ kind: 'histogram', data: { sum: 12, count: 1 } });
    expect(samples.get('istio_request_bytes')).toMatchObject({ data: { sum: 100, count: 1 } });
    expect(samples.get('istio_response_bytes')).toMatchObject({ data: { sum: 200, count: 1 } });
    for (const name of ['istio_request_duration_milliseconds', 'istio_request_bytes', 'istio_response_bytes'])
      expect(labelsOf(samples, name)).toEqual(standard);
    expect(samples.get('istio_build')).toMatchObject({ kind: 'gauge', value: 1 });
    expect(labelsOf(samples, 'istio_build')).toEqual({ component: 'proxy', tag: '1.29.0' });
    expect([...samples.keys()].sort()).toEqual([
      'istio_build',
      'istio_request_bytes',
      'istio_request_duration_milliseconds',
      'istio_requests_total',
      'istio_response_bytes',
    ]);
  });
  it('of gRPC messages, whose labels end with the destination', () => {
    const samples = play({ headers: ['content-type', 'application/grpc'], trailers: ['grpc-status', '0'], messages: [3, 5] });
    const ends = Object.fromEntries(Object.entries(standard).filter(([name]) => /^(?:reporter$|source_|destination_)/.test(name)));
    expect(samples.get('istio_request_messages_total')).toMatchObject({ value: 3 });
    expect(samples.get('istio_response_messages_total')).toMatchObject({ value: 5 });
    expect(labelsOf(samples, 'istio_request_messages_total')).toEqual(ends);
    expect(labelsOf(samples, 'istio_response_messages_total')).toEqual(ends);
  });
});

describe('a gRPC stream that goes on', () => {
  it('is counted each interval once its peer is known, and not twice', () => {
    const stats = createStats();
    const { context, clock } = testContext({ stats, direction: 'inbound' });
    const factory = compileTest(istioStatsDefinition, PluginConfigSchema, { tcpReportingDuration: '2s' }, context);
    const stream = new TestStream(factory, clock, { request: { headers: ['content-type', 'application/grpc'] } });
    const messages = { requestMessageCount: 0, responseMessageCount: 0 };
    const counted = () =>
      ['istio_request_messages_total', 'istio_response_messages_total'].map((name) => {
        const sample = stats.collect().find(({ prometheusName }) => prometheusName === name);
        return sample?.kind === 'counter' ? sample.value : undefined;
      });
    stream.head(false);
    stream.info.filterState.set(grpcMessagesKey, messages);
    Object.assign(messages, { requestMessageCount: 2, responseMessageCount: 1 });
    clock.advance(2000);
    expect(counted()).toEqual([undefined, undefined]);
    stream.info.filterState.set(downstreamPeerKey, peerFromMetadata(metadata('client')));
    clock.advance(2000);
    expect(counted()).toEqual([2, 1]);
    messages.responseMessageCount = 10;
    clock.advance(2000);
    expect(counted()).toEqual([2, 10]);
    messages.requestMessageCount = 3;
    stream.complete();
    expect(counted()).toEqual([3, 10]);
    expect(clock.pending).toBe(0);
  });
});

describe('what configurations change', () => {
  it.each<[string, readonly JsonObject[], Readonly<Record<string, string | undefined>>]>([
    ['takes labels away', [{ name: 'requests_total', tagsToRemove: ['source_principal', 'host'] }], { source_principal: undefined }],
    ['from all metrics', [{ tagsToRemove: ['response_flags'] }], { response_flags: undefined }],
    ['not from other metrics', [{ name: 'request_bytes', tagsToRemove: ['response_flags'] }], {}],
    [
      'replaces one by an expression',
      [{ name: 'requests_total', dimensions: { source_app: "'_' + node.metadata.NAMESPACE" } }],
      { source_app: '_default' },
    ],
    ['adds some', [{ dimensions: { host: 'request.host', port: 'string(destination.port)' } }], { host: 'reviews:9080', port: '9080' }],
    [
      'says unknown for what cannot be computed',
      [{ dimensions: { source_app: 'nobody.knows', x: 'upstream_peer.app' } }],
      { source_app: 'unknown', x: 'unknown' },
    ],
    [
      'leaves out a standard label that cannot be read',
      [{ dimensions: { source_app: 'cannot _ parse', y: '1 +' } }],
      { source_app: undefined },
    ],
    [
      'a later one counts',
      [{ tagsToRemove: ['reporter'] }, { name: 'requests_total', dimensions: { reporter: "'me'" } }],
      { reporter: 'me' },
    ],
  ])('%s', (_, metrics, changes) => {
    const expected = Object.fromEntries(Object.entries({ ...standard, ...changes }).filter(([, value]) => value !== undefined));
    expect(labelsOf(play({ config: { metrics: [...metrics] } }), 'istio_requests_total')).toEqual(expected);
  });
  it.each(['requests_total', 'request_duration_milliseconds', 'request_bytes', 'response_bytes'])('drops %s alone', (name) => {
    const names = [...play({ config: { metrics: [{ name, drop: true }] } }).keys()];
    expect(names).not.toContain(`istio_${name}`);
    expect(names).toHaveLength(4);
  });
  it('adds metrics of the user’s own, with the labels they are given and no others', () => {
    const samples = play({
      config: {
        definitions: [
          { name: 'five_hundreds', value: 'response.code >= 500 ? 1 : 0' },
          { name: 'sizes', value: 'response.size', type: 'HISTOGRAM' },
          { name: 'requests_total', value: '7' },
        ],
        metrics: [{ name: 'five_hundreds', dimensions: { reporter: "'proxy'", code: 'string(response.code)' } }],
      },
      status: 503,
    });
    expect(samples.get('istio_five_hundreds')).toMatchObject({ kind: 'counter', value: 1 });
    expect(labelsOf(samples, 'istio_five_hundreds')).toEqual({ code: '503', reporter: 'proxy' });
    expect(samples.get('istio_sizes')).toMatchObject({ data: { sum: 20, count: 1 }, labels: [] });
    expect(samples.get('istio_requests_total')).toMatchObject({ value: 1 });
  });
  it('reads the answer’s headers in expressions', () => {
    const stats = createStats();
    const { context, clock } = testContext({ stats, direction: 'outbound' });
    const config = { metrics: [{ name: 'requests_total', dimensions: { cache: "response.headers['x-cache']" } }] };
    const stream = new TestStream(compileTest(istioStatsDefinition, PluginConfigSchema, config, context), clock);
    stream.head();
    stream.response(200, ['x-cache', 'hit']);
    stream.complete();
    expect(formatPrometheus(stats.collect())).toContain('cache="hit"');
  });
});

describe('series', () => {
  it('tells peers, codes, flags and gRPC statuses apart, and adds up what agrees', () => {
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
    const counted = () =>
      formatPrometheus(stats.collect())
        .split('\n')
        .flatMap((line) => {
          const found =
            /^istio_requests_total\{.*source_app="(\w+)".*response_code="(\d+)",grpc_response_status="(\d*)",response_flags="([^"]+)".* (\d+)$/.exec(
              line,
            );
          return found === null ? [] : [found.slice(1).join(' ')];
        })
        .sort();
    answer('a', 200);
    answer('a', 200);
    answer('b', 200);
    answer('a', 503, 'UF');
    answer('a', 503);
    answer('a', 200, undefined, '0');
    answer('a', 200, undefined, '7');
    expect(counted()).toEqual(['a 200  - 2', 'a 200 0 - 1', 'a 200 7 - 1', 'a 503  - 1', 'a 503  UF 1', 'b 200  - 1']);
    stats.evictIdle('istio_');
    answer('b', 200);
    stats.evictIdle('istio_');
    answer('a', 200);
    expect(counted()).toEqual(['a 200  - 1', 'b 200  - 2']);
  });
});
