import { describe, expect, it } from 'vitest';
import { destinationRuleOf, trafficPolicyOf } from './destination-rule.ts';
import { mergeGateways } from './gateway.ts';
import { compareHosts, hostCovers, intersectHosts, resolveHost } from './host.ts';
import { serviceIdentities } from './identity.ts';
import { peerAuthenticationOf } from './peer-authentication.ts';
import { protocolOfPort } from './protocol.ts';
import { proxyFromNode } from './proxy-from-node.ts';
import { serviceInstances } from './service-instances.ts';
import { sidecarScope } from './sidecar-scope.ts';
import { telemetriesOf } from './telemetry.ts';
import { config, endpoint, proxy, service, snapshot } from './test-objects.ts';
import { isVisible } from './visibility.ts';
import { authorizationPoliciesOf } from './workload-policies.ts';

describe('hosts', () => {
  it('complete short names in the namespace of the object', () => {
    expect(resolveHost('reviews', 'a', 'cluster.local')).toBe('reviews.a.svc.cluster.local');
    expect(resolveHost('reviews.b', 'a', 'cluster.local')).toBe('reviews.b');
    expect(resolveHost('*', 'a', 'cluster.local')).toBe('*');
  });
  it.each([
    ['*', 'x', true],
    ['*.x.com', 'a.x.com', true],
    ['*.x.com', 'x.com', false],
    ['*.x.com', '*.a.x.com', true],
    ['*.a.x.com', '*.x.com', false],
    ['a', 'b', false],
  ])('%s covers %s: %s', (pattern, host, expected) => expect(hostCovers(pattern, host)).toBe(expected));
  it('sort the most specific first', () =>
    expect(['*', '*.com', 'a.com', '*.x.com'].sort(compareHosts)).toEqual(['a.com', '*.x.com', '*.com', '*']));
  it('intersect to the narrower', () => expect(intersectHosts('*.com', 'a.com')).toBe('a.com'));
});

describe('protocol of a port', () => {
  it.each([
    [{ name: 'http-web', number: 80 }, 'http'],
    [{ name: 'grpc-web-x', number: 80 }, 'grpc-web'],
    [{ name: 'web', number: 80 }, 'auto'],
    [{ name: 'db', number: 3306 }, 'tcp'],
    [{ name: 'http', number: 80, appProtocol: 'kubernetes.io/h2c' }, 'http2'],
    [{ name: 'tcp', number: 80, appProtocol: 'unknown' }, 'auto'],
    [{ name: 'http', number: 80, transport: 'UDP' as const }, 'udp'],
  ])('%o is %s', (port, protocol) => expect(protocolOfPort(port)).toBe(protocol));
});

describe('visibility', () => {
  it.each([
    [['*', '~'], true],
    [['.'], false],
    [['~', 'b'], false],
    [['b'], true],
    [undefined, true],
  ])('of %o from b', (exportTo, expected) => expect(isVisible(exportTo, 'a', 'b', ['*'])).toBe(expected));
});

describe('proxyFromNode', () => {
  const node = { id: 'sidecar~10.0.0.1~pod-1.a~a.svc.cluster.local', extensions: [] };
  it('reads identity, metadata and extensions', () => {
    const read = proxyFromNode({
      ...node,
      userAgentName: 'xebec',
      extensions: [{ name: 'istio.alpn' }],
      metadata: { LABELS: { app: 'x' }, INTERCEPTION_MODE: 'NONE', XEBEC_APP_ADDRESS: '127.21.0.2', INSTANCE_IPS: '10.0.0.1,fd00::1' },
    });
    expect(read).toMatchObject({
      ok: true,
      value: {
        name: 'pod-1',
        namespace: 'a',
        labels: { app: 'x' },
        flavour: 'xebec',
        interceptionMode: 'NONE',
        appAddress: '127.21.0.2',
        addresses: ['10.0.0.1', 'fd00::1'],
        extensions: new Set(['istio.alpn']),
      },
    });
  });
  it.each([
    ['sidecar~10.0.0.1~pod', '3 parts'],
    ['robot~10.0.0.1~pod.a~d', '"robot"'],
    ['sidecar~~pod.a~d', 'no address'],
  ])('refuses %s', (id, message) =>
    expect(proxyFromNode({ ...node, id })).toMatchObject({ ok: false, error: expect.stringContaining(message) }),
  );
});

