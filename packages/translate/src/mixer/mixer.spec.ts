import type { JsonObject } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { render } from '../testing/scenario.ts';

const mixer = {
  host: 'istio-mixer.istio-system.svc.cluster.local',
  address: '10.96.0.2',
  ports: [{ name: 'grpc', number: 9091 }],
  selector: { istio: 'mixer' },
};
const shop = {
  host: 'shop.default.svc.cluster.local',
  address: '10.96.0.1',
  ports: [
    { name: 'http', number: 80, targetPort: 8080 },
    { name: 'tcp-db', number: 3306, targetPort: 3306 },
  ],
  selector: { app: 'shop' },
};
const server = 'istio-mixer.istio-system.svc.cluster.local:9091';
const object = (kind: string, name: string, spec: JsonObject, namespace = 'default') => ({
  apiVersion: 'config.istio.io/v1alpha2',
  kind,
  metadata: { name, namespace },
  spec,
});

function listeners(mesh: JsonObject, more: { annotations?: JsonObject; objects?: JsonObject[]; extensions?: string[] } = {}): string {
  return JSON.stringify(rendered(mesh, more).listeners);
}

function rendered(mesh: JsonObject, more: { annotations?: JsonObject; objects?: JsonObject[]; extensions?: string[] } = {}) {
  const { extensions = ['xebec.filters.http.mixer', 'xebec.filters.network.mixer'] } = more;
  return render({
    node: {
      id: 'sidecar~10.0.0.1~shop.default~default.svc.cluster.local',
      extensions: extensions.map((name) => ({ name })),
      metadata: { LABELS: { app: 'shop' }, ANNOTATIONS: more.annotations ?? {} },
    },
    services: [shop, mixer],
    mesh: { mixerCheckServer: server, mixerReportServer: server, ...mesh },
    objects: more.objects ?? [],
  });
}

describe("Mixer's client by the mesh's configuration", () => {
  const cluster = `"outbound|9091||${mixer.host}"`;
  const count = (text: string, part: string) => text.split(part).length - 1;

  it('goes to proxies that have it, checks what comes in and reports both ways', () => {
    const text = listeners({});
    expect(count(text, '"name":"xebec.filters.http.mixer"')).toBeGreaterThan(1);
    expect(text).toContain('"name":"xebec.filters.network.mixer"');
    expect(count(text, `"checkCluster":${cluster}`)).toBeGreaterThan(0);
    expect(count(text, `"reportCluster":${cluster}`)).toBeGreaterThan(count(text, `"checkCluster":${cluster}`));
  });
  it('says on outbound connections who calls, in what proxies tell each other', () => {
    expect(listeners({})).toContain('"forwardAttributes":{"attributes":{"source.uid":{"stringValue":"kubernetes://shop.default"}');
  });
  it.each<[string, JsonObject, JsonObject, boolean, string]>([
    ['nothing said', {}, {}, true, 'FAIL_CLOSE'],
    ['disablePolicyChecks', { disablePolicyChecks: true }, {}, false, 'FAIL_CLOSE'],
    ['an annotation that enables', { disablePolicyChecks: true }, { 'policy.istio.io/check': 'enable' }, true, 'FAIL_CLOSE'],
    ['an annotation that disables', {}, { 'policy.istio.io/check': 'disable' }, false, 'FAIL_CLOSE'],
    ['allow-on-error', {}, { 'policy.istio.io/check': 'allow-on-error' }, true, 'FAIL_OPEN'],
    ['policyCheckFailOpen', { policyCheckFailOpen: true }, {}, true, 'FAIL_OPEN'],
  ])('%s', (_, mesh, annotations, checks, failPolicy) => {
    const text = listeners(mesh, { annotations });
    expect(text.includes('"checkCluster":"outbound')).toBe(checks);
    // Enumerators that are the default are left out of JSON.
    if (checks) expect(text.includes('"failPolicy":"FAIL_CLOSE"')).toBe(failPolicy === 'FAIL_CLOSE');
  });
  it('takes retries, waits and prefetching from annotations, and batches from the mesh', () => {
    const annotations = {
      'policy.istio.io/checkRetries': '3',
      'policy.istio.io/checkBaseRetryWaitTime': '20ms',
      'policy.istio.io/checkMaxRetryWaitTime': '2s',
      'policy.xebec.dev/quotaPrefetch': '10',
    };
    const text = listeners({ reportBatchMaxEntries: 50, reportBatchMaxTime: '2s' }, { annotations });
    for (const part of [
      '"maxRetry":3',
      '"baseRetryWait":"0.020s"',
      '"maxRetryWait":"2s"',
      '"quotaPrefetch":10',
      '"reportBatchMaxEntries":50',
      '"reportBatchMaxTime":"2s"',
    ])
      expect(text).toContain(part);
    expect(listeners({}, { annotations: { 'policy.istio.io/checkRetries': 'many' } })).not.toContain('maxRetry');
  });
  it('lets callers ask too, where the mesh says so, by the routes of the service they call', () => {
    const callers = rendered({ enableClientSidePolicyCheck: true });
    expect(count(JSON.stringify(callers.listeners), `"checkCluster":${cluster}`)).toBeGreaterThan(
      count(listeners({}), `"checkCluster":${cluster}`),
    );
    expect(JSON.stringify(callers.routes)).toContain('"destination.service.host":{"stringValue":"shop.default.svc.cluster.local"}');
    expect(JSON.stringify(rendered({}).routes)).not.toContain('destination.service.host');
  });
  it('reports connections also where HTTP reports are off', () => {
    const text = listeners({ disableMixerHttpReports: true, disablePolicyChecks: true });
    expect(text).not.toContain('"name":"xebec.filters.http.mixer"');
    expect(text).toContain('"name":"xebec.filters.network.mixer"');
  });
  it('has rules of quota and APIs of the services that bindings name', () => {
    const text = listeners(
      {},
      {
        objects: [
          object('QuotaSpec', 'q', {
            rules: [{ match: [{ clause: { 'request.path': { prefix: '/b' } } }], quotas: [{ quota: 'writes', charge: 3 }] }],
          }),
          object('QuotaSpec', 'other', { rules: [{ quotas: [{ quota: 'unbound', charge: 1 }] }] }),
          object('QuotaSpecBinding', 'b', { services: [{ name: 'shop' }], quotaSpecs: [{ name: 'q' }] }),
          object('QuotaSpecBinding', 'c', { services: [{ name: 'shop' }], quotaSpecs: [{ name: 'other', namespace: 'elsewhere' }] }),
          object('HTTPAPISpec', 'a', {
            attributes: { attributes: { 'api.service': { stringValue: 'shopping' } } },
            patterns: [{ httpMethod: 'GET', uriTemplate: '/x' }],
          }),
          object('HTTPAPISpecBinding', 'd', { services: [{ service: '*' }], apiSpecs: [{ name: 'a' }] }),
        ],
      },
    );
    expect(text).toContain('"quotas":[{"quota":"writes","charge":"3"}]');
    expect(text).toContain('shopping');
    expect(text).not.toContain('unbound');
  });
});

