import { createProtoRegistry } from '@xebec/protos/registry';
import { describe, expect, it } from 'vitest';
import { bootstrapTable } from './bootstrap.ts';
import { clusterTable, parseClusterName, selectClusters } from './clusters.ts';
import { parseConfigDump } from './dump.ts';
import { assignmentRows, assignmentTable, endpointRows, endpointTable, parseClusters } from './endpoints.ts';
import { extensionTable } from './extensions.ts';
import { listenerTable } from './listeners.ts';
import { routeTable } from './routes.ts';
import { secretRows } from './secrets.ts';

const registry = createProtoRegistry();
const type = (name: string) => `type.googleapis.com/${name}`;
const cluster = (name: string, extra: object = {}) => ({ cluster: { '@type': type('envoy.config.cluster.v3.Cluster'), name, ...extra } });
const socket = (address: string, port: number) => ({ socket_address: { address, port_value: port } });

/** Field names as Envoy's admin interface prints them. */
const dump = parseConfigDump(
  JSON.stringify({
    configs: [
      {
        '@type': type('envoy.admin.v3.ClustersConfigDump'),
        static_clusters: [cluster('xds-grpc', { type: 'STATIC' })],
        dynamic_active_clusters: [
          cluster('outbound|9080|v1|reviews.default.svc.cluster.local', {
            type: 'EDS',
            metadata: {
              filter_metadata: { istio: { config: '/apis/networking.istio.io/v1/namespaces/default/destination-rule/reviews' } },
            },
          }),
          cluster('outbound|9080||details.default.svc.cluster.local', { type: 'EDS' }),
          cluster('inbound|9080||', { type: 'ORIGINAL_DST' }),
        ],
      },
      {
        '@type': type('envoy.admin.v3.ListenersConfigDump'),
        dynamic_listeners: [
          {
            name: '0.0.0.0_9080',
            active_state: {
              listener: {
                '@type': type('envoy.config.listener.v3.Listener'),
                name: '0.0.0.0_9080',
                address: socket('0.0.0.0', 9080),
                filter_chains: [
                  {
                    filter_chain_match: { transport_protocol: 'raw_buffer', application_protocols: ['http/1.1', 'h2c'] },
                    filters: [
                      {
                        name: 'envoy.filters.network.http_connection_manager',
                        typed_config: {
                          '@type': type('envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager'),
                          stat_prefix: 'x',
                          rds: { config_source: { ads: {} }, route_config_name: '9080' },
                        },
                      },
                    ],
                  },
                ],
                default_filter_chain: {
                  filters: [
                    {
                      name: 'envoy.filters.network.tcp_proxy',
                      typed_config: {
                        '@type': type('envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy'),
                        stat_prefix: 'p',
                        cluster: 'PassthroughCluster',
                      },
                    },
                  ],
                },
              },
            },
          },
        ],
      },
      {
        '@type': type('envoy.admin.v3.RoutesConfigDump'),
        dynamic_route_configs: [
          {
            route_config: {
              '@type': type('envoy.config.route.v3.RouteConfiguration'),
              name: '9080',
              virtual_hosts: [
                {
                  name: 'reviews.default.svc.cluster.local:9080',
                  domains: ['reviews.default.svc.cluster.local', 'reviews', 'reviews.default'],
                  routes: [
                    {
                      match: { prefix: '/' },
                      route: { cluster: 'outbound|9080|v1|reviews.default.svc.cluster.local' },
                      metadata: {
                        filter_metadata: { istio: { config: '/apis/networking.istio.io/v1/namespaces/default/virtual-service/reviews' } },
                      },
                    },
                  ],
                },
              ],
            },
          },
        ],
      },
    ],
  }),
  registry,
);

