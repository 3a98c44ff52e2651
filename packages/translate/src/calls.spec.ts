import { describe, expect, it } from 'vitest';
import { admitted, reached, routeOf } from './testing/call.ts';
import type { Scenario, ScenarioService } from './testing/scenario.ts';

const pod = (app: string, version: string, ip: string) => ({
  name: `${app}-${version}`,
  ip,
  labels: { app, version },
  serviceAccount: app,
});
const services: ScenarioService[] = [
  {
    host: 'shop.default.svc.cluster.local',
    address: '10.96.0.1',
    ports: [{ name: 'http', number: 8000, targetPort: 8080 }],
    selector: { app: 'shop' },
    pods: [pod('shop', 'v1', '10.244.0.1')],
  },
  {
    host: 'stock.default.svc.cluster.local',
    address: '10.96.0.2',
    ports: [{ name: 'http', number: 8000 }],
    selector: { app: 'stock' },
    pods: [pod('stock', 'v1', '10.244.0.2'), pod('stock', 'v2', '10.244.0.3')],
  },
];
const node = {
  id: 'sidecar~10.244.0.1~shop-v1.default~default.svc.cluster.local',
  metadata: { NAMESPACE: 'default', LABELS: { app: 'shop', version: 'v1' } },
};
const object = (kind: string, spec: object, name = kind.toLowerCase(), extra: object = {}) => ({
  apiVersion: kind.includes('Policy') || kind.includes('Authentication') ? 'security.istio.io/v1' : 'networking.istio.io/v1',
  kind,
  metadata: { name, namespace: 'default', ...extra },
  spec: JSON.parse(JSON.stringify(spec)),
});
const subsets = object('DestinationRule', {
  host: 'stock',
  subsets: [
    { name: 'v1', labels: { version: 'v1' } },
    { name: 'v2', labels: { version: 'v2' } },
  ],
});
const mesh = (...objects: ReturnType<typeof object>[]): Scenario => ({ node, services, objects: [subsets, ...objects] });
const stock = (subset: string) => `outbound|8000|${subset}|stock.default.svc.cluster.local`;
const to = (subset: string, weight?: number) => ({ destination: { host: 'stock', subset }, ...(weight === undefined ? {} : { weight }) });
const rule = (...http: object[]) => object('VirtualService', { hosts: ['stock'], http });
const via = { via: '8000', host: 'stock' };

