import { edsCluster, endpoints, httpListener, type Json, type Resource, routes, staticCluster } from './resources.ts';
import type { Script, Stage } from './script.ts';

const type = (name: string): string => `type.googleapis.com/${name}`;
const inline = (stage: Stage, text: string, more: Json = {}): Resource =>
  httpListener('http', stage.port('http'), routes('inline', text), { listener: more });
const byRds = (stage: Stage, more: Json = {}): Resource =>
  httpListener('http', stage.port('http'), { rds: 'routes', source: stage.source(more) });

/** A listener that breaks a rule of its own type, so that the whole response is refused. */
const badBounds = (name: string): Resource => ({ name, json: { name } });
/** A listener that is refused when its filters are made. */
const badFilter = (stage: Stage, name: string): Resource =>
  httpListener(name, stage.port(name), routes('inline', '=never'), {
    filters: [{ name: 'bad', typed_config: { '@type': type('envoy.extensions.filters.http.buffer.v3.Buffer') } }],
  });

function ecdsListener(stage: Stage, more: Json, config: Json = {}): Resource {
  return httpListener('http', stage.port('http'), routes('inline', '=routed'), {
    filters: [
      {
        name: 'dynamic',
        config_discovery: {
          config_source: stage.source(more),
          type_urls: [type('envoy.extensions.filters.http.fault.v3.HTTPFault')],
          ...config,
        },
      },
    ],
  });
}
const fault = (status: number): Json => ({
  '@type': type('envoy.extensions.filters.http.fault.v3.HTTPFault'),
  abort: { http_status: status, percentage: { numerator: 100 } },
});
const extension = (config: Json): Resource => ({ name: 'dynamic', json: { name: 'dynamic', typed_config: config } });

const secret = (stage: Stage, what: 'server' | 'other'): Resource => ({
  name: 'cert',
  json: {
    name: 'cert',
    tls_certificate: {
      certificate_chain: { inline_string: stage.pem(what, 'certificate') },
      private_key: { inline_string: stage.pem(what, 'key') },
    },
  },
});
const tlsListener = (stage: Stage, more: Json = {}): Resource =>
  httpListener('http', stage.port('http'), routes('inline', '=secure'), {
    chain: {
      transport_socket: {
        name: 'tls',
        typed_config: {
          '@type': type('envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext'),
          common_tls_context: { tls_certificate_sds_secret_configs: [{ name: 'cert', sds_config: stage.source(more) }] },
        },
      },
    },
  });