describe('proxy-config tables', () => {
  it('shows clusters with their destination rule', () => {
    expect(clusterTable(dump.clusters)).toBe(
      [
        'SERVICE FQDN                        PORT   SUBSET   DIRECTION   TYPE           DESTINATION RULE',
        '                                    9080   -        inbound     ORIGINAL_DST',
        'details.default.svc.cluster.local   9080   -        outbound    EDS',
        'reviews.default.svc.cluster.local   9080   v1       outbound    EDS            reviews.default',
        'xds-grpc                            -      -        -           STATIC',
        '',
      ].join('\n'),
    );
    expect(
      selectClusters(dump.clusters, { fqdn: 'reviews', subset: 'v1', port: 9080 }).map(({ name }) => parseClusterName(name).fqdn),
    ).toEqual(['reviews.default.svc.cluster.local']);
  });

  it('shows listeners with their matches and where they lead', () => {
    expect(listenerTable(dump.listeners)).toBe(
      [
        'ADDRESSES   PORT   MATCH                                  DESTINATION',
        '0.0.0.0     9080   Trans: raw_buffer; App: http/1.1,h2c   Route: 9080',
        '0.0.0.0     9080   ALL                                    PassthroughCluster',
        '',
      ].join('\n'),
    );
  });

  it('shows routes with the VirtualService behind them', () => {
    const [header, row] = routeTable(dump.routes).split('\n');
    expect(header?.split(/ {3,}/)).toEqual(['NAME', 'VHOST NAME', 'DOMAINS', 'MATCH', 'VIRTUAL SERVICE']);
    expect(row?.split(/ {3,}/)).toEqual([
      '9080',
      'reviews.default.svc.cluster.local:9080',
      'reviews.default.svc.cluster.local, reviews + 1 more...',
      '/*',
      'reviews.default',
    ]);
  });

  it('shows endpoints with their health', () => {
    const clusters = parseClusters(
      JSON.stringify({
        cluster_statuses: [
          {
            name: 'outbound|9080||details.default.svc.cluster.local',
            host_statuses: [
              { address: socket('10.244.0.7', 9080), health_status: { eds_health_status: 'HEALTHY' } },
              { address: socket('10.244.0.8', 9080), health_status: { eds_health_status: 'DRAINING', failed_outlier_check: true } },
            ],
          },
        ],
      }),
      registry,
    );
    expect(
      endpointTable(endpointRows(clusters))
        .split('\n')
        .slice(1, 3)
        .map((line) => line.split(/ {3,}/)),
    ).toEqual([
      ['10.244.0.7:9080', 'HEALTHY', 'OK', 'outbound|9080||details.default.svc.cluster.local'],
      ['10.244.0.8:9080', 'DRAINING', 'FAILED', 'outbound|9080||details.default.svc.cluster.local'],
    ]);
  });

  it('says of a secret without certificate that it is not valid', () => {
    expect(secretRows([{ name: 'default', state: 'WARMING', secret: undefined }], 0)).toEqual([
      { name: 'default', type: '', status: 'WARMING', valid: false, serialNumber: '', notAfter: '', notBefore: '' },
    ]);
  });
});

describe('what came by name', () => {
  const found = parseConfigDump(
    JSON.stringify({
      configs: [
        {
          '@type': type('envoy.admin.v3.BootstrapConfigDump'),
          bootstrap: { node: { id: 'sidecar~1', cluster: 'shop', user_agent_name: 'xebec', metadata: { ISTIO_VERSION: '1.32.0' } } },
        },
        {
          '@type': type('envoy.admin.v3.EndpointsConfigDump'),
          dynamic_endpoint_configs: [
            {
              endpoint_config: {
                '@type': type('envoy.config.endpoint.v3.ClusterLoadAssignment'),
                cluster_name: 'c',
                endpoints: [
                  {
                    locality: { region: 'r', zone: 'z' },
                    lb_endpoints: [{ health_status: 'DRAINING', endpoint: { address: socket('10.0.0.2', 80) } }],
                  },
                  { lb_endpoints: [{ endpoint: { address: socket('10.0.0.1', 80) } }] },
                ],
              },
            },
          ],
        },
        {
          '@type': type('envoy.admin.v3.EcdsConfigDump'),
          ecds_filters: [
            {
              ecds_filter: {
                '@type': type('envoy.config.core.v3.TypedExtensionConfig'),
                name: 'auth',
                typed_config: { '@type': type('envoy.extensions.filters.http.rbac.v3.RBAC') },
              },
            },
          ],
        },
      ],
    }),
    registry,
  );

  it('shows endpoints as discovered, filters, and who the proxy is', () => {
    expect(assignmentTable(assignmentRows(found.endpoints))).toBe(
      [
        'NAME          STATUS     LOCALITY   CLUSTER',
        '10.0.0.1:80   HEALTHY               c',
        '10.0.0.2:80   DRAINING   r/z        c',
        '',
      ].join('\n'),
    );
    expect(extensionTable(found.extensions)).toBe(
      ['ECDS NAME   TYPE', 'auth        envoy.extensions.filters.http.rbac.v3.RBAC', ''].join('\n'),
    );
    expect(found.bootstrap === undefined ? '' : bootstrapTable(found.bootstrap)).toBe(
      ['Istio Version:   1.32.0', 'Node:            sidecar~1', 'Cluster:         shop', ''].join('\n'),
    );
  });
});
