import type { Locality } from './service.ts';

/** A data-plane instance as its xDS node describes it. */
export interface MeshProxy {
  /** `sidecar~10.1.2.3~reviews-v1-abc.default~default.svc.cluster.local`. */
  readonly id: string;
  readonly type: 'sidecar' | 'router';
  readonly name: string;
  /** The node's own cluster, `app.namespace`: the name of its service in traces. */
  readonly cluster: string;
  readonly namespace: string;
  readonly addresses: readonly string[];
  readonly domain: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly serviceAccount: string;
  readonly clusterId: string;
  readonly meshId: string;
  readonly network: string;
  readonly locality: Locality;
  /** `REDIRECT`: iptables bring all traffic; `NONE`: listeners bind to their own address and port. */
  readonly interceptionMode: 'REDIRECT' | 'TPROXY' | 'NONE';
  /** Where the application listens; 127.0.0.1 unless metadata `XEBEC_APP_ADDRESS` says otherwise. */
  readonly appAddress: string;
  /** Names of filters and other extensions the proxy has, from `node.extensions`; a proxy never gets one it lacks. */
  readonly extensions: ReadonlySet<string>;
  /** `envoy` for stock Envoy, `xebec` for ours, `grpc` for proxyless gRPC. */
  readonly flavour: 'envoy' | 'xebec' | 'grpc';
  readonly metadata: Readonly<Record<string, unknown>>;
}