describe('an Envoy that lacks the client', () => {
  const [http, network] = ['envoy.filters.http.ext_authz', 'envoy.filters.network.ext_authz'];
  const loggers = ['envoy.access_loggers.http_grpc', 'envoy.access_loggers.tcp_grpc'];
  const listed = (...extensions: string[]) => ({ extensions: ['envoy.filters.http.router', ...extensions] });
  const named = (text: string) => [http, network, ...loggers].filter((name) => text.includes(`"name":"${name}"`));

  it('asks by external authorization and reports by access logs', () => {
    const text = listeners({}, { extensions: [] });
    expect(named(text)).toEqual([http, network, ...loggers]);
    expect(text).not.toContain('xebec.filters');
    expect(text).toContain('"contextExtensions":{"destination.service.host":"shop.default.svc.cluster.local"');
  });
  it.each<[string, JsonObject, string[]]>([
    ['no Mixer', { mixerCheckServer: '', mixerReportServer: '' }, []],
    ['only a Mixer to ask', { mixerReportServer: '' }, [http, network]],
    ['only a Mixer to tell', { mixerCheckServer: '' }, loggers],
    ['policy checks off', { disablePolicyChecks: true }, loggers],
    ['HTTP reports off', { disableMixerHttpReports: true }, [http, network, 'envoy.access_loggers.tcp_grpc']],
    ['a Mixer that nobody knows', { mixerCheckServer: 'nobody:1', mixerReportServer: 'nobody:1' }, []],
    ['a port that Mixer has not', { mixerCheckServer: `${mixer.host}:1`, mixerReportServer: `${mixer.host}:1` }, []],
  ])('with %s', (_, mesh, names) => {
    expect(named(listeners(mesh, { extensions: [] }))).toEqual(names);
  });
  it('says on which side the proxy stands', () => {
    const text = listeners({ enableClientSidePolicyCheck: true }, { extensions: [] });
    expect(text).toContain('\\"context.reporter.kind\\":\\"outbound\\"');
    expect(text).toContain('"logName":"mixer_outbound_http"');
    const routes = JSON.stringify(rendered({ enableClientSidePolicyCheck: true }, { extensions: [] }).routes);
    expect(routes).toContain('"contextExtensions":{"destination.service.host":"shop.default.svc.cluster.local"');
  });
  it('denies where checks fail closed and it cannot check, and goes on where they fail open', () => {
    const closed = rendered({}, listed());
    expect(named(JSON.stringify(closed))).toEqual([]);
    expect(JSON.stringify(closed)).toContain(`xebec-filter-missing[${http}]`);
    expect(JSON.stringify(closed)).toContain(`xebec-filter-missing[${network}]`);
    expect(JSON.stringify(closed)).not.toContain('ExtAuthz');
    expect(JSON.stringify(rendered({ policyCheckFailOpen: true }, listed()))).not.toMatch(/xebec-filter-missing|ExtAuthz/);
    expect(named(JSON.stringify(rendered({}, listed(http, network, ...loggers))))).toEqual([http, network, ...loggers]);
  });
  it('fails as the mesh or its annotation says', () => {
    const opens = (mesh: JsonObject, annotations: JsonObject) =>
      listeners(mesh, { extensions: [], annotations }).includes('"failureModeAllow":true');
    expect(opens({}, {})).toBe(false);
    expect(opens({ policyCheckFailOpen: true }, {})).toBe(true);
    expect(opens({}, { 'policy.istio.io/check': 'allow-on-error' })).toBe(true);
    expect(opens({ policyCheckFailOpen: true }, { 'policy.istio.io/check': 'enable' })).toBe(false);
  });
});
