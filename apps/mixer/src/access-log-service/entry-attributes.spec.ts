import { create, type MessageInitShape } from '@bufbuild/protobuf';
import type { AttributeBag } from '@xebec/expressions';
import { RequestMethod } from '@xebec/protos/envoy/config/core/v3/base';
import {
  type AccessLogCommonSchema,
  AccessLogType,
  HTTPAccessLogEntrySchema,
  type HTTPRequestPropertiesSchema,
  type HTTPResponsePropertiesSchema,
  TCPAccessLogEntrySchema,
} from '@xebec/protos/envoy/data/accesslog/v3/accesslog';
import { describe, expect, it } from 'vitest';
import { httpAttributes, isFinal, tcpAttributes } from './entry-attributes.ts';
import { readReporter } from './reporter.ts';

const node = (id: string, metadata: Record<string, unknown> = {}) => ({ id, metadata, extensions: [] });
const sidecar = readReporter(
  node('sidecar~10.0.0.7~reviews-v1-abc.default~default.svc.cluster.local', {
    LABELS: { app: 'reviews' },
    WORKLOAD_NAME: 'reviews-v1',
    OWNER: 'kubernetes://apis/apps/v1/namespaces/default/deployments/reviews-v1',
    ISTIO_VERSION: '1.24.0',
  }),
  'http_envoy_accesslog',
);

const socket = (address: string, port: number) => ({
  address: { case: 'socketAddress' as const, value: { address, portSpecifier: { case: 'portValue' as const, value: port } } },
});
const certificate = (uri: string) => ({ subjectAltName: [{ san: { case: 'uri' as const, value: uri } }] });

// What is given as an init, for the fields of a message that was made are all there.
type Common = Exclude<MessageInitShape<typeof AccessLogCommonSchema>, { $typeName: string }>;
type Request = Exclude<MessageInitShape<typeof HTTPRequestPropertiesSchema>, { $typeName: string }>;
type Response = Exclude<MessageInitShape<typeof HTTPResponsePropertiesSchema>, { $typeName: string }>;
const common: Common = {
  upstreamCluster: 'inbound|9080||',
  startTime: { seconds: 1_600_000_000n, nanos: 5 },
  timeToLastDownstreamTxByte: { seconds: 0n, nanos: 250_000_000 },
  downstreamDirectRemoteAddress: socket('10.0.0.1', 40_000),
  downstreamRemoteAddress: socket('203.0.113.9', 0),
  downstreamLocalAddress: socket('10.0.0.7', 9080),
  upstreamRemoteAddress: socket('10.0.0.9', 8080),
  responseFlags: { upstreamConnectionFailure: true, upstreamRetryLimitExceeded: true },
  tlsProperties: {
    tlsSniHostname: 'outbound_.9080_._.reviews.default.svc.cluster.local',
    peerCertificateProperties: certificate('spiffe://cluster.local/ns/default/sa/productpage'),
    localCertificateProperties: certificate('spiffe://cluster.local/ns/default/sa/reviews'),
  },
};
const http = (over: Partial<Common> = {}, request: Request = {}, response: Response = {}) =>
  create(HTTPAccessLogEntrySchema, {
    commonProperties: { ...common, ...over },
    request: {
      requestMethod: RequestMethod.POST,
      scheme: 'http',
      authority: 'reviews:9080',
      path: '/new',
      originalPath: '/reviews/0?user=a&x=1',
      userAgent: 'curl/8',
      requestId: 'id-1',
      requestHeadersBytes: 100n,
      requestBodyBytes: 7n,
      requestHeaders: { 'end-user': 'jason' },
      ...request,
    },
    response: { responseCode: 503, responseHeadersBytes: 50n, responseBodyBytes: 9n, ...response },
  });

function plain(bag: AttributeBag): Record<string, unknown> {
  return Object.fromEntries([...bag].map(([name, { value }]) => [name, value instanceof Map ? Object.fromEntries(value) : value]));
}