describe('DestinationRule', () => {
  const target = service('reviews.b.svc.cluster.local');
  const rule = (name: string, namespace: string, spec: object, created = '') =>
    config('DestinationRule', name, namespace, { host: 'reviews.b.svc.cluster.local', ...spec }, created);
  const nameOf = (...objects: ReturnType<typeof config>[]) =>
    destinationRuleOf(snapshot({ config: objects }), proxy('a'), target)?.sources.map((source) => source.metadata.name);

  it("comes from the client's namespace, then the service's, then the root", () => {
    const [root, own, theirs] = [rule('root', 'istio-system', {}), rule('own', 'a', {}), rule('theirs', 'b', {})];
    expect(nameOf(root, own, theirs)).toEqual(['own']);
    expect(nameOf(root, theirs)).toEqual(['theirs']);
    expect(nameOf(root)).toEqual(['root']);
    expect(nameOf(rule('private', 'b', { exportTo: ['.'] }))).toBeUndefined();
  });
  it('merges rules of one host: subsets add up and the oldest policy stays', () => {
    const first = rule(
      'first',
      'a',
      { subsets: [{ name: 'v1' }], trafficPolicy: { loadBalancer: { simple: 'RANDOM' } } },
      '2026-01-01T00:00:00Z',
    );
    const second = rule(
      'second',
      'a',
      { subsets: [{ name: 'v1', labels: { x: 'y' } }, { name: 'v2' }], trafficPolicy: {} },
      '2026-01-02T00:00:00Z',
    );
    const merged = destinationRuleOf(snapshot({ config: [second, first] }), proxy('a'), target);
    expect(merged?.subsets).toEqual([{ name: 'v1' }, { name: 'v2' }]);
    expect(merged?.trafficPolicy).toEqual({ loadBalancer: { simple: 'RANDOM' } });
  });
  it('lets the most specific host win', () => {
    const wide = config('DestinationRule', 'wide', 'a', { host: '*.svc.cluster.local' });
    expect(nameOf(wide, rule('exact', 'a', {}))).toEqual(['exact']);
  });
  it('replaces by port wholesale and by subset block by block', () => {
    const policy = trafficPolicyOf(
      {
        trafficPolicy: {
          loadBalancer: { simple: 'RANDOM' },
          tls: { mode: 'SIMPLE' },
          portLevelSettings: [{ port: { number: 80 }, loadBalancer: { simple: 'ROUND_ROBIN' } }],
        },
      },
      { name: 'v1', trafficPolicy: { outlierDetection: { consecutive5xxErrors: 1 } } },
      80,
      { connectionPool: { tcp: { maxConnections: 3 } } },
    );
    expect(policy).toEqual({
      connectionPool: { tcp: { maxConnections: 3 } },
      loadBalancer: { simple: 'ROUND_ROBIN' },
      outlierDetection: { consecutive5xxErrors: 1 },
    });
  });
});