describe('calls of a sidecar', () => {
  it.each(['stock', 'stock.default', 'stock.default.svc.cluster.local', 'stock:8000', '10.96.0.2'])('know a service as %s', (host) =>
    expect(reached(mesh(), { ...via, host })).toBe(stock('')),
  );
  it('reach the subset that a rule names', () => expect(reached(mesh(rule({ route: [to('v1')] })), via)).toBe(stock('v1')));
  it('are told apart by header', () => {
    const scenario = mesh(rule({ match: [{ headers: { 'end-user': { exact: 'jason' } } }], route: [to('v2')] }, { route: [to('v1')] }));
    expect(reached(scenario, { ...via, headers: ['end-user', 'jason'] })).toBe(stock('v2'));
    expect(reached(scenario, via)).toBe(stock('v1'));
  });
  it('are shared out by weight, and weight 0 gets nothing', () => {
    const scenario = mesh(rule({ route: [to('v1', 90), to('v2', 10)] }));
    expect(reached(scenario, { ...via, random: 0.89 })).toBe(stock('v1'));
    expect(reached(scenario, { ...via, random: 0.91 })).toBe(stock('v2'));
    expect(reached(mesh(rule({ route: [to('v1', 0), to('v2', 100)] })), via)).toBe(stock('v2'));
  });
  it('share equally where no destination has a weight, and fail where there is none', () => {
    const scenario = mesh(rule({ route: [to('v1'), to('v2')] }));
    expect([0.2, 0.7].map((random) => reached(scenario, { ...via, random }))).toEqual([stock('v1'), stock('v2')]);
    expect(reached(mesh(rule({ match: [{ uri: { prefix: '/' } }] })), via)).toBe(503);
  });
  it('take the first match and nothing after a catch-all', () => {
    const scenario = mesh(
      rule({ match: [{ uri: { prefix: '/' } }], route: [to('v1')] }, { match: [{ uri: { exact: '/x' } }], route: [to('v2')] }),
    );
    expect(reached(scenario, { ...via, path: '/x' })).toBe(stock('v1'));
  });
  it('are answered or sent elsewhere without the service', () => {
    const scenario = mesh(
      rule(
        { match: [{ uri: { exact: '/teapot' } }], directResponse: { status: 418 } },
        { match: [{ uri: { exact: '/old' } }], redirect: { uri: '/new' } },
      ),
    );
    expect(reached(scenario, { ...via, path: '/teapot' })).toBe(418);
    expect(reached(scenario, { ...via, path: '/old' })).toBe('redirect');
    expect(reached(scenario, { ...via, path: '/else' })).toBe(404);
  });
  it('see only matches for their own labels, namespace and gateway', () => {
    const scenario = mesh(
      rule(
        { match: [{ sourceLabels: { app: 'other' } }], route: [to('v2')] },
        { match: [{ sourceNamespace: 'other' }], route: [to('v2')] },
        { match: [{ gateways: ['edge'] }], route: [to('v2')] },
        { match: [{ port: 9999 }], route: [to('v2')] },
        { route: [to('v1')] },
      ),
    );
    expect(reached(scenario, via)).toBe(stock('v1'));
  });
  it('follow a delegate inside the prefix of its root', () => {
    const scenario = mesh(
      rule({ match: [{ uri: { prefix: '/api' } }], delegate: { name: 'inner' } }, { route: [to('v1')] }),
      object(
        'VirtualService',
        {
          http: [
            { match: [{ uri: { prefix: '/api/v2' } }], route: [to('v2')] },
            { match: [{ uri: { prefix: '/no' } }], route: [to('v2')] },
          ],
        },
        'inner',
      ),
    );
    expect(reached(scenario, { ...via, path: '/api/v2/x' })).toBe(stock('v2'));
    expect(reached(scenario, { ...via, path: '/no' })).toBe(stock('v1'));
  });
  it('time out only where a rule says so', () => {
    const timeoutOf = (scenario: Scenario) => {
      const action = routeOf(scenario, via)?.action;
      return action?.kind === 'forward' ? action.timeoutMs : undefined;
    };
    expect(timeoutOf(mesh())).toBe(0);
    expect(timeoutOf(mesh(rule({ timeout: '0.5s', route: [to('v1')] })))).toBe(500);
  });
  it('to unknown hosts pass or are refused', () => {
    expect(reached(mesh(), { via: '8000', host: 'example.org' })).toBe('PassthroughCluster');
    expect(reached({ ...mesh(), mesh: { outboundTrafficPolicy: { mode: 'REGISTRY_ONLY' } } }, { via: '8000', host: 'example.org' })).toBe(
      502,
    );
  });
  it('of the oldest rule win where two speak of one host', () => {
    const scenario = mesh(
      object('VirtualService', { hosts: ['stock'], http: [{ route: [to('v2')] }] }, 'young', { creationTimestamp: '2026-02-02T00:00:00Z' }),
      object('VirtualService', { hosts: ['stock'], http: [{ route: [to('v1')] }] }, 'zzz-old', {
        creationTimestamp: '2026-01-01T00:00:00Z',
      }),
    );
    expect(reached(scenario, via)).toBe(stock('v1'));
  });
  it('by explicit proxy are told apart by port', () => {
    const scenario = mesh(rule({ route: [to('v2')] }));
    const proxied = {
      ...scenario,
      node: { ...node, metadata: { ...node.metadata, INTERCEPTION_MODE: 'NONE', XEBEC_APP_ADDRESS: '127.21.0.1' } },
    };
    expect(reached(proxied, { via: 'http_proxy', host: 'stock:8000' })).toBe(stock('v2'));
    expect(reached(proxied, { via: 'http_proxy', host: 'stock:8001' })).toBe('PassthroughCluster');
  });
});

