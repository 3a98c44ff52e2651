import type { AuthorizationPolicySpec, ConfigObject, VirtualServiceSpec } from '@xebec/schemas';
import { checkObject, decodeObject } from '@xebec/schemas';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { convertSmi } from './convert.ts';
import { smiProblemText } from './problem.ts';

/** An SMI object from YAML as sources decode it: the whole document is the spec. */
function smi(yaml: string, created = '2026-01-01T00:00:00Z'): ConfigObject {
  const raw = parse(yaml);
  const { name, namespace = 'shop' } = raw.metadata;
  return {
    apiVersion: raw.apiVersion,
    kind: raw.kind,
    metadata: { name, namespace, labels: {}, annotations: {}, creationTimestamp: created, resourceVersion: '1', uid: name, generation: 1 },
    spec: raw,
  };
}

function virtualService(hosts: readonly string[], gateways?: readonly string[]): ConfigObject {
  const spec = { hosts, ...(gateways === undefined ? {} : { gateways }), http: [{ route: [{ destination: { host: 'a' } }] }] };
  return { ...smi('{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: mine}}'), spec };
}

const split = (version: string, spec: string, name = 'canary', created?: string) =>
  smi(`{apiVersion: split.smi-spec.io/${version}, kind: TrafficSplit, metadata: {name: ${name}}, spec: ${spec}}`, created);
const CANARY = '{service: web, backends: [{service: web-v1, weight: 90}, {service: web-v2, weight: 10}]}';
const group = (matches: string, version = 'v1alpha4', name = 'routes') =>
  smi(
    version < 'v1alpha3'
      ? `{apiVersion: specs.smi-spec.io/${version}, kind: HTTPRouteGroup, metadata: {name: ${name}}, matches: ${matches}}`
      : `{apiVersion: specs.smi-spec.io/${version}, kind: HTTPRouteGroup, metadata: {name: ${name}}, spec: {matches: ${matches}}}`,
  );
const target = (spec: string, name = 'open') =>
  smi(`{apiVersion: access.smi-spec.io/v1alpha3, kind: TrafficTarget, metadata: {name: ${name}}, spec: ${spec}}`);
const WHO =
  'destination: {kind: ServiceAccount, name: api, namespace: shop}, sources: [{kind: ServiceAccount, name: web, namespace: front}]';
const ROUTES = 'rules: [{kind: HTTPRouteGroup, name: routes}]';

function convert(objects: readonly ConfigObject[], others: readonly ConfigObject[] = []) {
  const { objects: made, problems } = convertSmi(objects, others);
  for (const object of made) {
    // What is made must be what admission takes.
    const decoded = decodeObject({
      ...object,
      metadata: { ...object.metadata },
      origins: undefined,
      source: undefined,
      spec: JSON.parse(JSON.stringify(object.spec)),
    });
    const errors = decoded.ok ? checkObject(decoded.value).errors : decoded.error.filter(({ path }) => path.startsWith('spec'));
    expect(errors).toEqual([]);
  }
  return {
    made,
    problems: problems.map(smiProblemText),
    // The kinds are those that the converter makes.
    routes: made.filter(({ kind }) => kind === 'VirtualService').map(({ spec }) => spec as VirtualServiceSpec),
    policies: made.filter(({ kind }) => kind === 'AuthorizationPolicy').map(({ spec }) => spec as AuthorizationPolicySpec),
  };
}

const rulesOf = (objects: readonly ConfigObject[]) => {
  const { policies, problems } = convert(objects);
  return { rules: policies[0]?.rules, problems };
};
const from = [{ source: { serviceAccounts: ['front/web'] } }];
const destinations = (route: VirtualServiceSpec | undefined, index = 0) =>
  route?.http?.[index]?.route?.map(({ destination, weight }) => [destination.host.split('.')[0], weight]);