describe('attributes of an access log entry', () => {
  it('are those that the called proxy would report', () => {
    expect(plain(httpAttributes(http(), sidecar))).toEqual({
      'api.protocol': 'http',
      'connection.mtls': true,
      'connection.requested_server_name': 'outbound_.9080_._.reviews.default.svc.cluster.local',
      'context.protocol': 'http',
      'context.proxy_error_code': 'UF,URX',
      'context.proxy_version': '1.24.0',
      'context.reporter.kind': 'inbound',
      'context.reporter.uid': 'kubernetes://reviews-v1-abc.default',
      'context.time': 1_600_000_000_000_000_005n,
      'destination.ip': Uint8Array.of(10, 0, 0, 7),
      'destination.labels': { app: 'reviews' },
      'destination.name': 'reviews-v1-abc',
      'destination.namespace': 'default',
      'destination.owner': 'kubernetes://apis/apps/v1/namespaces/default/deployments/reviews-v1',
      'destination.port': 9080n,
      'destination.principal': 'cluster.local/ns/default/sa/reviews',
      'destination.uid': 'kubernetes://reviews-v1-abc.default',
      'destination.workload.name': 'reviews-v1',
      'destination.workload.namespace': 'default',
      'origin.ip': Uint8Array.of(203, 0, 113, 9),
      'request.headers': { 'end-user': 'jason', 'user-agent': 'curl/8', 'x-request-id': 'id-1', ':authority': 'reviews:9080' },
      'request.host': 'reviews:9080',
      'request.id': 'id-1',
      'request.method': 'POST',
      'request.path': '/reviews/0?user=a&x=1',
      'request.query_params': { user: 'a', x: '1' },
      'request.scheme': 'http',
      'request.size': 7n,
      'request.time': 1_600_000_000_000_000_005n,
      'request.total_size': 107n,
      'request.url_path': '/reviews/0',
      'request.useragent': 'curl/8',
      'response.code': 503n,
      'response.duration': 250_000_000n,
      'response.size': 9n,
      'response.time': 1_600_000_000_250_000_005n,
      'response.total_size': 59n,
      'source.ip': Uint8Array.of(10, 0, 0, 1),
      'source.principal': 'cluster.local/ns/default/sa/productpage',
    });
  });
  it('are those of the calling proxy where the cluster is outbound', () => {
    const bag = plain(httpAttributes(http({ upstreamCluster: 'outbound|9080|v1|ratings.shop.svc.cluster.local' }), sidecar));
    expect(bag).toMatchObject({
      'context.reporter.kind': 'outbound',
      'source.workload.name': 'reviews-v1',
      'destination.service.host': 'ratings.shop.svc.cluster.local',
      'destination.service.name': 'ratings',
      'destination.service.namespace': 'shop',
      'destination.service.uid': 'istio://shop/services/ratings',
      'destination.ip': Uint8Array.of(10, 0, 0, 9),
      'destination.port': 8080n,
    });
    expect(bag).not.toHaveProperty(['destination.workload.name']);
    const external = plain(httpAttributes(http({ upstreamCluster: 'outbound|443||api.example.com' }), sidecar));
    expect(external['destination.service.name']).toBe('api.example.com');
    expect(external).not.toHaveProperty(['destination.service.namespace']);
  });
  it('know gRPC by its content type or its status', () => {
    const grpc = httpAttributes(http({}, {}, { responseTrailers: { 'grpc-status': '5', 'grpc-message': 'gone' } }), sidecar);
    expect(plain(grpc)).toMatchObject({ 'context.protocol': 'grpc', 'response.grpc_status': '5', 'response.grpc_message': 'gone' });
    const typed = httpAttributes(http({}, { requestHeaders: { 'content-type': 'application/grpc+proto' } }), sidecar);
    expect(plain(typed)['api.protocol']).toBe('grpc');
  });
  it('come from proxies outside of a mesh, and from entries that say nothing', () => {
    const gateway = readReporter(node('router~10.0.0.2~gw-1.istio-system~istio-system.svc.cluster.local'), '');
    const bare = create(HTTPAccessLogEntrySchema, { commonProperties: { upstreamCluster: 'backend' } });
    expect(plain(httpAttributes(bare, gateway))['context.reporter.kind']).toBe('outbound');
    expect(plain(httpAttributes(bare, readReporter(node('envoy-7'), 'ingress')))).toMatchObject({
      'context.reporter.kind': 'inbound',
      'context.reporter.uid': 'envoy-7',
    });
    expect(plain(httpAttributes(create(HTTPAccessLogEntrySchema), readReporter(undefined, 'outbound')))).toEqual({
      'context.reporter.kind': 'outbound',
      'context.protocol': 'http',
      'api.protocol': 'http',
    });
  });
  it('leave requests that are not over to later entries', () => {
    const final = (accessLogType: AccessLogType, intermediateLogEntry = false) => isFinal(http({ accessLogType, intermediateLogEntry }));
    expect([final(AccessLogType.NotSet), final(AccessLogType.DownstreamEnd)]).toEqual([true, true]);
    expect([final(AccessLogType.DownstreamStart), final(AccessLogType.UpstreamEnd), final(AccessLogType.NotSet, true)]).toEqual([
      false,
      false,
      false,
    ]);
  });
  it.each([
    [AccessLogType.TcpConnectionStart, 'open', 0n],
    [AccessLogType.TcpPeriodic, 'continue', 0n],
    [AccessLogType.TcpConnectionEnd, 'close', 1_000n],
    [AccessLogType.NotSet, 'close', 1_000n],
  ])('count the bytes of a connection once: type %i is %s', (accessLogType, event, received) => {
    const entry = create(TCPAccessLogEntrySchema, {
      commonProperties: { ...common, accessLogType, streamId: 'c-1', duration: { seconds: 3n, nanos: 0 } },
      connectionProperties: { receivedBytes: 1_000n, sentBytes: 2_000n },
    });
    expect(plain(tcpAttributes(entry, sidecar))).toMatchObject({
      'context.protocol': 'tcp',
      'connection.id': 'c-1',
      'connection.event': event,
      'connection.received.bytes': received,
      'connection.received.bytes_total': 1_000n,
      'connection.sent.bytes_total': 2_000n,
      'source.principal': 'cluster.local/ns/default/sa/productpage',
    });
  });
});