export const scripts: readonly Script[] = [
  {
    name: 'everything, then changes one by one',
    steps: (stage) => [
      {
        name: 'all',
        set: {
          cds: [edsCluster('one', stage.source()), staticCluster('two', stage.b)],
          eds: [endpoints('one', stage.a)],
          lds: [byRds(stage)],
          rds: [routes('routes', 'one')],
        },
      },
      { name: 'other endpoints', set: { eds: [endpoints('one', stage.b)] } },
      { name: 'other route', set: { rds: [routes('routes', 'two')] } },
      { name: 'other cluster', set: { cds: [edsCluster('one', stage.source()), staticCluster('two', stage.a)] } },
      { name: 'no endpoints', set: { eds: [endpoints('one')], rds: [routes('routes', 'one')] } },
      { name: 'the same again', set: { rds: [routes('routes', 'one')] } },
    ],
  },
  {
    name: 'refused clusters',
    steps: (stage) => [
      { name: 'good', set: { cds: [staticCluster('one', stage.a)], lds: [inline(stage, 'one')] } },
      {
        name: 'breaks a rule',
        set: { cds: [staticCluster('one', stage.b), { name: 'two', json: { name: 'two', connect_timeout: '-1s' } }] },
      },
      {
        name: 'has no sense',
        set: { cds: [staticCluster('one', stage.b), staticCluster('two', stage.a, { lb_policy: 'CLUSTER_PROVIDED' })] },
      },
      { name: 'good again', set: { cds: [staticCluster('one', stage.b)] } },
      { name: 'twice the same name', set: { cds: [staticCluster('one', stage.a), staticCluster('one', stage.b)] } },
      { name: 'good at last', set: { cds: [staticCluster('one', stage.a)] } },
    ],
  },
  {
    name: 'refused listeners',
    steps: (stage) => [
      { name: 'good', set: { cds: [staticCluster('one', stage.a)], lds: [inline(stage, '=first')] } },
      { name: 'breaks a rule', set: { lds: [inline(stage, '=second'), badBounds('second')] }, ask: ['http', 'second'] },
      {
        name: 'has a filter that is refused',
        set: { lds: [inline(stage, '=third'), badFilter(stage, 'second')] },
        ask: ['http', 'second'],
      },
      { name: 'names a cluster that is not there', set: { lds: [inline(stage, 'nowhere')] } },
      { name: 'good again', set: { lds: [inline(stage, '=fourth')] } },
      { name: 'twice the same name', set: { lds: [inline(stage, '=fifth'), inline(stage, '=sixth')] } },
      { name: 'good at last', set: { lds: [inline(stage, '=seventh')] } },
    ],
  },
  {
    name: 'refused routes',
    steps: (stage) => [
      { name: 'good', set: { cds: [staticCluster('one', stage.a)], lds: [byRds(stage)], rds: [routes('routes', '=first')] } },
      {
        name: 'breaks a rule',
        set: { rds: [{ name: 'routes', json: { name: 'routes', virtual_hosts: [{ name: '', domains: ['*'] }] } }] },
      },
      {
        name: 'has a domain twice',
        set: {
          rds: [
            {
              name: 'routes',
              json: {
                name: 'routes',
                virtual_hosts: [
                  { name: 'a', domains: ['*'] },
                  { name: 'b', domains: ['*'] },
                ],
              },
            },
          ],
        },
      },
      { name: 'names a cluster that is not there', set: { rds: [routes('routes', 'nowhere')] } },
      { name: 'good again', set: { rds: [routes('routes', '=second')] } },
    ],
  },
  {
    name: 'removals',
    steps: (stage) => [
      {
        name: 'two of each',
        set: {
          cds: [staticCluster('one', stage.a), staticCluster('two', stage.b)],
          lds: [inline(stage, 'one'), httpListener('second', stage.port('second'), routes('inline', 'two'))],
        },
        ask: ['http', 'second'],
      },
      { name: 'one cluster fewer', set: { cds: [staticCluster('one', stage.a)] }, ask: ['http', 'second'] },
      { name: 'one listener fewer', set: { lds: [inline(stage, 'one')] }, ask: ['http', 'second'], settleMs: 100 },
      { name: 'nothing left', set: { cds: [], lds: [] }, settleMs: 100 },
      { name: 'back', set: { cds: [staticCluster('one', stage.a)], lds: [inline(stage, 'one')] } },
    ],
  },
  {
    name: 'listener updates in place and not',
    steps: (stage) => [
      { name: 'first', set: { cds: [], lds: [inline(stage, '=first')] } },
      { name: 'routes', set: { lds: [inline(stage, '=second')] } },
      { name: 'the same', set: { lds: [inline(stage, '=second')] } },
      { name: 'options of the listener', set: { lds: [inline(stage, '=third', { per_connection_buffer_limit_bytes: 4096 })] } },
      {
        name: 'another port',
        set: { lds: [httpListener('http', stage.port('second'), routes('inline', '=fourth'))] },
        ask: ['http', 'second'],
        settleMs: 100,
      },
    ],
  },
  {
    name: 'endpoints of clusters that are not there',
    steps: (stage) => [
      { name: 'good', set: { cds: [edsCluster('one', stage.source())], eds: [endpoints('one', stage.a)], lds: [inline(stage, 'one')] } },
      { name: 'more than asked for', set: { eds: [endpoints('one', stage.b), endpoints('other', stage.a)] }, unfiltered: true },
      { name: 'only what was not asked for', set: { eds: [endpoints('other', stage.a)] }, unfiltered: true },
      { name: 'good again', set: { eds: [endpoints('one', stage.a)] } },
      { name: 'the wrong cluster in it', set: { eds: [{ name: 'one', json: { cluster_name: 'one', endpoints: [{ priority: 200 }] } }] } },
    ],
  },
  {
    name: 'warming of clusters and listeners',
    steps: (stage) => [
      {
        name: 'nothing but the listener',
        set: {
          lds: [byRds(stage, { initial_fetch_timeout: '30s' })],
          cds: [edsCluster('one', stage.source({ initial_fetch_timeout: '30s' }))],
        },
      },
      { name: 'routes', set: { rds: [routes('routes', 'one')] } },
      { name: 'endpoints', set: { eds: [endpoints('one', stage.a)] }, settleMs: 100 },
      {
        name: 'a listener that waits beside the old one',
        set: { lds: [httpListener('http', stage.port('http'), { rds: 'later', source: stage.source({ initial_fetch_timeout: '30s' }) })] },
      },
      { name: 'its routes', set: { rds: [routes('routes', 'one'), routes('later', '=later')] } },
      {
        name: 'a cluster that waits',
        set: {
          cds: [
            edsCluster('one', stage.source({ initial_fetch_timeout: '30s' })),
            edsCluster('two', stage.source({ initial_fetch_timeout: '30s' })),
          ],
        },
      },
      { name: 'its endpoints', set: { eds: [endpoints('one', stage.a), endpoints('two', stage.b)] } },
    ],
  },
  {
    name: 'initial_fetch_timeout',
    steps: (stage) => [
      {
        name: 'nothing comes',
        set: {
          cds: [edsCluster('one', stage.source({ initial_fetch_timeout: '0.4s' }))],
          lds: [byRds(stage, { initial_fetch_timeout: '0.4s' })],
        },
        settleMs: 1200,
      },
      { name: 'it comes late', set: { eds: [endpoints('one', stage.a)], rds: [routes('routes', 'one')] } },
    ],
  },
  {
    name: 'streams that break',
    steps: (stage) => [
      {
        name: 'all',
        set: {
          cds: [edsCluster('one', stage.source()), staticCluster('two', stage.b)],
          eds: [endpoints('one', stage.a)],
          lds: [byRds(stage)],
          rds: [routes('routes', 'one')],
        },
      },
      { name: 'cut', cut: true, settleMs: 1500 },
      { name: 'changes after it', set: { eds: [endpoints('one', stage.b)] } },
      { name: 'cut with a change', cut: true, set: { rds: [routes('routes', 'two')] }, settleMs: 2500 },
    ],
  },
  {
    name: 'names that come and go',
    steps: (stage) => [
      {
        name: 'one',
        set: {
          cds: [edsCluster('one', stage.source())],
          eds: [endpoints('one', stage.a), endpoints('two', stage.b)],
          lds: [inline(stage, 'one')],
        },
      },
      { name: 'two', set: { cds: [edsCluster('one', stage.source()), edsCluster('two', stage.source())] } },
      { name: 'without the second', set: { cds: [edsCluster('one', stage.source())] } },
      { name: 'with it again', set: { cds: [edsCluster('one', stage.source()), edsCluster('two', stage.source())] } },
      { name: 'none', set: { cds: [] } },
      { name: 'one again', set: { cds: [edsCluster('one', stage.source())] } },
    ],
  },
  {
    name: 'secrets',
    tls: true,
    steps: (stage) => [
      { name: 'missing', set: { cds: [], lds: [tlsListener(stage, { initial_fetch_timeout: '0.5s' })] }, settleMs: 1000 },
      { name: 'there', set: { sds: [secret(stage, 'server')] }, settleMs: 100 },
      { name: 'rotated', set: { sds: [secret(stage, 'other')] }, settleMs: 100 },
      {
        name: 'broken',
        set: {
          sds: [
            {
              name: 'cert',
              json: { name: 'cert', tls_certificate: { certificate_chain: { inline_string: 'no' }, private_key: { inline_string: 'no' } } },
            },
          ],
        },
      },
      { name: 'good again', set: { sds: [secret(stage, 'server')] }, settleMs: 100 },
    ],
  },
  {
    name: 'runtime',
    bootstrap: (stage) => ({ layered_runtime: { layers: [{ name: 'rtds', rtds_layer: { name: 'flags', rtds_config: stage.source() } }] } }),
    steps: (stage) => {
      const layer = (on: number): Resource => ({ name: 'flags', json: { name: 'flags', layer: { on } } });
      const listener = httpListener('http', stage.port('http'), {
        name: 'inline',
        json: {
          name: 'inline',
          virtual_hosts: [
            {
              name: 'all',
              domains: ['*'],
              routes: [
                {
                  match: { prefix: '/', runtime_fraction: { default_value: { numerator: 0 }, runtime_key: 'on' } },
                  direct_response: { status: 200, body: { inline_string: 'on' } },
                },
                { match: { prefix: '/' }, direct_response: { status: 200, body: { inline_string: 'off' } } },
              ],
            },
          ],
        },
      });
      return [
        { name: 'off', set: { rtds: [layer(0)], cds: [], lds: [listener] } },
        { name: 'on', set: { rtds: [layer(100)] } },
        { name: 'broken', set: { rtds: [{ name: 'flags', bytes: new Uint8Array([255, 255]) }] } },
        { name: 'off again', set: { rtds: [layer(0)] } },
      ];
    },
  },
  {
    name: 'extensions',
    steps: (stage) => [
      { name: 'missing', set: { cds: [], lds: [ecdsListener(stage, { initial_fetch_timeout: '0.5s' })] }, settleMs: 900 },
      { name: 'there', set: { ecds: [extension(fault(418))] } },
      { name: 'other', set: { ecds: [extension(fault(419))] } },
      { name: 'of another type', set: { ecds: [extension({ '@type': type('envoy.extensions.filters.http.cors.v3.Cors') })] } },
      { name: 'good again', set: { ecds: [extension(fault(420))] } },
      { name: 'gone', set: { ecds: [] } },
    ],
  },
  {
    name: 'extensions with a default',
    steps: (stage) => [
      {
        name: 'missing',
        set: { cds: [], lds: [ecdsListener(stage, { initial_fetch_timeout: '0.5s' }, { default_config: fault(450) })] },
        settleMs: 900,
      },
      { name: 'there', set: { ecds: [extension(fault(418))] } },
      { name: 'gone', set: { ecds: [] } },
    ],
  },
  {
    name: 'extensions with a default, without warming',
    steps: (stage) => [
      {
        name: 'missing',
        set: {
          cds: [],
          lds: [
            ecdsListener(
              stage,
              { initial_fetch_timeout: '30s' },
              { default_config: fault(450), apply_default_config_without_warming: true },
            ),
          ],
        },
      },
      { name: 'there', set: { ecds: [extension(fault(418))] } },
    ],
  },
  {
    name: 'resources that live for a time',
    steps: (stage) => [
      { name: 'there', set: { cds: [{ ...staticCluster('one', stage.a), ttlMs: 2000 }], lds: [inline(stage, 'one')] } },
      { name: 'over', settleMs: 2500 },
      { name: 'back', set: { cds: [{ ...staticCluster('one', stage.b), ttlMs: 30_000 }] } },
    ],
  },
  {
    name: 'answers of wrong kinds',
    steps: (stage) => [
      { name: 'good', set: { cds: [staticCluster('one', stage.a)], lds: [inline(stage, 'one')] } },
      { name: 'bytes that are no cluster', set: { cds: [{ name: 'one', bytes: new Uint8Array([255, 255, 255]) }] } },
      {
        name: 'a listener among clusters',
        set: { cds: [staticCluster('one', stage.b), { ...inline(stage, '=x'), typeUrl: type('envoy.config.listener.v3.Listener') }] },
      },
      { name: 'good again', set: { cds: [staticCluster('one', stage.b)] } },
    ],
  },
  {
    name: 'names of the new kind',
    transports: ['ads-delta'],
    steps: (stage) => [
      {
        name: 'a cluster of an xdstp name',
        set: {
          cds: [{ name: 'xdstp://authority/envoy.config.cluster.v3.Cluster/one', json: staticCluster('one', stage.a).json ?? {} }],
          lds: [inline(stage, '=here')],
        },
      },
    ],
  },
];