describe('TrafficSplit', () => {
  it.each(['v1alpha1', 'v1alpha2', 'v1alpha3', 'v1alpha4'])('%s becomes a weighted route', (version) => {
    const { made, problems, routes } = convert([split(version, CANARY)]);
    expect(problems).toEqual([]);
    expect(made[0]?.metadata).toMatchObject({
      name: 'smi-split-canary',
      namespace: 'shop',
      annotations: { 'xebec.dev/made-from': 'TrafficSplit/shop/canary' },
    });
    expect(made[0]?.origins).toMatchObject({
      'spec.http[0]': { kind: 'TrafficSplit', name: 'canary', apiVersion: `split.smi-spec.io/${version}` },
    });
    expect(routes[0]?.hosts).toEqual(['web.shop.svc.cluster.local']);
    expect(destinations(routes[0])).toEqual([
      ['web-v1', 90],
      ['web-v2', 10],
    ]);
    expect(routes[0]?.tcp?.[0]?.route).toHaveLength(2);
  });
  it.each([
    ['500m, 1500m', [5, 15]],
    ['"1", "3"', [1, 3]],
    ['1k, "1"', [10000, 10]],
    ['0.5, 0.25', [10000, 5000]],
    ['1000, 500', [1000, 500]],
  ])('weights %s keep their ratio', (text, [a = 0, b = 0]) => {
    const [first, second] = text.split(', ');
    const { routes } = convert([
      split('v1alpha1', `{service: web, backends: [{service: a, weight: ${first}}, {service: b, weight: ${second}}]}`),
    ]);
    const [[, x = 0] = [], [, y = 0] = []] = destinations(routes[0]) ?? [];
    expect(Number(x) / Number(y)).toBeCloseTo(Number(a) / Number(b), 2);
  });
  it('leaves out backends of weight 0', () => {
    const { routes } = convert([split('v1alpha4', '{service: web, backends: [{service: a, weight: 0}, {service: b, weight: 100}]}')]);
    expect(destinations(routes[0])).toEqual([['b', undefined]]);
  });
  it('is left out when no backend has a weight', () => {
    const { made, problems } = convert([split('v1alpha4', '{service: web, backends: [{service: a, weight: 0}]}')]);
    expect(made).toEqual([]);
    expect(problems).toEqual(['TrafficSplit shop/canary: spec.backends: no backend has a weight above 0: the split is left out']);
  });
  it.each(['-1', 'many', '{}', 'null', '"1x"'])('reports the weight %s', (weight) => {
    const { problems, routes } = convert([
      split('v1alpha4', `{service: web, backends: [{service: a, weight: ${weight}}, {service: b, weight: 1}]}`),
    ]);
    expect(problems[0]).toContain('spec.backends[0].weight');
    expect(destinations(routes[0])).toEqual([['b', undefined]]);
  });
  it.each(['web', 'web.shop', 'web.shop.svc.cluster.local', 'web.shop.svc.cluster.local.'])('knows the service as %s', (service) => {
    const { routes } = convert([split('v1alpha4', `{service: ${service}, backends: [{service: a, weight: 1}]}`)]);
    expect(routes[0]?.hosts).toEqual(['web.shop.svc.cluster.local']);
  });
  it('may have its own service as a backend', () => {
    const { routes } = convert([split('v1alpha4', '{service: web, backends: [{service: web, weight: 9}, {service: next, weight: 1}]}')]);
    expect(destinations(routes[0])?.map(([name]) => name)).toEqual(['web', 'next']);
  });
  it('sends what its groups match, and the rest to the service', () => {
    const { routes, problems } = convert([
      split(
        'v1alpha4',
        '{service: web, matches: [{kind: HTTPRouteGroup, name: routes}], backends: [{service: a, weight: 0}, {service: b, weight: 100}]}',
      ),
      group('[{name: firefox, headers: {User-Agent: ".*Firefox.*"}}, {name: api, pathRegex: "/api/.*", methods: [GET, HEAD]}]'),
    ]);
    expect(problems).toEqual([]);
    expect(routes[0]?.http?.[0]?.match).toEqual([
      { name: 'firefox', headers: { 'user-agent': { regex: '.*Firefox.*' } } },
      { name: 'api', uri: { regex: '/api/.*' }, method: { regex: 'GET|HEAD' } },
    ]);
    expect(destinations(routes[0], 1)).toEqual([['web', undefined]]);
    expect(routes[0]?.tcp).toBeUndefined();
  });
  it('reads headers as a list of maps too', () => {
    const { routes } = convert([
      split('v1alpha3', '{service: web, matches: [{kind: HTTPRouteGroup, name: routes}], backends: [{service: b, weight: 1}]}'),
      group('[{name: m, headers: [{user-agent: a}, {cookie: b}]}]', 'v1alpha3'),
    ]);
    expect(routes[0]?.http?.[0]?.match?.[0]?.headers).toEqual({ 'user-agent': { regex: 'a' }, cookie: { regex: 'b' } });
  });
  it('with a group that does not exist takes nothing', () => {
    const { made, problems } = convert([
      split('v1alpha4', '{service: web, matches: [{kind: HTTPRouteGroup, name: no}], backends: [{service: b, weight: 1}]}'),
    ]);
    expect(made).toEqual([]);
    expect(problems).toEqual(['TrafficSplit shop/canary: spec.matches[0].name: HTTPRouteGroup "no" does not exist']);
  });
  it('with matches stands before one without, in one route', () => {
    const { routes, made } = convert([
      split('v1alpha4', CANARY, 'canary', '2026-01-01T00:00:00Z'),
      split(
        'v1alpha4',
        '{service: web, matches: [{kind: HTTPRouteGroup, name: routes}], backends: [{service: b, weight: 1}]}',
        'ab',
        '2026-01-02T00:00:00Z',
      ),
      group('[{name: m, headers: {x: y}}]'),
    ]);
    expect(made).toHaveLength(1);
    expect(destinations(routes[0], 0)).toEqual([['b', undefined]]);
    expect(destinations(routes[0], 1)).toHaveLength(2);
  });
  it('that is older wins', () => {
    const { routes, problems } = convert([
      split('v1alpha4', '{service: web, backends: [{service: late, weight: 1}]}', 'a', '2026-01-02T00:00:00Z'),
      split('v1alpha4', '{service: web, backends: [{service: early, weight: 1}]}', 'b', '2026-01-01T00:00:00Z'),
    ]);
    expect(destinations(routes[0])).toEqual([['early', undefined]]);
    expect(problems).toEqual([
      'TrafficSplit shop/a: spec.service: web.shop.svc.cluster.local is split by the older TrafficSplit "b" already',
    ]);
  });
  it('gives way to a VirtualService of the same service', () => {
    const { made, problems } = convert([split('v1alpha4', CANARY)], [virtualService(['web'])]);
    expect(made).toEqual([]);
    expect(problems[0]).toContain('VirtualService "shop/mine" routes web.shop.svc.cluster.local already');
  });
  it('does not mind a VirtualService of a gateway, or of another service', () => {
    expect(convert([split('v1alpha4', CANARY)], [virtualService(['web'], ['public']), virtualService(['other'])]).made).toHaveLength(1);
  });
  it('without service is reported', () => {
    expect(convert([split('v1alpha4', '{backends: []}')]).problems).toEqual([
      'TrafficSplit shop/canary: spec.service: required field is missing',
    ]);
  });
});

