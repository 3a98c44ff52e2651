import type { BootstrapShape, CertificateFiles } from './bootstrap.ts';
import type { LoadShape } from './load.ts';

interface Common {
  readonly name: string;
  readonly title: string;
  /** The most that ours may be of Envoy's; for `workers` the least that two may be of one; for `idle` bytes a connection. */
  readonly limit: number;
}

export interface RequestScenario extends Common {
  readonly kind: 'requests';
  /** Proxies in the order a request meets them; CPU is the sum. */
  readonly shapes: readonly BootstrapShape[];
  readonly load: LoadShape;
}

export type Scenario =
  | RequestScenario
  | (Common & { readonly kind: 'memory'; readonly shape: BootstrapShape; readonly load: LoadShape })
  | (Common & { readonly kind: 'idle'; readonly shape: BootstrapShape; readonly protocol: 'http1' | 'http2'; readonly connections: number })
  | (Common & { readonly kind: 'workers'; readonly shape: BootstrapShape; readonly load: LoadShape });

export interface Files {
  readonly certificates: CertificateFiles;
  /** 10,000 bytes. */
  readonly body: string;
  /** One gRPC message of 32 bytes, framed. */
  readonly grpcMessage: string;
}

/** Every scenario, with the limit that the project set itself. */
export function scenarios({ certificates, body, grpcMessage }: Files): readonly Scenario[] {
  const http1: LoadShape = { protocol: 'http1', connections: 50, streams: 1, path: '/x' };
  const http2: LoadShape = { protocol: 'http2', connections: 8, streams: 16, path: '/x' };
  const plain: BootstrapShape = { chain: 'router' };
  const overHttp2: BootstrapShape = { chain: 'router', upstream: 'http2' };
  const sidecar: BootstrapShape = { chain: 'sidecar', routes: 19 };
  const grpc: LoadShape = {
    ...http2,
    path: '/bench.Echo/Say',
    headers: ['content-type: application/grpc', 'te: trailers'],
    bodyFile: grpcMessage,
  };
  const request = (name: string, title: string, limit: number, load: LoadShape, ...shapes: BootstrapShape[]): RequestScenario => ({
    kind: 'requests',
    name,
    title,
    limit,
    shapes,
    load,
  });
  return [
    request('h1', 'HTTP/1.1, router alone', 0.5, http1, plain),
    request('h1-sidecar', 'HTTP/1.1, rbac, grpc_stats, fault, cors, router; 20 routes', 0.5, http1, sidecar),
    request('h1-10k', 'HTTP/1.1, response of 10 kB', 0.6, { ...http1, path: '/10k' }, plain),
    request('h1-10k-both', 'HTTP/1.1, request and response of 10 kB', 0.6, { ...http1, path: '/10k', bodyFile: body }, plain),
    request(
      'h1-tls',
      'HTTP/1.1 over TLS',
      0.6,
      { ...http1, tls: true },
      {
        ...plain,
        downstreamTls: { ...certificates, requireClient: false },
      },
    ),
    request(
      'mtls',
      'two proxies with mTLS between them, HTTP/1.1',
      0.7,
      http1,
      { ...plain, upstreamTls: certificates },
      { ...plain, downstreamTls: { ...certificates, requireClient: true } },
    ),
    request('h2', 'HTTP/2 both ways, 8 connections of 16 streams', 0.5, http2, overHttp2),
    request('h2-single', 'HTTP/2 both ways, 50 connections of 1 stream', 0.5, { ...http2, connections: 50, streams: 1 }, overHttp2),
    request('grpc', 'gRPC unary, 8 connections of 16 streams', 0.5, grpc, overHttp2),
    request('grpc-single', 'gRPC unary, 50 connections of 1 stream', 0.5, { ...grpc, connections: 50, streams: 1 }, overHttp2),
    request('tcp', 'TCP proxy (HTTP/1.1 through it)', 1, http1, { chain: 'tcp' }),
    {
      kind: 'memory',
      name: 'memory',
      title: 'resident memory with 1,000 clusters and 1,000 routes',
      limit: 1.5,
      shape: { chain: 'router', routes: 1000, clusters: 1000 },
      load: http1,
    },
    {
      kind: 'idle',
      name: 'idle-h1',
      title: '10,000 idle HTTP/1.1 connections',
      limit: 20_000,
      shape: plain,
      protocol: 'http1',
      connections: 10_000,
    },
    {
      kind: 'idle',
      name: 'idle-h2',
      title: '10,000 idle HTTP/2 connections',
      limit: 20_000,
      shape: plain,
      protocol: 'http2',
      connections: 10_000,
    },
    {
      kind: 'workers',
      name: 'workers',
      title: '--concurrency 2 against 1',
      limit: 1.8,
      shape: plain,
      load: { ...http1, connections: 400 },
    },
  ];
}