describe('PeerAuthentication', () => {
  const modes = (...objects: ReturnType<typeof config>[]) => {
    const found = peerAuthenticationOf(snapshot({ config: objects }), 'a', { app: 'x' });
    return [found.mode, found.modeOf(9000)];
  };
  const mesh = config('PeerAuthentication', 'mesh', 'istio-system', { mtls: { mode: 'STRICT' } });
  const workload = (mtls: object) =>
    config('PeerAuthentication', 'w', 'a', {
      selector: { matchLabels: { app: 'x' } },
      portLevelMtls: { '9000': { mode: 'DISABLE' } },
      ...mtls,
    });
  it('is PERMISSIVE when nothing is said', () => expect(modes()).toEqual(['PERMISSIVE', 'PERMISSIVE']));
  it('inherits UNSET from above, port over workload', () => expect(modes(mesh, workload({}))).toEqual(['STRICT', 'DISABLE']));
  it('takes the narrowest', () => {
    const own = config('PeerAuthentication', 'n', 'a', { mtls: { mode: 'PERMISSIVE' } });
    expect(modes(mesh, own)).toEqual(['PERMISSIVE', 'PERMISSIVE']);
  });
});

describe('service instances', () => {
  it('are found by selector, named target port and address', () => {
    const chosen = service('x.a.svc.cluster.local', {
      selector: { app: 'x' },
      ports: [{ name: 'http', number: 80, protocol: 'http', targetPort: 'web' }],
    });
    const listed = service('y.b.svc.cluster.local');
    const found = serviceInstances(
      snapshot({ services: [chosen, listed], endpoints: new Map([['b/y.b.svc.cluster.local', [endpoint('10.0.0.1', { port: 7000 })]]]) }),
      proxy('a', { app: 'x' }, { metadata: { POD_PORTS: '[{"name":"web","containerPort":8080}]' } }),
    );
    expect(found.map(({ service: { name }, targetPort }) => [name, targetPort])).toEqual([
      ['x', 8080],
      ['y', 7000],
    ]);
  });
});

describe('ServiceEntry', () => {
  it('becomes services with the endpoints it lists or selects', () => {
    const entry = config('ServiceEntry', 'ext', 'a', {
      hosts: ['db.example'],
      ports: [{ number: 5432, name: 'tcp', protocol: 'TCP' }],
      resolution: 'STATIC',
      workloadSelector: { labels: { app: 'db' } },
    });
    const member = config('WorkloadEntry', 'vm', 'a', { address: '192.0.2.1', labels: { app: 'db' }, ports: { tcp: 15432 } });
    const mesh = snapshot({ config: [entry, member, config('WorkloadEntry', 'other', 'a', { address: '192.0.2.2' })] });
    const [made] = mesh.servicesByHostname('db.example');
    expect(made).toMatchObject({ resolution: 'client-side', meshExternal: true });
    expect(made === undefined ? [] : mesh.allEndpoints(made)).toMatchObject([{ address: '192.0.2.1', port: 15432 }]);
  });
  it('resolves its own host when it lists no endpoints', () => {
    const mesh = snapshot({
      config: [
        config('ServiceEntry', 'ext', 'a', {
          hosts: ['x.example'],
          ports: [{ number: 80, name: 'http', protocol: 'HTTP' }],
          resolution: 'DNS',
        }),
      ],
    });
    const [made] = mesh.servicesByHostname('x.example');
    expect(made === undefined ? [] : mesh.endpoints(made, 'http')).toMatchObject([{ address: 'x.example', port: 80 }]);
  });
});

describe('Sidecar', () => {
  const services = [service('x.a.svc.cluster.local'), service('y.b.svc.cluster.local'), service('z.c.svc.cluster.local')];
  const names = (...objects: ReturnType<typeof config>[]) =>
    sidecarScope(snapshot({ services, config: objects }), proxy('a', { app: 'x' })).services.map(({ name }) => name);
  it('absent, shows everything', () => expect(names()).toEqual(['x', 'y', 'z']));
  it('shows what its egress hosts name', () =>
    expect(names(config('Sidecar', 's', 'a', { egress: [{ hosts: ['./*', 'b/y.b.svc.cluster.local'] }] }))).toEqual(['x', 'y']));
  it('brings along what chosen routes lead to', () => {
    const route = config('VirtualService', 'x', 'a', {
      hosts: ['x'],
      http: [{ route: [{ destination: { host: 'z.c.svc.cluster.local' } }] }],
    });
    expect(names(route, config('Sidecar', 's', 'a', { egress: [{ hosts: ['./*'] }] }))).toEqual(['x', 'z']);
  });
  it('with a matching selector comes before the one of the namespace', () => {
    const wide = config('Sidecar', 'wide', 'a', { egress: [{ hosts: ['*/*'] }] });
    const narrow = config('Sidecar', 'narrow', 'a', { workloadSelector: { labels: { app: 'x' } }, egress: [{ hosts: ['./*'] }] });
    expect(names(wide, narrow)).toEqual(['x']);
  });
});