describe('TrafficTarget', () => {
  it('allows sources what its routes say', () => {
    const { made, policies, problems } = convert([
      target(`{${WHO}, ${ROUTES}}`),
      group('[{name: metrics, pathRegex: /metrics, methods: [GET]}]'),
    ]);
    expect(problems).toEqual([]);
    expect(made[0]?.metadata.annotations['xebec.dev/service-account']).toBe('api');
    expect(policies[0]).toEqual({ action: 'ALLOW', rules: [{ from, to: [{ operation: { paths: ['/metrics'], methods: ['GET'] } }] }] });
  });
  it('v1alpha1 has its fields at the top', () => {
    const old = smi(
      `{apiVersion: access.smi-spec.io/v1alpha1, kind: TrafficTarget, metadata: {name: open}, ${WHO}, specs: [{kind: HTTPRouteGroup, name: routes}]}`,
    );
    expect(rulesOf([old, group('[{name: a, pathRegex: /a, methods: ["*"]}]', 'v1alpha1')]).rules).toEqual([
      { from, to: [{ operation: { paths: ['/a'] } }] },
    ]);
  });
  it('chooses matches by name', () => {
    const { rules } = rulesOf([
      target(`{${WHO}, rules: [{kind: HTTPRouteGroup, name: routes, matches: [b]}]}`),
      group('[{name: a, pathRegex: /a, methods: ["*"]}, {name: b, pathRegex: /b, methods: ["*"]}]'),
    ]);
    expect(rules).toEqual([{ from, to: [{ operation: { paths: ['/b'] } }] }]);
  });
  it('reports a match that does not exist, and allows nothing for it', () => {
    const { rules, problems } = rulesOf([
      target(`{${WHO}, rules: [{kind: HTTPRouteGroup, name: routes, matches: [x]}]}`),
      group('[{name: a, pathRegex: /a}]'),
    ]);
    expect(rules).toEqual([]);
    expect(problems[0]).toContain('has no match "x"');
  });
  it('narrows to the port of the destination', () => {
    const { rules } = rulesOf([
      target(`{${WHO.replace('name: api', 'name: api, port: 8080')}, ${ROUTES}}`),
      group('[{name: a, pathRegex: ".*"}]'),
    ]);
    expect(rules).toEqual([{ from, to: [{ operation: { paths: ['*'], ports: ['8080'] } }] }]);
  });
  it('takes headers as conditions', () => {
    const { rules } = rulesOf([target(`{${WHO}, ${ROUTES}}`), group('[{name: a, headers: {User-Agent: "curl.*"}}]')]);
    expect(rules).toEqual([
      { from, to: [{ operation: { paths: ['*'] } }], when: [{ key: 'request.headers[user-agent]', values: ['curl*'] }] },
    ]);
  });
  it.each([
    ['{matches: {ports: [3306, 6446]}}', [{ operation: { ports: ['3306', '6446'] } }]],
    ['{matches: {ports: []}}', undefined],
    ['{}', undefined],
  ])('allows the ports of TCPRoute %s', (spec, to) => {
    const route = smi(`{apiVersion: specs.smi-spec.io/v1alpha4, kind: TCPRoute, metadata: {name: tcp}, spec: ${spec}}`);
    const { rules } = rulesOf([target(`{${WHO}, rules: [{kind: TCPRoute, name: tcp}]}`), route]);
    expect(rules).toEqual([to === undefined ? { from } : { from, to }]);
  });
  it('does not open a port that the TCPRoute is not for', () => {
    const route = smi('{apiVersion: specs.smi-spec.io/v1alpha4, kind: TCPRoute, metadata: {name: tcp}, spec: {matches: {ports: [1]}}}');
    const { rules, problems } = rulesOf([
      target(`{${WHO.replace('name: api', 'name: api, port: 8080')}, rules: [{kind: TCPRoute, name: tcp}]}`),
      route,
    ]);
    expect(rules).toEqual([]);
    expect(problems[0]).toContain('not for port 8080');
  });
  it.each([
    ['rules: [{kind: UDPRoute, name: x}]', '"UDPRoute" is not supported'],
    ['rules: [{kind: HTTPRouteGroup, name: x}]', 'does not exist: it allows nothing'],
    ['rules: []', 'without rules nothing is allowed'],
  ])('with %s denies everything and says so', (text, message) => {
    const { rules, problems } = rulesOf([target(`{${WHO}, ${text}}`)]);
    expect(rules).toEqual([]);
    expect(problems[0]).toContain(message);
  });
  it('without sources denies everything', () => {
    const { rules } = rulesOf([
      target(`{destination: {kind: ServiceAccount, name: api}, sources: [], ${ROUTES}}`),
      group('[{name: a, pathRegex: /a}]'),
    ]);
    expect(rules).toEqual([]);
  });
  it('never opens what an expression that is no policy would', () => {
    const { rules, problems } = rulesOf([
      target(`{${WHO}, ${ROUTES}}`),
      group('[{name: a, pathRegex: "/v[12]/x"}, {name: b, pathRegex: /b}]'),
    ]);
    expect(rules).toEqual([{ from, to: [{ operation: { paths: ['/b'] } }] }]);
    expect(problems[0]).toContain('HTTPRouteGroup shop/routes: spec.matches[0].pathRegex: "/v[12]/x" cannot be a policy');
  });
  it.each([
    ['{destination: {kind: Pod, name: api}}', 'must name a ServiceAccount'],
    ['{destination: {kind: ServiceAccount, name: api, namespace: other}}', 'is not the namespace of the TrafficTarget'],
  ])('is refused with %s', (spec, message) => {
    const { made, problems } = convert([target(spec)]);
    expect(made).toEqual([]);
    expect(problems[0]).toContain(message);
  });
});