describe('calls through a gateway', () => {
  const router = {
    id: 'router~10.244.9.1~gw.istio-system~istio-system.svc.cluster.local',
    metadata: { NAMESPACE: 'istio-system', LABELS: { istio: 'ingressgateway' } },
  };
  const server = (hosts: string[], extra: object = {}) => ({ port: { number: 80, name: 'http', protocol: 'HTTP' }, hosts, ...extra });
  const gateway = (...servers: object[]) => object('Gateway', { selector: { istio: 'ingressgateway' }, servers }, 'edge');
  const bound = (name: string, hosts: string[], ...http: object[]) => object('VirtualService', { hosts, gateways: ['edge'], http }, name);
  const edge = (...objects: ReturnType<typeof object>[]): Scenario => ({ ...mesh(...objects), node: router });
  const through = { via: 'http.80', host: 'shop.example' };

  it('follow the routes that are bound to it, and only for hosts that it serves', () => {
    const scenario = edge(gateway(server(['shop.example'])), bound('all', ['*'], { route: [to('v1')] }));
    expect(reached(scenario, through)).toBe(stock('v1'));
    expect(reached(scenario, { ...through, host: 'other.example' })).toBe(404);
  });
  it('find the routes of several rules for one host, a catch-all last', () => {
    const scenario = edge(
      gateway(server(['*'])),
      bound('a', ['shop.example'], { route: [to('v1')] }),
      bound('b', ['shop.example'], { match: [{ uri: { prefix: '/new' } }], route: [to('v2')] }),
    );
    expect(reached(scenario, { ...through, path: '/new/x' })).toBe(stock('v2'));
    expect(reached(scenario, { ...through, path: '/' })).toBe(stock('v1'));
  });
  it('do not see the rules of the mesh', () =>
    expect(reached(edge(gateway(server(['*'])), rule({ route: [to('v1')] })), through)).toBe(404));
  it('are sent to https where the server says so', () => {
    const scenario = edge(
      gateway(server(['shop.example'], { tls: { httpsRedirect: true } })),
      bound('a', ['shop.example'], { route: [to('v1')] }),
    );
    expect(reached(scenario, through)).toBe('redirect');
  });
});

describe('calls to a workload', () => {
  const spiffe = (namespace: string, account: string) => `spiffe://cluster.local/ns/${namespace}/sa/${account}`;
  const policy = (spec: object, name = 'policy') => mesh(object('AuthorizationPolicy', spec, name));
  const get = { host: 'shop' };
  const web = { identity: spiffe('default', 'web') };

  it('pass without policies', () => expect(admitted(mesh(), get, {})).toBe(true));
  it('fail under an empty policy', () => expect(admitted(policy({}), get, web)).toBe(false));
  it('pass under an empty rule', () => expect(admitted(policy({ rules: [{}] }), get, {})).toBe(true));
  it('are allowed by identity, method and path together', () => {
    const scenario = policy({
      rules: [
        {
          from: [{ source: { principals: ['cluster.local/ns/default/sa/web'] } }],
          to: [{ operation: { methods: ['GET'], paths: ['/info*'] } }],
        },
      ],
    });
    expect(admitted(scenario, { ...get, path: '/info/1?x=1' }, web)).toBe(true);
    expect(admitted(scenario, { ...get, path: '/info/1' }, { identity: spiffe('default', 'other') })).toBe(false);
    expect(admitted(scenario, { ...get, path: '/info/1', method: 'POST' }, web)).toBe(false);
    expect(admitted(scenario, { ...get, path: '/other' }, web)).toBe(false);
    expect(admitted(scenario, { ...get, path: '/info/1' }, {})).toBe(false);
  });
  it('are denied by namespace, before anything allows them', () => {
    const scenario = mesh(
      object('AuthorizationPolicy', { rules: [{}] }, 'allow'),
      object('AuthorizationPolicy', { action: 'DENY', rules: [{ from: [{ source: { namespaces: ['guest'] } }] }] }, 'deny'),
    );
    expect(admitted(scenario, get, { identity: spiffe('guest', 'web') })).toBe(false);
    expect(admitted(scenario, get, { identity: spiffe('guests', 'web') })).toBe(true);
  });
  it('are judged by what a policy excludes', () => {
    const scenario = policy({
      rules: [{ from: [{ source: { notPrincipals: ['*/sa/web'] } }], when: [{ key: 'request.headers[x-key]', values: ['a*'] }] }],
    });
    expect(admitted(scenario, { ...get, headers: ['x-key', 'abc'] }, { identity: spiffe('default', 'cron') })).toBe(true);
    expect(admitted(scenario, { ...get, headers: ['x-key', 'abc'] }, web)).toBe(false);
    expect(admitted(scenario, get, { identity: spiffe('default', 'cron') })).toBe(false);
  });
  it('of other workloads are none of a policy with a selector', () => {
    expect(admitted(policy({ selector: { matchLabels: { app: 'stock' } } }), get, {})).toBe(true);
  });
  it('are only marked by a dry run', () => {
    const dry = object('AuthorizationPolicy', {}, 'dry', { annotations: { 'istio.io/dry-run': 'true' } });
    expect(admitted(mesh(dry), get, {})).toBe(true);
  });
});