describe('gateways', () => {
  const gateway = (name: string, servers: object[], created = '') =>
    config('Gateway', name, 'a', { selector: { istio: 'in' }, servers }, created);
  const merge = (...objects: ReturnType<typeof config>[]) =>
    mergeGateways(snapshot({ config: objects }), proxy('a', { istio: 'in' }, { type: 'router' }));
  const http = { port: { number: 80, name: 'http', protocol: 'HTTP' }, hosts: ['*'] };
  it('share one route configuration on a plain HTTP port', () => {
    const { listeners } = merge(gateway('one', [http]), gateway('two', [http]));
    expect(listeners.map(({ port, servers }) => [port, servers.map((server) => server.routeName)])).toEqual([[80, ['http.80', 'http.80']]]);
  });
  it('refuse the later of two servers that cannot share a port', () => {
    const https = { port: { number: 80, name: 'https', protocol: 'HTTPS' }, hosts: ['x'], tls: { mode: 'SIMPLE', credentialName: 'c' } };
    const { rejected } = merge(gateway('one', [http], '2026-01-01T00:00:00Z'), gateway('two', [https], '2026-01-02T00:00:00Z'));
    expect(rejected).toMatchObject([{ gateway: { metadata: { name: 'two' } }, reason: expect.stringContaining('cannot share') }]);
  });
});

describe('policies and telemetry', () => {
  it('come from the root namespace, then the own, and select labels', () => {
    const policy = (name: string, namespace: string, spec: object) => config('AuthorizationPolicy', name, namespace, spec);
    const found = authorizationPoliciesOf(
      snapshot({
        config: [
          policy('own', 'a', {}),
          policy('root', 'istio-system', { action: 'DENY' }),
          policy('other', 'a', { selector: { matchLabels: { app: 'y' } } }),
          policy('foreign', 'b', {}),
        ],
      }),
      proxy('a', { app: 'x' }),
    );
    expect([...found].map(([action, list]) => [action, list.map(({ metadata }) => metadata.name)])).toEqual([
      ['DENY', ['root']],
      ['ALLOW', ['own']],
    ]);
  });
  it('narrow from mesh to workload', () => {
    const found = telemetriesOf(
      snapshot({
        config: [
          config('Telemetry', 'w', 'a', { selector: { matchLabels: { app: 'x' } } }),
          config('Telemetry', 'mesh', 'istio-system', {}),
          config('Telemetry', 'n', 'a', {}),
        ],
      }),
      proxy('a', { app: 'x' }),
    );
    expect(found.map(({ metadata }) => metadata.name)).toEqual(['mesh', 'n', 'w']);
  });
  it('know the identities of a service, sorted', () => {
    const target = service('x.a.svc.cluster.local');
    const mesh = snapshot({
      services: [target],
      endpoints: new Map([
        ['a/x.a.svc.cluster.local', [endpoint('1.1.1.1', { serviceAccount: 'z' }), endpoint('1.1.1.2', { serviceAccount: 'b' })]],
      ]),
    });
    expect(serviceIdentities(mesh, target)).toEqual(['spiffe://cluster.local/ns/a/sa/b', 'spiffe://cluster.local/ns/a/sa/z']);
  });
});
