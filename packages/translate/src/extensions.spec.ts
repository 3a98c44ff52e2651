import type { JsonObject } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { ALPN, METADATA_EXCHANGE, MIXER, STATS } from './extensions.ts';
import { render } from './testing/scenario.ts';

const node = (extensions: string[]) => ({
  id: 'sidecar~10.0.0.1~shop.default~default.svc.cluster.local',
  extensions: extensions.map((name) => ({ name })),
  metadata: { LABELS: { app: 'shop' } },
});
const services = [
  {
    host: 'shop.default.svc.cluster.local',
    address: '10.96.0.1',
    ports: [{ name: 'http', number: 80, targetPort: 8080 }],
    selector: { app: 'shop' },
  },
  {
    host: 'istio-mixer.istio-system.svc.cluster.local',
    address: '10.96.0.2',
    ports: [{ name: 'grpc', number: 9091 }],
    selector: { istio: 'mixer' },
  },
];
const mesh = { mixerReportServer: 'istio-mixer.istio-system.svc.cluster.local:9091' };
const sent = (extensions: string[]) => JSON.stringify(render({ node: node(extensions), services, mesh }));

describe('filters that a stock Envoy lacks', () => {
  it.each([METADATA_EXCHANGE, ALPN, STATS, MIXER])('%s goes only to a proxy that lists it', (name) => {
    expect(sent([])).not.toContain(`"${name}"`);
    expect(sent([name])).toContain(`"${name}"`);
  });
});

describe('an Envoy that lists what it has', () => {
  const listed = ['envoy.filters.http.router', 'envoy.filters.network.tcp_proxy', 'envoy.filters.http.fault'];
  const mongo = [
    {
      host: 'shop.default.svc.cluster.local',
      address: '10.96.0.1',
      ports: [{ name: 'mongo', number: 27017, targetPort: 27017 }],
      selector: { app: 'shop' },
    },
  ];
  const objects = [
    {
      apiVersion: 'security.istio.io/v1',
      kind: 'AuthorizationPolicy',
      metadata: { name: 'custom', namespace: 'default' },
      spec: { action: 'CUSTOM', provider: { name: 'asker' }, rules: [{}] },
    },
  ];
  const asker = { extensionProviders: [{ name: 'asker', envoyExtAuthzGrpc: { service: 'shop.default.svc.cluster.local', port: 27017 } }] };
  const envoy = (extensions: string[]) =>
    JSON.stringify(render({ node: node(extensions), services: mongo, mesh: asker, objects }).listeners);

  it('gets no other, for HTTP or for bytes, and denies where one would have guarded', () => {
    const text = envoy(listed);
    expect(text).toMatch(/"envoy\.filters\.http\.fault"/);
    expect(text).not.toMatch(/"envoy\.filters\.(http\.cors|network\.mongo_proxy|network\.ext_authz|http\.ext_authz)"/);
    expect(text).toContain('xebec-filter-missing[envoy.filters.network.ext_authz]');
    expect(text).toContain('xebec-filter-missing[envoy.filters.http.ext_authz]');
  });
  it('runs scripts and modules of users where it has what runs them', () => {
    const own = (name: string, spec: JsonObject) => ({
      apiVersion: 'extensions.istio.io/v1alpha1',
      kind: 'TrafficExtension',
      metadata: { name, namespace: 'default' },
      spec,
    });
    const extensions = [own('script', { lua: { inlineCode: '-- nothing' } }), own('module', { wasm: { url: 'file:///module.wasm' } })];
    const names = (...more: string[]) => {
      const text = JSON.stringify(render({ node: node([...listed, ...more]), services, objects: extensions }).listeners);
      return ['script', 'module'].filter((name) => text.includes(`trafficextension/default.${name}"`));
    };
    expect(names()).toEqual([]);
    expect(names('envoy.filters.http.lua')).toEqual(['script']);
    expect(names('envoy.filters.http.wasm')).toEqual(['module']);
    expect(names('envoy.filters.http.lua', 'envoy.filters.http.wasm')).toEqual(['script', 'module']);
  });
  it('is taken to have everything of Envoy where its list names no router', () => {
    expect(envoy(['istio.alpn'])).toMatch(/"envoy\.filters\.network\.mongo_proxy"/);
    expect(envoy(['istio.alpn'])).not.toContain('xebec-filter-missing');
  });
});

describe('a proxy of ours that lacks a filter', () => {
  const jwks = '{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}';
  const objects = [
    {
      apiVersion: 'security.istio.io/v1',
      kind: 'RequestAuthentication',
      metadata: { name: 'jwt', namespace: 'default' },
      spec: { jwtRules: [{ issuer: 'A', jwks }] },
    },
  ];
  const ours = (extensions: string[]) =>
    JSON.stringify(render({ node: { ...node(extensions), userAgentName: 'xebec' }, services, mesh, objects }).listeners);
  const missing = 'xebec-filter-missing[envoy.filters.http.jwt_authn]';

  it('never gets it, and denies every request where it would have guarded', () => {
    const text = ours([]);
    expect(text).toContain(missing);
    expect(text).not.toMatch(/"envoy\.filters\.http\.(jwt_authn|cors|fault|grpc_stats)"/);
  });
  it('gets it when it lists it', () => {
    const text = ours(['envoy.filters.http.jwt_authn', 'envoy.filters.http.cors']);
    expect(text).toMatch(/"envoy\.filters\.http\.jwt_authn"/);
    expect(text).toMatch(/"envoy\.filters\.http\.cors"/);
    expect(text).not.toContain(missing);
  });
});
