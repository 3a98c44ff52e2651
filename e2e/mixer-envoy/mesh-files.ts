const MIXER = 'istio-mixer.istio-system.svc.cluster.local';

/** A mesh that asks and tells Mixer, without certificates. */
export function meshConfig(): string {
  return JSON.stringify({
    enableAutoMtls: false,
    mixerCheckServer: `${MIXER}:9091`,
    mixerReportServer: `${MIXER}:9091`,
    reportBatchMaxTime: '0.2s',
  });
}

export interface MeshPorts {
  readonly mixer: number;
  /** Where the proxy of the workload takes connections, and where they go. */
  readonly listeners: { readonly http: number; readonly tcp: number };
  readonly backends: { readonly http: number; readonly tcp: number };
}

function document(apiVersion: string, kind: string, namespace: string, name: string, spec: object): string {
  return JSON.stringify({ apiVersion, kind, metadata: { name, namespace }, spec });
}

/** Mixer, and a workload of two services whose proxy binds ports of its own: no iptables, no privileges. */
export function meshObjects({ mixer, listeners, backends }: MeshPorts): string {
  const networking = 'networking.istio.io/v1';
  const service = (namespace: string, name: string, host: string, port: object, endpoint: object) =>
    document(networking, 'ServiceEntry', namespace, name, {
      hosts: [host],
      location: 'MESH_INTERNAL',
      resolution: 'STATIC',
      ports: [port],
      endpoints: [{ address: '127.0.0.1', ...endpoint }],
    });
  const labels = { app: 'shop' };
  return [
    service('istio-system', 'mixer', MIXER, { number: 9091, name: 'grpc', protocol: 'GRPC' }, { ports: { grpc: mixer } }),
    service(
      'default',
      'shop',
      'shop.default.svc.cluster.local',
      { number: listeners.http, name: 'http', protocol: 'HTTP' },
      { labels, ports: { http: listeners.http } },
    ),
    service(
      'default',
      'vault',
      'vault.default.svc.cluster.local',
      { number: listeners.tcp, name: 'tcp', protocol: 'TCP' },
      { labels, ports: { tcp: listeners.tcp } },
    ),
    document(networking, 'Sidecar', 'default', 'shop', {
      workloadSelector: { labels },
      ingress: [
        {
          port: { number: listeners.http, protocol: 'HTTP', name: 'http' },
          bind: '127.0.0.1',
          captureMode: 'NONE',
          defaultEndpoint: `127.0.0.1:${backends.http}`,
        },
        {
          port: { number: listeners.tcp, protocol: 'TCP', name: 'tcp' },
          bind: '127.0.0.1',
          captureMode: 'NONE',
          defaultEndpoint: `127.0.0.1:${backends.tcp}`,
        },
      ],
      // Nothing that leaves is taken: the ports of the services are those that the proxy binds.
      egress: [
        { port: { number: 9091, protocol: 'GRPC', name: 'grpc' }, bind: '127.0.0.2', captureMode: 'NONE', hosts: ['istio-system/*'] },
      ],
    }),
    document('security.istio.io/v1', 'PeerAuthentication', 'istio-system', 'default', { mtls: { mode: 'DISABLE' } }),
    document('config.istio.io/v1alpha2', 'QuotaSpec', 'default', 'requests', { rules: [{ quotas: [{ quota: 'requests', charge: 1 }] }] }),
    document('config.istio.io/v1alpha2', 'QuotaSpecBinding', 'default', 'requests', {
      services: [{ name: 'shop' }],
      quotaSpecs: [{ name: 'requests' }],
    }),
  ].join('\n---\n');
}

/** A refused path, a quota on another, a refused service, and metrics of both kinds of traffic. */
export function mixerObjects(): string {
  const object = (kind: string, name: string, spec: object) => document('config.istio.io/v1alpha2', kind, 'istio-system', name, spec);
  const metric = (name: string, labels: readonly string[]) => ({
    name,
    instance_name: `${name}.instance.istio-system`,
    kind: 'COUNTER',
    label_names: labels,
  });
  const dimensions = { service: 'destination.service.host | "unknown"', workload: 'destination.workload.name | "unknown"' };
  return [
    object('handler', 'closed', { compiledAdapter: 'denier', params: { status: { code: 7, message: 'closed' } } }),
    object('instance', 'nothing', { compiledTemplate: 'checknothing' }),
    object('rule', 'closed', {
      match:
        'destination.service.host == "shop.default.svc.cluster.local" && destination.labels["app"] == "shop" && request.url_path == "/closed"',
      actions: [{ handler: 'closed', instances: ['nothing'] }],
    }),
    object('rule', 'sealed', {
      match: 'context.protocol == "tcp" && destination.service.host == "vault.default.svc.cluster.local"',
      actions: [{ handler: 'closed', instances: ['nothing'] }],
    }),
    object('handler', 'quotas', {
      compiledAdapter: 'memquota',
      params: { quotas: [{ name: 'requests.instance.istio-system', maxAmount: 2, validDuration: '3600s' }] },
    }),
    object('instance', 'requests', { compiledTemplate: 'quota', params: { dimensions: { path: 'request.url_path | ""' } } }),
    object('rule', 'quotas', { match: 'request.url_path == "/charged"', actions: [{ handler: 'quotas', instances: ['requests'] }] }),
    object('handler', 'counts', {
      compiledAdapter: 'prometheus',
      params: {
        metrics: [metric('seen', ['reporter', 'service', 'workload', 'path', 'code']), metric('connections', ['service', 'workload'])],
      },
    }),
    object('instance', 'seen', {
      compiledTemplate: 'metric',
      params: {
        value: '1',
        dimensions: {
          ...dimensions,
          reporter: 'context.reporter.kind | "unknown"',
          path: 'request.url_path | "unknown"',
          code: 'response.code | 0',
        },
      },
    }),
    object('instance', 'connections', { compiledTemplate: 'metric', params: { value: '1', dimensions } }),
    object('rule', 'seen', { match: 'context.protocol == "http"', actions: [{ handler: 'counts', instances: ['seen'] }] }),
    object('rule', 'connections', {
      match: 'context.protocol == "tcp" && (connection.event | "") == "close"',
      actions: [{ handler: 'counts', instances: ['connections'] }],
    }),
  ].join('\n---\n');
}

/** A sidecar that takes everything from pilot. */
export function adsBootstrap(pilot: number, admin: number): string {
  const address = (port: number) => ({ socket_address: { address: '127.0.0.1', port_value: port } });
  const source = { ads: {}, resource_api_version: 'V3' };
  return JSON.stringify({
    node: {
      id: 'sidecar~127.0.0.1~shop-v1-1.default~default.svc.cluster.local',
      cluster: 'shop.default',
      metadata: { NAMESPACE: 'default', LABELS: { app: 'shop' }, WORKLOAD_NAME: 'shop-v1', INTERCEPTION_MODE: 'NONE' },
    },
    admin: { address: address(admin) },
    dynamic_resources: {
      ads_config: { api_type: 'GRPC', transport_api_version: 'V3', grpc_services: [{ envoy_grpc: { cluster_name: 'pilot' } }] },
      cds_config: source,
      lds_config: source,
    },
    static_resources: {
      clusters: [
        {
          name: 'pilot',
          type: 'STATIC',
          typed_extension_protocol_options: {
            'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
              '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
              explicit_http_config: { http2_protocol_options: {} },
            },
          },
          load_assignment: { cluster_name: 'pilot', endpoints: [{ lb_endpoints: [{ endpoint: { address: address(pilot) } }] }] },
        },
      ],
    },
  });
}
